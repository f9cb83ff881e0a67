"""Prompts that come from elsewhere: reading them, and telling which of several is the nearest.

Where the prompt is trained, a prompt is trained first from its own start, and stands for its task:
training starts again from the one of the others that has the largest cosine with it (Vu et al.
2022, SPoT). A prompt's vector is the mean over its tokens.

Where it is not, a task is known by its task vector: what the frozen language model answers to the
cases of train, on average, without any prompt, less what it answers when it reads nothing at all.
Where an encoder-decoder was loaded without the decoder that answers, what it says of the tokens
that it reads takes the place of the answer, on average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt, Template
from tsprompt.base.hub import located
from tsprompt.base.part import require
from tsprompt.base.seeds import generator
from tsprompt.base.spec import differing, name_in, split_texts
from tsprompt.base.tensor_folder import FolderFormat, read_header
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, ModelFileError, Setting, TspromptError
from tsprompt.model.design import Design
from tsprompt.model.saving import MODEL
from tsprompt.model.schema import ModelHeader, PromptsHeader, read
from tsprompt.preprocessings.resample import resample
from tsprompt.reading.reader import Reader, Reading
from tsprompt.readouts.mask import Mask
from tsprompt.readouts.pooled import Pooled
from tsprompt.regimes import regimes
from tsprompt.tokenizers import tokenizers

__all__ = [
    "PROMPTS",
    "Chosen",
    "Source",
    "choose_source",
    "cosine",
    "fingerprints",
    "prompt_vector",
    "read_sources",
    "task_vector",
]

PROMPTS = FolderFormat(
    "prompts.json",
    "prompts.safetensors",
    2,
    "pretrain",
    "the prompts",
    "no folder of prompts",
    "no prompts",
    undigested=(1,),
)
"""What `tsprompt pretrain` writes."""

_TASK_CASES, _TASK_LENGTH = 128, 128
"""Train cases, drawn at random, that a task vector is the mean over, and their timesteps."""
_ALIKE = ("tokenizer", "strategy", "scope")
"""Settings that a prompt can't be taken out of."""


@dataclass(frozen=True)
class Source:
    """A trained prompt, or the prompts of one saved model, with the task that they are for."""

    name: str
    prompts: list[Prompt]
    vector: Tensor | None
    """(D,) task vector; None: the model was saved without."""
    draws: list[tuple[int, int]]
    """Seed and number of the tokenizer draw that each of the prompts was trained with."""
    settings: dict[str, Any]
    backbone: dict[str, Any]
    """`name`, `depth`, `weights_hash`."""

    def prompt(self, member: int) -> Prompt:
        """The prompt for a member of an ensemble; from the first again when they run out."""
        return self.prompts[member % len(self.prompts)]

    def draw(self, member: int) -> tuple[int, int]:
        """The tokenizer draw of that prompt."""
        return self.draws[member % len(self.draws)]


@dataclass(frozen=True)
class Chosen:
    """The source that is nearest."""

    source: Source
    similarities: dict[str, float]
    """Cosine of each source with what is fitted here; none where it is the only one."""

    def report(self) -> dict[str, Any]:
        """For a fit's report."""
        each = {f"similarity of {name}": value for name, value in self.similarities.items()}
        return {"prompt started from": self.source.name, **each}


def task_vector(parts: Design, reader: Reader, cases: Cases, layers: tuple[int, ...]) -> Tensor:
    """What tells this task from others (D,), at the deepest layer that is read.

    Vectors of all sets must be comparable, so the tokenizer is drawn anew, the same for all: its
    draws follow from a seed that never changes and from the sizes of what it is fitted on, so it is
    fitted on 128 cases of 128 timesteps, drawn at random (again, where there are fewer) and
    resampled. A case that is drawn twice is read once.

    Parameters
    ----------
    cases
        Train, prepared by the parts' preprocessing and strategy.
    """
    drawn = np.resize(generator(0, "cases of a task").permutation(len(cases)), _TASK_CASES)
    sample = Cases(np.concatenate([resample(cases[i][None], _TASK_LENGTH) for i in drawn]))
    tokenizer = tokenizers.build(parts.tokenizer)
    room = reader.room(tokenizer.width(cases.n_features))
    tokenizer.fit(sample, reader.backbone, max_steps=room, rng=generator(0, "task vector"))
    readout = Mask() if reader.backbone.family.answers else Pooled(pools=("mean",), maybe=())
    reading = Reading(tokenizer, Prompt(None), readout, (max(layers),))
    said = reader.features(reading, sample, "task vector")
    silent = _silence(reader.backbone, max(layers))
    return said.unflatten(1, (-1, reader.backbone.state_size)).mean(dim=(0, 1)).cpu() - silent


def _silence(backbone: Backbone, layer: int) -> Tensor:
    """What the model answers (D,) to nothing, its frame alone: `[CLS] [MASK] [SEP]` for a BERT.
    Where nobody answers, what it says of the frame, on average."""
    mask_alone = np.array([-2])
    template = Template.from_order(mask_alone, width=1).framed(backbone.family.frame)
    nothing = backbone.word_vectors.new_empty(1, 0, 1, backbone.hidden_size)
    frame = template.assemble(nothing, nothing[0, :, 0], backbone)
    (states,) = backbone.run(frame, (layer,))
    where = backbone.answer(template) if backbone.family.answers else slice(None)
    return states[0, where].to(torch.float32).mean(dim=0).cpu()


def read_sources(folders: str | None) -> list[Source]:
    """All prompts in these folders, joined as `tsprompt.base.spec.join_texts` does; a name on the
    Hugging Face hub stands for a folder.

    Raises
    ------
    ModelFileError
        A folder holds neither a saved model nor prompts, or they are damaged; the hub does not give
        one.
    ConfigError
        A model has no prompt, or one that its own language model was trained with.
    """
    names = split_texts(folders) if folders is not None else []
    return [source for name in names for source in _read(name)]


def fingerprints(folders: str) -> list[str]:
    """SHA-256 of the tensors in each of these folders."""
    paths = [located(name, MODEL, PROMPTS) for name in split_texts(folders)]
    return [str(read_header(path, _form(path))["tensors_sha256"]) for path in paths]


def _form(path: Path) -> FolderFormat:
    return PROMPTS if (path / PROMPTS.header).is_file() else MODEL


def _read(name: str) -> list[Source]:
    path = located(name, MODEL, PROMPTS)
    form = _form(path)
    header, state = read(path, form, PromptsHeader if form is PROMPTS else ModelHeader)
    try:
        return _of_prompts(name, header, state) if form is PROMPTS else [_of(name, header, state)]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, TspromptError):
            raise
        raise ModelFileError(
            f"{path / form.header} is damaged ({error!r}); {form.command} again"
        ) from None


def _of_prompts(name: str, header: dict[str, Any], state: dict[str, Any]) -> list[Source]:
    return [
        Source(
            name=f"{name}, {task['name']}",
            prompts=[_prompt(task["prompt"])],
            vector=task["vector"],
            draws=[(header["seed"], 0)],
            settings=header["settings"],
            backbone=header["backbone"],
        )
        for task in state["tasks"]
    ]


def _of(name: str, header: dict[str, Any], state: dict[str, Any]) -> Source:
    prompts = [_prompt(one["prompt"]) for one in state["readings"]]
    kind = name_in(header["settings"]["prompt"])
    require(
        all(len(one) or one.deep is not None for one in prompts),
        Setting("prompt_from"),
        f": {name} was fitted with the prompt {kind!r}, which leaves nothing to start from; give a "
        "model that was fitted with such as ",
        Setting("recipe", "prompt-tuning"),
    )
    require(
        not regimes.build(header["settings"]["train"]).tunes_model,
        Setting("prompt_from"),
        f": the prompt of {name} was trained together with its own copy of the language model, and "
        "means nothing to another; give a model that was fitted with ",
        Setting("train", "prompt"),
    )
    return Source(
        name=name,
        prompts=prompts,
        vector=state.get("task_vector"),
        draws=[_draw(one["tokenizer"], state["readings"]) for one in state["readings"]],
        settings=header["settings"],
        backbone=header["backbone"],
    )


def _draw(tokenizer: Any, readings: list[dict[str, Any]]) -> tuple[int, int]:
    """The draw of a reading's tokenizer, or of the reading's with this number."""
    own = readings[tokenizer]["tokenizer"] if isinstance(tokenizer, int) else tokenizer
    seed, number = own["draw_"]
    return seed, number


def _prompt(state: dict[str, Any]) -> Prompt:
    return Prompt(**{"ids": None, **state})


def prompt_vector(prompt: Prompt, backbone: Backbone) -> Tensor:
    """The mean over the tokens of a prompt, by which tasks are compared (Vu et al. 2022, section
    5.1): (D,) of those in slots, (N * 2 * D,) of keys and values for N layers."""
    if prompt.deep is not None:
        return prompt.deep.to(torch.float32).mean(dim=2).flatten().cpu()
    return prompt.fill(backbone).to(torch.float32).mean(dim=0).cpu()


def cosine(one: Tensor, other: Tensor) -> float:
    """Of two vectors (D,)."""
    return float(functional.cosine_similarity(one, other, dim=0))


def choose_source(
    sources: list[Source],
    parts: Design,
    backbone: Backbone,
    *,
    vector: Tensor | None,
    compare: Callable[[list[Source]], dict[str, float]],
) -> Chosen | None:
    """The source that is nearest; None of none.

    Parameters
    ----------
    vector
        (D,) the task vector of train, which decides where no prompt is trained.
    compare
        Gives the cosine of each source's prompt with one that is trained here.

    Raises
    ------
    ConfigError
        A source was trained with another language model, tokenizer or layout, or fills other slots;
        or there are several, none is trained here, and one has no task vector, or one that is not
        finite.
    """
    if not sources:
        return None
    for source in sources:
        _check_alike(source, parts, backbone)
    if len(sources) == 1:
        return Chosen(sources[0], {})
    by_prompts = parts.train.tunes_prompt and parts.tuner.name != "none"
    similarities = compare(sources) if by_prompts else _by_task(sources, vector)
    nearest = max(sources, key=lambda one: similarities[one.name])
    return Chosen(nearest, similarities)


def _by_task(sources: list[Source], vector: Tensor | None) -> dict[str, float]:
    """Cosine of each source's task vector with that of train."""
    for source in sources:
        require(
            source.vector is not None and bool(source.vector.isfinite().all()),
            Setting("prompt_from"),
            f": {source.name} was saved without a task vector that can be compared with "
            "those of the others; fit it again, or give it alone",
        )
    pairs = ((one.name, one.vector) for one in sources)
    return {
        name: cosine(own, vector) for name, own in pairs if own is not None and vector is not None
    }


def _check_alike(source: Source, parts: Design, backbone: Backbone) -> None:
    theirs, name = source.backbone, source.name
    if theirs["weights_hash"] != backbone.weights_hash:
        if theirs["name"] == backbone.name and theirs["depth"] != backbone.depth:
            raise ConfigError(
                Setting("prompt_from"),
                f": the prompt of {name} was trained for {theirs['depth']} layers of "
                f"{backbone.name}, and here {backbone.depth} are read; give the readout that it "
                "was trained with, ",
                Setting("readout", source.settings["readout"]),
            )
        if theirs["name"] == backbone.name:
            raise ConfigError(
                Setting("prompt_from"),
                f": the prompt of {name} was trained with {backbone.name} of other weights: either "
                "these have changed since, or the decoder was read in one case and not in the "
                "other; it was trained with ",
                Setting("readout", source.settings["readout"]),
                " and ",
                Setting("tuner", source.settings["tuner"]),
            )
        raise ConfigError(
            Setting("prompt_from"),
            f": the prompt of {name} was trained with the language model "
            f"{theirs['name']} (weights {theirs['weights_hash'][:12]}...), and is to be read by "
            f"{backbone.name} (weights {backbone.weights_hash[:12]}...) here; give ",
            Setting("backbone", theirs["name"]),
            ", or train the prompt with the one here",
        )
    own = parts.specs(full=True)
    for setting in _ALIKE:
        if own[setting] != source.settings[setting]:
            their, here = differing(source.settings[setting], own[setting])
            raise ConfigError(
                Setting("prompt_from"),
                f": the prompt of {name} was trained with {their!r}, and here it is {here!r}; "
                "give ",
                Setting(setting, their),
                ", or train the prompt with what is here",
            )
