"""What each combination does with several prompts, beyond what holds for every part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.combinations import Evidence, Task
from tsprompt.combinations.augment import Augment
from tsprompt.combinations.compose import Compose, _tree
from tsprompt.combinations.decompose import Decompose
from tsprompt.combinations.vote import Vote
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.mlp import MLP
from tsprompt.heads.ridge import Ridge
from tsprompt.prompts import prompts
from tsprompt.reading.reader import Reader
from tsprompt.tuners import Problem


def evidence(
    features: torch.Tensor, labels: np.ndarray, members: int, tasks: list[Task] | None = None
) -> Evidence:
    classes = int(labels.max()) + 1
    return Evidence(
        features=features,
        members=list(range(members)),
        tasks=tasks or [Task.whole(classes)] * members,
        labels=labels,
        n_classes=classes,
        optional=torch.zeros(features.shape[1], dtype=torch.bool),
    )


def problem(count: int, classes: int = 3, width: int = 8) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = (np.arange(count) % classes).astype(np.intp)
    centers = 2 * rng.normal(size=(classes, width))
    return torch.from_numpy(centers[labels] + rng.normal(size=(count, width))).float(), labels


# vote


def test_votes_are_averaged_weighted_or_counted() -> None:
    features, labels = problem(30)
    features[:, 4:] = torch.from_numpy(np.random.default_rng(3).normal(size=(30, 4)))
    said = {}
    for how in ("mean", "weighted", "majority"):
        vote = Vote(how=how)
        vote.fit(evidence(features, labels, 2), Ridge(), 0)
        said[how] = vote.probabilities(features)
    blocks = zip(vote.heads_, features.chunk(2, dim=1), strict=True)
    each = np.stack([head.probabilities(block) for head, block in blocks])
    np.testing.assert_allclose(said["mean"], each.mean(axis=0))
    good, bad = vote.weights_
    assert good > bad
    np.testing.assert_allclose(said["weighted"], (good * each[0] + bad * each[1]) / (good + bad))
    agree = each[0].argmax(axis=1) == each[1].argmax(axis=1)
    assert agree.any()
    assert (said["majority"][agree].max(axis=1) > 2 / 3).all()
    # One vote each: the mean decides.
    assert np.array_equal(
        said["majority"][~agree].argmax(axis=1), said["mean"][~agree].argmax(axis=1)
    )


# augment


def test_one_head_learns_each_case_under_each_prompt() -> None:
    features, labels = problem(30)
    augment = Augment()
    augment.fit(evidence(features, labels, 2), Ridge(), 0)
    (head,) = augment.heads_
    assert head.weights_.shape == (4, 3)
    each = [head.probabilities(part) for part in features.chunk(2, dim=1)]
    np.testing.assert_allclose(augment.probabilities(features), np.mean(each, axis=0))
    np.testing.assert_allclose(head.mean_, torch.cat(features.chunk(2, dim=1)).mean(dim=0))


def test_rows_of_one_case_validate_together() -> None:
    """Random labels can't be learned. Where a case's twin is left in, they seem to be."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(40, 60))).float()
    twins = torch.cat([features, features + 0.01 * torch.from_numpy(rng.normal(size=(40, 60)))])
    labels = np.tile(rng.permutation(np.arange(40) % 2).astype(np.intp), 2)
    naive, honest = Ridge(), Ridge()
    naive.fit(Lesson(twins.float(), labels, 2, 0))
    honest.fit(Lesson(twins.float(), labels, 2, 0, groups=np.tile(np.arange(40), 2)))
    assert naive.validation_accuracy_ > 0.9
    assert honest.validation_accuracy_ < 0.75
    lesson = Lesson(twins, labels, 2, 0, groups=np.tile(np.arange(40), 2))
    _, learn, validate = MLP().held_out(lesson)
    assert not set(learn % 40) & set(validate % 40)
    assert sorted([*learn, *validate]) == list(range(80))


def test_leaving_out_groups_of_one_is_leaving_one_out() -> None:
    features, labels = problem(20)
    one, other = Ridge(), Ridge()
    one.fit(Lesson(features, labels, 3, 0))
    other.fit(Lesson(features, labels, 3, 0, groups=np.arange(20)))
    assert one.penalty_ == other.penalty_
    assert one.validation_loss_ == pytest.approx(other.validation_loss_, abs=1e-6)


def test_left_out_groups_are_those_of_a_fit_without_them() -> None:
    """The closed form against a second fit, on centred features without an intercept's share."""
    from tsprompt.heads.dual import _centred, _leave_group_out

    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(12, 5)))
    y = torch.from_numpy(rng.normal(size=(12, 1)))
    groups, penalty = np.repeat(np.arange(4), 3), 0.7
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    values, vectors = torch.linalg.eigh(_centred(x @ x.T))
    found = _leave_group_out(values.clamp(min=0), vectors, vectors.T @ y, penalty, groups)
    for group in range(4):
        keep = torch.from_numpy(groups != group)
        mean_x, mean_y = x[keep].mean(dim=0), y[keep].mean(dim=0)
        own = x[keep] - mean_x
        weights = torch.linalg.solve(
            own.T @ own + penalty * torch.eye(5, dtype=own.dtype), own.T @ (y[keep] - mean_y)
        )
        expected = y[~keep] - mean_y - (x[~keep] - mean_x) @ weights
        torch.testing.assert_close(found[~keep], expected, atol=1e-6, rtol=1e-6)


def test_paraphrases_share_tokens_and_most_words(tiny: dict[str, Any], separable: Any) -> None:
    X, y, *_ = separable
    options = {**tiny, "n_prompts": 3}
    fitted = PromptClassifier("augment", **options).fit(X, y)
    first, *others = fitted.readings_
    assert all(one.tokenizer is first.tokenizer for one in others)
    for one in others:
        changed = (one.prompt.ids != first.prompt.ids).sum()
        assert changed == round(0.4 * len(first.prompt))
        assert (one.prompt.before, one.prompt.mask) == (first.prompt.before, first.prompt.mask)
    separate = PromptClassifier("ensemble", **options).fit(X, y)
    assert separate.readings_[0].tokenizer is not separate.readings_[1].tokenizer


def test_shared_tokens_are_made_once(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    X, y, X_test, _ = separable
    made: list[int] = []
    tokenise = Reader.tokenise

    def counted(reader: Reader, tokenizer: Any, cases: Cases) -> Any:
        made.append(len(cases))
        return tokenise(reader, tokenizer, cases)

    monkeypatch.setattr(Reader, "tokenise", counted)
    fitted = PromptClassifier("augment", **{**tiny, "n_prompts": 3}).fit(X, y)
    fitted.predict(X_test)
    assert made == [24, 15]
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert loaded.readings_[2].tokenizer is loaded.readings_[0].tokenizer
    loaded.predict(X_test)
    assert made == [24, 15, 1, 15], "what is loaded has been tried on one case"


def test_a_replacement_is_a_near_neighbour(backbone: Any) -> None:
    model = prompts.build("paraphrases:share=1,nearest=3")
    base, other = (model.draw_for(member, 0, 16, backbone, 0) for member in (0, 1))
    assert base.ids is not None
    assert other.ids is not None
    words = torch.tensor(backbone.words.plain)
    vectors = torch.nn.functional.normalize(backbone.word_vectors, dim=1)
    for one, two in zip(base.ids, other.ids, strict=True):
        assert one != two
        near = vectors[words] @ vectors[one]
        assert int((near > vectors[two] @ vectors[one] + 1e-6).sum()) <= 3  # itself and two
    again = model.draw_for(1, 0, 16, backbone, 0)
    assert again.equals(other)
    for text in ("share=0", "share=1.5", "nearest=0"):
        with pytest.raises(ConfigError, match=text.partition("=")[0]):
            prompts.build(f"paraphrases:{text}")


# compose


def watched(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    from tsprompt.tuners.none import NoTuner

    seen: list[Problem] = []
    find = NoTuner.find

    def watch(tuner: NoTuner, asked: Problem) -> Any:
        seen.append(asked)
        return find(tuner, asked)

    monkeypatch.setattr(NoTuner, "find", watch)
    return seen


def test_each_prompt_is_sought_for_a_task_of_its_own(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, X_test, y_test = separable
    seen = watched(monkeypatch)
    fitted = PromptClassifier("compose", **tiny, tuner="none").fit(X, y)
    assert len(fitted.readings_) == 3
    for member, asked in enumerate(seen):
        assert asked.n_classes == 2
        assert asked.labels.tolist() == (np.arange(24) % 3 == member).astype(int).tolist()
    assert (fitted.predict(X_test) == y_test).mean() > 0.8


def test_search_finds_each_sub_task_its_prompt(tiny: dict[str, Any], separable: Any) -> None:
    X, y, *_ = separable
    fitted = PromptClassifier("compose", **tiny, tuner="search:draws=4").fit(X, y)
    ids = [one.prompt.ids.tolist() for one in fitted.readings_ if one.prompt.ids is not None]
    assert len({tuple(one) for one in ids}) == 3


def test_one_against_the_rest_is_normalised() -> None:
    features, labels = problem(30)
    compose = Compose()
    tasks = compose.share_out(Cases(np.zeros((30, 4, 1))), labels, 3, 9)
    assert [task.groups for task in tasks] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    wide = torch.cat([features] * 3, dim=1)
    compose.fit(evidence(wide, labels, 3, tasks), Ridge(), 0)
    own = np.stack([head.probabilities(features)[:, 1] for head in compose.heads_], axis=1)
    expected = own / own.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(compose.probabilities(wide), expected)


def test_the_tree_joins_near_classes_first() -> None:
    means = np.array([[0.0], [10.0], [0.5], [11.0]])
    nodes = _tree(means)
    assert len(nodes) == 3
    root = nodes[0]
    assert root[0] == root[2] != root[1] == root[3]
    assert sorted(map(sorted, nodes[1:])) == [[-1, -1, 0, 1], [-1, -1, 0, 1]]


def test_a_node_sees_its_classes_only_and_chances_multiply(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    X, y, X_test, _ = separable
    seen = watched(monkeypatch)
    options = {**tiny, "combination": "compose:tasks=hierarchy", "prompt": "hard"}
    fitted = PromptClassifier("compose", **options, tuner="none").fit(X, y)
    whole, part = seen
    assert (len(whole.cases), len(part.cases)) == (24, 16)
    assert set(part.labels) == {0, 1}
    root, leaf = fitted.parts_.combination.groups_
    compose = fitted.parts_.combination
    prepared = fitted.parts_.preprocessing.transform(Cases(X_test))
    each = [
        head.probabilities(fitted.reader_.features(reading, prepared))
        for head, reading in zip(compose.heads_, fitted.readings_, strict=True)
    ]
    chances = fitted.predict_proba(X_test)
    for label in range(3):
        expected = each[0][:, root[label]]
        if leaf[label] >= 0:
            expected = expected * each[1][:, leaf[label]]
        np.testing.assert_allclose(chances[:, label], expected)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    # The features of classes that take no part are still there, for the figures of the fit.
    assert fitted.score(X, y) == fitted.scores_["train_accuracy"]
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), chances)


# decompose


def parts_read(fitted: PromptClassifier, X: np.ndarray) -> list[torch.Tensor]:
    """Features of each member."""
    prepared = fitted.parts_.preprocessing.transform(Cases(X))
    combination = fitted.parts_.combination
    return [
        fitted.reader_.features(one, combination.view(prepared, one.member))
        for one in fitted.readings_
    ]


@pytest.mark.parametrize("tokenizer", ["kernels", "bins"])
def test_a_member_never_sees_other_channels(
    tokenizer: str, tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X = np.concatenate([separable.X, separable.X[:, ::-1, :1]], axis=2)
    options = {**tiny, "n_prompts": 2, "tokenizer": tokenizer}
    fitted = PromptClassifier("decompose", **options).fit(X, separable.y)
    assert fitted.parts_.combination.channels_ == [[0, 1], [2]]
    before = parts_read(fitted, X)
    for channel, owner in ((0, 0), (1, 0), (2, 1)):
        changed = X.copy()
        changed[:, :, channel] = -changed[:, :, channel]
        after = parts_read(fitted, changed)
        assert not torch.equal(before[owner], after[owner])
        assert torch.equal(before[1 - owner], after[1 - owner])
    # The fit never saw them either.
    changed = X.copy()
    changed[:, :, 2] = -changed[:, :, 2]
    other = PromptClassifier("decompose", **options).fit(changed, separable.y)
    first, second = parts_read(fitted, X), parts_read(other, X)
    torch.testing.assert_close(first[0], second[0])
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_a_series_of_one_channel_is_cut_in_time(tiny: dict[str, Any], separable: Any) -> None:
    X = separable.X[:, :, :1]
    fitted = PromptClassifier("decompose", **{**tiny, "n_prompts": 3}).fit(X, separable.y)
    before = parts_read(fitted, X)
    changed = X.copy()
    changed[:, 15:] += 1  # windows of 7 of 20 timesteps begin at 0, 6 and 13
    after = parts_read(fitted, changed)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False]
    combination = fitted.parts_.combination
    views = [combination.view(Cases([X[0], X[1][:2]]), member) for member in range(3)]
    assert [view.lengths.tolist() for view in views] == [[7, 1]] * 3
    assert np.array_equal(views[2][0], X[0][13:])


def test_one_prompt_is_cut_into_parts(tiny: dict[str, Any], separable: Any) -> None:
    fitted = PromptClassifier("decompose", **{**tiny, "n_prompts": 2}).fit(separable.X, separable.y)
    first, second = (one.prompt for one in fitted.readings_)
    model, slots = fitted.parts_.prompt, len(first)
    whole = model.draw_for(0, 0, 2 * slots, fitted.reader_.backbone, fitted.seed_)
    assert first.ids is not None
    assert second.ids is not None
    assert torch.cat([first.ids, second.ids]).equal(whole.ids)
    assert (first.before, first.mask) == (slots // 2, slots)


def test_there_are_no_more_parts_than_channels() -> None:
    combination = Decompose()
    cases = Cases(np.zeros((4, 5, 3)))
    assert len(combination.share_out(cases, np.array([0, 1, 0, 1]), 2, 8)) == 3
    assert combination.view(cases, 1).n_features == 1


# Development samples


def test_sub_tasks_validate_on_their_own_part_of_the_development_sample() -> None:
    features, labels = problem(30)
    given = evidence(features, labels, 1, [Task((0, 1, -1))])
    given.development = problem(9)[0], problem(9)[1]
    found = given.lesson(0, slice(0, 4), task=given.tasks[0]).development
    assert found is not None
    assert found[1].tolist() == [0, 1, 0, 1, 0, 1]
    assert found[0].shape == (6, 4)
    head = MLP(epochs=3).fit(given.lesson(0, task=given.tasks[0]))
    assert head.developed_
    assert head.validation_kind() == "development sample"


def test_the_rank_based_ensemble_is_the_mean_of_log_probabilities() -> None:
    """Jiang et al. (2020): P = softmax(sum of log P / K), by hand for two prompts."""
    each = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    products = np.sqrt([0.9 * 0.4, 0.1 * 0.6])
    joined = Vote(how="log-mean")._joined(each, [1.0, 1.0])
    np.testing.assert_allclose(joined, [products / products.sum()])
    assert abs(joined[0, 0] - Vote()._joined(each, [1.0, 1.0])[0, 0]) > 0.05
