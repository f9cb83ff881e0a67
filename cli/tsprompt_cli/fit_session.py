"""One run of `tsprompt fit`: the model, its twins, and what is known of it in its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt_cli.option_groups import Machine
from tsprompt_cli.output import grid, say, show
from tsprompt_cli.own_data import Loaded

if TYPE_CHECKING:
    from tsprompt.benchmark import Method, Predictions, Record
    from tsprompt.benchmark.imbalance import Imbalance
    from tsprompt.benchmark.lighter import Lighter
    from tsprompt.classifier import PromptClassifier
    from tsprompt.data import Dataset
    from tsprompt.model.spread import Spread
    from tsprompt_cli.estimating import Row

__all__ = ["FitSession"]

_LONG = 120.0
"""Seconds of a fit beyond which its twin is fitted only if that is asked for."""


class FitSession:
    """One run of the command: the model first, then its twins."""

    def __init__(
        self,
        loaded: Loaded,
        method: Method,
        machine: Machine,
        seed: int,
        *,
        spoken: bool,
        shots: int | None,
        workers: Spread | None = None,
    ) -> None:
        """`workers` read train, if this process is not to."""
        self.workers = workers
        self.loaded, self.method, self.machine = loaded, method, machine
        self.whole, self.folds = loaded.dataset, loaded.folds()
        self.seed, self.spoken, self.shots = seed, spoken, shots
        self.data = self._drawn(seed)
        self._methods: dict[str, Method] = {}
        self._light: PromptClassifier | None = None
        """The twin without a language model, if it was among the twins."""
        self._said: dict[str, Predictions] = {}
        """What each method said of test, with the first seed."""

    def _drawn(self, seed: int) -> Dataset:
        """The set, its train cut down to the shots."""
        from tsprompt_datasets import few_shot

        return self.whole if self.shots is None else few_shot(self.whole, self.shots, seed)

    def repeat(self, records: list[Record], seeds: range) -> list[Record]:
        """The methods of these records with other seeds, that is, other draws of the shots."""
        return [
            self._measure(self._methods[record.method], seed)[1]
            for seed in seeds
            for record in records
        ]

    def show_data(self) -> None:
        """What was read, where a reader looks on."""
        from tsprompt_cli.display.summaries import data_lines, shot_lines
        from tsprompt_datasets import describe_dataset

        if self.spoken:
            about = data_lines(describe_dataset(self.whole))
            show(grid([*about, *self.loaded.understood(), *shot_lines(self.data)]))

    def estimates(self, seeds: int, *, ablations: bool, wanted: bool | None) -> list[Row]:
        """What `fit`, `twins`, `lighter` and `repeat` would take; nothing is fitted."""
        from tsprompt.benchmark import Cell, twins
        from tsprompt.benchmark.plan import without_language_model
        from tsprompt.model.design import Design
        from tsprompt_cli.estimating import Planned, estimated

        parts = Design.build(self.method.resolved())
        parts.choose_layers()
        machine, folds, whole = self.machine.library(), self.folds, self._all_cases()

        def rows(methods: list[Method], **how: Any) -> list[Row]:
            cells = [Cell(self.data.name, one, self.seed, shots=self.shots) for one in methods]
            planned = [Planned(cell, **how) for cell in cells]
            return list(estimated(planned, lambda _: self.data, machine))

        def alone(method: Method) -> list[Row]:
            called = f"{method.name}, all cases" if folds else f"{method.name}, to validate"
            return rows([method], data=whole, predicts=False, called=called)

        parted = folds[0] if folds else self.data
        methods = [self.method, *(twins(self.method, parts.backbone) if ablations else [])]
        found = rows(methods, runs=len(folds) or seeds, data=parted)
        if folds:
            found += alone(self.method)
        light = without_language_model(self.method, parts.backbone)
        again = light is not None and (folds or not ablations) and wanted is not False
        long = wanted is None and not ablations and (found[0].seconds or 0.0) > _LONG
        return found + (alone(light) if again and light and not long else [])

    def _all_cases(self) -> Dataset:
        """The set, with all cases as train where each part was test once."""
        if not self.folds:
            return self.data
        assert self.loaded.whole is not None
        return dataclasses.replace(self.data, train=self.loaded.whole)

    def fit(self, folder: Path) -> tuple[PromptClassifier, Record]:
        """Fit, score, save."""
        self.show_data()
        classifier, record = self._measure(self.method)
        if self.folds:
            classifier = self._fitted_alone(self.method)
        self._about = {**_details(self.data, record), **self.loaded.details()}
        self.save(classifier, folder)
        if self.spoken:
            show(grid(self._laid_out(classifier)))
        return classifier, record

    def save(self, classifier: PromptClassifier, folder: Path, **more: Any) -> None:
        """Write the model, with what is known of it."""
        classifier.save(folder, **self._about, **more)

    def lighter(self, classifier: PromptClassifier, wanted: bool | None) -> Lighter | None:
        """How the twin without a language model validates; None where there is nothing to say.

        It is fitted in train alone, unless it was among the twins. That takes about a quarter of
        the time of the fit: what is not asked for is left out where that is long, and said.
        """
        from tsprompt.benchmark.lighter import lighter
        from tsprompt.benchmark.plan import without_language_model
        from tsprompt.errors import TspromptError

        method = without_language_model(self.method, classifier.parts_.backbone)
        if wanted is False or method is None or classifier.fitted_.judged is None:
            return None
        twin = self._light
        if twin is None and wanted is None and classifier.costs_["fit_seconds"] > _LONG:
            seconds = f"{classifier.costs_['fit_seconds']:.0f} seconds"
            told = f"the fit took {seconds}, so its twin without a language model was not fitted"
            say("Note", f"{told}; --twin says whether it validates as well", "cyan")
            return None
        try:
            twin = twin or self._fitted_alone(method)
        except TspromptError as error:  # the model itself is fitted, and saved
            say("Note", f"the twin without a language model could not be fitted: {error}", "cyan")
            return None
        return lighter(classifier.fitted_, twin.fitted_)

    def twins(self, classifier: PromptClassifier) -> list[Record]:
        """The same with no language model and with random weights."""
        from tsprompt.benchmark import twins
        from tsprompt.benchmark.plan import without_language_model

        backbone, records = classifier.parts_.backbone, []
        light = without_language_model(self.method, backbone)
        for method in twins(self.method, backbone):
            twin, record = self._measure(method)
            records.append(record)
            if method == light:
                self._light = twin  # None where it was fitted on parts
        return records

    def _measure(self, method: Method, seed: int | None = None) -> tuple[Any, Record]:
        from tsprompt.benchmark import Cell, build, measure, measure_folds
        from tsprompt_cli.display.progress_bars import working

        self._methods[method.name] = method
        data = self.data if seed is None else self._drawn(seed)
        cell = Cell(data.name, method, self.seed if seed is None else seed, shots=self.shots)
        with working(f"{method.name}: loading") as work:

            def told(stage: str) -> None:
                work.start(f"{method.name}: {stage}")

            if self.folds:
                classifier = None
                record, said = measure_folds(cell, self.folds, self.machine.library(), told)
            else:
                classifier = build(cell, self.machine.library())
                record, said = measure(classifier, cell, data, told, self.workers)
        self._said.setdefault(method.name, said)
        return classifier, record

    @property
    def _rare(self) -> Imbalance | None:
        """Whether some classes are rare in what is learned from."""
        from tsprompt.benchmark.imbalance import imbalance_of

        return None if self.shots == 0 else imbalance_of(self.data.train.labels)

    def imbalance_shown(self, records: list[Record]) -> list[Any]:
        """A table of how the rarest class fares, where it is rare."""
        from tsprompt_cli.display.imbalance import imbalance_table

        own = [one for one in records if one.seed == self.seed]
        weighted = "class_weight" in self.method.settings
        if (rare := self._rare) is None:
            return []
        return ["", imbalance_table(rare, own, self._said, weighted=weighted)]

    def imbalance_told(self) -> dict[str, Any]:
        """The same for JSON."""
        from tsprompt_cli.display.imbalance import imbalance_lines

        return (
            {} if (rare := self._rare) is None else {"imbalance": imbalance_lines(rare, self._said)}
        )

    def _fitted_alone(self, method: Method) -> Any:
        """A model of which test is not asked: on all cases, where each part was test once."""
        from tsprompt.benchmark import Cell, build
        from tsprompt.benchmark.contender import contender_of
        from tsprompt_cli.display.progress_bars import working

        data = self._all_cases()
        with working(f"{method.name}: train") as work:
            work.start(f"{method.name}: fitting{' all cases' if self.folds else ''}")
            classifier: Any = build(
                Cell(data.name, method, self.seed, shots=self.shots), self.machine.library()
            )
            contender_of(classifier, self.workers).fit(data)
        return classifier

    def _laid_out(self, classifier: PromptClassifier) -> list[tuple[str, Any]]:
        from tsprompt.model.layout import layout
        from tsprompt_cli.display.summaries import layout_line, reading_line

        sizes = layout(classifier.fitted_)
        return [
            ("layout", layout_line(sizes, self.data.timesteps)),
            ("model", f"{classifier.parts_.backbone}, {reading_line(sizes)}"),
        ]


def _details(data: Dataset, record: Record) -> dict[str, Any]:
    """What the model's file says of the set that it was fitted on."""
    return {
        "dataset": data.name,
        "source": data.source,
        "data_sha256": dict(data.sha256),
        "n_train": len(data.train),
        "seed": record.seed,
        "shots": record.shots,
        "timesteps": data.timesteps,
        "test": {
            "cases": len(data.test),
            "accuracy": record.accuracy,
            "balanced_accuracy": record.balanced_accuracy,
            "macro_f1": record.macro_f1,
            "log_loss": record.log_loss,
        },
        "predict_seconds": record.predict_seconds,
        "notes": record.notes,
    }
