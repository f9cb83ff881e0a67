"""Cases for a saved model: from a file, read as the model's train was, or from a set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt_cli.own_data import Parting, Reading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.data import Cases
    from tsprompt_datasets import ReadOptions, SplitOptions

__all__ = ["NewCases", "Remembered", "Scored", "aligned", "as_known", "new_cases", "scored_cases"]


@dataclass(frozen=True)
class NewCases:
    """Cases, and their labels where these are known."""

    name: str
    cases: Cases
    labels: npt.NDArray[Any] | None
    understood: tuple[str, ...] = ()
    seen: bool = False
    """Whether the model was fitted or tested on this very file, or on a part of it."""
    fitted: bool = False
    """Whether some of the cases were train."""
    hashes: dict[str, str] = dataclasses.field(default_factory=dict)
    """SHA-256 of the files that were read."""


@dataclass(frozen=True)
class Remembered:
    """What a saved model tells of the file that it was fitted on. The model's file may be anyone's:
    what is not of the right kind is as good as not there."""

    details: dict[str, Any]

    @property
    def columns(self) -> dict[str, Any]:
        """How its columns were read."""
        found = self.details.get("columns")
        if not isinstance(found, dict):
            return {}
        kept: dict[str, Any] = {
            key: found[key]
            for key in ("layout", "id", "time", "label")
            if isinstance(found.get(key), str)
        }
        for key in ("header", "chosen"):
            if isinstance(found.get(key), bool):
                kept[key] = found[key]
        values = found.get("values")
        if isinstance(values, list) and all(isinstance(one, str) for one in values):
            kept["values"] = values
        return kept

    @property
    def resample(self) -> str | None:
        """To which even times it was brought."""
        found = self.details.get("reading")
        said = found.get("resample") if isinstance(found, dict) else None
        return said if isinstance(said, str) else None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of its features, in the order that the model knows."""
        found = self.details.get("features")
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return tuple(found)
        return ()

    def knows(self, hashes: dict[str, str]) -> bool:
        """Whether one of these files was part of it."""
        found = self.details.get("data_sha256")
        held = set(found.values()) if isinstance(found, dict) else set()
        return bool(self.parts(hashes)) or any(one in held for one in hashes.values())

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Names and hashes of the files of train and of test, where these come from files of their
        own; empty where test was drawn."""
        found = self.details.get("files")
        held = found if isinstance(found, dict) else {}
        parts = {part: held.get(part) for part in ("train", "test")}
        return {part: own for part, own in parts.items() if isinstance(own, dict) and own}

    @property
    def train_files(self) -> dict[str, str]:
        """Names and hashes of the files that hold train."""
        held = self.files.get("train") or self.details.get("data_sha256")
        found = held if isinstance(held, dict) else {}
        return {name: one for name, one in found.items() if isinstance(one, str)}

    def parts(self, hashes: dict[str, str]) -> set[str]:
        """What of train and test these files were, where both come from files of their own."""
        own = set(hashes.values())
        return {part for part, held in self.files.items() if own & set(held.values())}

    @property
    def parting(self) -> SplitOptions | None:
        """How it was parted into train and test."""
        from tsprompt.errors import ConfigError
        from tsprompt_datasets import SplitOptions

        found = self.details.get("parting")
        kinds = {"test": str, "test_size": float, "cv": int, "seed": int}
        if not isinstance(found, dict):
            return None
        kept = {key: found[key] for key, kind in kinds.items() if isinstance(found.get(key), kind)}
        try:
            return SplitOptions(**kept)
        except ConfigError:
            return None

    def has_both(self, source: str, hashes: dict[str, str]) -> bool:
        """Whether reading this path again gives train and test as they were parted: test was drawn
        from it, it holds both, or test lies beside it under its name."""
        if parts := self.parts(hashes):
            from tsprompt_datasets import test_beside

            beside = test_beside(source) if parts == {"train"} else None
            return len(parts) == 2 or beside in self.files.get("test", {}).values()
        then = self.parting
        return then is not None and then.test is None and then.cv is None

    def reading(self, now: Reading) -> ReadOptions:
        """What was said when the model was fitted, and what is said now, which goes first."""
        from tsprompt.errors import ConfigError
        from tsprompt_datasets import ReadOptions

        said = now.options().as_dict()
        found = self.details.get("reading")
        try:
            return ReadOptions(**{**(found if isinstance(found, dict) else {}), **said})
        except (ConfigError, TypeError, ValueError):
            return now.options()

    def options(self, reading: Reading) -> ReadOptions:
        """What the user says now, and of what is not said the resampling."""
        options = reading.options()
        if options.resample is None and self.resample is not None:
            return dataclasses.replace(options, resample=self.resample)
        return options


def new_cases(
    source: str,
    reading: Reading,
    data_dir: Path | None,
    details: dict[str, Any],
    classes: npt.NDArray[Any],
) -> NewCases:
    """All cases of a path, or those of a set's test part.

    Raises
    ------
    DatasetError
        There is no such file or set, it is damaged, or its columns are not those of the model's.
    """
    from tsprompt_datasets import is_path, load_dataset, read_cases

    remembered = Remembered(details)
    if not is_path(source):
        reading.refuse(source)
        dataset = load_dataset(source, data_dir=data_dir)
        return NewCases(dataset.name, dataset.test.cases, dataset.test.labels)
    like = {**remembered.columns, "classes": [str(one) for one in classes.tolist()]}
    content = read_cases(source, remembered.options(reading), like)
    cases = aligned(content.cases, remembered.features, source)
    seen = remembered.knows(content.sha256)
    fitted = seen and remembered.parts(content.sha256) != {"test"}
    return NewCases(
        Path(source).name, cases, content.labels, content.understood, seen, fitted, content.sha256
    )


@dataclass(frozen=True)
class Scored:
    """What a model is scored on."""

    name: str
    cases: Cases
    labels: npt.NDArray[Any]
    part: str
    """`train` or `test`."""
    said: str
    """Which cases these are, in words."""


_FITTED = "all cases, on which it was fitted"


def scored_cases(
    source: str,
    parting: Parting,
    data_dir: Path | None,
    details: dict[str, Any],
    classes: npt.NDArray[Any],
    *,
    part: str | None,
) -> Scored:
    """What a model is to be scored on.

    A file that the model was fitted on is parted as it was then; of one that it has not seen, all
    cases are test, unless it is said how it is to be parted. `part` is test where it is None,
    unless all cases of the file were train.

    Raises
    ------
    TspromptError
        The cases have no labels, can't be had, or none of them were of this part.
    """
    from tsprompt_datasets import SplitOptions, is_path, read_own

    remembered = Remembered(details)
    wanted = part or "test"
    if is_path(source) and not parting.parts:
        found = new_cases(source, parting, data_dir, details, classes)
        then = remembered.parting
        if not found.seen and wanted == "test":
            return Scored(found.name, found.cases, _labelled(found), "test", "all cases")
        if found.seen and remembered.has_both(source, found.hashes):
            own = read_own(source, remembered.reading(parting), then or SplitOptions())
            split = getattr(own.dataset, wanted)
            cases = aligned(split.cases, remembered.features, source)
            said = f"{wanted}, as it was parted then"
            return Scored(found.name, cases, split.labels, wanted, said)
        if found.seen:
            return _of_one_part(found, remembered, part)
    loaded = parting.load(source, data_dir, options=remembered.reading(parting))
    split = getattr(loaded.dataset, wanted)
    cases = aligned(split.cases, remembered.features, source)
    return Scored(loaded.dataset.name, cases, split.labels, wanted, wanted)


def _of_one_part(found: NewCases, remembered: Remembered, part: str | None) -> Scored:
    """All cases of a file that was nothing but train, or nothing but test."""
    from tsprompt.errors import ConfigError, Setting

    was = "test" if remembered.parts(found.hashes) == {"test"} else "train"
    if part not in (None, was):
        raise ConfigError(
            Setting("part"),
            f" is {part}, but all cases of {found.name} were {was} when the model was fitted; "
            f"leave it out, or give the file of {part}",
        )
    said = _FITTED if was == "train" else "test, all cases of its file"
    return Scored(found.name, found.cases, _labelled(found), was, said)


def _labelled(found: NewCases) -> npt.NDArray[Any]:
    from tsprompt.errors import DatasetError, Setting

    if found.labels is None:
        raise DatasetError(
            f"{found.name}: has no labels to compare with; give the column that holds them with ",
            Setting("label"),
            ", or use `tsprompt predict`",
        )
    return found.labels


def aligned(cases: Cases, features: tuple[str, ...], name: str) -> Cases:
    """The same cases with their features in the order of the model.

    Raises
    ------
    DatasetError
        A feature is absent, or there is one that the model does not know.
    """
    from tsprompt.data import Cases as Made
    from tsprompt.errors import DatasetError

    held = cases.features
    if not features or held is None or held == features or len(features) == len(held) == 1:
        return cases
    if set(held) != set(features):
        raise DatasetError(
            f"{name}: has the features {', '.join(held)}, but the model was fitted on "
            f"{', '.join(features)}; give these"
        )
    order = [held.index(one) for one in features]
    return Made([one[:, order] for one in cases], ids=cases.ids, features=features)


def as_known(labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    """Labels as text, spelt as the model spells them: to a model of numbers, `1.0` is 1."""
    import numpy as np

    numbers = classes.dtype.kind in "iuf"
    known: dict[float | None, str] = {}
    if numbers:
        known = {float(one): str(one) for one in classes.tolist()}
    return np.array([known.get(_number(one), str(one)) for one in labels.tolist()])


def _number(label: Any) -> float | None:
    try:
        return float(label)
    except (TypeError, ValueError):
        return None
