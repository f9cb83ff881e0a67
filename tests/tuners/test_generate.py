"""Templates that a T5 writes: what is asked of it, how its beams go, which template is taken."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_vocabulary

from tsprompt import PromptClassifier
from tsprompt.backbones.writer import Gaps, Writer, open_writer
from tsprompt.data import as_cases
from tsprompt.errors import BackboneError, ConfigError, InputError, Setting
from tsprompt.tokenizers.digits import Digits
from tsprompt.tuners import tuners
from tsprompt.tuners.generate import Generate, fill_gaps


@pytest.fixture(scope="module")
def writer(tiny_writer: str) -> Writer:
    return open_writer(tiny_writer, "cpu", Setting("tuner", "generate"))


TEXTS = ("+42,-07,", "+11,+12,+13,", "-50,")


def asked(writer: Writer, texts: tuple[str, ...] = TEXTS) -> list[list[int]]:
    """Three cases with a word for their class between two gaps."""
    first, second = writer.sentinel(0), writer.sentinel(1)
    word = writer.encode("b")
    return [[*writer.encode(text), first, *word, second, writer.end] for text in texts]


def searched(writer: Writer, texts: list[list[int]], **options: Any) -> Any:
    second, third, end = writer.sentinel(1), writer.sentinel(2), writer.end
    settings: dict[str, Any] = {"beam": 8, "words": 2, "banned": set(), **options}
    return fill_gaps(
        Gaps(writer, texts).next,
        start=[writer.start, writer.sentinel(0)],
        closing=[{second, end}, {third, end}],
        **settings,
    )


def likelihood(writer: Writer, inputs: list[list[int]], written: list[int]) -> float:
    """Sum over cases of the sum over words of log P, by a run of the whole model for each case."""
    total = 0.0
    begun = torch.tensor([[writer.start, writer.sentinel(0), *written]])
    for one in inputs:
        with torch.no_grad():
            model: Any = writer.model
            logits = model(input_ids=torch.tensor([one]), decoder_input_ids=begun).logits[0]
        chances = logits.log_softmax(dim=1)
        total += sum(float(chances[1 + j, word]) for j, word in enumerate(written))
    return total


def test_a_template_is_as_likely_as_it_is_for_all_cases_together(writer: Writer) -> None:
    """The sum of the log-likelihoods over all cases, though these differ in length."""
    inputs = asked(writer)
    found = searched(writer, inputs)
    assert len(found) >= 5
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found[:5]:
        expected = likelihood(writer, inputs, list(one.tokens))
        assert one.score == pytest.approx(expected, abs=1e-3)


def test_a_wide_beam_finds_what_trying_all_finds(writer: Writer) -> None:
    """With one word in each gap there are few enough to try."""
    inputs = asked(writer)
    second, third, end = writer.sentinel(1), writer.sentinel(2), writer.end
    some = [*writer.vocabulary.convert_tokens_to_ids(["a", "b", "c"])]
    total = len(writer.vocabulary)
    banned = set(range(total)) - {*some, second, third, end}
    found = searched(writer, inputs, beam=200, words=1, banned=banned)
    gaps = [[], *([word] for word in some)]
    # A gap may be closed by its own sentinel or by the end; the other sentinel is a word, too.
    closes = [(second, end), (third, end)]
    words = [[*gaps, [third]], [*gaps, [second]]]
    every = [
        [*x, a, *y, b]
        for x, y in itertools.product(*words)
        for a, b in itertools.product(*closes)
        if x or y
    ]
    scores = sorted((likelihood(writer, inputs, one) for one in every), reverse=True)
    np.testing.assert_allclose([one.score for one in found[:6]], scores[:6], atol=1e-3)


def test_no_gap_has_more_words_than_asked_for_and_none_that_is_banned(writer: Writer) -> None:
    banned = set(writer.encode("a b c d e"))
    for one in searched(writer, asked(writer), words=2, banned=banned):
        assert all(len(gap) <= 2 for gap in one.gaps)
        assert not banned & set(one.tokens)
        assert one.done


def test_a_series_is_written_as_the_tokenizer_digits_spells_it(backbone: Any) -> None:
    cases = as_cases(np.array([[[1.0], [-0.5]], [[0.25], [0.5]]], dtype=np.float32))
    assert Digits.writing(cases, 100).texts(cases) == ["+99,-50,", "+25,+50,"]
    tokenizer = Digits()
    rng = np.random.default_rng(0)
    tokenizer.fit(cases, backbone, max_steps=None, rng=rng)
    ids = tokenizer.transform(torch.from_numpy(next(iter(cases.groups()))[1]), backbone)
    assert "".join(backbone.words.word(int(one)) for one in ids[0].flatten()) == "+99,-50,"
    # More timesteps than there is room for: means of patches.
    long = as_cases(np.arange(8, dtype=np.float32).reshape(1, 8, 1))
    assert Digits.writing(long, 16).texts(long) == ["+07,+35,+64,+92,"]


def fitted(tiny: dict[str, Any], separable: Any, **options: Any) -> PromptClassifier:
    tuner = Generate(beam=6, words=2, longest=8, **options)
    model = PromptClassifier("lm-bff", **tiny, tokenizer="kernels", tuner=tuner, head="ridge")
    return model.fit(separable.X, separable.y)


def test_the_template_with_the_least_loss_on_the_development_part_is_taken(
    tiny: dict[str, Any], tiny_writer: str, separable: Any
) -> None:
    model = fitted(tiny, separable, model=tiny_writer, draws=4)
    tuner: Any = model.parts_.tuner
    assert len(tuner.templates_) == len(tuner.losses_) == 4
    assert all(one.count("{series}") == one.count("[MASK]") == 1 for one in tuner.templates_)
    # Both forms are tried in turn.
    starts = [one.startswith("{series}") for one in tuner.templates_]
    assert starts[:2] == [True, False]
    best = tuner.templates_[int(np.argmin(tuner.losses_))]
    words = [model.reader_.backbone.words.word(int(i)) for i in model.readings_[0].prompt.ids]  # type: ignore[union-attr]
    said = best.replace("{series}", " ").replace("[MASK]", " ").split()
    assert "".join(words).replace("##", "") == "".join(said)


def test_the_development_part_proposes_nothing(
    tiny: dict[str, Any], tiny_writer: str, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    parts: list[Any] = []
    some, judge = Generate._some, Generate.judge

    def watched(self: Generate, problem: Any, learn: Any) -> Any:
        seen.append(some(self, problem, learn))
        return seen[-1]

    def judged(self: Generate, problem: Any, found: Any) -> float:
        parts.append(self._parts[1])
        return judge(self, problem, found)

    monkeypatch.setattr(Generate, "_some", watched)
    monkeypatch.setattr(Generate, "judge", judged)
    fitted(tiny, separable, model=tiny_writer, draws=2)
    assert len(seen[0]) == 18
    assert len(parts[0]) == 6
    assert not set(seen[0]) & set(parts[0])


def test_a_placebo_compares_as_many_templates_of_random_words(
    tiny: dict[str, Any], tiny_writer: str, separable: Any
) -> None:
    tiny = {**tiny, "train": "prompt:placebo=true"}
    tuner: Any = fitted(tiny, separable, model="none at all", draws=5).parts_.tuner
    assert len(tuner.templates_) == len(set(tuner.templates_)) == 5
    again: Any = fitted(tiny, separable, model=tiny_writer, draws=5).parts_.tuner
    assert again.templates_ == tuner.templates_
    plain = set(tiny_vocabulary())
    for one in tuner.templates_:
        assert set(one.split()) <= plain | {"{series}", "[MASK]"}
    # The best of them is kept, as it is of those that are written.
    assert min(tuner.losses_) < max(tuner.losses_)


@pytest.mark.parametrize("strategy", ["shared", "per-step"])
def test_a_found_template_is_saved_and_needs_no_writer_any_more(
    strategy: str, tiny: dict[str, Any], tiny_writer: str, separable: Any, tmp_path: Path
) -> None:
    tuner = Generate(model=tiny_writer, beam=4, words=2, longest=4, draws=2, keep=2)
    options = {"tokenizer": "kernels", "strategy": strategy, "head": "ridge"}
    prompt = 'manual:template="a {series} b [MASK]"'
    model = PromptClassifier("lm-bff", **tiny, **options, prompt=prompt, tuner=tuner)
    model = model.fit(separable.X, separable.y)
    assert len(model.readings_) == 2
    open_writer.__globals__["_open"].cache_clear()
    loaded = PromptClassifier.load(model.save(tmp_path / "model"), device="cpu")
    assert open_writer.__globals__["_open"].cache_info().currsize == 0
    said = [one.predict_proba(separable.X_test) for one in (model, loaded)]
    assert np.array_equal(*said)


def test_without_a_t5_an_error_says_what_to_do(tiny: dict[str, Any], separable: Any) -> None:
    with pytest.raises(BackboneError, match=r"hf download t5-base.*generate:model=FOLDER"):
        fitted(tiny, separable)


def test_what_does_not_write_or_fill_gaps_is_refused(
    tiny: dict[str, Any], tiny_bert: str, separable: Any, make_family: Any
) -> None:
    with pytest.raises(BackboneError, match="is a bert model and does not write"):
        fitted(tiny, separable, model=tiny_bert)
    # A T5 that was saved without its head for words, and without sentinels.
    with pytest.raises(BackboneError, match="can't"):
        fitted(tiny, separable, model=make_family("t5"))


def test_too_few_templates_that_can_be_used_are_an_error(
    tiny: dict[str, Any], tiny_writer: str, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed = ["{series} % [MASK]", "a b c d e f g h i {series} [MASK]", "no gap"]
    monkeypatch.setattr(Generate, "propose", lambda *_: iter(proposed))
    with pytest.raises(InputError, match="0 can be used, and 1 were asked for"):
        fitted(tiny, separable, model=tiny_writer)


@pytest.mark.parametrize(
    "wrong", ["beam=0", "words=0", "longest=0", "validation=1.0", "per_class=0"]
)
def test_options_out_of_range_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="generate:"):
        tuners.build(f"generate:{wrong}")
