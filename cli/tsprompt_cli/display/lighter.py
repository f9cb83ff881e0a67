"""A model's twin without a language model: the line that says it validates as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsprompt.benchmark.lighter import Lighter

__all__ = ["lighter_lines", "lighter_told"]


def lighter_lines(found: Lighter | None, command: str) -> list[tuple[str, str]]:
    """The line, and the command that fits and saves the twin; none where it validates worse."""
    from tsprompt.base.numbers import share, signed

    if found is None or not found.level:
        return []
    figures = f"{share(found.twin)} against {share(found.model)}"
    apart = f"difference {signed(found.twin - found.model)} ± {share(found.se)}"
    return [
        (
            "lighter",
            f"without a language model it validates as well: {figures}, {apart} on "
            f"{found.cases:,} cases ({found.kind}); this fits and saves it:",
        ),
        ("", command),
    ]


def lighter_told(found: Lighter | None, command: str | None = None) -> dict[str, Any]:
    """The same for JSON and for the model's file, also where the twin validates worse. The file has
    no command: it may be handed on, and paths of this machine with it."""
    if found is None:
        return {}
    told = found.as_dict()
    if command is not None:
        told["command"] = command if found.level else None
    return {"without_language_model": told}
