"""RLPrompt: the reward by hand, soft Q-learning by hand, what a policy learns, and its control."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.errors import ConfigError
from tsprompt.heads import heads
from tsprompt.tuners import Problem
from tsprompt.tuners.policy import Judge, Policy, _scores
from tsprompt.tuners.rewards import gap_rewards, standardised
from tsprompt.tuners.writer import States, Writer, soft_q_loss

# --- the reward ---


def test_the_reward_is_the_piecewise_gap() -> None:
    """By hand: 200 * (0.7 - 0.2) where it is right, 180 * (0.3 - 0.6) where it is wrong."""
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.5, 0.5, 0.0]])
    rewards = gap_rewards(chances, torch.tensor([0, 0, 1]), 180.0, 200.0)
    torch.testing.assert_close(rewards, torch.tensor([100.0, -54.0, 0.0]))


def test_z_scores_are_taken_over_the_prompts_for_each_input() -> None:
    """By hand: two prompts on an easy input and on a hard one; each has the scores -1 and 1."""
    rewards = torch.tensor([[90.0, -30.0], [110.0, -10.0]])
    torch.testing.assert_close(
        standardised(rewards), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), atol=1e-4, rtol=0
    )
    alike = torch.full((3, 2), 7.0)
    assert standardised(alike).abs().max() == 0


def test_a_prompts_score_does_not_shrink_with_the_number_of_inputs() -> None:
    """By hand: z-scores of two inputs are (-1, 1, 0) * 1.2247 and the same with the last two
    exchanged, so means are (-1, 0.5, 0.5) * 1.2247, whose z-scores are (-2, 1, 1) / sqrt(2)."""
    rewards = torch.tensor([[-10.0, -1.0], [10.0, 0.0], [0.0, 1.0]])
    expected = torch.tensor([-2.0, 1.0, 1.0]) / math.sqrt(2)
    torch.testing.assert_close(_scores(rewards), expected, atol=1e-3, rtol=0)


@pytest.fixture
def worded(problem: Problem, backbone: Backbone) -> Problem:
    """The same problem, whose classes are told by given words, with nothing fitted."""
    head = heads.build("label-words:scores=tied,fitted=false,calibrate=false,words=a|b|c")
    head.meet(backbone, classes=["calm", "mild", "wild"])
    return dataclasses.replace(problem, head=head)


def test_chances_are_the_softmax_of_the_classes_words_at_the_mask(
    worded: Problem, backbone: Backbone
) -> None:
    """No ridge, and nothing fitted: tied scores of words, under the prompt that is judged."""
    first = worded.read(worded.draw(0), "first")
    tuner = Policy(cases=5)
    judge = Judge(worded, tuner, first)
    words = tuple(backbone.words.plain[:4])
    cases = torch.tensor([0, 4, 7])
    found = judge.rewards(words, cases)
    said = worded.read(judge.prompt(words), "again").features[cases]
    ids = torch.tensor([backbone.words.id(one) for one in "abc"])
    chances = (said @ backbone.word_vectors[ids].T).softmax(dim=1)
    labels = torch.from_numpy(worded.labels)[cases]
    torch.testing.assert_close(
        found, gap_rewards(chances, labels, 180.0, 200.0), atol=1e-2, rtol=1e-4
    )


def test_rewards_are_told_above_the_first_draws_on_the_same_cases(worded: Problem) -> None:
    """What costs nothing, for the model has read train under it: so rounds can be compared."""
    first = worded.read(worded.draw(0), "first")
    judge = Judge(worded, Policy(cases=5), first)
    before = worded.reader.tokens_run
    assert judge.batch([judge.first, judge.first]).abs().max() == 0
    assert judge.held_out(judge.first) == 0
    assert worded.reader.tokens_run == before


def test_a_case_is_read_once_under_a_prompt(
    worded: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[Any, int]] = []
    hidden = type(worded.reader).hidden

    def spy(self: Any, tokens: Any, prompt: Any, *rest: Any) -> Any:
        read.extend((tuple(prompt.ids.tolist()), int(case)) for case in rest[-1])
        return hidden(self, tokens, prompt, *rest)

    monkeypatch.setattr(type(worded.reader), "hidden", spy)
    Policy(rounds=8, vocabulary=2, cases=6, hidden=8).find(dataclasses.replace(worded, slots=2))
    assert read
    assert len(read) == len(set(read))


# --- soft Q-learning ---


def test_the_loss_is_path_consistency() -> None:
    """By hand, with two words and two slots. V = log((e^Q1 + e^Q2) / 2).

    Q = (log 3, 0), then (0, 0): V = log 2, then 0; the word of value log 3 is taken, then one of
    value 0: A = log 3 - log 2, then 0. The target's values are all 0, so V' = 0, and r = 1:
    A should be (0, 1) step by step, and 1 from either step to the end.
    """
    values = torch.tensor([[[math.log(3), 0.0], [0.0, 0.0]]])
    target = torch.zeros_like(values)
    gained = math.log(1.5)
    one_step = (gained**2 + 1) / 2
    to_the_end = ((gained - 1) ** 2 + 1) / 2
    loss = soft_q_loss(values, target, torch.tensor([[0, 1]]), torch.tensor([1.0]))
    assert float(loss) == pytest.approx((one_step + to_the_end) / 2, rel=1e-5)


def test_values_that_fit_the_rewards_have_no_loss() -> None:
    """One slot, two words with the rewards r: Q = r is consistent, and the policy is softmax r."""
    rewards = torch.tensor([2.0, -1.0])
    values = rewards.repeat(2, 1, 1)
    places = torch.tensor([[0], [1]])
    assert float(soft_q_loss(values, values, places, rewards)) == pytest.approx(0, abs=1e-10)
    assert float(soft_q_loss(values, values, places, rewards.flip(0))) > 1


def test_the_policy_is_a_perceptron_on_the_frozen_models_states(backbone: Backbone) -> None:
    ids = torch.tensor(backbone.words.plain[:7])
    states = States(backbone, backbone.layers)
    writer = Writer(states, ids, hidden=8, follows=0.5)
    places = torch.tensor([[3, 1], [3, 5]])
    values, target = writer.values(places)
    assert values.shape == (2, 2, 7)
    torch.testing.assert_close(values, target)
    # By hand: the state at the mask behind the first word, changed, times word embeddings, all with
    # a mean of 0 and a standard deviation of 1.
    word = [backbone.words.cls, int(ids[3]), backbone.words.mask, backbone.words.sep]
    with torch.no_grad():
        (states_of_all,) = backbone.run(backbone.embed(torch.tensor([word])), (backbone.layers,))
        state, vectors = states_of_all[0, 2], backbone.embed(ids)
        state = (state - state.mean()) / state.std(correction=0)
        vectors = (vectors - vectors.mean(dim=0)) / vectors.std(dim=0, correction=0)
        expected = writer.perceptron(state) @ vectors.T / 32
    torch.testing.assert_close(values[0, 1].detach(), expected)
    assert all(one.grad is None for one in backbone.model.parameters())
    # Each text of words is run once: the empty one, and one word.
    assert set(states._known) == {(), (int(ids[3]),)}
    # At first no word is preferred.
    assert float(values.detach().softmax(dim=2).max()) < 1.01 / 7


def test_the_target_follows(backbone: Backbone) -> None:
    states = States(backbone, backbone.layers)
    writer = Writer(states, torch.tensor(backbone.words.plain[:5]), hidden=4, follows=0.25)
    with torch.no_grad():
        for one in writer.perceptron.parameters():
            one.add_(4.0)
    before = [one.clone() for one in writer.target.parameters()]
    writer.follow()
    for old, new in zip(before, writer.target.parameters(), strict=True):
        torch.testing.assert_close(new - old, torch.ones_like(old))


# --- what is learned ---


class Favours:
    """Half of the words are good; the reward is how many of a prompt's words are, on three inputs
    of which one is hard. With `noise` it is random."""

    def __init__(self, backbone: Backbone, *, noise: bool = False) -> None:
        plain = np.random.default_rng(0).permutation(backbone.words.plain)
        self.good, self.noise = set(plain[: len(plain) // 2].tolist()), noise
        self.rng = np.random.default_rng(0)
        self.shares: list[float] = []

    def held_out(self, words: tuple[int, ...]) -> float:
        return sum(one in self.good for one in words) / len(words)

    def batch(self, written: list[tuple[int, ...]]) -> Tensor:
        shares = [self.held_out(words) for words in written]
        self.shares += shares
        if self.noise:
            return torch.from_numpy(self.rng.random((len(written), 3)))
        sizes, hard = torch.tensor([100.0, 50.0, 10.0]), torch.tensor([0.0, 0.0, 90.0])
        return torch.tensor(shares)[:, None] * sizes - hard


def learned(backbone: Backbone, judge: Favours, *, placebo: bool = False) -> tuple[Policy, Any]:
    """The default budget, on rewards that are given; the words that win."""
    tuner = Policy()
    ids = torch.tensor(backbone.words.plain[: tuner.vocabulary])
    torch.manual_seed(0)
    writer = Writer(States(backbone, backbone.layers), ids, tuner.hidden, tuner.follows)
    return tuner, tuner.learn(writer, judge, 5, placebo=placebo).kept


def test_at_the_default_budget_the_reward_rises(backbone: Backbone) -> None:
    judge = Favours(backbone)
    tuner, best = learned(backbone, judge)
    placebo, _ = learned(backbone, judge, placebo=True)
    first, last = np.mean(tuner.means_[:6]), np.mean(tuner.means_[-6:])
    # Of 23.3 at the most, for a share of 1, random words have -3.3.
    assert abs(first + 3.3) < 8
    assert last > first + 12
    assert abs(np.mean(placebo.means_[-6:]) + 3.3) < 8
    assert tuner.report()[
        "mean reward of the last rounds, above the first draw's"
    ] == pytest.approx(last)
    assert judge.held_out(best) == max(tuner.held_) == 1


def test_rewards_that_say_nothing_teach_nothing(backbone: Backbone) -> None:
    """The control of the test above: rewards at random raise no share of good words."""
    judge = Favours(backbone, noise=True)
    learned(backbone, judge)
    assert abs(np.mean(judge.shares[-48:]) - 0.5) < 0.2


def test_the_best_prompt_on_cases_held_out_wins(worded: Problem) -> None:
    tuner = Policy(rounds=6, batch=4, vocabulary=30, cases=6, hidden=16)
    (found,) = tuner.find(worded)
    words = tuple(found.reading.prompt.ids.tolist())  # type: ignore[union-attr]
    judge = Judge(worded, tuner, worded.read(worded.draw(0), "first"))
    assert judge.held_out(words) == pytest.approx(max(tuner.held_), abs=1e-2)
    assert tuner.report()["best held-out reward, above the first draw's"] == max(tuner.held_)
    assert not set(judge.held.tolist()) & set(judge.trainer.learn.tolist())


# --- as a part ---


def test_a_head_without_words_is_refused(tiny: dict[str, Any], separable: Any) -> None:
    with pytest.raises(ConfigError, match=r"'ridge' has none; use one of: .*label-words"):
        PromptClassifier(**tiny, readout="mask", tuner="policy").fit(separable.X, separable.y)


@pytest.mark.parametrize("kind", ["gpt2", "bart"])
def test_other_families_write_prompts(kind: str, make_family: Any, separable: Any) -> None:
    model = PromptClassifier(
        "rlprompt",
        backbone=make_family(kind),
        device="cpu",
        dtype="float32",
        random_state=0,
        tuner="policy:rounds=2,batch=2,cases=4,hidden=8,vocabulary=10",
        head="label-words:scores=tied",
    ).fit(separable.X, separable.y)
    assert np.isfinite(model.predict_proba(separable.X_test)).all()


@pytest.mark.parametrize("wrong", ["batch=1", "cases=0", "scale=0", "learning_rate=0", "right=0"])
def test_contradictions_are_refused(wrong: str) -> None:
    from tsprompt.tuners import tuners

    with pytest.raises(ConfigError, match="policy:"):
        tuners.build(f"policy:{wrong}")
