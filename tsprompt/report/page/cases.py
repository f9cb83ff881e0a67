"""Single cases of a set: who was taken for whom, and those that half of the methods got wrong."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from tsprompt.benchmark.record import Record
from tsprompt.benchmark.tsml import read_predictions
from tsprompt.data import Dataset
from tsprompt.errors import ModelFileError, TspromptError, counted
from tsprompt.page.confusion import ConfusionTable, confusion_table
from tsprompt.page.series import DRAWN, series_svg

__all__ = ["CaseStudy", "Confusion", "HardCase", "study_cases"]

HARDEST = 4
"""Cases that are drawn of each set."""

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Confusion:
    """How often cases of one class were taken for another."""

    method: str
    seed: int
    table: ConfusionTable


@dataclass(frozen=True)
class HardCase:
    """A case that methods got wrong."""

    number: int
    """Its place in test, from 0."""
    truth: str
    wrong: int
    """How many methods got it wrong, of `methods`."""
    methods: int
    taken_for: str
    """What they took it for, the most frequent answer first."""
    figure: Markup | None = None


@dataclass(frozen=True)
class CaseStudy:
    """All of that for one set, on the archive's own split."""

    confusion: Confusion | None = None
    hardest: list[HardCase] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What there is not, and why."""


def study_cases(
    name: str,
    records: list[Record],
    *,
    identity: str,
    folder: Path,
    reference: str | None,
    load: Callable[[str], Dataset],
) -> CaseStudy:
    """Look at the predictions on one set.

    Parameters
    ----------
    records
        All of this set.
    identity
        What the ids of its figures begin with.
    folder
        What the paths in records are relative to.
    reference
        The method whose confusions are shown, if it has predictions; else the first that has.
    load
        Gives a set by its name, or raises `TspromptError`.
    """
    notes: list[str] = []
    runs = _read(records, folder, notes)
    if not runs:
        return CaseStudy(notes=[*notes, "No predictions on the archive's own split."])
    shown = next((one for one in runs if one[0].method == reference), runs[0])
    hardest = _hardest({record.method: (truth, said) for record, truth, said, _ in runs})
    if not hardest:
        notes.append("No case was got wrong by half of the methods or more.")
    if hardest:
        try:
            hardest = _draw(load(name), identity, hardest, shown[1], notes)
        except TspromptError as error:
            notes.append(f"The cases are not drawn: {error}.")
    return CaseStudy(_confusion(*shown), hardest, notes)


Run = tuple[Record, Labels, Labels, list[str]]


def _read(records: list[Record], folder: Path, notes: list[str]) -> list[Run]:
    """The predictions of each method on the archive's split, with its lowest seed."""
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda one: one.seed):
        if record.ok and record.resample == 0 and record.predictions is not None:
            first.setdefault(record.method, record)
    runs: list[Run] = []
    for record in records:
        if first.get(record.method) is not record:
            continue
        path = folder / str(record.predictions)
        try:
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ModelFileError(f"{record.predictions} lies outside the folder of results")
            truth, said, _, classes = read_predictions(path)
        except ModelFileError as error:
            told = str(error).replace(str(path), str(record.predictions))
            notes.append(f"Predictions of {record.method} are not used: {told}.")
            continue
        if runs and not np.array_equal(truth, runs[0][1]):
            notes.append(
                f"Predictions of {record.method} are not used: its true labels are not those of "
                f"{runs[0][0].method}."
            )
            continue
        runs.append((record, truth, said, classes))
    return runs


def _confusion(record: Record, truth: Labels, said: Labels, classes: list[str]) -> Confusion:
    from tsprompt.benchmark.scores import confusion

    table = confusion_table(classes, confusion(truth, said, classes))
    return Confusion(record.method, record.seed, table)


def _hardest(runs: Mapping[str, tuple[Labels, Labels]]) -> list[HardCase]:
    truth = next(iter(runs.values()))[0]
    said = np.stack([one for _, one in runs.values()])
    wrong = (said != truth).sum(axis=0)
    order = np.argsort(-wrong, kind="stable")[:HARDEST]
    cases = []
    for number in order[2 * wrong[order] >= len(said)].tolist():
        answers = Counter(label for label in said[:, number].tolist() if label != truth[number])
        taken = ", ".join(f"{label} ({count})" for label, count in answers.most_common(3))
        cases.append(HardCase(number, str(truth[number]), int(wrong[number]), len(said), taken))
    return cases


def _draw(
    dataset: Dataset, identity: str, cases: list[HardCase], truth: Labels, notes: list[str]
) -> list[HardCase]:
    if not np.array_equal(dataset.test.labels, truth):
        notes.append("The cases are not drawn: the set on this machine has other labels of test.")
        return cases
    features = dataset.test.cases.n_features
    if features > DRAWN:
        notes.append(f"Of {features} features the first {DRAWN} are drawn.")
    return [
        dataclasses.replace(case, figure=_figure(dataset, case, f"{identity}-case{case.number}"))
        for case in cases
    ]


def _figure(dataset: Dataset, case: HardCase, name: str) -> Markup:
    series = dataset.test.cases[case.number]
    title = f"Case {case.number} of test: {counted(len(series), 'timestep')}, class {case.truth}"
    mean = _class_mean(dataset, case.truth)
    return series_svg(series, name, title, beside=[] if mean is None else [mean])


def _class_mean(dataset: Dataset, label: str) -> npt.NDArray[np.float32] | None:
    """The mean of train's cases of a class, where they have one feature, one length and no gaps."""
    cases = dataset.train.cases.take(np.flatnonzero(dataset.train.labels == label))
    if not len(cases) or not cases.equal_length or cases.n_features != 1 or cases.missing:
        return None
    mean: npt.NDArray[np.float32] = np.mean([one[:, 0] for one in cases], axis=0)
    return mean
