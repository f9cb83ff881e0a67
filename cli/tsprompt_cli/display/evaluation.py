"""An evaluation on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsprompt.base.names import for_terminal
from tsprompt_cli.output import grid, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsprompt.evaluation import Evaluation

__all__ = ["evaluation_shown"]

_CLASSES = 20
"""Up to so many classes the confusion matrix is shown; of more, the page and JSON tell."""

_COVERAGE = 0.9


def evaluation_shown(title: str, made: Evaluation) -> Iterator[Any]:
    """Figures, classes, confusions, and the surest mistakes."""
    yield for_terminal(title, "bold")
    yield grid(_figures(made))
    yield ""
    yield _classes(made)
    if len(made.classes) <= _CLASSES:
        yield ""
        yield _confusion(made)
    if made.mistakes:
        yield ""
        yield _mistakes(made)
    for one in made.notes:
        yield ""
        yield grid([("note", one)])


def _figures(made: Evaluation) -> list[tuple[str, str, str]]:
    from tsprompt.base.numbers import between
    from tsprompt.errors import counted

    scores, calibration = made.scores, made.calibration
    bins = len(calibration.bins)
    return [
        ("accuracy", _four(scores.accuracy), f"95 % interval {between(*made.accuracy_interval)}"),
        (
            "balanced accuracy",
            _four(scores.balanced_accuracy),
            f"95 % interval {between(*made.balanced_accuracy_interval)}",
        ),
        ("macro f1", _four(scores.macro_f1), ""),
        ("auroc", _four(scores.auroc), "each class against the rest, mean"),
        ("average precision", _four(made.average_precision), "each class against the rest, mean"),
        ("log loss", _four(scores.log_loss), ""),
        ("brier score", _four(made.brier), "0 is best, 2 is worst"),
        (
            "calibration error",
            _four(calibration.error),
            f"in {counted(bins, 'bin')}; by chance alone up to {calibration.error_by_chance:.4f}",
        ),
        *_promise(made),
        ("commonest class", _four(made.commonest_share), f"accuracy of always {made.commonest}"),
    ]


def _promise(made: Evaluation) -> list[tuple[str, str, str]]:
    """Whether sets of one coverage hold the true class so often; the page tells of others too."""
    from tsprompt.base.numbers import between

    return [
        (
            f"coverage {one.coverage:g}",
            _four(one.kept),
            f"95 % interval {between(*one.interval)}; sets of {one.size:.2f} classes",
        )
        for one in made.promises
        if one.coverage == _COVERAGE
    ]


def _four(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _classes(made: Evaluation) -> Any:
    from tsprompt.base.numbers import share

    counted, ranked = ("cases", "predicted", "right"), ("AUROC", "average\nprecision")
    heads = (*counted, "precision", "recall", "F1", *ranked)
    shown = table("class", *heads, right=heads)
    for one in made.by_class:
        measures = (one.precision, one.recall, one.f1, one.auroc, one.average_precision)
        counts = (str(one.cases), str(one.predicted), str(one.right))
        shown.add_row(for_terminal(one.label), *counts, *map(share, measures))
    return shown


def _confusion(made: Evaluation) -> Any:

    heads = [f"→ {label}" for label in made.classes]
    shown = table("true class", *heads, right=tuple(heads))
    for i, (label, row) in enumerate(zip(made.classes, made.confusion, strict=True)):
        cells = [
            f"[bold]{count}[/bold]" if i == j else str(count) if count else "[dim]·[/dim]"
            for j, count in enumerate(row)
        ]
        shown.add_row(for_terminal(label), *cells)
    return shown


def _mistakes(made: Evaluation) -> Any:
    from tsprompt.base.numbers import share

    named = any(one.id is not None for one in made.mistakes)
    heads = ("case", *(("id",) if named else ()), "true class", "taken for", "p", "p(true class)")
    shown = table(*heads, right=("case", "p", "p(true class)"), title="The surest mistakes")
    for one in made.mistakes:
        shown.add_row(
            str(one.case),
            *([for_terminal("" if one.id is None else one.id)] if named else []),
            for_terminal(one.truth),
            for_terminal(one.predicted),
            share(one.probability),
            share(one.probability_of_truth),
        )
    return shown
