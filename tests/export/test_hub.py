"""Models on the Hugging Face hub, against a stand-in of its API on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from typer.testing import CliRunner

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError, ModelFileError, TspromptNotice
from tsprompt.export import push

TOKEN = "hf_standin"
REPO = "anna/gunpoint"


class Hub(BaseHTTPRequestHandler):
    """Repositories: name -> whether private, branches, commits (files)."""

    repos: dict[str, dict[str, Any]]

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, body: Any = None, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def repo(self, name: str) -> dict[str, Any] | None:
        found = self.repos.get(name)
        mine = self.headers.get("authorization") == f"Bearer {TOKEN}"
        if found is None or (found["private"] and not mine):
            self.reply(404 if mine else 401, {}, X_Error_Code="RepoNotFound")
            return None
        return found

    def at(self, repo: dict[str, Any], revision: str) -> str | None:
        commit = repo["branches"].get(revision, revision)
        if commit not in repo["commits"]:
            self.reply(404, {}, X_Error_Code="RevisionNotFound")
            return None
        return str(commit)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = [unquote(one) for one in self.path.partition("?")[0].strip("/").split("/")]
        if parts[1] == "validate-yaml":
            self.reply(200, {"errors": [], "warnings": []})
        elif self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.reply(401, {"error": "Invalid credentials"})
        elif parts[1:] == ["repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if asked["organization"] != "anna":
                self.reply(403, {"error": "You have no rights for this namespace"})
                return
            first = {"branches": {"main": "0" * 40}, "commits": {"0" * 40: {}}}
            self.repos[name] = {"private": asked.get("visibility") == "private", **first}
            self.reply(200, {"url": f"/{name}"})
        elif (repo := self.repo("/".join(parts[2:4]))) is not None:
            self.change(repo, parts[4], parts[5], body)

    def change(self, repo: dict[str, Any], what: str, branch: str, body: bytes) -> None:
        if what == "branch":
            repo["branches"].setdefault(branch, repo["branches"]["main"])
            self.reply(200, {})
        elif what == "preupload":
            files = [one["path"] for one in json.loads(body)["files"]]
            how = {"uploadMode": "regular", "shouldIgnore": False}
            self.reply(200, {"files": [{"path": one, **how} for one in files]})
        else:
            lines = [json.loads(one)["value"] for one in body.splitlines()]
            new = {one["path"]: base64.b64decode(one["content"]) for one in lines if "path" in one}
            commit = hashlib.sha1(body).hexdigest()
            repo["commits"][commit] = {**repo["commits"][repo["branches"][branch]], **new}
            repo["branches"][branch] = commit
            url = f"http://{self.headers['Host']}/{REPO}/commit/{commit}"
            self.reply(200, {"commitUrl": url, "commitOid": commit})

    def do_GET(self) -> None:
        parts = [unquote(one) for one in self.path.partition("?")[0].strip("/").split("/")]
        api = parts[0] == "api"
        name = parts[2:4] if api else parts[:2]
        if (repo := self.repo("/".join(name))) is None:
            return
        revision = (parts[5] if len(parts) > 5 else "main") if api else parts[3]
        if (commit := self.at(repo, revision)) is None:
            return
        files = repo["commits"][commit]
        if not api:
            data = files[parts[4]]
            self.reply(200, data, ETag=hashlib.sha1(data).hexdigest(), X_Repo_Commit=commit)
        elif len(parts) > 4 and parts[4] == "tree":
            self.reply(
                200,
                [
                    {"type": "file", "path": one, "size": len(data), "oid": "0" * 40}
                    for one, data in files.items()
                ],
            )
        else:
            about = {"id": "/".join(name), "sha": commit, "private": repo["private"]}
            self.reply(200, {**about, "siblings": [{"rfilename": one} for one in files]})

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def repos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What lies on a hub that listens while the test runs."""
    from huggingface_hub import constants

    Hub.repos = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", endpoint, raising=False)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield Hub.repos
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def fitted(separable: Any) -> PromptClassifier:
    settings: dict[str, Any] = {"tokenizer": "patches:steps=4", "n_prompts": 1, "random_state": 0}
    model = PromptClassifier(backbone="none:minilm", device="cpu", dtype="float32", **settings)
    return model.fit(separable.X, separable.y)


@pytest.fixture
def saved(fitted: PromptClassifier, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "m", dataset="waves")


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_what_was_pushed_is_loaded_and_nothing_else_travels(
    repos: dict[str, Any],
    fitted: PromptClassifier,
    saved: Path,
    separable: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (saved / "secret.txt").write_text("mine")
    made = push(saved, REPO)
    there = repos[REPO]
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
    offline(monkeypatch)
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
    with pytest.raises(ConfigError, match="no revisions"):
        PromptClassifier.load(saved, revision="main")
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    before = dict(repos[REPO]["branches"])
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        push(saved, REPO, private=False)
    assert repos[REPO]["branches"] == before


def test_without_a_token_or_a_network_push_says_so(
    repos: dict[str, Any], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt_cli.main import app

    monkeypatch.delenv("HF_TOKEN")
    done = CliRunner().invoke(app, ["push", str(saved), REPO])
    assert done.exit_code == 2
    assert "hf auth login" in done.stderr
    assert "HF_TOKEN" in done.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(ModelFileError, match="hf auth login"):
        push(saved, REPO)
    offline(monkeypatch)
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE is set"):
        push(saved, REPO)
    assert repos == {}


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
