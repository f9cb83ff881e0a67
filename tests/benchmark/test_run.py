"""The runner: every cell once, whatever is killed, crashes or hangs."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tsprompt.base.backends import Backend, Dask, Local, Ray
from tsprompt.benchmark import (
    Cell,
    Job,
    Machine,
    Method,
    Plan,
    Record,
    ResultsFolder,
    baseline,
    cell_name,
    failed,
    finished,
    named_methods,
    read_record,
    run_benchmark,
    states,
)
from tsprompt.benchmark.fork_client import stop, worker
from tsprompt.errors import ConfigError, TspromptNotice

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
MACHINE = Machine(device="cpu", dtype="float32")
clusters = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.extra(name)) for name in ("ray", "dask")]
)


@pytest.fixture(scope="module", autouse=True)
def _fork_server() -> Iterator[None]:
    """One that finds `bench_loader.py`, for all tests here: to start one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path[1:]]))
        patch.setattr("tsprompt.benchmark.run.stop", lambda: None)
        stop()
        yield
        stop()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A job whose sets are those of `bench_loader.py`."""

    def make(seconds: float = 0.0, **more: object) -> Job:
        options = {"log": str(tmp_path / "loads"), "seconds": seconds}
        return Job(tmp_path / "results", "bench_loader:load", options, MACHINE, **more)  # type: ignore[arg-type]

    return make


def cells(count: int, *sets: str) -> list[Cell]:
    plan = Plan(sets or ("A", "B"), (baseline("ridge"),), resamples=tuple(range(count)))
    return plan.cells()


def loads(job: Job) -> list[list[str]]:
    log = Path(job.options["log"])
    text = log.read_text() if log.exists() else ""
    return [line.split("|") for line in text.splitlines()]


def test_each_cell_leaves_a_record_and_predictions(job: Callable[..., Job]) -> None:
    asked = job()
    done = list(run_benchmark(cells(2), asked, Local(2)))
    assert sorted((one.dataset, one.resample) for one in done) == [
        ("A", 0),
        ("A", 1),
        ("B", 0),
        ("B", 1),
    ]
    for one in done:
        assert one.ok
        assert one.accuracy == 1.0
        assert one.auroc == 1.0
        assert one.peak_memory_bytes > 1e7
        assert one.hardware["cores"] >= 1
        assert (asked.results / one.predictions).is_file()
    assert {Path(one.predictions).parts[0] for one in done} == {"ridge on raw values"}
    assert not list(asked.results.glob("running/*.log"))


def test_what_is_done_is_not_run_again(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt.benchmark.run.stop", stop)
    server = worker()
    first = list(run_benchmark(cells(2), job(), Local(2)))
    assert not server.alive
    again = list(run_benchmark([*cells(3), *cells(2)], job(), Local(2)))
    assert again[: len(first)] != []
    assert len(again) == 6
    assert len(loads(job())) == 6


def test_a_recipe_runs_in_a_child_as_it_does_here(job: Callable[..., Job], tiny_bert: str) -> None:
    settings = {"backbone": tiny_bert, "n_prompts": 1, "tokenizer": "kernels:steps=3"}
    [record] = run_benchmark([Cell("A", Method("mine", "model", settings=settings), 1)], job())
    assert record.ok, record.error
    assert record.accuracy > 0.9
    assert record.fit_tokens > 0
    assert record.trainable_parameters > 0
    assert record.model_bytes > 4 * record.trainable_parameters  # and a description


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
def test_runs_share_the_weights_of_the_language_model(job: Callable[..., Job]) -> None:
    asked = job()
    asked = dataclasses.replace(asked, machine=Machine(device="cpu"))
    [record] = run_benchmark([Cell("Look", Method("fast", "model", "fast"), 0)], asked)
    assert record.ok, record.error
    own, size = map(int, (asked.results.parent / "look").read_text().split())
    assert size > 10_000
    assert own < size / 10


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("Crash", "failed", "ended by SIGABRT"),
        ("Hang", "timed out", "not finished after 8 seconds"),
        ("Absent", "failed", "no such set"),
        ("Bug", "failed", "before its time"),
    ],
)
def test_a_run_that_goes_wrong_is_a_record_and_stops_nothing(
    name: str, status: str, error: str, job: Callable[..., Job]
) -> None:
    asked = job(timeout=8 if name == "Hang" else None)
    done = {one.dataset: one for one in run_benchmark(cells(1, name, "A"), asked, Local(1))}
    assert done["A"].ok
    assert done[name].status == status
    assert error in done[name].error
    if name == "Bug":
        assert "a bug of the loader" in done[name].traceback
    assert done[name].accuracy is None


def test_only_retry_failed_runs_what_failed_again(job: Callable[..., Job]) -> None:
    asked = cells(1, "Absent", "A")
    list(run_benchmark(asked, job()))
    list(run_benchmark(asked, job()))
    assert Counter(row[0] for row in loads(job())) == {"Absent": 1, "A": 1}
    list(run_benchmark(asked, job(retry_failed=True)))
    assert Counter(row[0] for row in loads(job())) == {"Absent": 2, "A": 1}


def test_a_record_that_cannot_be_read_is_set_aside_and_made_again(job: Callable[..., Job]) -> None:
    [cell] = cells(1, "A")
    asked = job()
    [record] = run_benchmark([cell], asked)
    file = ResultsFolder(asked.results).record_file(cell_name(cell, MACHINE))
    file.write_text(file.read_text()[:100])
    with pytest.warns(TspromptNotice, match="set-aside"):
        [again] = run_benchmark([cell], asked)
    assert again.accuracy == record.accuracy
    assert (asked.results / "set-aside" / file.name).is_file()
    assert read_record(file) == again


def test_states_tell_done_running_and_left(job: Callable[..., Job]) -> None:
    asked, three = job(), cells(1, "A", "B", "C")
    list(run_benchmark(three[:1], asked))
    with ResultsFolder(asked.results).claim(cell_name(three[1], MACHINE)):
        found = states(three, asked.results, MACHINE)
    assert [one.record is not None for one in found] == [True, False, False]
    assert [one.running for one in found] == [False, True, False]


def test_a_claim_is_held_once_and_ends_with_its_holder(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    with folder.claim("x") as first, folder.claim("x") as second, folder.claim("y") as other:
        assert (first, second, other) == (True, False, True)
    with folder.claim("x") as again:
        assert again


RUNNER = """
    import sys
    from pathlib import Path
    from tsprompt.benchmark import Job, Machine, Plan, baseline, run_benchmark
    from tsprompt.base.backends import Local

    if __name__ == "__main__":
        results, log, count, seconds = sys.argv[1:]
        plan = Plan(("A", "B"), (baseline("ridge"),), resamples=tuple(range(int(count))))
        options = {"log": log, "seconds": float(seconds)}
        job = Job(Path(results), "bench_loader:load", options, Machine("cpu", "float32"))
        print(len(list(run_benchmark(plan.cells(), job, Local(2)))))
"""


def start(asked: Job, script: Path, count: int) -> subprocess.Popen[str]:
    script.write_text(textwrap.dedent(RUNNER))
    given = (asked.results, asked.options["log"], count, asked.options["seconds"])
    return subprocess.Popen(
        [sys.executable, "-P", str(script), *map(str, given)],
        stdout=subprocess.PIPE,
        text=True,
    )


def check_each_once(asked: Job, count: int) -> None:
    """All planned cells have a record, no others do, and none was begun after it was done."""
    folder = ResultsFolder(asked.results)
    names = {cell_name(cell, MACHINE): cell for cell in cells(count)}
    assert {file.stem for file in folder.records.iterdir()} == set(names)
    written = {}
    for name, cell in names.items():
        assert read_record(folder.record_file(name)).ok
        written[cell.dataset, str(cell.seed)] = folder.record_file(name).stat().st_mtime
    for dataset, _, seed, begun in loads(asked):
        assert float(begun) <= written[dataset, seed] + 0.01


def test_killed_at_random_moments_it_loses_nothing_and_repeats_nothing(
    job: Callable[..., Job], tmp_path: Path
) -> None:
    """Within a second of its start, of the first run it begins, and of the first it finishes."""
    asked, count = job(seconds=0.1), 12
    moments = random.Random(0)
    records = asked.results / "records"
    kept = 0
    for reached in ("start", "load", "record", "record"):
        begun = len(loads(asked))
        runner = start(asked, tmp_path / "runner.py", count)
        while (reached == "load" and len(loads(asked)) == begun) or (
            reached == "record" and len(list(records.glob("*.json"))) == kept
        ):
            assert runner.poll() is None
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 1))
        os.kill(runner.pid, signal.SIGKILL)
        runner.communicate()
        done = len(list(records.glob("*.json")))
        assert done >= kept
        kept = done
    assert 2 <= kept < 2 * count
    last = start(asked, tmp_path / "runner.py", count)
    out, _ = last.communicate()
    assert (last.returncode, out.strip()) == (0, str(2 * count))
    check_each_once(asked, count)


def test_two_runners_share_the_work(job: Callable[..., Job], tmp_path: Path) -> None:
    asked, count = job(seconds=0.1), 8
    both = [start(asked, tmp_path / "runner.py", count) for _ in range(2)]
    assert [one.communicate()[0].strip() for one in both] == [str(2 * count)] * 2
    check_each_once(asked, count)
    assert len(loads(asked)) == 2 * count


@clusters
def test_a_cluster_gives_what_this_process_gives_though_a_worker_is_killed(
    name: str, job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cluster for both: to start one, and a fork server for each worker, takes half a
    minute."""
    here = list(run_benchmark(cells(4), job(), Local(1)))
    place = cluster(name, monkeypatch)
    options = {"log": str(tmp_path / "loads there"), "seconds": 0.5}
    asked = Job(tmp_path / name, job().loader, options, MACHINE)
    runs = run_benchmark(cells(4), asked, place)
    there = [next(runs)]
    killed = kill_a_worker()
    there += runs
    assert killed
    assert len(there) == 8
    assert all(one.ok for one in there)
    assert figures(there) == figures(here)
    check_each_once(asked, 4)


def cluster(name: str, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    return Ray(None, 2) if name == "ray" else Dask(None, 2)


def kill_a_worker() -> bool:
    """The process that holds a fork server, of a cluster that this process has started. Others on
    this machine are left alone: what this one started has its own home in the environment."""
    found = subprocess.run(
        ["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for _, parent, words in (line.split(None, 2) for line in found[1:]):
        if "tsprompt.benchmark.fork_server" not in words or parent == str(os.getpid()):
            continue
        if _is_ours(parent):
            os.kill(int(parent), signal.SIGKILL)
            return True
    return False


def _is_ours(pid: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended
        return False
    return f"HF_HOME={os.environ['HF_HOME']}".encode() in environment.split(b"\0")


def figures(records: list[Record]) -> list[tuple[object, ...]]:
    rows = [(one.dataset, one.resample, one.accuracy, one.log_loss, one.auroc) for one in records]
    return sorted(rows)


def test_nothing_is_found_in_a_folder_that_is_not_there(
    job: Callable[..., Job],
) -> None:
    methods = named_methods(["default", "fast", "ridge"])
    plan = Plan(("A", "B"), tuple(methods), resamples=tuple(range(50)))
    found, left = finished(plan.cells(), job())
    assert (len(found), len(left)) == (0, 300)


def test_a_plan_is_remembered(tmp_path: Path) -> None:
    plan = Plan(("A",), tuple(named_methods(["fast", "ridge"])), seeds=2, shots=(None, 3))
    for _ in range(2):
        ResultsFolder(tmp_path).add_plan(plan, MACHINE)
    assert ResultsFolder(tmp_path).plans() == [(plan, MACHINE)]
    assert json.loads(next((tmp_path / "plans").iterdir()).read_text())["plan"]["seeds"] == 2


def test_one_name_can_not_stand_for_two_methods(tmp_path: Path) -> None:
    """In reports the later run would take the place of the other, and so would its predictions."""
    folder = ResultsFolder(tmp_path)
    folder.add_plan(Plan(("A",), tuple(named_methods(["fast"]))), MACHINE)
    other = Plan(("A",), tuple(named_methods(["fast"], settings={"prompt": "none"})))
    with pytest.raises(ConfigError, match=r"'fast' with other choices .*; here .*prompt=none"):
        folder.add_plan(other, MACHINE)
    folder.add_plan(Plan(("B",), tuple(named_methods(["fast", "ridge"]))), MACHINE)
    assert len(folder.plans()) == 2


def kill_the_fork_server(asked: Job) -> threading.Thread:
    """Kill it once, as soon as a run has begun."""

    def kill() -> None:
        while not Path(asked.options["log"]).exists():
            time.sleep(0.1)
        os.kill(worker()._process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def test_a_run_that_is_killed_is_run_again(job: Callable[..., Job]) -> None:
    asked = job(seconds=2)
    killer = kill_the_fork_server(asked)
    [record] = run_benchmark(cells(1, "A"), asked, Local(1))
    killer.join()
    assert record.ok
    assert len(loads(asked)) == 2


def test_a_run_that_is_killed_over_and_over_is_left_for_the_next_start(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job(seconds=2)
    monkeypatch.setattr("tsprompt.benchmark.run._TRIES", 1)
    killer = kill_the_fork_server(asked)
    [record] = run_benchmark(cells(1, "A"), asked, Local(1))
    killer.join()
    assert record.status == "killed"
    assert "it is run again when" in str(record.error)
    assert finished(cells(1, "A"), asked) == ([], cells(1, "A"))
    [again] = run_benchmark(cells(1, "A"), job())
    assert again.ok


def test_ctrl_c_ends_what_runs_at_once(job: Callable[..., Job], tmp_path: Path) -> None:
    asked = job(seconds=60)
    runner = start(asked, tmp_path / "runner.py", 2)
    while not Path(asked.options["log"]).exists():
        time.sleep(0.1)
    runner.send_signal(signal.SIGINT)
    begun = time.monotonic()
    runner.communicate()
    assert time.monotonic() - begun < 20
    assert runner.returncode != 0
    assert not list((asked.results / "records").glob("*.json"))


def test_a_folder_that_can_not_be_written_tells_where_its_runs_stand(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, planned = job(), cells(1)
    [*run_benchmark(planned[:1], asked)]
    damaged = ResultsFolder(asked.results).record_file(cell_name(planned[1], MACHINE))
    damaged.write_text("{}")

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("filelock._unix.os.open", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.warns(TspromptNotice) as told:
        found = states(planned, asked.results, MACHINE)
    assert [one.record is not None for one in found] == [True, False]
    assert not any(one.running for one in found)
    said = " ".join(str(one.message) for one in told)
    assert "can't be seen from here" in said
    assert "can't be set aside" in said
    assert damaged.exists()


@pytest.mark.parametrize("damage", ["folder", "dangling link", "other fields", "wrong types"])
def test_what_is_no_record_is_set_aside_and_the_run_made(
    job: Callable[..., Job], damage: str
) -> None:
    asked, planned = job(), cells(1)[:1]
    folder = ResultsFolder(asked.results)
    file = folder.record_file(cell_name(planned[0], MACHINE))
    for _ in range(2):  # what was set aside before stays
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        if damage == "folder":
            (file / "inside").mkdir(parents=True)
        elif damage == "dangling link":
            file.symlink_to("nowhere")
        else:
            whole = failed(planned[0], "x").as_dict()
            whole |= {"colour": 1} if damage == "other fields" else {"versions": "new"}
            file.write_text(json.dumps(whole))
        with pytest.warns(TspromptNotice, match="was no record of a run"):
            [record] = run_benchmark(planned, asked)
        assert record.ok
    assert len(list((asked.results / "set-aside").iterdir())) == 2
