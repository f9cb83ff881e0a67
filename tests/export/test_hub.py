"""Models on the Hugging Face hub, against a stand-in of its API on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError, ModelFileError, TspromptNotice
from tsprompt.export import push

REPO = "anna/gunpoint"


@pytest.fixture(scope="module")
def fitted(separable: Any) -> PromptClassifier:
    settings: dict[str, Any] = {"tokenizer": "patches:steps=4", "n_prompts": 1, "random_state": 0}
    model = PromptClassifier(backbone="none:minilm", device="cpu", dtype="float32", **settings)
    return model.fit(separable.X, separable.y)


@pytest.fixture
def saved(fitted: PromptClassifier, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "m", dataset="waves")


def test_what_was_pushed_is_loaded_and_nothing_else_travels(
    hub: Any,
    fitted: PromptClassifier,
    saved: Path,
    separable: Any,
) -> None:
    (saved / "secret.txt").write_text("mine")
    made = push(saved, REPO)
    there = hub.repos[REPO]
    assert there["private"]
    assert made.private
    assert sorted(there["commits"][made.commit]) == ["README.md", "model.json", "model.safetensors"]
    there["commits"][made.commit]["run_me.py"] = b"raise SystemExit"
    again = PromptClassifier.load(f"hf://{REPO}", digest=made.digest, device="cpu")
    expected = fitted.predict_proba(separable.X_test)
    assert np.array_equal(again.predict_proba(separable.X_test), expected)
    cache = saved.parent / "cache"
    assert not list(cache.rglob("run_me.py"))
    with pytest.raises(ModelFileError, match="was asked for"):
        PromptClassifier.load(f"hf://{REPO}", revision=made.commit, digest="0" * 64)
    hub.forbid()
    for name in (f"hf://{REPO}", f"hf://{REPO}@{made.commit}"):
        kept = PromptClassifier.load(name, device="cpu")
        assert np.array_equal(kept.predict_proba(separable.X_test), expected)
    with pytest.raises(ModelFileError, match=r"not in Hugging Face's cache.*HF_HUB_OFFLINE"):
        PromptClassifier.load("hf://anna/other")


def test_a_branch_and_a_hub_that_is_gone(
    repos: dict[str, Any], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    made = push(saved, REPO, private=False, revision="try", message="a first try")
    assert not repos[REPO]["private"]
    assert repos[REPO]["branches"] == {"main": "0" * 40, "try": made.commit}
    PromptClassifier.load(f"hf://{REPO}", revision="try", device="cpu")
    with pytest.raises(ModelFileError, match=r"no model of tsprompt \(model\.json"):
        PromptClassifier.load(f"hf://{REPO}")
    with pytest.raises(ModelFileError, match="no such revision"):
        PromptClassifier.load(f"hf://{REPO}@nowhere")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.warns(TspromptNotice, match=f"can't be reached.*{made.commit}"):
        PromptClassifier.load(f"hf://{REPO}@try", device="cpu")


def test_what_is_refused_says_what_to_do(
    repos: dict[str, Any], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(saved, REPO, private=False)
    with pytest.raises(ConfigError, match="there already, and is public"):
        push(saved, REPO)
    with pytest.raises(ModelFileError, match=r"no rights.*hf auth login"):
        push(saved, "bob/gunpoint")
    for name in ("gunpoint", "a/b/c", "anna/..", ""):
        with pytest.raises(ConfigError, match="no name of a model on the hub"):
            push(saved, name)
    with pytest.raises(ModelFileError, match=r"check the name, or log in with `hf auth login`"):
        PromptClassifier.load("hf://anna/nothing")
    with pytest.raises(ConfigError, match="named by text"):
        PromptClassifier.load(Path(f"hf://{REPO}"))
    with pytest.raises(ConfigError, match="on the hub already"):
        push(f"hf://{REPO}", "anna/copy")
    with pytest.raises(ConfigError, match="no revisions"):
        PromptClassifier.load(saved, revision="main")
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    before = dict(repos[REPO]["branches"])
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        push(saved, REPO, private=False)
    assert repos[REPO]["branches"] == before


def test_without_a_token_or_a_network_push_says_so(
    hub: Any, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt_cli.main import app

    hub.log_out()
    done = CliRunner().invoke(app, ["push", str(saved), REPO])
    assert done.exit_code == 2
    assert "hf auth login" in done.stderr
    assert "HF_TOKEN" in done.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(ModelFileError, match="hf auth login"):
        push(saved, REPO)
    hub.forbid()
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE is set"):
        push(saved, REPO)
    assert hub.repos == {}


def test_paths_of_this_machine_stay_here(
    repos: dict[str, Any],
    fitted: PromptClassifier,
    tiny: dict[str, Any],
    separable: Any,
    tmp_path: Path,
) -> None:
    local = PromptClassifier(**tiny).fit(separable.X, separable.y).save(tmp_path / "local")
    with pytest.raises(ModelFileError, match="folder of this machine"):
        push(local, REPO, with_paths=True)
    told = fitted.save(tmp_path / "told", parting={"test": str(tmp_path / "x.csv")})
    with pytest.raises(ModelFileError, match=r"details\.parting\.test.*with_paths=True"):
        push(told, REPO)
    assert repos == {}
    push(told, REPO, with_paths=True)
    topics = fitted.save(tmp_path / "topics", features=["/imu-of-nobody/x", "a/b"])
    push(topics, "anna/topics")


def test_the_commands_push_and_take_names_on_the_hub(
    repos: dict[str, Any], saved: Path, separable: Any, tmp_path: Path
) -> None:
    from tsprompt_cli.main import app

    done = CliRunner().invoke(app, ["push", str(saved), REPO, "--format", "json"])
    assert done.exit_code == 0, done.stderr
    made = json.loads(done.stdout)
    cases = tmp_path / "cases.npz"
    np.savez(cases, X=separable.X_test, y=separable.y_test)
    name = f"hf://{REPO}@{made['commit']}"
    done = CliRunner().invoke(app, ["predict", name, str(cases), "--digest", made["digest"]])
    assert done.exit_code == 0, done.stderr
    done = CliRunner().invoke(app, ["predict", name, str(cases), "--digest", "0" * 64])
    assert done.exit_code == 2
    assert made["digest"] in done.stderr
