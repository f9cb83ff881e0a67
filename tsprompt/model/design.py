"""The parts of one classifier, built from its settings and checked against each other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tsprompt.backbones import Backbone, BatchSize
from tsprompt.backbones.catalogue import choose
from tsprompt.backbones.load import input_of, total_layers
from tsprompt.base.kinds import SETTINGS
from tsprompt.base.part import count_of, spec_of
from tsprompt.base.spec import join_texts, split_texts
from tsprompt.combinations import Combination, combinations
from tsprompt.contexts import Context, contexts
from tsprompt.data import Cases
from tsprompt.errors import BackboneError, ConfigError, Piece, Setting
from tsprompt.heads import Head, heads
from tsprompt.model.weights import ClassWeight, check_class_weight
from tsprompt.preprocessings import Preprocessing
from tsprompt.prompts import PromptModel, prompts
from tsprompt.reading.reader import Reader
from tsprompt.readouts import Readout
from tsprompt.regimes import Regime
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tuners import Tuner, tuners, tuners_for

__all__ = ["Design", "let_say", "make_reader"]

_SCOPES = ("series", "step", "auto")
"""What the language model reads at once: a whole case, each step alone, or what suits the data."""

_BATCH_TOKENS = {"cpu": 2_048, "cuda": 131_072, "mps": 32_768}

_SUPPLY: dict[str, tuple[Piece, ...]] = {
    "words": (),
    "images": (
        ". The tokenizer 'image' needs a vision transformer (ViT, or CLIP where texts are compared "
        "with pictures): where the hub can be reached, it is downloaded; else give the folder of "
        "one that save_pretrained wrote, ",
        Setting("backbone", "FOLDER"),
        ". For a backbone of words, use ",
        Setting("recipe", "default"),
    ),
}
"""What to do if there is no backbone that reads what a tokenizer makes."""
_OTHER_BACKBONE = {
    "words": "a ViT or a CLIP as the backbone",
    "images": "a backbone of words (minilm)",
}
"""What to take instead, by what the backbone reads."""


@dataclass
class Design:
    """The parts of one classifier, built and checked against each other, not fitted."""

    strategy: Strategy
    scope: str
    preprocessing: Preprocessing
    tokenizer: Tokenizer
    prompt: PromptModel
    tuner: Tuner
    n_prompts: int
    readout: Readout
    head: Head
    combination: Combination
    train: Regime
    context: Context
    backbone: str
    prompt_from: str | None = None
    """Folders whose trained prompts are started from, as `join_texts` spells them."""
    class_weight: ClassWeight = None
    """How much a case of each class counts."""

    @classmethod
    def build(cls, settings: dict[str, Any]) -> Design:
        """Build all parts.

        Raises
        ------
        ConfigError
            A name or option is unknown, a value is out of range, or two choices contradict.
        """
        built = {
            setting: kind.registry().build(settings[setting])
            for setting, kind in SETTINGS.items()
            if setting != "tuner"
        }
        own = built["train"].tuner_of(built["prompt"].tuner)
        parts = cls(
            **built,
            tuner=tuners.build(settings["tuner"] or own),
            scope=settings["scope"],
            n_prompts=count_of("n_prompts", settings["n_prompts"]),
            backbone=settings["backbone"],
            prompt_from=_folders(settings.get("prompt_from")),
            class_weight=check_class_weight(settings.get("class_weight")),
        )
        parts._check()
        return parts

    def _check(self) -> None:
        if self.scope not in _SCOPES:
            raise ConfigError(f"scope {self.scope!r} is not one of: {', '.join(_SCOPES)}")
        if self.prompt.by_layer and self.strategy.by_step:
            raise ConfigError(
                f"the prompt {self.prompt.name!r} stands beside all tokens of every layer, so no "
                "step can have one of its own; use ",
                Setting("strategy", "shared"),
                f", or a prompt of tokens with {self.strategy.name!r}",
            )
        trainers = (self.tuner.name,) if self.tuner.trains_model else ()
        finders = self.train.tuners_of(self._finders(), trainers)
        if self.tuner.name not in finders and not self._trains_both():
            if trainers:
                raise ConfigError(
                    f"the tuner {self.tuner.name!r} trains language models under prompts that stay "
                    "as they are; use ",
                    Setting("train", "lm"),
                )
            allowed = self.train.tuners_of(tuners_for(self.prompt))
            if self.train.tunes_model:
                raise ConfigError(
                    Setting("train", self.train.name),
                    " trains the language model by descent, and the tuner "
                    f"{self.tuner.name!r} knows none; use ",
                    Setting("tuner", allowed[0]),
                )
            raise ConfigError(
                f"the tuner {self.tuner.name!r} can't find the prompt {self.prompt.name!r}; use "
                f"one of: {', '.join(allowed)}"
            )
        self.train.check(self.tuner.name, self.n_prompts)
        self._check_placebo()
        self.tuner.check(self)
        if self.tuner.teaches and not self.head.takes_soft:
            able = [name for name in heads if heads[name].takes_soft]
            raise ConfigError(
                f"the tuner {self.tuner.name!r} gives soft labels, and the head {self.head.name!r} "
                f"can't learn from them; use one of: {', '.join(able)}"
            )
        self._check_scope()
        self.context.check_head(self.head)
        if self.readout.reads_words and not self.context.names_answers:
            named = [name for name in contexts if contexts[name].names_answers]
            raise ConfigError(
                f"the readout {self.readout.name!r} reads the words that a context brings, and ",
                Setting("context", self.context.name),
                f" brings none; use one of: {', '.join(named)}",
            )
        self.combination.check(self.head, self.n_prompts)
        if self.prompt_from is not None and not self.prompt.resumes:
            able = [name for name in prompts if prompts[name].resumes]
            raise ConfigError(
                Setting("prompt_from"),
                f": the prompt {self.prompt.name!r} can't start from one that was saved; use "
                f"one of: {', '.join(able)}",
            )
        if self.head.reads_mask and self.readout.name != "mask":
            raise ConfigError(
                f"the head {self.head.name!r} reads what the model says at the mask as words; it "
                "needs ",
                Setting("readout", "mask"),
                f", not {self.readout.name!r}",
            )

    @property
    def has_placebo(self) -> bool:
        """Whether anything is trained or sought that chance could take the place of."""
        return bool(self.tuner.placebo) and "placebo" in self.train.options()

    def _check_placebo(self) -> None:
        if self.train.placebo and not self.has_placebo:
            able = ", ".join(name for name in tuners if tuners[name].placebo)
            raise ConfigError(
                f"the tuner {self.tuner.name!r} seeks no prompt, so that its placebo would be the "
                f"model itself; leave out placebo=true, or use one of the tuners: {able}"
            )

    def _trains_both(self) -> bool:
        """Whether prompt and language model are trained together, by a tuner of this prompt that
        can."""
        both = self.train.tunes_prompt and self.train.tunes_model
        return both and self.tuner.trains_both and self.tuner.name in self._finders()

    def _check_scope(self) -> None:
        if self.scope != "auto":
            self.context.check(self.scope, self.strategy, self.tokenizer, self.combination)

    def settle(self, train: Cases) -> bool:
        """Settle what depends on train. With ``scope="auto"`` a case is read whole where there is
        one feature and one prompt, and else each step alone: a timestep's row of features.
        Where steps are read alone, the head sees one vector for each, so all series get the length
        of the longest.

        Returns
        -------
        bool
            Whether train decided the length.

        Raises
        ------
        ConfigError
            Other choices have no meaning with what was settled.
        """
        if self.scope == "auto":
            whole = train.n_features == 1 or not self.strategy.keeps_channels
            self.scope = "series" if whole and not self.strategy.by_step else "step"
            self._check_scope()
        if self.scope == "series" and self.strategy.by_step and self.prompt.placement == "random":
            raise ConfigError(
                f"with the strategy {self.strategy.name!r} and placement=random each step has a "
                "mask of its own, so each must be an input of its own; use ",
                Setting("scope", "step"),
                ", or placement=around",
            )
        if self.scope == "series" or self.preprocessing.length is not None:
            return False
        self.preprocessing.length = int(train.lengths.max())
        return True

    def _finders(self) -> tuple[str, ...]:
        """Tuners that can find the prompt, without a look at those that nobody asked for."""
        own = (self.tuner.name,) if self.prompt.name in self.tuner.finds else ()
        return (*self.prompt.tuners, *own)

    def check_zero_shot(self) -> None:
        """See that nothing here learns from labelled cases.

        Raises
        ------
        ConfigError
            Something does; the text says what, and what does not.
        """
        if self.class_weight is not None:
            raise ConfigError(
                Setting("class_weight"),
                " weighs cases by their labels, and without training cases (0 shots) there are "
                "none; leave it out",
            )
        needy = [
            f"{kind} {part.name!r}"
            for kind, part, needs in (
                ("the head", self.head, self.head.needs_cases),
                ("the tuner", self.tuner, self.tuner.needs_cases),
                ("the combination", self.combination, self.combination.needs_cases),
                ("train", self.train, self.train.tunes_model),
            )
            if needs
        ]
        if not needy:
            return
        able = [spec for name in heads if (spec := heads[name].without_cases)]
        raise ConfigError(
            f"without training cases (0 shots) nothing can be learned, but {' and '.join(needy)} "
            f"must learn; use a head that need not ({', '.join(able) or 'there is none'}, with ",
            Setting("readout", "mask"),
            "), ",
            Setting("tuner", "none"),
            ", and one of the combinations: ",
            ", ".join(name for name in combinations if not combinations[name].needs_cases),
        )

    @property
    def held_share(self) -> float:
        """Share of train that is held out once, for tuner and head alike; 0: each may do so for
        itself. For where both do, so that neither validates on what the other has learned from, and
        where the context shows train cases: none of them may be validated on."""
        shares = self.tuner.held_share, self.head.held_share
        return max(shares) if self.context.shows_cases or min(shares) > 0 else 0.0

    def validation_kind(self) -> str:
        """How the validation figures were come by, in a few words, once all is fitted."""
        kind = self.combination.validation_kind()
        if self.context.shows_cases and self.head.needs_cases and not self.head.held_share:
            # Each case is left out in turn, and none can be both learned from and shown to nobody.
            kind += ", but cases left out stand with their label beside others"
        developed = all(head.developed_ for head in self.combination.heads_)
        if self.tuner.held_share and not self.head.held_share and not developed:
            # The tuner learned from most of train, and the head judges itself on train.
            kind += ", on cases that were trained on before"
        if self.tuner.unjudged and not developed:
            kind += ", on cases that were trained on before"
        if self.tuner.held_share and developed:
            kind += ", by which training was stopped"
        return kind

    def choose_layers(self) -> tuple[int, ...]:
        """Settle which of the named backbones is taken, and which of its layers are read.

        Raises
        ------
        BackboneError
            None of them is to be had.
        ConfigError
            It has no such layer.
        """
        self.backbone = choose(self.backbone)
        self._check_input()
        return self.readout.choose_layers(total_layers(self.backbone))

    def _check_input(self) -> None:
        """See that the backbone reads what the tokenizer makes, and what prompt and head say."""
        try:
            reads = input_of(self.backbone)
        except BackboneError as error:
            raise BackboneError(*error.args, *_SUPPLY[self.tokenizer.makes]) from None
        if reads != self.tokenizer.makes:
            able = [name for name in tokenizers if tokenizers[name].makes == reads]
            raise ConfigError(
                f"the tokenizer {self.tokenizer.name!r} makes {self.tokenizer.makes}, but the "
                f"backbone {self.backbone} reads {reads}; use a tokenizer of {reads} "
                f"({', '.join(able)}), or {_OTHER_BACKBONE[reads]}"
            )
        wordy = [part for part in (self.prompt, self.head) if part.needs_words]
        if reads != "words" and wordy:
            raise ConfigError(
                f"{wordy[0].name!r} needs words, but the backbone {self.backbone} reads {reads} "
                "and has none; use ",
                Setting("prompt", "none"),
                ", or a prompt of vectors drawn at random, and a head that reads features",
            )

    @property
    def reads_answer(self) -> bool:
        """Whether anybody reads what stands at the mask."""
        return self.scope == "step" or self.readout.reads_answer or self.tuner.reads_answer

    @property
    def asks_speaker(self) -> bool:
        """Whether somebody asks the model's own head for masked words."""
        return self.head.asks_speaker or self.readout.asks_speaker

    @property
    def uses_unlabelled(self) -> bool:
        """Whether cases without a label are of use to somebody."""
        return self.combination.uses_unlabelled or self.tuner.uses_unlabelled

    @property
    def reads_data(self) -> bool:
        """Whether anybody reads what stands at the data tokens, and not at masks alone."""
        return self.scope == "series" and self.readout.reads_data

    def from_plugins(self) -> list[dict[str, str]]:
        """The parts that other packages bring: setting, part, package and version of each."""
        chosen = {setting: getattr(self, setting).name for setting in SETTINGS}
        origins = {one: SETTINGS[one].registry().origin(name) for one, name in chosen.items()}
        return [
            {
                "setting": setting,
                "part": chosen[setting],
                "package": plugin.package,
                "version": plugin.version,
            }
            for setting, plugin in origins.items()
            if plugin is not None
        ]

    def specs(self, *, full: bool = False) -> dict[str, Any]:
        """The settings that build these parts again; `full` writes the defaults out too."""
        return {
            field.name: spec_of(getattr(self, field.name), full=full)
            for field in dataclasses.fields(self)
            # Runs that were made before there was such a choice keep their names.
            if field.name != "class_weight" or self.class_weight is not None
        }


def _folders(given: Any) -> str | None:
    """One text, whatever way folders were given: a text, a path, or several of them."""
    if isinstance(given, (str, Path)):
        given = split_texts(given) if isinstance(given, str) else [given]
    return join_texts(given) if given else None


def let_say(parts: Design, reader: Reader) -> None:
    """Let the reader's model give the answer that the head asks for, once that has met the model.

    Raises
    ------
    ConfigError
        It asks for more than one word where there is room for no more.
    """
    asked = parts.head.asks
    if not asked.alone and (parts.scope != "series" or parts.context.name != "none"):
        raise ConfigError(
            f"the head {parts.head.name!r} asks for an answer of several words, and there is one "
            "place for each series and nothing beside it; use ",
            Setting("scope", "series"),
            " and ",
            Setting("context", "none"),
        )
    reader.backbone = reader.backbone.asked(asked)


def make_reader(parts: Design, backbone: Backbone, batch_tokens: int | None) -> Reader:
    """The reader of these parts; without a number of tokens, a batch is what suits the device."""
    suits = _BATCH_TOKENS.get(backbone.device.type, 2_048)
    own = parts.prompt.slots_of(backbone, parts.strategy.default_length)
    return Reader(
        backbone=backbone,
        strategy=parts.strategy,
        length=parts.tuner.slots_of(own),
        scope=parts.scope,
        batch=BatchSize(
            suits if batch_tokens is None else count_of("batch_tokens", batch_tokens),
            cores=torch.get_num_threads() if backbone.device.type == "cpu" else 1,
        ),
    )
