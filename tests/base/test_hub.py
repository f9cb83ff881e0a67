"""Names on the Hugging Face hub wherever a saved model or a prompt is taken, against a stand-in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tsprompt import PromptClassifier, Socket
from tsprompt.base.hub import called, located
from tsprompt.benchmark.measure import check
from tsprompt.errors import ConfigError, ModelFileError
from tsprompt.model.saving import MODEL
from tsprompt.model.warm_start import PROMPTS, fingerprints, read_sources


@pytest.fixture(scope="module")
def soft(tiny: dict[str, Any], separable: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model whose prompt others may start from."""
    choices = {"tokenizer": "patches:steps=4", "tuner": "gradient:epochs=1", "head": "mlp:epochs=2"}
    model = PromptClassifier("prompt-tuning", **{**tiny, **choices})
    return model.fit(separable.X, separable.y).save(tmp_path_factory.mktemp("soft") / "waves")


def same(socket: Socket, name: str, folder: Path, X: Any) -> bool:
    own = PromptClassifier.load(folder, device="cpu").predict_proba(X)
    return np.allclose(socket.predict_proba({name: X})[name], own, atol=1e-6)


def test_what_a_model_is_called() -> None:
    assert called("hf://anna/waves@v1") == "anna/waves"
    assert called(Path("models/waves/")) == called("models/waves") == "waves"
    with pytest.raises(ConfigError, match="no name of a model"):
        called("hf://waves")


def test_a_folder_of_prompts_is_found_as_a_model_is(hub: Any, soft: Path, tmp_path: Path) -> None:
    for file in PROMPTS.files:
        (tmp_path / "p" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "p" / file).write_text("{}")
    hub.put("anna/prompts", tmp_path / "p")
    found = located("hf://anna/prompts", MODEL, PROMPTS)
    assert {one.name for one in found.iterdir()} == PROMPTS.files
    with pytest.raises(ModelFileError, match=r"no model of tsprompt \(model.json is missing\)$"):
        located("hf://anna/prompts", MODEL)
    hub.put("anna/empty", tmp_path)
    with pytest.raises(ModelFileError, match=r"model\.json is missing\), and no prompts"):
        located("hf://anna/empty", MODEL, PROMPTS)


def test_a_socket_keeps_the_commit_that_it_was_given(
    hub: Any, soft: Path, separable: Any, tmp_path: Path
) -> None:
    first = hub.put("anna/waves", soft)
    socket = Socket(device="cpu", max_bytes=1)
    assert socket.add("hf://anna/waves") == "anna/waves"
    other = Path(shutil.copytree(soft, tmp_path / "other"))
    model = PromptClassifier.load(other, device="cpu")
    model.fit(separable.X, np.roll(separable.y, 1)).save(other)
    assert hub.put("anna/waves", other) != first
    assert socket.add("hf://anna/waves", name="new") == "new"
    assert socket.add(f"hf://anna/waves@{first}", name="old") == "old"
    assert socket.add("hf://anna/waves", revision=first, name="also old") == "also old"
    hub.forbid()
    for name, folder in (("anna/waves", soft), ("old", soft), ("also old", soft), ("new", other)):
        assert name not in socket.loaded or name == socket.loaded[-1]
        assert same(socket, name, folder, separable.X_test)
    digest = socket.plugged("old").digest
    with pytest.raises(ModelFileError, match="was asked for"):
        socket.add("hf://anna/waves", name="old", digest=digest)
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE"):
        socket.add("hf://anna/other", name="old")
    assert socket.plugged("old").digest == digest
    with pytest.raises(ConfigError, match="no revisions"):
        socket.add(soft, revision="main")


def test_a_fit_starts_from_a_prompt_on_the_hub(hub: Any, soft: Path, separable: Any) -> None:
    commit = hub.put("anna/waves", soft)
    name = f"hf://anna/waves@{commit}"
    assert fingerprints(name) == fingerprints(str(soft))
    hub.forbid()
    model = PromptClassifier.load(soft, device="cpu").set_params(prompt_from=name)
    model.fit(separable.X, separable.y)
    assert model.report_["prompt started from"] == name
    own = PromptClassifier.load(soft, device="cpu").set_params(prompt_from=soft)
    expected = own.fit(separable.X, separable.y).predict_proba(separable.X_test)
    assert np.array_equal(model.predict_proba(separable.X_test), expected)
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE"):
        read_sources("hf://anna/gone")
    with pytest.raises(ConfigError, match="named by text"):
        PromptClassifier("prompt-tuning", prompt_from=Path("hf://anna/waves")).fit(
            separable.X, separable.y
        )


COMMANDS = [
    "show MODEL",
    "predict MODEL CASES.npz",
    "evaluate MODEL CASES.npz",
    "explain MODEL CASES.npz --stretches 2 --case 1",
    "export MODEL --onnx GRAPH.onnx",
    "embed MODEL CASES.npz -o FEATURES.npz",
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.split()[0])
def test_each_command_takes_a_name_on_the_hub(
    hub: Any, soft: Path, separable: Any, tmp_path: Path, *, command: str
) -> None:
    from tsprompt_cli.main import app

    commit = hub.put("anna/waves", soft)
    files = {one: tmp_path / one for one in ("CASES.npz", "GRAPH.onnx", "FEATURES.npz")}
    np.savez(files["CASES.npz"], X=separable.X_test, y=separable.y_test)

    def run(model: str) -> Any:
        words = {**files, "MODEL": model}
        return CliRunner().invoke(app, [str(words.get(one, one)) for one in command.split()])

    here, there = run(str(soft)), run(f"hf://anna/waves@{commit}")
    # This model has no form as a graph, which `export` says once it has read it.
    assert there.exit_code == (2 if command.startswith("export") else 0), there.stderr
    assert (there.stdout, there.stderr) == (here.stdout, here.stderr)
    hub.repos["anna/private"] = {**hub.repos["anna/waves"], "private": True}
    hub.log_out()
    refused = run("hf://anna/private")
    assert refused.exit_code == 2, refused.exception
    assert "HF_TOKEN" in refused.stderr
    hub.forbid()
    refused = run("hf://anna/private")
    assert refused.exit_code == 2, refused.exception
    assert "HF_HUB_OFFLINE" in refused.stderr


def test_fits_and_plans_take_prompts_on_the_hub(hub: Any, tmp_path: Path) -> None:
    from tsprompt.benchmark.plan import Method
    from tsprompt_cli.main import app

    hub.forbid()
    name = "hf://anna/gone"
    fit = ["fit", "GunPoint", "--recipe", "prompt-tuning", "--prompt-from", name]
    done = CliRunner().invoke(app, [*fit, "-o", str(tmp_path / "m")])
    assert done.exit_code == 2, done.exception
    assert "HF_HUB_OFFLINE" in done.stderr
    assert not (tmp_path / "m").exists()
    method = Method("one", "model", "prompt-tuning", {"prompt_from": name})
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE"):
        check([method])
