"""Colours: they stand before their segments, and the scores of their words are what decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, BatchSize
from tsprompt.contexts import Train, contexts
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.model.layout import layout, slots
from tsprompt.prompts import prompts
from tsprompt.reading.reader import Reader
from tsprompt.readouts import readouts
from tsprompt.strategies import strategies

LAYERS = (1, 2)
WORDS = "a+b+c+d"


def met(backbone: Backbone, spec: str, features: int = 1) -> Any:
    context = contexts.build(spec)
    cases = Cases(np.zeros((2, 5, features), np.float32))
    context.fit(backbone, Train(["x", "y"], cases, np.arange(2), seed=0))
    return context


@pytest.mark.parametrize("steps", [12, 7, 4, 3, 1])
@pytest.mark.parametrize("strategy", ["shared", "per-step"])
def test_a_colour_stands_before_each_segment(backbone: Backbone, steps: int, strategy: str) -> None:
    context = met(backbone, f"colours:words={WORDS}")
    plan = strategies.build(strategy)
    count = plan.slots(2, steps)
    prompt = prompts.build("hard:length=2").draw(count, backbone, np.random.default_rng(0))
    plain = plan.template(steps, 1, count, prompt)
    template = context.arrange(plain)
    marks = min(4, steps)
    assert template.markers.size == marks
    assert template.length == plain.length + marks
    starts = np.flatnonzero(np.isin(template.data[:, 0] - 1, template.markers))
    assert len(starts) == marks
    sizes = np.diff([*starts, steps])
    assert starts[0] == 0
    assert sizes.max() - sizes.min() <= 1
    # Every position is taken once, and apart from the marks all is in the order it was.
    taken = [0, *template.prompt, *template.data.ravel(), template.mask, *template.markers]
    assert sorted(taken) == list(range(template.length - 1))
    before = [*plain.prompt, *plain.data.ravel(), plain.mask]
    after = [*template.prompt, *template.data.ravel(), template.mask]
    assert np.array_equal(np.argsort(before), np.argsort(after))


@pytest.mark.parametrize("width", [2, 6])
def test_the_tokens_of_a_channel_stand_together_behind_its_colour(
    backbone: Backbone, width: int
) -> None:
    """Two channels, of one or three tokens at each step."""
    context = met(backbone, "colours:by=channel,words=a+b", features=2)
    plan = strategies.build("shared")
    prompt = prompts.build("hard:length=2").draw(2, backbone, np.random.default_rng(0))
    template = context.arrange(plan.template(5, width, 2, prompt))
    own = width // 2
    order = np.empty(template.length, object)
    order[:] = "-"
    for step in range(5):
        for k in range(width):
            order[template.data[step, k]] = (k // own, step, k % own)
    order[template.markers] = ["a", "b"]
    channels = [[(f, s, k) for s in range(5) for k in range(own)] for f in range(2)]
    assert order[2:-3].tolist() == ["a", *channels[0], "b", *channels[1]]


@pytest.mark.parametrize("tokenizer", ["kernels", "bins"])
def test_the_model_reads_the_colours_and_other_colours_say_something_else(
    backbone: Backbone, tokenizer: str
) -> None:
    prompt = prompts.build("hard:length=2").draw(2, backbone, np.random.default_rng(0))
    reader = Reader(backbone, strategies.build("shared"), 2, "series", BatchSize(1024))
    rng = torch.Generator().manual_seed(0)
    size = backbone.hidden_size
    tokens = torch.randn(3, 8, 1, size, generator=rng) * backbone.word_scale
    if tokenizer == "bins":
        tokens = torch.randint(50, 90, (3, 8, 1), generator=rng)
    said = {}
    for words in (WORDS, "d+c+b+a"):
        context = met(backbone, f"colours:words={words}")
        data, mask = reader.hidden(tokens, prompt, (0, 2), context)
        assert data.shape == (3, 2, 8, size)
        said[words] = mask[:, 1]
    assert not torch.allclose(*said.values(), atol=1e-3)
    context = met(backbone, f"colours:words={WORDS}")
    template = context.arrange(reader.strategy.template(8, 1, 2, prompt))
    filled = template.assemble(
        tokens, prompt.fill(backbone), backbone, context.markers(template, backbone)
    )
    ids = torch.tensor([backbone.words.id(one) for one in "abcd"])
    assert torch.equal(filled[:, template.markers], backbone.embed(ids).expand(3, -1, -1))


def test_the_head_sees_the_scores_of_the_colours(tiny: dict[str, Any], separable: Any) -> None:
    fitted = PromptClassifier(
        **tiny, context=f"colours:words={WORDS}", readout="words:layers=1+2", head="ridge"
    ).fit(separable.X, separable.y)
    (reading,) = fitted.readings_
    backbone = fitted.reader_.backbone
    prepared = fitted.parts_.preprocessing.transform(Cases(separable.X_test))
    features = fitted.reader_.features(reading, prepared)
    assert features.shape == (15, 2 * 4)
    assert layout(fitted.fitted_).features == 8
    ((_, tokens),) = fitted.reader_.tokenise(reading.tokenizer, prepared)
    _, mask = fitted.reader_.hidden(tokens, reading.prompt, reading.layers, reading.context)
    for number, word in enumerate("abcd"):
        vector = backbone.word_vectors[backbone.words.id(word)]
        score = mask[:, :, 0] @ vector
        torch.testing.assert_close(
            features.unflatten(1, (2, 4))[:, :, number], score, atol=1e-5, rtol=1e-4
        )


def test_scores_of_words_pick_out_what_the_mask_says(backbone: Backbone) -> None:
    readout = readouts.build("words")
    ids = torch.tensor([backbone.words.id(one) for one in "abcd"])
    readout.meet(backbone, words=ids)
    mask = torch.nn.functional.normalize(backbone.embed(ids), dim=1)[:, None, None]
    scores = readout.pool(mask, mask)
    assert scores.shape == (4, 4)
    norms = backbone.embed(ids).norm(dim=1)
    assert ((scores / norms).argmax(dim=1) == torch.arange(4)).all()


def test_colours_are_shown_and_missing_ones_are_said(
    tiny: dict[str, Any], separable: Any, backbone: Backbone
) -> None:
    with pytest.warns(TspromptNotice, match="has 0 colours for 4 segments"):
        drawn = met(backbone, "colours")
    assert len(set(drawn.ids_.tolist())) == 4
    fitted = PromptClassifier(**tiny, context=f"colours:words={WORDS}").fit(
        separable.X, separable.y
    )
    shown = slots(fitted.fitted_, fitted.readings_[0])
    texts = [slot.text for slot in shown]
    assert [slot.text for slot in shown if slot.kind == "context"] == list("abcd")
    assert [texts[texts.index(one) + 1] for one in "abcd"] == ["x1", "x6", "x11", "x16"]
    assert layout(fitted.fitted_).positions == len(texts)


@pytest.mark.parametrize("tokenizer", ["kernels", "patches"])
def test_channels_need_tokens_of_their_own(
    tiny: dict[str, Any], separable: Any, tokenizer: str
) -> None:
    with pytest.raises(ConfigError, match=f"tokenizer '{tokenizer}' mix all channels"):
        PromptClassifier(**tiny, tokenizer=tokenizer, context="colours:by=channel").fit(
            separable.X, separable.y
        )


@pytest.mark.parametrize("strategy", ["per-step", "autoencoder"])
def test_channels_need_one_prompt_around_them(
    tiny: dict[str, Any], separable: Any, strategy: str
) -> None:
    with pytest.raises(ConfigError, match=f"strategy '{strategy}' does not allow"):
        PromptClassifier(
            **tiny, tokenizer="bins", strategy=strategy, context="colours:by=channel"
        ).fit(separable.X, separable.y)


@pytest.mark.parametrize("tokenizer", ["bins", "digits"])
def test_channels_that_each_prompt_sees_apart_cannot_be_marked(
    tiny: dict[str, Any], separable: Any, tokenizer: str
) -> None:
    """Marks are counted on all channels, and a member would see one."""
    model = PromptClassifier(
        **{**tiny, "n_prompts": 2},
        tokenizer=tokenizer,
        combination="decompose",
        context="colours:by=channel,words=a+b",
    )
    with pytest.raises(ConfigError, match="combination 'decompose' shows each prompt some"):
        model.fit(separable.X, separable.y)


def test_contradictions_are_told(tiny: dict[str, Any], separable: Any) -> None:
    def fit(context: str, **more: Any) -> None:
        PromptClassifier(**tiny, context=context, **more).fit(separable.X, separable.y)

    with pytest.raises(ConfigError, match="2 words for 4 segments"):
        fit("colours:words=a+b")
    with pytest.raises(ConfigError, match=r'context="none" brings none; use one of: colours'):
        fit("none", readout="words")
    with pytest.raises(ConfigError, match="128 positions"):
        fit("colours:segments=120,words=" + "+".join(f'"{i}"' for i in range(120)))
    with pytest.raises(ConfigError, match="two channels or more"):
        PromptClassifier(**tiny, tokenizer="bins", context="colours:by=channel").fit(
            separable.X[:, :, :1], separable.y
        )


@pytest.mark.parametrize("tokenizer", ["bins:bins=20", "digits:digits=1"])
def test_by_channel_fits_predicts_and_is_saved(
    tiny: dict[str, Any], separable: Any, tokenizer: str, tmp_path: Path
) -> None:
    fitted = PromptClassifier(
        **tiny,
        tokenizer=f"{tokenizer},steps=10",
        context="colours:by=channel,words=a+b",
        readout="words",
    ).fit(separable.X, separable.y)
    chances = fitted.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    alone = np.concatenate([fitted.predict_proba(one[None]) for one in separable.X_test[:3]])
    np.testing.assert_allclose(alone, chances[:3], atol=1e-4)


def test_a_trained_prompt_learns_to_name_colours(tiny: dict[str, Any], separable: Any) -> None:
    fitted = PromptClassifier(
        **tiny,
        context=f"colours:words={WORDS}",
        readout="words",
        prompt="gru:straight_through=true,hidden=8",
        tuner="gradient:epochs=3,hidden=8",
    ).fit(separable.X, separable.y)
    assert fitted.report_["largest gradient at the prompt"] > 0
