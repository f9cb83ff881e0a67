"""`show`, `predict` and `evaluate` of a saved model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import ok, refused, run, write_set


def test_evaluate(model: Path) -> None:
    out = ok("evaluate", str(model), "UnitTest")
    for said in ("UnitTest, test, 22 cases", "balanced accuracy", "macro f1", "log loss", "true"):
        assert said in out
    test, train = (
        json.loads(ok("evaluate", str(model), "UnitTest", "--part", part, "--format", "json"))
        for part in ("test", "train")
    )
    assert sum(map(sum, test["confusion"])) == test["rows"][0]["cases"] == 22
    assert train["rows"][0]["cases"] == 20
    right = sum(test["confusion"][i][i] for i in range(2))
    row = test["rows"][0]
    assert row["accuracy"] == pytest.approx(right / 22)
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert sum(one["cases"] for one in test["by_class"]) == 22
    assert len(test["mistakes"]) == min(22 - right, 12)


def test_evaluate_writes_a_page(model: Path, home: Path) -> None:
    result = run("evaluate", str(model), "UnitTest", "--html", "page.html", "--part", "train")
    assert result.exit_code == 0, result.output
    assert "Wrote: page.html" in result.stderr
    assert "the model was fitted on these cases" in result.stderr
    text = (home / "page.html").read_text(encoding="utf-8")
    assert "Evaluation on UnitTest" in text
    assert "The model was fitted on these cases" in text
    assert "is a folder" in refused("evaluate", str(model), "UnitTest", "--html", ".")


def test_predict(model: Path, home: Path) -> None:
    import pandas as pd

    from tsprompt.classifier import PromptClassifier
    from tsprompt_datasets import fetch_dataset, load_dataset

    result = run("predict", str(model), "UnitTest", "--format", "table")
    assert result.exit_code == 0
    assert "20 of 22 cases are shown" in result.stderr
    assert "p(2)" in result.stdout
    ok("predict", str(model), str(fetch_dataset("UnitTest").test), "-o", "out.csv")
    written = pd.read_csv("out.csv", dtype={"label": str})
    expected = PromptClassifier.load(model, device="cpu").predict_proba(
        load_dataset("UnitTest").test.cases
    )
    assert written["case"].tolist() == list(range(1, 23))
    np.testing.assert_allclose(written[["p(1)", "p(2)"]], expected, rtol=0, atol=1e-12)
    rows = json.loads(ok("predict", str(model), "UnitTest", "--format", "json"))["rows"]
    assert [row["label"] for row in rows] == written["label"].tolist()


def test_predict_reads_arrays(model: Path, home: Path) -> None:

    np.save("new.npy", np.zeros((3, 24, 1), np.float32))
    assert len(ok("predict", str(model), "new.npy", "--format", "csv").splitlines()) == 4


def test_json_has_no_nan(cheap: list[str], home: Path) -> None:
    from tsprompt.base.tensor_folder import digest_of

    ok(
        "fit",
        "UnitTest",
        *cheap,
        "--no-ablations",
        "--shots",
        "1",
        "--head",
        "mlp:epochs=1",
        "-o",
        "one",
    )
    header = json.loads((home / "one/model.json").read_text())
    header["scores"]["validation_loss"] = float("nan")
    header["digest"] = digest_of(header)
    (home / "one/model.json").write_text(json.dumps(header))
    shown = json.loads(ok("show", "one", "--format", "json"), parse_constant=pytest.fail)
    assert shown["scores"]["validation_loss"] is None


def test_show(model: Path) -> None:
    out = ok("show", str(model))
    for said in (
        "per-step",
        "24 timesteps → 4 steps of 6 timesteps",
        "32; 1 prompt",
        "[CLS]",
        "x1",
        "x4 [MASK] [SEP]",
        "leave-one-out",
        "UnitTest (22 cases)",
    ):
        assert said in out
    about = json.loads(ok("show", str(model), "--format", "json"))
    kinds = [slot["kind"] for slot in about["templates"][0]]
    assert kinds == ["cls", *["prompt", "data"] * 4, "mask", "sep"]
    assert about["details"]["dataset"] == "UnitTest"
    assert about["bytes"] == sum(file.stat().st_size for file in model.iterdir())


@pytest.mark.parametrize("scope", ["series", "step"])
@pytest.mark.parametrize("strategy", ["shared", "per-step", "autoencoder:epochs=1"])
@pytest.mark.parametrize("tokenizer", ["kernels:steps=3", "bins:bins=9,steps=3"])
def test_description_agrees_with_the_model(
    tiny: dict[str, Any], separable: Any, strategy: str, scope: str, tokenizer: str
) -> None:
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.layout import layout, slots

    classifier = PromptClassifier(strategy=strategy, scope=scope, tokenizer=tokenizer, **tiny)
    classifier.fit(separable.X, separable.y)
    about = layout(classifier.fitted_)
    assert about.features == len(classifier.parts_.combination.heads_[0].mean_)
    shown = slots(classifier.fitted_, classifier.readings_[0])
    assert sum(slot.tokens for slot in shown) == about.positions
    assert len({slot.text for slot in shown if slot.kind == "data"}) == (
        1 if scope == "step" else about.steps
    )


def test_words_of_vectors_are_the_nearest(tiny: dict[str, Any], separable: Any) -> None:
    from tsprompt.backbones.template import Prompt
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.layout import slots

    classifier = PromptClassifier(tokenizer="kernels:steps=3", **tiny)
    classifier.fit(separable.X, separable.y)
    reading = classifier.readings_[0]
    words = [slot.text for slot in slots(classifier.fitted_, reading) if slot.kind == "prompt"]
    vectors = reading.prompt.fill(classifier.reader_.backbone)
    where = {"before": reading.prompt.before, "mask": reading.prompt.mask}
    reading.prompt = Prompt(ids=None, vectors=vectors * 1.5, **where)
    near = [slot.text for slot in slots(classifier.fitted_, reading) if slot.kind == "prompt"]
    assert near == [f"~{word}" for word in words]


def test_long_templates_are_abbreviated() -> None:
    from tsprompt.model.layout import Slot
    from tsprompt_cli.display.template import abbreviate, template_text

    data = [Slot("data", f"x{i}") for i in range(1, 51)]
    shared = [Slot("cls", "[CLS]"), Slot("prompt", "word"), *data, Slot("mask", "[MASK]")]
    assert [text for _, text in abbreviate(shared)] == (
        ["[CLS]", "word", "x1", "…", "x50", "[MASK]"]
    )
    by_step = [one for slot in data for one in (Slot("prompt", "p"), slot)]
    shown = [text for _, text in abbreviate(by_step)]
    assert "… 77 more …" in shown
    assert shown[-1] == "x50"
    assert len(str(template_text(by_step, full=True)).split()) == 100


def test_labels_are_no_markup(cheap: list[str], home: Path) -> None:
    cases = [f"{i},2,{i * i},4,5:{'ab'[i % 2]}" for i in range(8)]
    cases = [case.replace(":a", ":[red]") for case in cases]
    folder = write_set(home, "Odd", cases, cases)
    out = ok("fit", "Odd", "--data-dir", folder, *cheap, "--no-ablations")
    assert "[red] (4)" in out
    for command in ("evaluate", "predict"):
        assert "[red]" in ok(command, "models/Odd-shared", "Odd", "--data-dir", folder)
    assert "[red]" in ok("datasets", "info", "Odd", "--data-dir", folder)
    assert "[red]" in ok("show", "models/Odd-shared")
