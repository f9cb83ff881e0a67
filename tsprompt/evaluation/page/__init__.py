"""An evaluation as one page that opens from disk: no network, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from tsprompt.data import Cases
from tsprompt.errors import counted
from tsprompt.evaluation.figures import Evaluation
from tsprompt.evaluation.mistakes import Mistake
from tsprompt.evaluation.page.diagram import reliability_diagram
from tsprompt.page import render
from tsprompt.page.confusion import confusion_table
from tsprompt.page.series import DRAWN, series_svg

__all__ = ["page"]

Labels = npt.NDArray[Any]


def page(
    evaluation: Evaluation,
    cases: Cases,
    truth: Labels,
    predicted: Labels,
    *,
    name: str,
    about: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> str:
    """An evaluation as HTML.

    Parameters
    ----------
    cases
        The B cases that were scored: the surest mistakes are drawn.
    truth, predicted
        (B,) true labels and the model's answers.
    name
        What was scored, for the heading.
    about
        Which model and which data, as pairs of name and value.
    warnings
        What a reader must know first.
    """
    return render(
        files(__name__),
        "page.html",
        name=name,
        about=about,
        warnings=warnings,
        evaluation=evaluation,
        scores=evaluation.scores,
        right=int(np.trace(evaluation.confusion)),
        confusion=confusion_table(evaluation.classes, evaluation.confusion),
        diagram=reliability_diagram(evaluation.calibration),
        mistakes=_drawn(evaluation.mistakes, cases, truth, predicted),
        wrong=evaluation.cases - int(np.trace(evaluation.confusion)),
        left_out=max(0, cases.n_features - DRAWN),
        drawn=DRAWN,
        compared=cases.n_features == 1 and cases.equal_length and not cases.missing,
    )


def _drawn(
    mistakes: Sequence[Mistake], cases: Cases, truth: Labels, predicted: Labels
) -> list[tuple[Mistake, Markup]]:
    """Each mistake with its picture."""
    features = cases.features or [f"feature {i + 1}" for i in range(cases.n_features)]
    return [
        (
            one,
            series_svg(
                cases[one.case - 1],
                f"case{one.case}",
                f"Case {one.case}: {counted(len(cases[one.case - 1]), 'timestep')}, class "
                f"{one.truth}, taken for {one.predicted}",
                beside=[
                    _mean_of_right(cases, truth, predicted, label)
                    for label in (one.truth, one.predicted)
                ],
                features=features,
            ),
        )
        for one in mistakes
    ]


def _mean_of_right(
    cases: Cases, truth: Labels, predicted: Labels, label: str
) -> npt.NDArray[np.floating[Any]]:
    """The mean of a class's cases that the model knew, where they have one feature, one length and
    no gaps; else nothing."""
    known = np.flatnonzero((truth == label) & (predicted == label))
    if not len(known) or cases.n_features != 1 or not cases.equal_length or cases.missing:
        return np.zeros(0)
    mean: npt.NDArray[np.floating[Any]] = np.mean([cases[i][:, 0] for i in known], axis=0)
    return mean
