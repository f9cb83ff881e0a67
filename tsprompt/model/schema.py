"""What the headers of saved models and of prompts hold: every value's type and range, declared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor
from typing_extensions import TypedDict

from tsprompt.backbones.template import Prompt
from tsprompt.base.packing import unpack
from tsprompt.base.part import Part
from tsprompt.base.state import Count, Figure, Index, Positive, Seed, check_state, numbers
from tsprompt.base.tensor_folder import FolderFormat, read_folder
from tsprompt.errors import BackboneError, ModelFileError

__all__ = ["ModelHeader", "PromptsHeader", "check_part", "read", "refusing_damage"]

_STRICT = ConfigDict(extra="forbid", strict=True, ser_json_inf_nan="constants")

Name = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Spec = Annotated[str, Field(max_length=1 << 20)]
Vector = Annotated[Tensor, numbers("float32", "H", gaps=True)]
"""A task vector; one that is not finite is not compared with others."""


class BackboneEntry(BaseModel):
    """The language model that was read."""

    model_config = _STRICT
    name: Name
    depth: Annotated[int, Field(ge=0, le=10_000)]
    weights_hash: Sha256
    seed: Seed = 0
    answers: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"


class Header(BaseModel):
    """What both kinds of headers hold."""

    model_config = _STRICT
    format: int
    tsprompt: str
    versions: dict[str, str]
    settings: dict[str, Spec | int | dict[str, Positive] | None]
    seed: Seed
    backbone: BackboneEntry
    report: dict[str, Any]
    state: Any
    tensors_sha256: Sha256
    digest: Sha256 | None = None


class PromptsHeader(Header):
    """`prompts.json`."""

    method: str


class ModelHeader(Header):
    """`model.json`."""

    recipe: Name
    random_state: Seed | None
    classes: Annotated[list[Any], Field(min_length=1, max_length=1 << 24)]
    """As `tsprompt.data.labels` spells them."""
    classes_dtype: Annotated[str, Field(max_length=100)]
    n_features: Count
    batch_tokens: Count | None
    scores: ScoresEntry
    costs: CostsEntry
    axes: Literal["BTF", "BFT"] = "BTF"
    expected: ExpectedEntry | None = None
    details: dict[str, Any]
    plugins: list[PluginEntry] = Field(default_factory=list)


class ExpectedEntry(TypedDict):
    """What series look like."""

    n_features: Count
    shortest: Count | None
    longest: Count | None
    features: list[str] | None
    times: list[str] | None


class ScoresEntry(TypedDict):
    """Accuracies and loss; NaN where nothing could be judged."""

    train_accuracy: Figure
    validation_accuracy: Figure
    validation_loss: Figure


class CostsEntry(TypedDict):
    """What the fit took."""

    fit_seconds: Figure
    lm_seconds: Figure
    lm_tokens: int
    trainable_parameters: int
    total_parameters: int


class PluginEntry(TypedDict):
    """A part that another package brings."""

    setting: str
    part: str
    package: str
    version: str


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
        try:
            schema.model_validate(header)
        except ValidationError as error:
            raise ValueError(_first(error)) from None
        state = unpack(header["state"], "", tensors)
        if tensors:
            raise ValueError(f"the tensor {min(tensors)!r} belongs nowhere")
        check_state(_STATES[schema], state, {})
    return header, state


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@contextmanager
def refusing_damage(path: Path, form: FolderFormat) -> Iterator[None]:
    """While the block runs, whatever goes wrong is the file's fault, and told as that: a block has
    nothing else to work on than what a file says."""
    try:
        yield
    except (ModelFileError, BackboneError):
        raise
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise ModelFileError(
            f"{path / form.header} is damaged ({reason}); copy it again, or {form.command} again"
        ) from error


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
