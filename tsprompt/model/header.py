"""What the headers of saved models and of prompts hold, every value's type and range declared, and
what can be known from them without torch. What the parts have learned is declared in `schema`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import TypedDict

from tsprompt.base.kinds import SETTINGS
from tsprompt.base.state import Count, Figure, Index, Positive, Seed
from tsprompt.base.tensor_folder import FolderFormat, read_bytes
from tsprompt.data import Expected, label_array, labels_from_json, labels_to_json
from tsprompt.errors import BackboneError, ModelFileError
from tsprompt.model.card import CARD
from tsprompt.recipes import Settings

__all__ = [
    "FORMAT",
    "MODEL",
    "Header",
    "ModelHeader",
    "PromptsHeader",
    "ShownEntry",
    "SlotsEntry",
    "check_header",
    "check_plugins",
    "check_settings",
    "classes_of",
    "expected_of",
    "read_whole",
    "refusing_damage",
]

FORMAT = 4
"""Raised when a reader of the old format could not read the new one."""

MODEL = FolderFormat("model.json", "model.safetensors", FORMAT, "fit", undigested=(3,), card=CARD)

_LONGEST_LABEL = 1 << 20
"""Bytes that a label may take in an array, where each takes as much as the longest."""

_STRICT = ConfigDict(extra="forbid", strict=True, ser_json_inf_nan="constants")

Name = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Spec = Annotated[str, Field(max_length=1 << 20)]
Word = Annotated[str, Field(max_length=1000)]


class BackboneEntry(BaseModel):
    """The language model that was read."""

    model_config = _STRICT
    name: Name
    depth: Annotated[int, Field(ge=0, le=10_000)]
    weights_hash: Sha256
    seed: Seed = 0
    answers: bool = True
    speaks: bool = False
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
    shown: ShownEntry | None = None

    @model_validator(mode="after")
    def _is_one_model(self) -> Self:
        """What is shown is of as many classes and prompts as the model has."""
        if self.shown is None:
            return self
        sizes = self.shown["layout"]
        if sizes["classes"] != len(self.classes):
            raise ValueError("shown: classes is another number than the model's")
        if sizes["readings"] != len(self.shown["templates"]):
            raise ValueError("shown: there is not one template for each prompt")
        return self


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


class LayoutEntry(TypedDict):
    """`tsprompt.model.description.Layout`."""

    scope: Literal["series", "step"]
    latent: Count | None
    steps: Count
    patch: Count
    width: Count
    prompt_tokens: Index
    layer_tokens: Index
    positions: Count
    readings: Count
    layers_read: list[Index]
    layers: Index
    hidden_size: Count
    features: Count
    classes: Count


class SlotsEntry(TypedDict):
    """Slots of one kind that stand beside each other."""

    kind: Annotated[str, Field(max_length=20)]
    tokens: Count
    texts: Annotated[list[Word], Field(min_length=1)]


class ShownEntry(TypedDict):
    """What the parts say of themselves, so that showing a model need not build them."""

    layout: LayoutEntry
    templates: Annotated[list[list[SlotsEntry]], Field(min_length=1)]
    """Of each prompt."""
    validation: Annotated[str, Field(max_length=1000)]
    """How the validation figures were come by."""


def read_whole(path: Path) -> dict[str, Any]:
    """The header of a saved model, both of whose files are as they were written.

    Raises
    ------
    ModelFileError
        There is no model, it is truncated or damaged, or of another format.
    """
    header, _ = read_bytes(path, MODEL)
    with refusing_damage(path, MODEL):
        check_header(header, ModelHeader)
    return header


def check_header(header: dict[str, Any], schema: type[Header]) -> None:
    """See that a header is as it is declared.

    Raises
    ------
    ValueError
        It is not; the text says what, and where.
    """
    try:
        schema.model_validate(header)
    except ValidationError as error:
        raise ValueError(_first(error)) from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


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


def check_settings(settings: dict[str, Any]) -> None:
    """See that these are choices of a classifier.

    Raises
    ------
    ValueError
        One is unknown.
    """
    if unknown := settings.keys() - vars(Settings()).keys():
        raise ValueError(f"settings: {min(unknown)} is unknown")


def check_plugins(path: Path, needed: list[dict[str, str]]) -> None:
    """See that the parts are there that other packages brought to a saved model.

    Raises
    ------
    ModelFileError
        One is not; the text says which package brings it.
    """
    for one in needed:
        kind = SETTINGS[one["setting"]]
        if one["part"] not in kind.registry():
            raise ModelFileError(
                f"{path} needs the {kind.name} {one['part']!r} of the package {one['package']} "
                f"{one['version']}, which is not installed here, or has no such part; install it: "
                f"pip install {one['package']}=={one['version']}"
            )


def classes_of(header: dict[str, Any]) -> npt.NDArray[Any]:
    """The labels (C,).

    Raises
    ------
    ValueError
        They are not spelled as their type says, or one is there twice.
    """
    values, dtype = header["classes"], header["classes_dtype"]
    if dtype not in ("date", "datetime") and np.dtype(dtype).itemsize > _LONGEST_LABEL:
        raise ValueError(f"classes_dtype: {dtype} takes too much memory")
    classes = label_array(labels_from_json(values, dtype), argument="classes")
    if repr(labels_to_json(classes)) != repr((values, dtype)):
        raise ValueError("classes: they are not of their type")
    if len(np.unique(classes)) != len(values):
        raise ValueError("classes: some are there twice")
    return classes


def expected_of(header: dict[str, Any]) -> Expected:
    """What series must look like; models of earlier releases kept the number of features alone.

    Raises
    ------
    ValueError
        What it says contradicts itself.
    """
    kept = header.get("expected", {"n_features": header["n_features"]})
    names = {name: kept.get(name) and tuple(kept[name]) for name in ("features", "times")}
    expected = Expected(**{**kept, **names})
    if expected.n_features != header["n_features"]:
        raise ValueError("expected: n_features is another than the model's")
    if expected.features and len(expected.features) != expected.n_features:
        raise ValueError("expected: there is not one name for each feature")
    return expected
