"""A language model that writes: a frozen encoder-decoder such as T5, with its head for words.

The backbones read. This one is asked, while a prompt is sought, what stands in the gaps of a text.

| letter | counts |
|---|---|
| B | texts that are read |
| n | beginnings of what is written |
| V | words of its vocabulary |
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from tsprompt.backbones.load import _describe, _fetches, _quiet_transformers
from tsprompt.errors import BackboneError, Setting

__all__ = ["Gaps", "Writer", "open_writer"]

_LOGITS = 1 << 25
"""Scores of words that exist at once."""
_SENTINEL = "<extra_id_{}>"


class Writer:
    """A sequence-to-sequence model and its vocabulary, frozen, in float32."""

    def __init__(self, name: str, model: nn.Module, vocabulary: Any) -> None:
        self.name = name
        self.model = model
        self.vocabulary = vocabulary
        self._ids: dict[str, int] = vocabulary.get_vocab()

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.model.parameters()).device

    @property
    def start(self) -> int:
        """What the decoder starts with."""
        config: Any = self.model.config
        own = config.decoder_start_token_id
        return int(config.pad_token_id if own is None else own)

    @property
    def end(self) -> int:
        """What ends a text."""
        return int(self.vocabulary.eos_token_id)

    def sentinel(self, number: int) -> int:
        """The id of what stands for the gap of this number.

        Raises
        ------
        BackboneError
            It was not trained to fill gaps.
        """
        found = self._ids.get(_SENTINEL.format(number))
        if found is None:
            raise BackboneError(
                f"{self.name} can't fill gaps: its vocabulary has no {_SENTINEL.format(number)}; "
                "templates are written by a T5 (t5-base, google/t5-v1_1-base, mt5, flan-t5)"
            )
        return found

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without special ones."""
        return [int(one) for one in self.vocabulary.encode(text, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        """The text of ids."""
        return str(self.vocabulary.decode(ids, skip_special_tokens=True)).strip()

    def rewrite(self, text: str, beams: int, longest: int) -> list[tuple[str, float]]:
        """The likeliest texts that it makes of one, by beam search, with their log-likelihoods."""
        ids = torch.tensor([[*self.encode(text), self.end]], device=self.device)
        with torch.no_grad():
            model: Any = self.model
            made = model.generate(
                ids,
                num_beams=beams,
                num_return_sequences=beams,
                max_new_tokens=longest,
                do_sample=False,
                length_penalty=0.0,  # the sum over the words, not their mean
                output_scores=True,
                return_dict_in_generate=True,
            )
        scores = made.sequences_scores if beams > 1 else [0.0]
        return [
            (self.decode(own.tolist()), float(score))
            for own, score in zip(made.sequences, scores, strict=True)
        ]


class Gaps:
    """Texts with gaps, read once by the encoder; what may be written in their gaps is asked step by
    step."""

    def __init__(self, writer: Writer, texts: list[list[int]]) -> None:
        """`texts` are ids of B texts."""
        self.writer = writer
        longest = max(map(len, texts))
        ids = torch.zeros(len(texts), longest, dtype=torch.long)
        self._heard = torch.zeros(len(texts), longest, dtype=torch.long)
        for row, own in enumerate(texts):
            ids[row, : len(own)] = torch.tensor(own)
            self._heard[row, : len(own)] = 1
        self._heard = self._heard.to(writer.device)
        encoder = writer.model.get_submodule("encoder")
        parts = ids.to(writer.device).split(32)
        with torch.no_grad():
            self._states = torch.cat(
                [
                    encoder(input_ids=part, attention_mask=mask).last_hidden_state
                    for part, mask in zip(parts, self._heard.split(32), strict=True)
                ]
            )

    def next(self, begun: list[list[int]]) -> Tensor:
        """(n, V), float64: the sum over all texts of the log-likelihoods of each next word, after
        what was begun, n beginnings of one length."""
        from transformers.modeling_outputs import BaseModelOutput

        model: Any = self.writer.model
        length, words = len(begun[0]), int(model.config.vocab_size)
        rows = max(1, _LOGITS // (length * words))
        totals = []
        with torch.no_grad():
            for prefix in begun:
                ids = torch.tensor([prefix], device=self._states.device)
                total = torch.zeros(words, dtype=torch.float64)
                for states, heard in zip(
                    self._states.split(rows), self._heard.split(rows), strict=True
                ):
                    said = model(
                        encoder_outputs=BaseModelOutput(last_hidden_state=states),
                        attention_mask=heard,
                        decoder_input_ids=ids.expand(len(states), -1),
                        use_cache=False,
                    ).logits[:, -1]
                    total += said.log_softmax(dim=1).sum(dim=0).cpu().to(torch.float64)
                totals.append(total)
        return torch.stack(totals)


def open_writer(name: str, device: str, option: Setting) -> Writer:
    """Load a sequence-to-sequence model: by its folder, or by its name on the hub. `option` is how
    a person gives one.

    Raises
    ------
    BackboneError
        It is not to be had, or does not write.
    """
    try:
        return _open(name, device)
    except _NotHereError as error:
        raise BackboneError(
            f"no model that writes: {error}. Where the hub can be reached, hf download {name} "
            "fetches it; else give the folder of a sequence-to-sequence model that save_pretrained "
            "wrote, ",
            option,
        ) from None


class _NotHereError(BackboneError):
    """There is no such model."""


@lru_cache(maxsize=2)
def _open(name: str, device: str) -> Writer:
    from transformers import AutoModelForSeq2SeqLM

    try:
        source, config, vocabulary = _describe(name)
    except BackboneError as error:
        raise _NotHereError(*error.args) from None
    if not getattr(config, "is_encoder_decoder", False):
        raise BackboneError(
            f"{name} is a {config.model_type} model and does not write; give a "
            "sequence-to-sequence model such as t5-base"
        )
    with _quiet_transformers():
        try:
            model, told = AutoModelForSeq2SeqLM.from_pretrained(
                source,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                local_files_only=not _fetches.get(),
            )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BackboneError(
                f"{name} can't be loaded as a model that writes: {reason}"
            ) from None
    missing = sorted(told["missing_keys"])
    if missing:
        raise BackboneError(
            f"{name} can't write: its file holds no weights for {missing[0]}; give a model that "
            "was saved with its head for words"
        )
    return Writer(name, model.to(device).requires_grad_(False).eval(), vocabulary)
