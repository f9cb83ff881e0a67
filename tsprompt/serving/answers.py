"""What is answered about cases, and how it is written."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from pydantic import BaseModel, Field

from tsprompt.base.names import for_csv
from tsprompt.data import Cases
from tsprompt.data.cases import Values
from tsprompt.serving.batching import Chances
from tsprompt.serving.model_folder import Offer

__all__ = ["ANSWERS", "Answer", "CaseAnswer", "Wrong", "answer_of", "written"]


class CaseAnswer(BaseModel):
    """What the model says of a case."""

    id: Any = Field(None, description="Its name, where it was sent with one")
    label: Any = Field(description="The most probable class")
    probabilities: list[float] = Field(description="(C,) in the order of `classes`")
    set: list[Any] | None = Field(
        default=None, description="Classes of which one is the true one, so often as was asked for"
    )
    explanation: dict[str, Any] | None = Field(
        default=None, description="How much each stretch of time and each feature moved the answer"
    )
    shares: list[float] | None = Field(
        default=None, description="(T,) the same, spread over timesteps"
    )
    series: list[list[float | None]] | None = Field(
        default=None, description="(T, F) the case as it was read; on request, of the first cases"
    )


class Answer(BaseModel):
    """What a model says of the cases of a request, in their order."""

    model: str
    digest: str = Field(description="Of the model that said it")
    classes: list[Any]
    coverage: float | None = Field(default=None, description="Of the sets")
    cases: list[CaseAnswer]
    notes: list[str] = Field(default_factory=list, description="What is remarkable about the cases")


class Wrong(BaseModel):
    """Why there is no answer."""

    error: str = Field(description="What is wrong, and what to do")


_DRAWN = 100
"""Cases that are sent back as they were read, at the most."""


def answer_of(
    offer: Offer, cases: Cases, chances: Chances, notes: list[str], *, series: bool = False
) -> Answer:
    """The answer about cases (B, T, F) with these probabilities (B, C).

    Parameters
    ----------
    series
        Whether the cases are sent back as they were read: to see that they were read right.
    """
    about = offer.about
    best = chances.argmax(axis=1).tolist()
    ids = cases.ids or (None,) * len(cases)
    told = [
        CaseAnswer(id=name, label=about.classes[at], probabilities=own)
        for name, at, own in zip(ids, best, chances.tolist(), strict=True)
    ]
    for one, values in zip(told[: _DRAWN if series else 0], cases, strict=False):
        one.series = _plain(values)
    return Answer(
        model=about.name, digest=about.digest, classes=about.classes, cases=told, notes=notes
    )


def _plain(values: Values) -> list[list[float | None]]:
    """A case (T, F) as JSON has it: what is missing is null."""
    return [[one if math.isfinite(one) else None for one in row] for row in values.tolist()]


def written(answer: Answer, accept: str) -> tuple[bytes, str]:
    """The answer's bytes and their type: the first of `ANSWERS` that is asked for, else JSON."""
    for kind in accept.split(","):
        write = ANSWERS.get(kind.partition(";")[0].strip().lower())
        if write is not None:
            return write(answer)
    return _as_json(answer)


def _as_json(answer: Answer) -> tuple[bytes, str]:
    return answer.model_dump_json(exclude_none=True).encode(), "application/json"


def _columns(answer: Answer) -> dict[str, list[Any]]:
    """A row for each case, as `tsprompt predict` writes it."""
    columns: dict[str, list[Any]] = {"case": list(range(1, len(answer.cases) + 1))}
    if any(one.id is not None for one in answer.cases):
        columns["id"] = [None if one.id is None else str(one.id) for one in answer.cases]
    columns["label"] = [one.label for one in answer.cases]
    for number, label in enumerate(answer.classes):
        columns[f"p({label})"] = [one.probabilities[number] for one in answer.cases]
    if answer.coverage is not None:
        columns["set"] = [" | ".join(map(str, one.set or ())) for one in answer.cases]
    return columns


def _as_csv(answer: Answer) -> tuple[bytes, str]:
    columns = _columns(answer)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([for_csv(name) for name in columns])
    for row in zip(*columns.values(), strict=True):
        rows.writerow([for_csv(one) if isinstance(one, str) else one for one in row])
    return text.getvalue().encode(), "text/csv; charset=utf-8"


def _as_arrow(answer: Answer) -> tuple[bytes, str]:
    import pyarrow as pa

    table = pa.table(_columns(answer))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"


ANSWERS = {
    "application/json": _as_json,
    "text/csv": _as_csv,
    "application/vnd.apache.arrow.stream": _as_arrow,
}
"""What Accept may ask for."""
