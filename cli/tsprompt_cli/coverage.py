"""`predict --coverage`: for each case the classes that may be the true one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.new_cases import NewCases, as_known, new_cases
from tsprompt_cli.output import say
from tsprompt_cli.own_data import Reading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.model.calibration import Calibration
    from tsprompt.model.fitted import Fitted

__all__ = ["By", "Coverage", "Promise"]

_PANEL = "Sets of classes with a promise"


class By(StrEnum):
    """Over which cases the promise holds."""

    ALL = "all"
    CLASS = "class"


@dataclass(frozen=True)
class Coverage:
    """What the sets are to promise."""

    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Give for each case the set of classes that holds the true one in this share of "
            "cases, such as 0.9. An empty set, or one of nearly all classes, is marked: the case "
            "is unlike train.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    coverage_by: Annotated[
        By,
        typer.Option(
            help="Whether the share is one of all cases, or of the cases of each class.",
            rich_help_panel=_PANEL,
        ),
    ] = By.ALL
    calibrate_on: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Labelled cases that the model was not fitted on, to make the sets by; by default "
            "what it said of train's cases when they were left out.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None

    def check(self) -> None:
        """See that the choices go together, before anything is read.

        Raises
        ------
        ConfigError
            They don't.
        """
        from tsprompt.errors import ConfigError, Setting
        from tsprompt.model.calibration import check_coverage

        if self.coverage is not None:
            check_coverage(self.coverage, self.coverage_by.value)
        elif self.calibrate_on is not None or self.coverage_by is not By.ALL:
            setting = Setting("coverage_by" if self.calibrate_on is None else "calibrate_on")
            raise ConfigError(setting, " is of use with ", Setting("coverage", 0.9), " alone")

    def promise(
        self, fitted: Fitted, reading: Reading, data_dir: Path | None, details: dict[str, Any]
    ) -> Promise | None:
        """What makes the sets, calibrated; None: none are asked for.

        Raises
        ------
        TspromptError
            There is nothing to calibrate by, or too little.
        """
        from tsprompt_cli.display.progress_bars import working

        if self.coverage is None:
            return None
        if self.calibrate_on is not None:
            cases = new_cases(self.calibrate_on, reading, data_dir, details, fitted.classes)
            labels = _labels(cases, fitted.classes)
            with working("calibrating") as work:
                work.start("calibrating")
                fitted.calibrate_on(cases.cases, labels)
        by = self.coverage_by.value
        return Promise(fitted.calibrated(self.coverage, by), fitted.classes, self.coverage, by)


def _labels(cases: NewCases, classes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The labels, spelt as the model spells them."""
    from tsprompt.errors import ConfigError, InputError, Setting

    if cases.labels is None:
        raise InputError(
            f"{cases.name}: has no labels, and sets can't be calibrated without; give the column "
            "that holds them with ",
            Setting("label"),
        )
    if cases.fitted:
        raise ConfigError(
            Setting("calibrate_on"),
            f": the model was fitted on cases of {cases.name}; give cases that it has not seen, or "
            "leave it out",
        )
    return as_known(cases.labels, classes)


@dataclass(frozen=True)
class Promise:
    """Sets of this coverage, of these classes (C,)."""

    calibration: Calibration
    classes: npt.NDArray[Any]
    coverage: float
    by: str

    def sets(self, chances: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """(B, C) of cases with these probabilities (B, C)."""
        return self.calibration.sets(chances, self.coverage, by=self.by)

    def beside(
        self, columns: dict[str, Any], sets: npt.NDArray[np.bool_], *, joined: bool
    ) -> dict[str, Any]:
        """The columns with the set, its size, and whether the case is unlike train before the
        probabilities; sets `joined` by `|`, where a cell can't hold several names."""
        from tsprompt.model.calibration import unlike_train

        names = [str(one) for one in self.classes.tolist()]
        held = [[name for name, inside in zip(names, row, strict=True) if inside] for row in sets]
        own = {
            "set": [_joined(one) for one in held] if joined else held,
            "set size": sets.sum(axis=1),
            "unlike train": unlike_train(sets),
        }
        before = len(columns) - len(names)
        items = [*columns.items()]
        return dict([*items[:before], *own.items(), *items[before:]])

    def figures(self, sets: npt.NDArray[np.bool_], cases: NewCases) -> dict[str, Any]:
        """The coverage that was asked for and, where the cases have labels, the one there is."""
        import numpy as np

        from tsprompt.model.calibration import Kept

        asked = {"coverage asked": self.coverage, "coverage by": self.by}
        sizes = {"set size, mean": float(sets.sum(axis=1).mean())}
        if cases.labels is None:
            return {**asked, **sizes}
        number = {str(one): i for i, one in enumerate(self.classes.tolist())}
        known = as_known(cases.labels, self.classes).tolist()
        kept = Kept.of(sets, np.array([number.get(one, -1) for one in known], dtype=np.intp))
        return {**asked, "coverage": kept.coverage, **sizes}

    def tell(self, figures: dict[str, Any]) -> None:
        """Say them."""
        said = f"{figures['set size, mean']:.2f} classes on average, for a coverage of "
        said += f"{self.coverage:g}{' of each class' if self.by == 'class' else ''}"
        say("Sets", said, "green")
        if "coverage" in figures:
            say("Coverage", f"{figures['coverage']:.4f} of the cases with labels", "green")


def _joined(names: list[str]) -> str:
    r"""Of the names `a` and `b|c`: `a|b\|c`."""
    return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in names)
