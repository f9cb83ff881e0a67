"""Encoders: BERT, RoBERTa, MPNet, DistilBERT, ELECTRA. The answer stands at the mask."""

from __future__ import annotations

from typing import Any, ClassVar

from tsprompt.backbones.families.base import Family
from tsprompt.backbones.vocabulary import Words
from tsprompt.errors import BackboneError

__all__ = ["Encoder"]


class Encoder(Family):
    """``[CLS] .. [MASK] [SEP]``; every token sees all others (Devlin et al. 2019)."""

    name: ClassVar[str] = "encoder"

    @classmethod
    def claims(cls, config: Any) -> bool:
        """All that has layers; `words` sees whether it has a mask."""
        return hasattr(config, "num_hidden_layers")

    def words(self, vocabulary: Any, base: str) -> Words:
        """Its own special tokens."""
        missing = [
            f"{kind}_token"
            for kind in ("cls", "sep", "mask")
            if getattr(vocabulary, f"{kind}_token", None) is None
        ]
        if missing:
            raise BackboneError(
                f"the vocabulary of {base} has no {' and no '.join(missing)}; tsprompt reads "
                "BERT-family encoders (BERT, RoBERTa, MPNet, ELECTRA, DistilBERT, ...) at their "
                "mask, decoders such as GPT-2, encoder-decoders such as BART and T5, ViT and CLIP"
            )
        return Words(
            vocabulary,
            cls=int(vocabulary.cls_token_id),
            mask=int(vocabulary.mask_token_id),
            sep=int(vocabulary.sep_token_id),
        )
