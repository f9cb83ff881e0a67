"""A private copy of a backbone, part of which may be trained; the shared one stays as it is."""

from __future__ import annotations

import copy
import re
import warnings
from typing import Any

from torch import Tensor, nn

from tsprompt.backbones.base import Backbone
from tsprompt.backbones.load import load_backbone
from tsprompt.backbones.spoken import Spoken
from tsprompt.backbones.word_scores import WordScorer, own_scorer
from tsprompt.base.placebo import random_gradients
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.errors import ConfigError, Setting

__all__ = ["METHODS", "TunedBackbone"]

METHODS = ("full", "lora", "layernorm")

_ADAPTER = "tsprompt"
"""What PEFT calls the numbers that it adds."""


class TunedBackbone(Backbone):
    """A copy of a backbone in float32, of which `trained` may change.

    It computes in float32 whatever the shared one does: steps of training are too small for
    bfloat16. Dropout stays off.
    """

    def __init__(
        self,
        base: Backbone,
        *,
        method: str,
        rank: int,
        learning_rate: float,
        seed: int,
        speaks: bool = False,
        placebo: bool = False,
    ) -> None:
        """Copy `base`.

        Parameters
        ----------
        method
            What may change: `full`, all weights but the word embeddings, which the template looks
            up beside the model; `lora`, low-rank additions to projections of the attention (Hu et
            al. 2022); `layernorm`, scales and shifts of the normalisations (Qi et al. 2022).
        rank
            Of the additions, for `lora`.
        learning_rate
            Step size.
        seed
            For the start of the additions.
        speaks
            Whether the model's own head for masked words is copied too, and trained by the same
            method: `full`, all of it but vectors that are the word embeddings; `lora`, additions to
            its projections; `layernorm`, its normalisations.
        placebo
            Whether gradients are replaced by chance: see `tsprompt.base.placebo`.

        Raises
        ------
        ConfigError
            There is nothing to train, or no head for masked words.
        """
        if base.passes_through:
            raise ConfigError(
                f"the backbone {base.name} has no layers, so there is nothing of it to train; use ",
                Setting("train", "prompt"),
                ", or a backbone with layers",
            )
        place = str(base.device)
        answers = base.family.answers
        shared = load_backbone(base.name, base.depth, base.seed, place, "float32", answers=answers)
        vars(self).update(vars(shared))
        for cached in ("model_layers", "_weights"):
            vars(self).pop(cached, None)
        self._recipe = {
            "method": method,
            "rank": rank,
            "learning_rate": learning_rate,
            "seed": seed,
            "speaks": speaks,
            "placebo": placebo,
        }
        self._rate = learning_rate
        self.model = copy.deepcopy(shared.model)
        names = _MAKERS[method](self, rank, seed)
        self.model.requires_grad_(False).eval()
        own = dict(self.model.named_parameters())
        self._trained = {name: own[name] for name in names}
        if speaks:
            self.speaker = own_scorer(shared).copied(self)
            self._trained |= _of_speaker(self.speaker, method, rank, seed)
        if placebo:
            random_gradients(self._trained.values(), derive(seed, "placebo"))

    def anew(self, seed: int, *, speaks: bool) -> TunedBackbone:
        """Another copy of the same model, as it was before any training."""
        recipe: dict[str, Any] = {**self._recipe, "seed": seed, "speaks": speaks}
        place = (self.name, self.depth, self.seed, str(self.device), self.dtype_name)
        return TunedBackbone(load_backbone(*place, answers=self.family.answers), **recipe)

    @property
    def n_parameters(self) -> int:
        """Also those of the head for masked words, where it is trained."""
        spoken = [] if self.speaker is None else self.speaker.named_parameters()
        return super().n_parameters + sum(one.numel() for _, one in spoken)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that training may change, by name."""
        return self._trained

    @property
    def trained_rate(self) -> float:
        """Step size for these parameters."""
        return self._rate

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: one.cpu() for name, one in self.trained_state().items()}
        place = (self.name, self.depth, self.seed, str(self.device), self.dtype_name)
        how = self.family.answers, self.family.spoken
        return _again, (place, *how, self._recipe, state)


def _again(
    place: tuple[Any, ...],
    answers: bool,
    spoken: Spoken,
    recipe: dict[str, Any],
    state: dict[str, Tensor],
) -> Backbone:
    """A copy, in this process or another, loads the base and carries along what was trained."""
    backbone = TunedBackbone(load_backbone(*place, answers=answers), **recipe)
    backbone.restore(state)
    return backbone.asked(spoken)


def _full(backbone: TunedBackbone, rank: int, seed: int) -> list[str]:
    looked_up: Any = getattr(backbone.model.get_input_embeddings(), "weight", None)  # type: ignore[operator]
    return [name for name, one in backbone.model.named_parameters() if one is not looked_up]


def _lora(backbone: TunedBackbone, rank: int, seed: int) -> list[str]:
    return _inject(backbone.model, _lora_config(rank, _projections(backbone)), seed)


def _lora_config(rank: int, targets: list[str]) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=targets)


def _projections(backbone: TunedBackbone) -> list[str]:
    """Names of the modules that make queries and values, as in the paper."""
    found = [
        name
        for name, module in backbone.model.named_modules()
        if isinstance(module, nn.Linear) and _QUERY_OR_VALUE.fullmatch(name.rpartition(".")[2])
    ]
    if not found:
        config: Any = backbone.model.config
        raise ConfigError(
            f"method=lora: the {config.model_type} model {backbone.name} has no projections to "
            "queries and values that are known; use method=full or method=layernorm"
        )
    return found


_QUERY_OR_VALUE = re.compile(r"query|value|[qv]|[qv]_(lin|proj)|(query|value)_proj")
"""What modules are called in one model or another."""


def _layernorm(backbone: TunedBackbone, rank: int, seed: int) -> list[str]:
    norms = [name for name, one in backbone.model.named_modules() if isinstance(one, nn.LayerNorm)]
    if not norms:
        raise ConfigError(
            f"method=layernorm: {backbone.name} has no LayerNorm; use method=full or method=lora"
        )
    return _inject(backbone.model, _norm_config(norms), seed)


def _norm_config(targets: list[str]) -> Any:
    from peft import LNTuningConfig

    return LNTuningConfig(target_modules=targets)


def _inject(model: nn.Module, config: Any, seed: int) -> list[str]:
    from peft import inject_adapter_in_model

    with seeded_torch(seed), warnings.catch_warnings():
        # It knows no LayerNorm by its sizes, and needs to know none.
        warnings.filterwarnings("ignore", "Unsupported layer type", UserWarning)
        inject_adapter_in_model(config, model, _ADAPTER)
    return [name for name, _ in model.named_parameters() if _ADAPTER in name.split(".")]


def _of_speaker(speaker: WordScorer, method: str, rank: int, seed: int) -> dict[str, nn.Parameter]:
    """What the method trains of a head for masked words, by name."""
    transform = speaker.transform
    names = [name for name, _ in speaker.named_parameters()]
    if method == "lora":
        found = [name for name, one in transform.named_modules() if isinstance(one, nn.Linear)]
        names = _inject(transform, _lora_config(rank, found), seed) if found else []
    elif method == "layernorm":
        found = [name for name, one in transform.named_modules() if isinstance(one, nn.LayerNorm)]
        names = _inject(transform, _norm_config(found), seed) if found else []
    transform.requires_grad_(False).eval()
    own = dict(speaker.named_parameters())
    return {f"words.{name}": own[name] for name in names}


_MAKERS = {"full": _full, "lora": _lora, "layernorm": _layernorm}
