"""Tables that clients of `tsprompt serve` send, read as `tsprompt predict` reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tsprompt_cli.new_cases import Remembered, aligned

if TYPE_CHECKING:
    from tsprompt.data import Cases
    from tsprompt.serving.tables import Sent

__all__ = ["read_sent"]


def read_sent(sent: Sent, details: dict[str, Any], classes: list[Any]) -> Cases:
    """The cases of a table, its columns found as the model's file had them.

    Raises
    ------
    TspromptError
        It can't be read, or its columns are not those of the model's.
    """
    from tsprompt_datasets import read_held

    remembered = Remembered(details)
    like = {**remembered.columns, "classes": [str(one) for one in classes]}
    said = _options(sent.options, remembered)
    content = read_held(sent.held, sent.ending, said, like, name="the body", most=sent.most)
    return aligned(content.cases, remembered.features, "the body")


def _options(said: Mapping[str, str], remembered: Remembered) -> Any:
    from tsprompt.errors import ConfigError, Setting
    from tsprompt_datasets import ReadOptions

    given: dict[str, Any] = {key: value for key, value in said.items() if value}
    if "header" in given:
        header = {"true": True, "false": False}.get(given["header"].lower())
        if header is None:
            raise ConfigError(Setting("header"), " is true or false")
        given["header"] = header
    return ReadOptions(**{"resample": remembered.resample, **given})
