"""What each part adds, over many models: which rows belong to which, and Holm over models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from statsmodels.stats.multitest import multipletests

from tsprompt.benchmark import Record
from tsprompt.recipes import resolve
from tsprompt.report import (
    Results,
    ablation_tables,
    load_results,
    make_report,
    markdown,
    report_json,
    write_packed,
)
from tsprompt.report.ablations import Ablations, ablation_effects, by_part, survivors
from tsprompt.report.page import page
from tsprompt.report.statistics import signed_rank_p
from tsprompt_datasets import family_of

Make = Callable[..., Record]
Write = Callable[..., Path]


def choices(recipe: str, **changed: Any) -> dict[str, Any]:
    return resolve(recipe, changed)


SETTINGS = {
    "prompt-tuning": choices("prompt-tuning"),
    "hard-search": choices("hard-search"),
    "from others": choices("prompt-tuning", prompt_from="a"),
    "prompt-tuning, random weights": choices("prompt-tuning", backbone="random:minilm"),
    "prompt-tuning, placebo": choices("prompt-tuning", train="prompt:placebo=True"),
    "bare mask": choices("default", n_prompts=1, prompt="none", readout="mask"),
    "another head": choices("default", n_prompts=1, prompt="none", readout="mask", head="mlp"),
}
KINDS = {name: "model" if name in list(SETTINGS)[:3] else "ablation" for name in SETTINGS}
ACCURACY = pd.DataFrame(
    {name: 0.9 - 0.01 * k - 0.001 * np.arange(8) for k, name in enumerate(SETTINGS)},
    index=[f"S{i}" for i in range(8)],
)


def owned(found: list[Ablations]) -> dict[str, dict[str, str]]:
    return {
        one.model: dict(zip(one.table["ablation"], one.table["part"], strict=True)) for one in found
    }


def test_an_ablation_belongs_to_all_models_whose_choices_it_has_but_for_the_part() -> None:
    twin, placebo = "prompt-tuning, random weights", "prompt-tuning, placebo"
    told = owned(ablation_effects(ACCURACY, KINDS, settings=SETTINGS))
    all_three = {
        twin: "its pretraining",
        placebo: "what train told its prompt",
        "bare mask": "prompt",
    }
    assert told == {
        "prompt-tuning": all_three,
        "hard-search": {"bare mask": "prompt"},
        # It starts from a prompt of other sets, and its ablations can't.
        "from others": all_three,
    }
    # By names alone, the shared row is nobody's.
    assert owned(ablation_effects(ACCURACY, KINDS)) == {
        "prompt-tuning": {twin: "its pretraining", placebo: "what train told its prompt"}
    }


def test_sets_of_one_source_count_as_one_in_ablations() -> None:
    """Families are made of differences, so that a set that one of the two lacks is in neither."""
    names = ["GunPoint", "GunPointAgeSpan", "GunPointOldVersusYoung", "Coffee"]
    accuracy = pd.DataFrame(
        {"a": [0.9, 0.8, 0.1, 0.5], "a, no LM": [0.7, 0.7, np.nan, 0.6]}, index=names
    )
    kinds = {"a": "model", "a, no LM": "ablation"}
    (apart,) = ablation_effects(accuracy, kinds)
    (joined,) = ablation_effects(accuracy, kinds, family_of=family_of)
    assert dict(apart.differences["a, no LM"]) == {
        "GunPoint": 0.2,
        "GunPointAgeSpan": 0.1,
        "Coffee": -0.1,
    }
    assert dict(joined.differences["a, no LM"]) == {"GunPoint": 0.15, "Coffee": -0.1}
    rows = [one.table.iloc[0] for one in (apart, joined)]
    assert [(row["sets"], row["wins"], row["losses"]) for row in rows] == [(3, 2, 1), (2, 1, 1)]


def test_a_report_by_families_has_its_ablations_by_families(make_record: Make) -> None:
    names = ["GunPoint", "GunPointAgeSpan", "Coffee"]
    records = [
        make_record(name, method, accuracy, kind=kind)
        for name in names
        for method, accuracy, kind in [("a", 0.9, "model"), ("a, no LM", 0.8, "ablation")]
    ]
    counted = [
        make_report(Results(Path("x"), records, []), family_of=one).ablations[0].table["sets"][0]
        for one in (None, family_of)
    ]
    assert counted == [3, 2]


def test_p_values_of_a_part_are_corrected_over_the_models_that_have_it() -> None:
    rng = np.random.default_rng(0)
    accuracy = pd.DataFrame(0.5 + rng.normal(0, 0.01, (12, 6)), columns=[*"abcdef"])
    accuracy[["a", "b", "c"]] += [0.05, 0, 0]
    names = dict(zip("def", ("a, no LM", "b, no LM", "c, placebo"), strict=True))
    accuracy = accuracy.rename(columns=names)
    kinds = {name: "ablation" if "," in name else "model" for name in accuracy.columns}
    found = ablation_effects(accuracy, kinds)
    p = [signed_rank_p((accuracy[one] - accuracy[f"{one}, no LM"]).round(6)) for one in "ab"]
    # Holm: the smaller of two p values counts twice, the larger is no smaller than that.
    holm = [2 * min(p), max(2 * min(p), *p)]
    assert p[0] < p[1]
    tables = {one.model: one.table.iloc[0] for one in found}
    assert [tables[one]["p"] for one in "ab"] == pytest.approx(p)
    assert [tables[one]["p_holm"] for one in "ab"] == pytest.approx(holm)
    assert multipletests(p, method="holm")[1] == pytest.approx(holm)
    assert tables["c"]["p_holm"] == tables["c"]["p"]  # alone in its family
    assert tables["a"]["se"] == pytest.approx(tables["a"]["sd"] / np.sqrt(12))
    assert survivors(found).endswith(": a.")


def test_with_too_few_sets_nothing_is_corrected_and_nothing_survives() -> None:
    found = ablation_effects(ACCURACY.iloc[:5], KINDS, settings=SETTINGS)
    assert all(one.table["p_holm"].isna().all() for one in found)
    assert survivors(found).endswith(": none.")


def test_few_shots_are_a_family_of_their_own() -> None:
    few = ACCURACY.rename(columns=lambda name: f"{name} (5 shots)")
    both = pd.concat([few, ACCURACY], axis=1)
    kinds = {**KINDS, **{f"{name} (5 shots)": kind for name, kind in KINDS.items()}}
    settings = {**SETTINGS, **{f"{name} (5 shots)": own for name, own in SETTINGS.items()}}
    parts = by_part(ablation_effects(both, kinds, settings=settings))
    assert [part for part, _ in parts] == [
        f"{part}{shots}"
        for shots in ("", " (5 shots)")
        for part in ("its pretraining", "what train told its prompt", "prompt")
    ]
    assert all(set(rows["model"]) <= set(SETTINGS) for _, rows in parts)


@pytest.fixture
def records(make_record: Make) -> list[Record]:
    return [
        make_record(
            dataset,
            str(name),
            float(value),
            kind=KINDS[str(name)],
            settings=SETTINGS[str(name)],
            trainable_parameters=1234,
            model_bytes=5_600_000,
        )
        for dataset, row in ACCURACY.iterrows()
        for name, value in row.items()
    ]


def test_a_report_has_a_table_for_each_part_and_says_who_survives(
    records: list[Record], write_records: Write
) -> None:
    report = make_report(load_results(write_records(records)))
    told = [part for part, _ in by_part(report.ablations)]
    assert told == ["its pretraining", "what train told its prompt", "prompt"]
    console = Console(width=120, record=True)
    console.print(*ablation_tables(report.ablations))
    shown = console.export_text()
    text, html = markdown(report), page(report, lambda _: pytest.fail("not asked"))
    for part in told:
        assert f"What each method owes to: {part}" in shown
        assert f"## What each method owes to: {part}" in text
        assert f"What each method owes to: {part}" in html
    line = survivors(report.ablations)
    assert "prompt-tuning" in line
    assert line in shown.replace("\n", " ")
    assert line in text
    assert line in html
    assert "5.6 MB" in text
    assert "5.6 MB" in html
    assert '"p_holm"' in report_json(report)


def test_a_packed_file_keeps_the_choices_of_each_method_once(
    records: list[Record], tmp_path: Path
) -> None:
    file = write_packed(tmp_path / "packed.json", records, "a command")
    assert file.read_text("utf-8").count('"prompt_from"') == len(SETTINGS)
    packed = load_results(file)
    assert {one.method: one.settings for one in packed.records} == SETTINGS
    assert owned(make_report(packed).ablations)["hard-search"] == {"bare mask": "prompt"}
    assert {one.model_bytes for one in packed.records} == {5_600_000}
