"""What a served model tells of itself: what it expects, and how well it has done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from tsprompt.model.fitted import Fitted

__all__ = [
    "EXPLAINED",
    "ExplanationsAbout",
    "FeaturesAbout",
    "LengthsAbout",
    "ModelAbout",
    "ModelList",
    "Problem",
    "about_model",
    "method_of",
]


class FeaturesAbout(BaseModel):
    """The features of a timestep."""

    count: int = Field(description="F, the features of a timestep")
    names: list[str] | None = Field(description="Their names, in order; null where they have none")


class LengthsAbout(BaseModel):
    """Timesteps of the cases that it was fitted on; null where that is not known."""

    shortest: int | None
    longest: int | None


EXPLAINED = 8
"""Cases that are explained at once: each may cost as much as twenty answers."""


class ExplanationsAbout(BaseModel):
    """What comes with `?explain=true`."""

    method: Literal["exact", "ablation"] = Field(
        description="`exact`: the model divides into its steps; `ablation`: stretches are taken "
        "away, one after the other"
    )
    most_cases: int = Field(
        default=EXPLAINED, description="Cases that are explained at once, at the most"
    )


class ModelAbout(BaseModel):
    """A model that can be asked."""

    name: str = Field(description="Its path below the folder that is served")
    digest: str = Field(description="SHA-256 over all that the model is, as `tsprompt show` has it")
    recipe: str
    backbone: str = Field(description="The language model")
    dataset: str | None = Field(description="What it was fitted on")
    features: FeaturesAbout
    lengths: LengthsAbout
    classes: list[Any] = Field(description="Labels, in the order of the probabilities")
    figures: dict[str, float] = Field(description="How well it did, by train, validation and test")
    calibrated: bool = Field(description="Whether it can be asked for sets, with `coverage`")
    explanations: ExplanationsAbout = Field(description="How its answers are explained")


class Problem(BaseModel):
    """A folder that can't be served as it is."""

    name: str
    message: str
    kept: bool = Field(description="Whether the model that lay there before still answers")


class ModelList(BaseModel):
    """All models of the folder."""

    models: list[ModelAbout]
    problems: list[Problem]


def about_model(
    name: str,
    digest: str,
    header: dict[str, Any],
    *,
    calibrated: bool,
    explained_by: Literal["exact", "ablation"],
) -> ModelAbout:
    """What the header of a model that was read tells."""
    expected = header.get("expected") or {}
    details = header["details"]
    dataset = details.get("dataset")
    return ModelAbout(
        name=name,
        digest=digest,
        recipe=header["recipe"],
        backbone=header["backbone"]["name"].rpartition("/")[2],
        dataset=dataset if isinstance(dataset, str) else None,
        features=FeaturesAbout(count=header["n_features"], names=_names(header)),
        lengths=LengthsAbout(shortest=expected.get("shortest"), longest=expected.get("longest")),
        classes=header["classes"],
        figures=_figures(header),
        calibrated=calibrated,
        explanations=ExplanationsAbout(method=explained_by),
    )


def method_of(fitted: Fitted) -> Literal["exact", "ablation"]:
    """How a model's answers are explained: exactly where it divides into its steps, and else by
    taking stretches away. Both take few passes."""
    from tsprompt.explanations.exact import divides

    return "exact" if divides(fitted) is None else "ablation"


def _names(header: dict[str, Any]) -> list[str] | None:
    """Names of the features, of the fit or else of the file that was read."""
    own = (header.get("expected") or {}).get("features")
    found = own or header["details"].get("features")
    if not isinstance(found, list) or len(found) != header["n_features"]:
        return None
    return [str(one) for one in found]


def _figures(header: dict[str, Any]) -> dict[str, float]:
    """Accuracies, where they are numbers: the details of a header may be anything."""
    test = header["details"].get("test")
    found = {
        "train accuracy": header["scores"]["train_accuracy"],
        "validation accuracy": header["scores"]["validation_accuracy"],
    }
    if isinstance(test, dict):
        found |= {"test accuracy": test.get("accuracy"), "test macro-F1": test.get("macro_f1")}
        found["test cases"] = test.get("cases")
    return {
        key: value
        for key, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
