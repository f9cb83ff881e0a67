"""A stand-in of the Hugging Face hub's API that listens on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

TOKEN = "hf_standin"


class _Hub(BaseHTTPRequestHandler):
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
        elif (repo := self.repo(name := "/".join(parts[2:4]))) is not None:
            self.change(name, repo, parts[4:6], body)

    def change(self, name: str, repo: dict[str, Any], asked: list[str], body: bytes) -> None:
        what, branch = asked
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
            url = f"http://{self.headers['Host']}/{name}/commit/{commit}"
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

    _Hub.repos = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
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
    yield _Hub.repos
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class HubStandIn:
    """The hub of a test."""

    repos: dict[str, Any]
    """What lies there."""
    patch: pytest.MonkeyPatch

    def put(self, name: str, folder: Path) -> str:
        """Put a folder's files there, for all to see; gives the commit."""
        files = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
        number = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        new = {"private": False, "branches": {}, "commits": {}}
        repo = self.repos.setdefault(name, new)
        repo["commits"][number] = files
        repo["branches"]["main"] = number
        return number

    def forbid(self) -> None:
        """From now on the hub may not be asked."""
        self.patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def log_out(self) -> None:
        """From now on there is no token."""
        self.patch.delenv("HF_TOKEN")


@pytest.fixture
def hub(repos: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> HubStandIn:
    """A hub that listens while the test runs."""
    return HubStandIn(repos, monkeypatch)
