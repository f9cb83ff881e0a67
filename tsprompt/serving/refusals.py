"""What a server says no with."""

from __future__ import annotations

from tsprompt.errors import Setting, TspromptError, TspromptNotice

__all__ = ["TABLE_OPTIONS", "RefusalError", "refusal_of", "told"]


class RefusalError(Exception):
    """A request that is not answered: why, and what its sender can do.

    Parameters
    ----------
    status
        Of HTTP.
    text
        What is wrong, and what to do.
    retry_after
        Seconds after which it is worth another try; None: not as it is.
    """

    def __init__(self, status: int, text: str, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_after = status, text, retry_after

    def __reduce__(self) -> tuple[type[RefusalError], tuple[int, str, int | None]]:
        return type(self), (self.status, self.text, self.retry_after)


def refusal_of(error: TspromptError) -> RefusalError:
    """What the library can't use, as an answer: 422 with its own words."""
    return RefusalError(422, told(error))


def told(what: TspromptError | TspromptNotice) -> str:
    """What the library says, to those who ask over HTTP: they can set what a request may say."""
    return what.spelled(_as_query, advice=False)


TABLE_OPTIONS = {
    "label": "the column of the labels; none: there is none",
    "id": "the column that names the case",
    "time": "the column of the time, in long form",
    "values": "the columns of the series, joined by commas",
    "layout": "long (a row for each timestep) or wide (a row for each case)",
    "header": "whether the first row names the columns: true or false",
}
"""How a table is read, as far as a request may say it."""


def _as_query(setting: Setting) -> str:
    """`?label=none`, where a request may say it so; else as Python has it."""
    if setting.name not in (*TABLE_OPTIONS, "coverage"):
        return str(setting)
    value = setting.value
    if isinstance(value, bool):
        value = str(value).lower()
    return f"?{setting.name}={'...' if value is None else value}"
