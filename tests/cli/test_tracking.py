"""MLflow is told of runs where an address is set, and only there; if it fails, no fit is lost."""

from __future__ import annotations

import json
import math
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tsprompt.benchmark import Record
from tsprompt_cli import tracking
from tsprompt_cli.tracking import Tracker, metrics_of, params_of, tags_of, tracker

Make = Callable[..., Record]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (tracking.ADDRESS, tracking.EXPERIMENT, *tracking._SETTINGS):
        monkeypatch.setenv(name, "")  # so that what is set below is undone
        monkeypatch.delenv(name)


def record_of(make: Make, **more: Any) -> Record:
    known = {
        "recipe": "default",
        "settings": {"head": "ridge", "prompt": None},
        "options": {"head": "ridge:low=-3"},
        "report": {"loss: a <b>": 0.5, "note": "words", "endless": math.inf},
        "versions": {"tsprompt": "0.1.0"},
        "data_sha256": {"train": "ab", "test": "cd"},
        "validation_accuracy": 0.75,
        "fit_tokens": 100,
    }
    return make("Set", "shared", 0.5, **{**known, **more})


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


# Without MLflow


def test_what_a_record_says_in_mlflows_words(make_record: Make) -> None:
    record = record_of(make_record, error="x" * 9_000, log_loss=math.nan)
    assert params_of(record) == {
        "recipe": "default",
        "seed": "0",
        "resample": "0",
        "head": "ridge:low=-3",
    }
    metrics = metrics_of(record)
    assert metrics["accuracy"] == 0.5
    assert metrics["validation_accuracy"] == 0.75
    assert metrics["fit_tokens"] == 100
    assert metrics["report/loss_ a _b_"] == 0.5
    assert all(map(math.isfinite, metrics.values()))
    tags = tags_of(record, {"model_digest": "ef"})
    assert tags["tsprompt.version"] == "0.1.0"
    assert tags["tsprompt.data_sha256"] == "ab cd"
    assert tags["tsprompt.model_digest"] == "ef"
    assert len(tags["tsprompt.error"]) == 500


def test_without_an_address_nothing_is_imported_or_said(
    make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    before = "mlflow" in sys.modules
    track = tracker("tsprompt")
    track.log(record_of(make_record))
    track.tell()
    assert ("mlflow" in sys.modules) is before
    assert track.logged == 0
    assert capsys.readouterr() == ("", "")


def test_an_address_without_the_package_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make_record: Make
) -> None:
    monkeypatch.setenv(tracking.ADDRESS, "http://127.0.0.1:9")
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    track = tracker("tsprompt")
    track.log(record_of(make_record))
    track.tell()
    said = capsys.readouterr().err.replace("\n", " ")
    assert "MLFLOW_TRACKING_URI is set, but MLflow is not installed" in said
    assert "pip install 'tsprompt[mlflow]'" in said


# With MLflow


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a store of files that the environment names."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    address = (tmp_path / "store").as_uri()
    monkeypatch.setenv(tracking.ADDRESS, address)
    return mlflow.MlflowClient(tracking_uri=address)


def runs_of(store: Any, experiment: str) -> list[Any]:
    return list(store.search_runs([store.get_experiment_by_name(experiment).experiment_id]))


class Lost:
    """A client whose server fails in the midst of things, and tells an address with a password."""

    asked = 0

    def create_run(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise OSError("no answer from http://me:secret@there:1\nand more")


@pytest.mark.extra("mlflow")
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("store")
def test_what_fails_is_said_once_and_not_asked_again(
    make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Lost()
    track = Tracker("http://me:secret@there:1", "tsprompt", _client=client)
    for _ in range(3):
        track.log(record_of(make_record))
    track.tell()
    said = capsys.readouterr().err.replace("\n", " ")
    assert client.asked == 1
    assert said.count("nothing is logged to MLflow at http://there:1") == 1
    assert "secret" not in said
    assert "and more" not in said


@pytest.mark.extra("mlflow")
@pytest.mark.filterwarnings("default")
def test_a_record_becomes_a_run(
    store: Any, make_record: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    track = tracker("mine")
    track.log(record_of(make_record), model_digest="ef")
    track.log(make_record("Set", "other", None))
    track.tell()
    told = capsys.readouterr()
    assert told.out == ""
    assert "2 runs to MLflow" in told.err
    assert "experiment mine" in told.err.replace("\n", " ")
    failed, done = runs_of(store, "mine")
    assert (failed.info.status, done.info.status) == ("FAILED", "FINISHED")
    assert done.info.run_name == "Set, shared, seed 0"
    assert done.data.metrics["accuracy"] == 0.5
    assert done.data.params["head"] == "ridge:low=-3"
    assert done.data.tags["tsprompt.model_digest"] == "ef"
    assert failed.data.tags["tsprompt.error"] == "broken"
    [file] = store.list_artifacts(done.info.run_id)
    kept = store.download_artifacts(done.info.run_id, file.path, str(tmp_path))
    assert json.loads(Path(kept).read_text())["method"] == "shared"


@pytest.mark.extra("mlflow")
@pytest.mark.filterwarnings("default")
def test_a_store_that_takes_no_files_still_has_the_figures(
    store: Any,
    make_record: Make,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(type(store), "log_text", refuse)
    track = tracker("mine")
    track.log(record_of(make_record))
    track.log(record_of(make_record))
    track.tell()
    assert [run.data.metrics["accuracy"] for run in runs_of(store, "mine")] == [0.5, 0.5]
    assert capsys.readouterr().err.count("not the records") == 1


@pytest.mark.extra("mlflow")
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("store")
def test_a_server_that_never_answers_is_left_after_a_while(
    make_record: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # what one sets oneself is kept
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host, port = silent.getsockname()
        monkeypatch.setenv(tracking.ADDRESS, f"http://{host}:{port}")
        started = time.monotonic()
        track = tracker("mine")
        track.log(record_of(make_record))
        assert time.monotonic() - started < 20
    assert track.lost
    assert "nothing is logged" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.extra("mlflow")
@pytest.mark.filterwarnings("default")
def test_fit_and_bench_run_log_what_they_ran(
    store: Any, tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = ["--backbone", tiny_bert, "--n-prompts", "1", "--device", "cpu", "--dtype", "float32"]
    done = run("fit", "UnitTest", *parts, "--no-ablations", "--format", "json")
    assert done.exit_code == 0, done.output
    saved = json.loads(done.stdout)
    [fitted] = runs_of(store, "tsprompt")
    assert fitted.data.metrics["accuracy"] == saved["records"][0]["accuracy"]
    header = json.loads((tmp_path / saved["saved"] / "model.json").read_text())
    assert fitted.data.tags["tsprompt.model_digest"] == header["digest"]
    (tmp_path / "plan.toml").write_text(
        'sets = ["UnitTest"]\nseeds = 1\n[methods.raw]\nbaseline = "ridge"\n'
    )
    assert run("bench", "run", "plan.toml").exit_code == 0
    assert len(runs_of(store, "tsprompt/results")) == 1
    # What is done already was logged when it was done.
    assert run("bench", "run", "plan.toml").exit_code == 0
    assert len(runs_of(store, "tsprompt/results")) == 1
