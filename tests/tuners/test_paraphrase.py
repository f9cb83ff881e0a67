"""Paraphrases by back-translation: which way they go, which come back whole, and in what order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones.writer import Writer, open_writer
from tsprompt.errors import BackboneError, Setting
from tsprompt.tuners.paraphrase import Paraphrase, _marked

OPTION = Setting("tuner", "paraphrase")


@pytest.mark.parametrize("beams", [2, 4])
def test_a_sentence_is_said_in_other_words_with_their_likelihoods(
    tiny_writer: str, beams: int
) -> None:
    writer = open_writer(tiny_writer, "cpu", OPTION)
    said = writer.rewrite("a b c", beams, longest=4)
    assert len(said) == beams
    scores = [score for _, score in said]
    assert scores == sorted(scores, reverse=True)
    # The likeliest, by a run of the whole model.
    ids = torch.tensor([[*writer.encode("a b c"), writer.end]])
    model: Any = writer.model
    made = model.generate(ids, num_beams=beams, max_new_tokens=4, length_penalty=0.0)[0]
    with torch.no_grad():
        logits = model(input_ids=ids, decoder_input_ids=made[None, :-1]).logits[0]
    chances = logits.log_softmax(dim=1)
    expected = sum(float(chances[k, word]) for k, word in enumerate(made[1:]))
    assert scores[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("the pattern X is Y.", "the pattern {series} is [MASK]."),
        ("Y, says X", "[MASK], says {series}"),
        ("the pattern X is", None),
        ("X X is Y", None),
        ("Xavier is Y", None),
    ],
)
def test_series_and_mask_must_come_back_once(text: str, template: str | None) -> None:
    assert _marked(text) == template


WAYS = {
    ("there", "we see X as Y"): [("wir X", -1.0), ("wir Y", -3.0)],
    ("back", "wir X"): [("we find X to be Y", -2.0), ("we find X", -1.0)],
    ("back", "wir Y"): [("X is Y", -0.5), ("we find X to be Y", -0.1)],
}
"""What a model says of a text, and how likely."""


def test_a_paraphrase_is_as_likely_as_both_its_ways_together(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P(s | t) P(t' | s): -1 - 2 = -3 for the one, -3 - 0.5 for the other."""

    class Said:
        def __init__(self, name: str, *_: Any) -> None:
            self.name = name

        def rewrite(self, text: str, beams: int, longest: int) -> list[tuple[str, float]]:
            return WAYS[self.name, text]

    monkeypatch.setattr("tsprompt.tuners.paraphrase.open_writer", Said)
    tuner = Paraphrase(model="there", back="back", longest=40, keep=2)
    model = PromptClassifier(
        "paraphrased",
        **tiny,
        tokenizer="kernels",
        prompt='manual:template="we see {series} as [MASK]"',
        tuner=tuner,
        head="ridge",
    ).fit(separable.X, separable.y)
    found: Any = model.parts_.tuner
    assert found.templates_ == [
        "we see {series} as [MASK]",
        "we find {series} to be [MASK]",
        "{series} is [MASK]",
    ]
    assert len(model.readings_) == 2
    best = int(np.argmin(found.losses_))
    first = model.readings_[0].prompt.ids
    assert first is not None
    words = [model.reader_.backbone.words.word(int(one)) for one in first]
    said = found.templates_[best].replace("{series}", "").replace("[MASK]", "")
    assert "".join(words).replace("##", "") == said.replace(" ", "")


def test_the_written_template_is_compared_too(
    tiny: dict[str, Any], separable: Any, tiny_writer: str
) -> None:
    tuner = Paraphrase(model=tiny_writer, beam=2, longest=20)
    choices = {"tokenizer": "kernels", "tuner": tuner, "head": "ridge"}
    model = PromptClassifier("paraphrased", **tiny, **choices).fit(separable.X, separable.y)
    found: Any = model.parts_.tuner
    assert found.templates_[0] == "the pattern {series} is [MASK]."


def test_without_a_model_an_error_says_what_to_do(tiny: dict[str, Any], separable: Any) -> None:
    with pytest.raises(BackboneError, match=r"hf download Helsinki-NLP/opus-mt-en-de.*back=FOLDER"):
        PromptClassifier("paraphrased", **tiny, tokenizer="kernels").fit(separable.X, separable.y)


def test_a_model_is_loaded_once(tiny_writer: str) -> None:
    one: Writer = open_writer(tiny_writer, "cpu", OPTION)
    assert open_writer(tiny_writer, "cpu", OPTION) is one
