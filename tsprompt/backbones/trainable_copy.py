"""A private copy of a backbone, part of which may be trained; the shared one stays as it is."""

from __future__ import annotations

import copy
import re
import warnings
from typing import Any

from torch import Tensor, nn

from tsprompt.backbones.base import Backbone
from tsprompt.backbones.load import load_backbone
from tsprompt.base.seeds import seeded_torch
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
        self, base: Backbone, *, method: str, rank: int, learning_rate: float, seed: int
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

        Raises
        ------
        ConfigError
            There is nothing to train.
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
        }
        self._rate = learning_rate
        self.model = copy.deepcopy(shared.model)
        names = _MAKERS[method](self, rank, seed)
        self.model.requires_grad_(False).eval()
        own = dict(self.model.named_parameters())
        self._trained = {name: own[name] for name in names}

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
        return _again, (place, self.family.answers, self._recipe, state)


def _again(
    place: tuple[Any, ...], answers: bool, recipe: dict[str, Any], state: dict[str, Tensor]
) -> Backbone:
    """A copy, in this process or another, loads the base and carries along what was trained."""
    backbone = TunedBackbone(load_backbone(*place, answers=answers), **recipe)
    backbone.restore(state)
    return backbone


def _full(backbone: TunedBackbone, rank: int, seed: int) -> list[str]:
    looked_up: Any = getattr(backbone.model.get_input_embeddings(), "weight", None)  # type: ignore[operator]
    return [name for name, one in backbone.model.named_parameters() if one is not looked_up]


def _lora(backbone: TunedBackbone, rank: int, seed: int) -> list[str]:
    from peft import LoraConfig

    targets = _projections(backbone)
    config = LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=targets)
    return _inject(backbone, config, seed)


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
    from peft import LNTuningConfig

    norms = [name for name, one in backbone.model.named_modules() if isinstance(one, nn.LayerNorm)]
    if not norms:
        raise ConfigError(
            f"method=layernorm: {backbone.name} has no LayerNorm; use method=full or method=lora"
        )
    return _inject(backbone, LNTuningConfig(target_modules=norms), seed)


def _inject(backbone: TunedBackbone, config: Any, seed: int) -> list[str]:
    from peft import inject_adapter_in_model

    with seeded_torch(seed), warnings.catch_warnings():
        # It knows no LayerNorm by its sizes, and needs to know none.
        warnings.filterwarnings("ignore", "Unsupported layer type", UserWarning)
        inject_adapter_in_model(config, backbone.model, _ADAPTER)
    return [name for name, _ in backbone.model.named_parameters() if _ADAPTER in name.split(".")]


_MAKERS = {"full": _full, "lora": _lora, "layernorm": _layernorm}
