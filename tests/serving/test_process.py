"""The command itself: how it starts, what it writes down, and how it ends."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.extra("serve")]

SECRET = "a-token-of-more-than-16"


def raw(address: str, content: bytes, seconds: float = 20) -> bytes:
    """What comes back of bytes as they are."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as sock:
        sock.sendall(content)
        found = b""
        while piece := sock.recv(1 << 16):
            found += piece
        return found


def test_it_finishes_what_runs_and_ends_well(folder: Path, starting: Any, where: Any) -> None:
    import httpx2

    with starting(folder, "--device", "cpu") as process:
        address = where(process)
        found: list[Any] = []

        def ask() -> None:
            case = [[float(i % 7), 1.0] for i in range(200)]
            body = {"cases": [case] * 900}
            url = f"{address}/models/two/waves/predict"
            found.append(httpx2.post(url, json=body, timeout=60))

        asking = threading.Thread(target=ask)
        asking.start()
        while "tsprompt_batch_requests_count 0.0" in httpx2.get(f"{address}/metrics").text:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        asking.join(60)
        assert found[0].status_code == 200
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in events][-2:] == ["request", "stopped"]
    assert "Serving" in err


def test_its_log_is_json_and_holds_nothing_of_what_was_sent(
    folder: Path, tmp_path: Path, starting: Any, where: Any
) -> None:
    import httpx2

    shutil.copytree(folder / "one", tmp_path / "one")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.json").write_text("{}")
    options = ["--device", "cpu", "--model", f"named={folder / 'two' / 'waves'}"]
    with starting(tmp_path, *options, TSPROMPT_TOKEN=SECRET) as process:
        address = where(process)
        known = {"authorization": f"Bearer {SECRET}"}
        with httpx2.Client(base_url=address, headers=known) as client:
            body = {"cases": [[0.123456, 5.0] * 10], "ids": ["Mr. Smith"]}
            assert client.post("/models/one/predict", json=body).status_code == 200
            client.post("/models/one/predict?label=sickness", json={"cases": [["Mrs. Smith"]]})
            client.get("/models/private-name-in-a-path")
            assert client.get("/models/named").json()["features"]["count"] == 2
            assert client.get("/readyz").json()["problems"][0]["name"] == "bad"
        assert httpx2.get(f"{address}/readyz").json()["problems"] == 1
        process.terminate()
        out, err = process.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    requests = [one for one in events if one["event"] == "request"]
    assert {one["status"] for one in requests} == {200, 422, 404}
    assert all(one["seconds"] >= 0 and one["request"] for one in requests)
    for secret in (SECRET, "0.123", "Smith", "calm", "mild", "sickness", "private"):
        assert secret not in out + err


def test_slow_and_silent_clients_are_let_go(folder: Path, monkeypatch: Any) -> None:
    """Their deadlines, in a server whose limits are short."""
    import uvicorn

    from tsprompt import Socket
    from tsprompt.serving.access import Access
    from tsprompt.serving.app import make_app
    from tsprompt.serving.connections import bounded_protocol
    from tsprompt.serving.limits import Limits
    from tsprompt.serving.metrics import Metrics
    from tsprompt.serving.run import make_service
    from tsprompt_cli.sent_tables import read_sent

    limits, metrics = Limits(body_seconds=0.5, header_seconds=0.5, connections=2), Metrics()
    service = make_service(folder, Socket(device="cpu"), limits, metrics, read_sent)
    app = make_app(service, Access("127.0.0.1"), metrics)
    config = uvicorn.Config(
        app, port=0, http=bounded_protocol(limits), log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert service.folder.looked.wait(30)
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        head = b"POST /models/one/predict HTTP/1.1\r\nHost: localhost\r\n"
        begun = head + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        assert b" 408 " in raw(address, begun)
        assert raw(address, head) == b""
        assert raw(address, b"") == b""
        place = "127.0.0.1", port
        with socket.create_connection(place), socket.create_connection(place):
            time.sleep(0.1)
            assert b" 503 " in raw(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    finally:
        server.should_exit = True
        thread.join(20)


def test_the_lines_of_the_guide_are_answered(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    guide = (ROOT / "docs" / "guides" / "serve.md").read_text(encoding="utf-8")
    guide = guide.replace("http://127.0.0.1:8000", address).replace("/gunpoint/", "/one/")
    (tmp_path / "new.csv").write_text(",".join(f"t{i}" for i in range(20)) + "\n" + "1," * 19 + "2")
    (line,) = re.findall(r"^curl .*$", guide, flags=re.MULTILINE)
    done = subprocess.run(shlex.split(line), cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["cases"][0]["label"] in ("calm", "mild", "wild")
    (block,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    exec(compile(block, "serve.md", "exec"), {"X": np.zeros((2, 20, 1))})
    assert capsys.readouterr().out.count("'") == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "TSPROMPT_TOKEN"),
        (("--host", "no.such.host.invalid"), "TSPROMPT_TOKEN"),
    ],
)
def test_what_can_not_be_served_is_said(folder: Path, options: tuple[str, ...], said: str) -> None:
    from typer.testing import CliRunner

    from tsprompt_cli.main import app

    done = CliRunner().invoke(app, ["serve", str(folder), *options])
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_a_port_that_is_taken_and_a_folder_that_is_none_are_said(folder: Path) -> None:
    from typer.testing import CliRunner

    from tsprompt_cli.main import app

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["serve", str(folder), "--port", port])
    assert (done.exit_code, "--port" in done.stderr) == (2, True), done.stderr
    done = CliRunner().invoke(app, ["serve", str(folder / "none")])
    assert (done.exit_code, "no folder" in done.stderr) == (2, True)


def test_without_the_extra_it_says_what_to_install(folder: Path, monkeypatch: Any) -> None:
    from typer.testing import CliRunner

    from tsprompt_cli.commands import serve
    from tsprompt_cli.main import app

    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    done = CliRunner().invoke(app, ["serve", str(folder)])
    assert (done.exit_code, "pip install 'tsprompt[serve]'" in done.stderr) == (2, True)


def test_who_leaves_is_not_computed_any_more(folder: Path, starting: Any, where: Any) -> None:

    case = [[float(i % 7), 1.0] for i in range(200)]
    body = json.dumps({"cases": [case] * 900}).encode()
    head = (
        "POST /models/two/waves/predict HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with starting(folder, "--device", "cpu") as process:
        try:
            told = left_in_the_midst(where(process), head.encode() + body)
            process.terminate()
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, "tsprompt_queue_requests 0.0" in told) == (0, True), told
    (cases,) = re.findall(r"tsprompt_batch_cases_sum ([\d.]+)", told)
    assert 0 < float(cases) < 900
    events = [json.loads(line) for line in out.splitlines()]
    assert {one["status"] for one in events if one.get("route", "").endswith("predict")} == {499}


def left_in_the_midst(address: str, content: bytes) -> str:
    """Leave once the first pass runs; what the server has counted when it has noticed."""
    import httpx2

    host, port = address.removeprefix("http://").split(":")
    until = time.monotonic() + 60

    def counted(wanted: str) -> str:
        while not re.search(wanted, told := httpx2.get(f"{address}/metrics").text):
            assert time.monotonic() < until, told
            time.sleep(0.02)
        return told

    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(content)
        counted(r"tsprompt_batch_requests_count [1-9]")
    return counted('status="499"')


def test_no_process_outlives_a_server_that_is_killed(
    folder: Path, starting: Any, where: Any
) -> None:
    import httpx2
    import psutil

    with starting(folder, "--device", "cpu") as process:
        try:
            table = ",".join(f"t{i}" for i in range(20)) + "\n" + "1," * 19 + "2"
            url = f"{where(process)}/models/one/predict"
            headers = {"content-type": "text/csv"}
            assert httpx2.post(url, content=table, headers=headers, timeout=60).status_code == 200
            others = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()
    assert others
    _, left = psutil.wait_procs(others, timeout=10)
    assert not left
