"""What stands at the end of a page: which model was asked, and about which cases."""

from __future__ import annotations

from typing import Any

from tsprompt.errors import counted

__all__ = ["about_page"]


def about_page(cases: str, model: str, header: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of name and value.

    Parameters
    ----------
    cases
        Which cases, in words.
    model
        The folder or the name on the hub, as it was given.
    header
        The model's; it may be anyone's.
    """
    from tsprompt.base.tensor_folder import digest_of

    details = header.get("details", {})
    count, seed = details.get("n_train"), details.get("seed", "not known")
    train = counted(count, "train case") if isinstance(count, int) else "not known how many cases"
    return [
        ("cases", cases),
        ("model", model),
        ("recipe", str(header["recipe"])),
        ("fitted on", f"{details.get('dataset', 'not known')}, {train}, seed {seed}"),
        ("digest", digest_of(header)),
    ]
