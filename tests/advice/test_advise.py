"""Advice: the runs never see test, all see the same, and the rule chooses as it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tsprompt.advice import AdvicePlan, advice_words, expected_seconds, training_strategies
from tsprompt.benchmark import Record, run_cells
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError, InputError, TspromptNotice
from tsprompt.model.design import Design

STRATEGIES = training_strategies()
NAMES = [one.name for one in STRATEGIES]


def plan_of(dataset: Dataset, **more: Any) -> AdvicePlan:
    return AdvicePlan.of(dataset, STRATEGIES, **{"splits": 3, **more})


Spread = Callable[[str, int], float | None]


def records_of(plan: AdvicePlan, make: Callable[..., Record], accuracy: Spread) -> list[Record]:
    return [
        make(
            cell.dataset,
            cell.method.name,
            accuracy(cell.method.name, cell.resample),
            seed=cell.seed,
            resample=cell.resample,
            shots=cell.shots,
            n_train=10,
            n_test=5,
        )
        for cell in plan.cells()
    ]


def test_the_strategies_are_those_of_the_surveys() -> None:
    trained = {one.name: Design.build(one.method.resolved()).train for one in training_strategies()}
    assert NAMES == ["default", "tuning-free", "in context", "prompt", "lm", "prompt+lm"]
    tunes = {name: (one.tunes_prompt, one.tunes_model) for name, one in trained.items()}
    assert tunes["tuning-free"] == tunes["in context"] == (False, False)
    assert tunes["prompt"] == (True, False)
    assert tunes["lm"] == (False, True)
    assert tunes["prompt+lm"] == (True, True)


def test_choices_are_shared_and_flags_repeat_them() -> None:
    strategies = training_strategies({"backbone": "random:minilm"}, epochs=3, layer=2)
    assert {one.method.resolved()["backbone"] for one in strategies} == {"random:minilm"}
    last = strategies[-1]
    assert last.flags() == (
        "--recipe prompt-tuning --backbone random:minilm --train prompt+lm:method=lora "
        "--tuner gradient:epochs=3 --readout mask:layers=2"
    )
    assert strategies[0].flags() == "--backbone random:minilm"
    with pytest.raises(ConfigError, match="epochs is 0"):
        training_strategies(epochs=0)
    with pytest.raises(ConfigError, match="no choice is called 'tokeniser'"):
        training_strategies({"tokeniser": "bins"})


def test_without_a_language_model_none_is_trained() -> None:
    with pytest.warns(TspromptNotice, match="lm are left out"):
        strategies = training_strategies({"backbone": "none:minilm"})
    assert [one.name for one in strategies] == ["default", "tuning-free", "in context", "prompt"]


def test_test_is_never_read_and_all_strategies_see_the_same(separable: Any) -> None:
    class Unread(Split):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError("test was read")

    train = Split(Cases(separable.X), separable.y)
    unread = Unread.__new__(Unread)
    plan = plan_of(Dataset("Waves", train, unread, "data-dir"), levels=(2, 5, None))
    own = {one.tobytes() for one in separable.X}
    seen: dict[Any, set[Any]] = {}
    for cell in plan.cells():
        part = plan.load(cell)
        learn, judge = ({one.tobytes() for one in half.cases} for half in (part.train, part.test))
        assert not learn & judge
        assert learn | judge <= own
        seen.setdefault((cell.shots, cell.resample), set()).add((frozenset(learn), cell.seed))
    assert {len(one) for one in seen.values()} == {1}
    assert len(seen) == 9


def test_levels_that_a_class_is_too_small_for_are_left_out(waves_set: Dataset) -> None:
    plan = plan_of(waves_set)
    assert list(dict.fromkeys(few for few, _ in plan.parts)) == [5, None]
    assert len(plan.left_out) == 2
    assert plan.left_out[0].startswith("10 a class: class calm has 6 to learn from")
    with pytest.raises(InputError, match="Waves: no level can be had: 50 a class: class"):
        plan_of(waves_set, levels=(50,))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"splits": 1}, "splits is 1; it takes 2"),
        ({"share": 1.0}, "held_out is 1; it is a share"),
        ({"levels": ()}, "levels names none"),
        ({"levels": (1, None)}, "levels: 1 a class are too few"),
    ],
)
def test_options_out_of_range_are_refused(
    waves_set: Dataset, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_of(waves_set, **wrong)


def test_the_cheapest_within_a_standard_error_is_chosen(
    waves_set: Dataset, make_record: Callable[..., Record]
) -> None:
    plan = plan_of(waves_set, levels=(None,))
    noise = [[0.0, 0.02, -0.02], [0.05, -0.05, 0.0], [0.0, -0.04, 0.04]]

    def level(means: dict[str, float]) -> Any:
        made = records_of(
            plan,
            make_record,
            lambda name, split: means.get(name, 0.3) + noise[NAMES.index(name) % 3][split],
        )
        [found] = plan.read(made).levels
        return found

    tie = level({"default": 0.79, "prompt": 0.8, "prompt+lm": 0.805})
    assert (tie.best, tie.chosen) == ("prompt+lm", "default")
    assert tie.level == ["default", "prompt", "prompt+lm"]
    assert not tie.beyond_noise
    clear = level({"default": 0.5, "prompt": 0.84, "prompt+lm": 0.85})
    assert (clear.best, clear.chosen) == ("prompt+lm", "prompt")
    assert clear.level == ["prompt", "prompt+lm"]
    assert clear.beyond_noise
    alone = level({"default": 0.9})
    assert (alone.best, alone.chosen, alone.level) == ("default", "default", ["default"])
    assert alone.row("lm").to_default.value == pytest.approx(-0.6)


def test_words_say_what_to_use_and_how_sure_that_is(
    waves_set: Dataset, make_record: Callable[..., Record]
) -> None:
    plan = plan_of(waves_set, levels=(5, None))

    def accuracy(name: str, split: int) -> float:
        return {"default": 0.6, "lm": 0.8}.get(name, 0.4) + 0.01 * split

    words = advice_words(plan.read(records_of(plan, make_record, accuracy)))
    assert words[0] == (
        "For all there is (18 cases to learn from in each split): use lm, which fits the LM "
        "(LoRA) and the head."
    )
    assert (
        words[1] == "lm has the highest mean, 0.810; no other is within one standard error of it. "
        "The default has 0.610."
    )
    assert words[2] == (
        "lm minus the default: +0.200 (+0.200 to +0.200) over 3 splits, which is beyond noise; "
        "one case of those held out in a split is 0.167."
    )
    assert len(words) == 3
    few = [one for one in records_of(plan, make_record, accuracy) if one.shots == 5]
    rest = records_of(plan, make_record, lambda name, split: 0.5)
    both = [*few, *[one for one in rest if one.shots is None]]
    words = advice_words(plan.read(both))
    assert "use the default" in words[0]
    assert words[-1] == "With fewer cases the same rule says otherwise: 5 a class: lm."


def test_what_is_missing_or_failed_is_said(
    waves_set: Dataset, make_record: Callable[..., Record]
) -> None:
    plan = plan_of(waves_set, levels=(None,))
    assert "Nothing can be said yet" in advice_words(plan.read([]))[0]
    alone = records_of(plan, make_record, lambda name, split: 0.5 if name == "default" else None)
    assert plan.read(alone).chosen is None
    made = records_of(plan, make_record, lambda name, split: None if name == "lm" else 0.5)
    advice = plan.read(made)
    assert [row.strategy for row in advice.levels[0].rows] == [one for one in NAMES if one != "lm"]
    assert advice.left_out == ["lm: 3 runs failed: broken"]
    assert advice.as_dict()["chosen"] == "default"


def test_hours_are_told_by_what_was_run(
    waves_set: Dataset, make_record: Callable[..., Record]
) -> None:
    plan = plan_of(waves_set, levels=(2, None))
    small, large = plan.cells()[0], plan.cells()[6]
    part = plan.load(large)
    assert expected_seconds(large, part, []) is None
    known = make_record("any", "default", 0.5, n_train=6, n_test=6)
    assert expected_seconds(large, part, [known]) == pytest.approx(3 * 1.0 + 0.5)
    other = make_record("any", "default", 0.5, n_train=18, n_test=6, fit_seconds=9.0)
    assert expected_seconds(large, part, [known, other]) == pytest.approx(9.5)
    assert expected_seconds(small, plan.load(small), [other]) == pytest.approx(9.5)


@pytest.mark.slow
def test_all_strategies_run(waves_set: Dataset, tiny_bert: str) -> None:
    strategies = training_strategies(
        {"backbone": tiny_bert, "tokenizer": "kernels:steps=3"}, epochs=1
    )
    plan = AdvicePlan.of(waves_set, strategies, levels=(None,), splits=2)
    records = list(run_cells(plan.cells(), plan.load))
    assert [record.error for record in records] == [None] * 12
    advice = plan.read(records)
    assert len(advice.levels[0].rows) == 6
    assert {record.n_test for record in records} == {6}
    assert np.isfinite([row.seconds for row in advice.levels[0].rows]).all()
