"""Ranks, tests, groups and ablations, against scipy and numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp, wilcoxon

from tsprompt.benchmark import Record
from tsprompt.errors import ConfigError, DatasetError
from tsprompt.report import OVERALL, Report, Results, make_report, markdown, report_json
from tsprompt.report.ablations import ablation_effects
from tsprompt.report.page import page
from tsprompt.report.power import sets_to_see
from tsprompt.report.statistics import compare_methods, too_few
from tsprompt_datasets import expand_names, family_of
from tsprompt_datasets.families import FAMILIES

Make = Callable[..., Record]

RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.5, 0.9, size=12).round(3)
ACCURACY = pd.DataFrame(
    {
        "best": BASE + 0.05 + RNG.uniform(0, 0.02, 12).round(3),
        "twin": BASE,
        "middle": BASE + np.where(np.arange(12) % 2, 0.004, -0.003),
        "same": BASE,
    },
    index=[f"S{i}" for i in range(12)],
)


def report_of(records: Iterable[Record], **more: object) -> Report:
    return make_report(Results(Path(), list(records), []), **more)  # type: ignore[arg-type]


def test_tests_are_those_of_scipy() -> None:
    compared = compare_methods(ACCURACY)
    assert compared.ranks.index[0] == "best"
    pair = compared.pair("best", "twin")
    # To 6 decimals, as accuracies are compared: differences that are equal must tie.
    difference = (ACCURACY["best"] - ACCURACY["twin"]).round(6)
    by_scipy = wilcoxon(difference, zero_method="zsplit", method="approx").pvalue
    assert pair["p"] == pytest.approx(by_scipy)
    assert pair["difference"] == pytest.approx(difference.mean())
    assert (pair["wins"], pair["ties"], pair["losses"]) == (12, 0, 0)


def test_all_positive_differences_have_the_p_value_of_the_exact_test() -> None:
    # All 6 differences positive and distinct: p = 2 / 2^6.
    a = pd.DataFrame({"a": np.arange(1, 7) / 10, "b": np.zeros(6)})
    assert compare_methods(a).pair("a", "b")["p"] == pytest.approx(2 / 2**6)


def test_p_values_are_corrected_by_holm() -> None:
    compared = compare_methods(ACCURACY)
    p = compared.pairs["p"].to_numpy()
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    by_hand = np.empty_like(p)
    by_hand[order] = steps
    np.testing.assert_allclose(compared.pairs["p_holm"], by_hand)


def test_a_pair_turned_round() -> None:
    compared = compare_methods(ACCURACY)
    one, other = compared.pair("middle", "best"), compared.pair("best", "middle")
    assert one["difference"] == -other["difference"]
    assert (one["wins"], one["losses"]) == (other["losses"], other["wins"])
    assert (one["p"], one["a"]) == (other["p"], "middle")


def test_equal_methods_tie_and_are_in_one_group() -> None:
    compared = compare_methods(ACCURACY)
    pair = compared.pair("twin", "same")
    assert (pair["wins"], pair["ties"], pair["losses"], pair["p"]) == (0, 12, 0, 1)
    assert compared.ranks["twin"] == compared.ranks["same"]
    [group] = compared.groups
    assert sorted(group) == ["middle", "same", "twin"]


def test_groups_may_overlap() -> None:
    # a and c differ clearly; b lies between and can't be told from either.
    noise = np.tile([0.03, -0.03], 10)
    base = np.linspace(0.4, 0.6, 20)
    table = pd.DataFrame({"a": base + 0.01, "b": base + noise, "c": base})
    assert compare_methods(table).groups == [["a", "b"], ["b", "c"]]


def test_too_little_to_compare() -> None:
    assert "methods" in str(too_few(ACCURACY[["best"]]))
    assert "sets" in str(too_few(ACCURACY.iloc[:2]))
    assert too_few(ACCURACY.iloc[:3]) is None


# The report


def everywhere(make: Make, sets: int = 4, **methods: float) -> list[Record]:
    return [
        make(f"S{i}", name, accuracy - i / 100)
        for i in range(sets)
        for name, accuracy in methods.items()
    ]


def absent(name: str) -> NoReturn:
    raise DatasetError(f"{name} is not here")


def test_of_very_many_pairs_those_of_the_reference_are_listed(
    make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = everywhere(make_record, 6, a=0.9, b=0.8, c=0.7, d=0.6)
    whole = report_of(records)
    assert len(whole.listed_pairs) == 6
    assert whole.unlisted is None
    monkeypatch.setattr("tsprompt.report.contents._LISTED_PAIRS", 5)
    some = report_of(records)
    assert some.comparison is not None
    assert len(some.comparison.pairs) == 6  # corrected over all of them
    assert set(some.listed_pairs[["a", "b"]].agg("".join, axis=1)) == {"ab", "ac", "ad"}
    for text in (markdown(some), page(some, absent)):
        assert "Of 6 pairs those with a are listed" in text
    assert len(json.loads(report_json(some))["pairs"]) == 6


def test_sets_of_one_source_count_as_one(make_record: Make) -> None:
    names = ["GunPoint", "GunPointAgeSpan", "GunPointMaleVersusFemale", "Coffee", "Wine"]
    better = [0.9, 0.9, 0.9, 0.5, 0.5]
    records = [
        make_record(name, "a", accuracy=one) for name, one in zip(names, better, strict=True)
    ]
    records += [make_record(name, "b", accuracy=0.7) for name in names]
    apart, joined = report_of(records), report_of(records, family_of=family_of)
    assert list(joined.compared.index) == ["Coffee", "GunPoint", "Wine"]
    pairs = [one.comparison.pair("a", "b") for one in (apart, joined) if one.comparison]
    assert [(one["wins"], one["losses"]) for one in pairs] == [(3, 2), (1, 2)]
    assert pairs[0]["difference"] == pytest.approx((3 * 0.2 - 2 * 0.2) / 5)
    assert pairs[1]["difference"] == pytest.approx((0.2 - 2 * 0.2) / 3)
    assert "over 3 families of 5 sets" in " ".join(joined.heading)
    assert apart.unit == "sets"
    assert joined.unit == "families of sets"
    means = [one.overall.set_index("method")["accuracy"]["a"] for one in (apart, joined)]
    assert means == [pytest.approx(0.74)] * 2


def test_each_family_has_sets_of_the_archives() -> None:
    named = [family_of(name) for name in expand_names(["ucr112", "uea26", "multiverse"])]
    archived_elsewhere = {"gestures in mid-air", "gestures, Pebble", "gestures, Wiimote"}
    alone = {*FAMILIES} - {*named} - archived_elsewhere - {"Dodgers loop"}
    assert not alone


def test_the_reference_is_the_model_ranked_best(make_record: Make) -> None:
    records = everywhere(make_record, a=0.8, b=0.9)
    records += [make_record(f"S{i}", "ridge", 0.95, kind="baseline") for i in range(4)]
    report = report_of(records)
    assert report.reference == "b"
    overall = report.overall
    assert overall["method"].tolist() == ["ridge", "b", "a"]
    assert overall["wins"].tolist()[0] == 0
    assert overall["losses"].tolist()[0] == 4
    assert np.isnan(overall["wins"].tolist()[1])
    assert report_of(records, reference="A").reference == "a"
    with pytest.raises(ValueError, match="no method is called 'c'"):
        report_of(records, reference="c")


def test_means_are_over_the_sets_that_all_methods_have(make_record: Make) -> None:
    records = everywhere(make_record, a=0.8, b=0.9)[:-1]  # S3 lacks b
    report = report_of([*records, make_record("S2", "a", None, seed=1)])  # S2 failed once
    assert report.complete == ["S0", "S1"]
    overall = report.overall.set_index("method")
    assert overall.loc["a", "accuracy"] == pytest.approx((0.8 + 0.79) / 2)
    assert report.comparison is None
    told = " ".join(report.heading)
    assert "2 of 4 sets" in told
    assert "a (1), b (1)" in told
    assert "Too few sets" in told
    assert [failure.runs for failure in report.failures] == [1]


def test_a_method_that_always_failed_takes_nothing_from_the_others(make_record: Make) -> None:
    records = everywhere(make_record, a=0.8, b=0.9)
    report = report_of([*records, *(make_record(f"S{i}", "c", None) for i in range(4))])
    assert len(report.complete) == 4
    assert report.comparison is not None
    assert "No run went through of: c." in report.heading


def test_no_set_that_all_have(make_record: Make) -> None:
    report = report_of([make_record("A", "x", 0.5), make_record("B", "y", 0.5)])
    assert report.complete == []
    assert len(report.overall) == 0
    assert "none that all methods have" in " ".join(report.heading)


def test_only_resamples_that_all_methods_have_count(make_record: Make) -> None:
    records = [make_record("A", "x", 0.1 * r, resample=r, seed=r) for r in range(3)]
    records += [make_record("A", "y", 0.5, resample=r, seed=r) for r in (0, 2)]
    records += [make_record("B", m, 0.5, resample=r) for m, r in (("x", 0), ("y", 1))]
    report = report_of(records)
    rows = report.summary[report.summary["method"] == "x"].set_index("dataset")
    assert rows.loc["A", "accuracy"] == pytest.approx(0.1)
    assert rows.loc["A", "runs"] == 2
    told = " ".join(report.heading)
    assert "no resample was run with all methods: B" in told
    assert "On 1 set only those resamples count" in told


def test_runs_with_few_shots_are_another_method(make_record: Make) -> None:
    report = report_of([make_record("A", "x", 0.9), make_record("A", "x", 0.5, shots=5)])
    assert report.methods == ["x", "x (5 shots)"]


def test_the_summary_holds_the_same_overall_rows(make_record: Make) -> None:
    report = report_of(everywhere(make_record, a=0.8, b=0.9))
    rows = report.summary[report.summary["dataset"] == OVERALL]
    assert sorted(rows["accuracy"]) == sorted(report.overall["accuracy"])


# Ablations

SETS = pd.DataFrame(
    {
        "shared": [0.9, 0.8, 0.7],
        "shared, no LM": [0.8, 0.8, 0.75],
        "shared, no prompt": [0.9, 0.8, np.nan],
        "per-step": [0.9, 0.9, 0.9],
        "per-step, random weights": [0.8, 0.8, 0.8],
        "ridge": [0.1, 0.1, 0.1],
    }
)
KINDS = {
    name: "baseline" if name == "ridge" else "ablation" if "," in name else "model"
    for name in SETS.columns
}


def test_an_ablation_belongs_to_the_model_it_is_named_after() -> None:
    shared, per_step = ablation_effects(SETS, KINDS)
    assert shared.model == "shared"
    assert shared.table["part"].tolist() == ["language model", "prompt"]
    row = shared.table.iloc[0]
    interval = ttest_1samp([0.1, 0, -0.05], 0).confidence_interval(0.95)
    assert row["mean"] == pytest.approx(0.05 / 3)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert (row["wins"], row["ties"], row["losses"]) == (1, 1, 1)
    assert shared.table.iloc[1]["sets"] == 2
    assert per_step.table["part"].tolist() == ["its pretraining"]
    assert np.isnan(per_step.table.iloc[0]["low"])  # no spread, no interval


def test_an_ablation_without_a_models_name_belongs_to_the_only_model() -> None:
    table = SETS[["shared"]].assign(**{"no LM": 0.5})
    [found] = ablation_effects(table, {"shared": "model", "no LM": "ablation"})
    assert found.table["part"].tolist() == ["language model"]
    both = table.assign(other=0.5)
    kinds = {"shared": "model", "other": "model", "no LM": "ablation"}
    assert not ablation_effects(both, kinds)
    assert [one.model for one in ablation_effects(both, kinds, "shared")] == ["shared"]


def test_ablations_say_how_many_sets_it_takes_to_see_as_much() -> None:
    row = ablation_effects(SETS, KINDS)[0].table.iloc[0]
    assert row["sd"] == pytest.approx(np.std([0.1, 0, -0.05], ddof=1))
    assert row["needed"] == sets_to_see(row["mean"], row["sd"])
    assert np.isnan(ablation_effects(SETS.iloc[:2], KINDS)[0].table.iloc[0]["needed"])


def test_the_report_has_the_chances_and_the_ablations(make_record: Make) -> None:
    records = everywhere(make_record, sets=7, a=0.8, b=0.9)
    records += [make_record(f"S{i}", "no LM", 0.79 - i / 50, kind="ablation") for i in range(7)]
    report = report_of(records, reference="a", rope=0.2)
    overall = report.overall.set_index("method")
    assert overall.loc["b", "p_level"] > 0.99
    assert report_of(records, reference="a").overall.set_index("method").loc["b", "p_worse"] > 0.9
    assert [one.model for one in report.ablations] == ["a"]
    assert not report_of(records).ablations  # of which model, nobody has said
    told = json.loads(report_json(report))
    assert told["ablations"][0]["model"] == "a"
    assert told["ablations"][0]["needed"] >= 6
    assert told["unshown"] is None
    assert {"p_better", "p_level", "p_worse"} <= told["methods"][0].keys()
    text = markdown(report)
    assert "## What each part of a adds" in text
    assert "better/level/worse by 0.2, %" in text
    with pytest.raises(ConfigError, match="no difference between accuracies"):
        report_of(records, rope=-0.01)


def test_ablations_with_few_shots_belong_to_the_model_with_few_shots() -> None:
    names = ["shared", "shared (5 shots)", "shared, no LM", "shared, no LM (5 shots)"]
    table = pd.DataFrame({name: [0.5, 0.6] for name in names})
    kinds = {name: "ablation" if "," in name else "model" for name in names}
    assert [one.table["ablation"].tolist() for one in ablation_effects(table, kinds)] == [
        ["shared, no LM"],
        ["shared, no LM (5 shots)"],
    ]
