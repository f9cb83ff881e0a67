"""Groups of options that several commands share.

A command takes a group as one parameter, such as ``model: Model``; the decorator `flat` shows each
field of the group to Typer as an option of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tsprompt_cli import completion
from tsprompt_cli.options import MACHINE_PANEL, MODEL_PANEL, part_option

if TYPE_CHECKING:
    from tsprompt.benchmark import Machine as LibraryMachine
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.fitted import Fitted
    from tsprompt.model.saving import Saved as SavedModel

__all__ = ["Choices", "Machine", "Model", "flat"]


@dataclass(frozen=True)
class Choices:
    """What a model is made of, its strategy apart. A part is NAME or NAME:option=value,..."""

    scope: Annotated[
        str | None,
        typer.Option(
            metavar="series|step|auto",
            help="Whether the language model reads a whole series at once, or each step alone; "
            "auto: one feature whole, several step by step.",
            show_default=False,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None
    preprocessing: Annotated[
        str | None,
        part_option("preprocessing", "standard:missing=mean,length=100"),
    ] = None
    tokenizer: Annotated[
        str | None,
        part_option("tokenizer", "kernels:steps=32,length=7"),
    ] = None
    prompt: Annotated[
        str | None,
        part_option("prompt", "none or hard:length=8"),
    ] = None
    template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The words of a written prompt, such as 'the pattern {series} is [MASK].': short "
            "for the option `template` of the prompts that have one.",
            show_default=False,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None
    tuner: Annotated[str | None, part_option("tuner", "search:draws=20")] = None
    n_prompts: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Prompts whose features are put side by side.",
            show_default=False,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None
    readout: Annotated[
        str | None,
        part_option("readout", "mask or pooled:layers=1+2,pools=mean+max"),
    ] = None
    head: Annotated[
        str | None,
        part_option("head", "ridge or mlp:hidden=64"),
    ] = None
    combination: Annotated[
        str | None,
        part_option("combination", "concatenate or vote"),
    ] = None
    train: Annotated[
        str | None,
        part_option("regime", "tuning-free or prompt"),
    ] = None
    context: Annotated[
        str | None,
        part_option("context", "demonstrations or colours:segments=6"),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The frozen language model: minilm, a Hugging Face name such as "
            "bert-large-uncased, or a folder. random:NAME, shuffled:NAME and none:NAME are its "
            "twins with random weights, shuffled weights and no layers.",
            show_default=False,
            autocompletion=completion.backbone_names,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None

    prompt_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="Start from a trained prompt: a folder that fit or pretrain wrote, or "
            "hf://USER/NAME on the Hugging Face hub. Give it several times, and a prompt is "
            "trained first: the one that is most like it is taken.",
            show_default=False,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None

    class_weight: Annotated[
        str | None,
        typer.Option(
            metavar="balanced",
            help="How much the cases of each class count in training: balanced makes all classes "
            "count alike, however few cases they have.",
            show_default=False,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None

    def settings(self, **more: Any) -> dict[str, Any]:
        """The choices that were made, but for the recipe."""
        from tsprompt.base.spec import join_texts

        choices = {**dataclasses.asdict(self), **more}
        choices.pop("recipe", None)
        choices["prompt_from"] = join_texts(self.prompt_from or ()) or None
        if (template := choices.pop("template", None)) is not None:
            choices["prompt"] = _with_template(self._prompt(), template)
        return {key: value for key, value in choices.items() if value is not None}

    def _prompt(self) -> str | None:
        """The prompt that is meant, where that is clear."""
        return self.prompt


def _with_template(prompt: str | None, template: str) -> str:
    """The same prompt with another template."""
    from tsprompt.base.spec import name_in
    from tsprompt.errors import ConfigError
    from tsprompt.prompts import prompts

    if prompt is None:
        raise ConfigError(
            "--template: each recipe has a prompt of its own; say which the words are for, as in "
            "--prompt manual"
        )
    if "template" not in prompts.build(prompt).options():
        raise ConfigError(
            f"--template: the prompt {name_in(prompt)!r} has no template; use --recipe manual or "
            "--prompt manual"
        )
    return prompts.amend(prompt, template=template)


@dataclass(frozen=True)
class Model(Choices):
    """The same, and the recipe that they change."""

    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Sets every choice, and every option of its parts, that is not given; see "
            "`tsprompt list recipes -v`.",
            autocompletion=completion.recipe_names,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = "default"

    def _prompt(self) -> str:
        from tsprompt.recipes import resolve

        return str(resolve(self.recipe, {"prompt": self.prompt})["prompt"])


@dataclass(frozen=True)
class Machine:
    """Where and how the language model runs."""

    device: Annotated[
        str,
        typer.Option(
            metavar="auto|cpu|cuda|mps",
            help="Where the language model runs; auto takes a GPU where there is one.",
            rich_help_panel=MACHINE_PANEL,
        ),
    ] = "auto"
    dtype: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|bfloat16",
            help="The numbers it computes with; auto takes bfloat16 where the device has it.",
            rich_help_panel=MACHINE_PANEL,
        ),
    ] = "auto"
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Tokens that it reads at once; by default what suits the device.",
            show_default=False,
            rich_help_panel=MACHINE_PANEL,
        ),
    ] = None

    def library(self) -> LibraryMachine:
        """The same, as the library calls it."""
        from tsprompt.benchmark import Machine as LibraryMachine

        return LibraryMachine(**dataclasses.asdict(self))

    def load(self, model: Path, digest: str | None = None) -> PromptClassifier:
        """The estimator of a saved model, which brings scikit-learn in; otherwise as `read`."""
        from tsprompt.classifier import PromptClassifier

        return PromptClassifier.restored(self._saved(model, digest))

    def read(self, model: Path, digest: str | None = None) -> Fitted:
        """A saved model, on this machine; `auto` is the dtype that it was fitted with. With a
        digest, that very model."""
        return self._saved(model, digest).fitted

    def _saved(self, model: Path, digest: str | None) -> SavedModel:
        from tsprompt.model.saving import load

        return load(
            model,
            device=self.device,
            dtype=None if self.dtype == "auto" else self.dtype,
            batch_tokens=self.batch_tokens,
            digest=digest,
        )


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """Make an option of every field of each parameter that is a group of options."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _options(groups[parameter.name])
        else:
            hinted = parameter.replace(annotation=hints[parameter.name])
            parameters.append(hinted.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            fields = [field.name for field in dataclasses.fields(group)]
            given[name] = group(**{field: given.pop(field) for field in fields})  # type: ignore[operator]
        command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
    ]
