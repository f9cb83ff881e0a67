"""What the parts of saved models and of prompts have learned, declared; and how both are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from tsprompt.backbones.template import Prompt
from tsprompt.base.packing import unpack
from tsprompt.base.part import Part
from tsprompt.base.state import Index, check_state, numbers
from tsprompt.base.tensor_folder import FolderFormat, read_folder
from tsprompt.model.header import (
    Header,
    ModelHeader,
    PromptsHeader,
    check_header,
    refusing_damage,
)

__all__ = ["ModelHeader", "PromptsHeader", "check_part", "read"]

Vector = Annotated[Tensor, numbers("float32", "H", gaps=True)]
"""A task vector; one that is not finite is not compared with others."""


class ReadingState(TypedDict):
    """What one prompt is read with."""

    member: NotRequired[Index]
    tokenizer: dict[str, Any] | Index
    prompt: dict[str, Any]
    readout: dict[str, Any]
    layers: Annotated[list[Index], Field(min_length=1, max_length=10_000)]
    context: dict[str, Any]


class ModelState(TypedDict):
    """What the parts of a model have learned; each part declares its own."""

    preprocessing: dict[str, Any]
    strategy: dict[str, Any]
    tuner: dict[str, Any]
    combination: dict[str, Any]
    backbone: NotRequired[dict[str, Annotated[Tensor, numbers("float32|bfloat16")]]]
    task_vector: NotRequired[Vector | None]
    calibration: NotRequired[dict[str, Any]]
    readings: Annotated[list[ReadingState], Field(min_length=1)]


class TaskState(TypedDict):
    """One set's prompt."""

    name: str
    prompt: Prompt.State
    vector: Vector


class PromptsState(TypedDict):
    """What pre-training has made."""

    tasks: Annotated[list[TaskState], Field(min_length=1)]


_STATES = {ModelHeader: ModelState, PromptsHeader: PromptsState}


def read(path: Path, form: FolderFormat, schema: type[Header]) -> tuple[dict[str, Any], Any]:
    """A folder's header and the state in it, with its tensors, both as declared.

    Raises
    ------
    ModelFileError
        There is none, it is damaged, or of another format.
    """
    header, tensors = read_folder(path, form)
    with refusing_damage(path, form):
        check_header(header, schema)
        state = unpack(header["state"], "", tensors)
        if tensors:
            raise ValueError(f"the tensor {min(tensors)!r} belongs nowhere")
        check_state(_STATES[schema], state, {})
    return header, state


def check_part(part: Part, state: Any, place: str, sizes: dict[str, int]) -> None:
    """See that a part's state is as the part declares it; sizes called like its options are what
    these say.

    Raises
    ------
    ValueError
        It is not; the text says what, and where.
    """
    counts = {
        name: one
        for name, one in part.options().items()
        if isinstance(one, int) and not isinstance(one, bool)
    }
    try:
        check_state(type(part).State, state, {**counts, **sizes})
    except ValueError as error:
        raise ValueError(f"{place}, {error}") from None
