"""Cases in JSON: what they look like, and what is wrong with those that don't."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, from_json

from tsprompt.data import Cases, as_cases
from tsprompt.errors import InputError, TspromptError
from tsprompt.serving.limits import Limits, check_count
from tsprompt.serving.refusals import RefusalError, refusal_of

__all__ = ["JsonCases", "from_json_body"]

_FORM = 'send {"cases": [[1.0, 2.0, ...], ...]}'
_FAULTS = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "list_type": "is no list",
    "too_short": "is empty",
    "string_type": "is no text",
    "model_type": "is no object",
}
"""What pydantic calls a fault -> what it is."""
_SHOWN = 40
"""Characters of a value that are quoted."""


class JsonCases(BaseModel):
    """Cases as JSON."""

    model_config = ConfigDict(extra="forbid")

    cases: list[list[Any]] = Field(
        min_length=1,
        description="Each case is a list of T numbers, or of T lists of F numbers; null where a "
        "value is missing",
        examples=[[[0.1, 0.4, None, 0.2]]],
    )
    ids: list[str] | None = Field(None, description="A name for each case")
    features: list[str] | None = Field(
        None, description="Names of the F features, where they are not in the model's order"
    )


def from_json_body(held: bytes, limits: Limits) -> Cases:
    """The cases of a body in JSON.

    Raises
    ------
    RefusalError
        It holds something else.
    """
    try:
        said = from_json(held, allow_inf_nan=True)
    except ValueError as error:
        raise RefusalError(422, f"the body is no JSON: {str(error)[:200]}") from None
    try:
        asked = JsonCases.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise RefusalError(422, f"{_fault_of(first)}; {_FORM}") from None
    check_count(len(asked.cases), limits)
    try:
        cases = as_cases(asked.cases, argument="cases")
    except InputError as error:
        found = _fault_in(asked.cases)
        raise refusal_of(error) if found is None else RefusalError(422, found) from None
    try:
        return cases.named(ids=asked.ids, features=asked.features)
    except TspromptError as error:
        raise refusal_of(error) from None


def _fault_of(error: ErrorDetails) -> str:
    """`cases[3] is no list`, of what pydantic found."""
    name, *places = error["loc"] or ("the body",)
    where = f"{name}{''.join(f'[{one}]' for one in places)}"
    return f"{where} {_FAULTS.get(error['type'], 'is not what it should be')}"


def _fault_in(cases: list[list[Any]]) -> str | None:
    """The first fault of lists that are no cases, in the words of JSON."""
    width = None
    for i, case in enumerate(cases):
        if not case:
            return f"cases[{i}] has no timesteps; leave it out"
        for t, step in enumerate(case):
            where = f"cases[{i}][{t}]"
            if isinstance(step, list) is not isinstance(case[0], list):
                return f"{where}: a case is a list of T numbers, or of T lists of F numbers"
            values = step if isinstance(step, list) else [step]
            for value in values:
                if not isinstance(value, int | float | None):
                    return f"{where}: {_quoted(value)} is no number; write null for a gap"
            width = len(values) if width is None else width
            if len(values) != width or not values:
                return (
                    f"{where} has {len(values)} features, and the first timestep has {width}; each "
                    "needs the same, one or more"
                )
    return None


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
