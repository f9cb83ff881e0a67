"""A folder of a header and tensors: replaced in one step, whatever a writer dies of."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tsprompt.base.tensor_folder import (
    FolderFormat,
    check_digest,
    check_target,
    digest_of,
    read_folder,
    read_header,
    write_folder,
)
from tsprompt.errors import ModelFileError

pytestmark = pytest.mark.slow

FORM = FolderFormat("thing.json", "thing.safetensors", 2, "make", undigested=(1,))
FILES = ["thing.json", "thing.safetensors"]


def write(path: Path, number: int) -> None:
    header = {"format": 2, "number": number}
    write_folder(path, FORM, header, {"a": torch.full((1000,), float(number))})


def what_is_there(path: Path) -> int:
    """The number in a folder; its header and its tensors agree on it."""
    header, tensors = read_folder(path, FORM)
    assert tensors["a"].tolist() == [header["number"]] * 1000
    return int(header["number"])


def files(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


class Faults:
    """Counts the calls that change a disk, and lets one of them fail; a write is then half done."""

    CALLS = ("open", "fsync", "replace", "unlink", "mkdir", "rmdir")

    def __init__(self, at: int, die: Callable[[], object]) -> None:
        self.at, self.die = at, die
        self.seen: list[str] = []

    def count(self, name: str) -> None:
        self.seen.append(name)
        if len(self.seen) == self.at:
            self.die()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in self.CALLS:
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            patch.setattr(io, "open", self._opened(io.open))
            yield

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **options: Any) -> Any:
            self.count(name)
            return call(*given, **options)

        return counted

    def _opened(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *given: Any, **options: Any) -> Any:
            if "x" not in mode and "w" not in mode:
                return call(file, mode, *given, **options)
            self.count("create")
            return Half(self, call(file, mode, *given, **options))

        return opened


class Half:
    """A file whose writing is counted; the half of what is written is there before it fails."""

    def __init__(self, faults: Faults, file: Any) -> None:
        self.faults, self.file = faults, file

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        self.faults.count("write")
        return int(self.file.write(content[len(content) // 2 :]))

    def __enter__(self) -> Half:
        return self

    def __exit__(self, *given: Any) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def refusal(work: Callable[[], object]) -> BaseException | None:
    """What a write that failed has raised."""
    try:
        work()
    except (ModelFileError, KeyboardInterrupt) as error:
        return error
    return None


def fail(error: BaseException) -> Callable[[], None]:
    def raised() -> None:
        raise error

    return raised


def test_the_faults_see_every_kind_of_call(tmp_path: Path) -> None:
    write(tmp_path / "thing", 1)
    faults = Faults(0, lambda: None)
    with faults():
        write(tmp_path / "thing", 2)
    assert {"create", "write", "fsync", "replace", "open"} <= set(faults.seen)
    assert faults.seen.count("replace") == 3
    assert faults.seen.count("write") == 2


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_at_any_call_leaves_the_old_one_or_the_new_one(
    tmp_path: Path, error: BaseException
) -> None:
    path, old = tmp_path / "thing", 0
    write(path, 0)
    for at in range(1, 100):
        faults = Faults(at, fail(error))
        with faults():
            told = refusal(lambda new=at: write(path, new))
        now = what_is_there(path)
        assert now == at or (told and now == old)
        if isinstance(told, ModelFileError):
            assert "what was there is untouched" in str(told)
            assert now == old
        old = now
        if len(faults.seen) < at:
            break
    assert at > 10
    write(path, -1)
    assert what_is_there(path) == -1
    assert files(path) == FILES


def test_an_error_at_any_call_of_the_first_writing_leaves_nothing_or_all(tmp_path: Path) -> None:
    for at in range(1, 100):
        path = tmp_path / f"thing-{at}"
        faults = Faults(at, fail(OSError(28, "No space left on device")))
        with faults():
            try:
                write(path, at)
            except ModelFileError:
                assert not path.exists() or files(path) == []
            else:
                assert what_is_there(path) == at
        if len(faults.seen) < at:
            break
        write(path, -at)
        assert what_is_there(path) == -at
        assert files(path) == FILES
    assert at > 10


DYING = """
import os, sys, importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("faults", sys.argv[1])
tests = importlib.util.module_from_spec(spec)
sys.modules["faults"] = tests
spec.loader.exec_module(tests)
path, old = Path(sys.argv[2]) / "thing", 0
tests.write(path, 0)
deaths = 0
for at in range(1, 100):
    child = os.fork()
    if child == 0:
        faults = tests.Faults(at, lambda: os._exit(9))
        with faults():
            tests.write(path, at)
        os._exit(0 if len(faults.seen) < at else 1)
    _, status = os.waitpid(child, 0)
    now = tests.what_is_there(path)
    assert now in (old, at), (at, now, old)
    tests.check_target(path, tests.FORM)
    if status == 0:
        assert now == at
        break
    assert status >> 8 == 9, status
    deaths, old = deaths + 1, now
    if at % 3 == 0:  # sometimes the next writer finds what several have left
        tests.write(path, -at)
        old = tests.what_is_there(path)
        assert old == -at
        assert tests.files(path) == tests.FILES, tests.files(path)
tests.write(path, 1000)
assert tests.what_is_there(path) == 1000
assert tests.files(path) == tests.FILES
print(deaths)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_death_at_any_call_leaves_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", DYING, __file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_what_others_left_stops_nobody_and_is_put_in_order(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    write(path, 1)
    for name in (f".thing.json.partial-{os.getpid()}", f".thing.safetensors.partial-{os.getpid()}"):
        (path / name).write_text("half")
    (path / f".thing.safetensors.{'0' * 64}").write_text("never committed")
    check_target(path, FORM)
    assert what_is_there(path) == 1
    write(path, 2)
    assert what_is_there(path) == 2
    assert files(path) == FILES


def test_tensors_that_were_committed_are_found_and_kept(tmp_path: Path) -> None:
    """A writer died after the header was in place, and before the tensors had their name."""
    path, other = tmp_path / "thing", tmp_path / "other"
    write(path, 1)
    write(other, 2)
    sha256 = read_header(other, FORM)["tensors_sha256"]
    (other / "thing.safetensors").rename(path / f".thing.safetensors.{sha256}")
    (other / "thing.json").replace(path / "thing.json")
    assert what_is_there(path) == 2
    with Faults(5, fail(OSError(28, "full")))(), pytest.raises(ModelFileError):
        write(path, 3)
    assert what_is_there(path) == 2
    assert files(path) == FILES


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_modes_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "thing", 1)
    finally:
        os.umask(before)
    path = tmp_path / "thing"
    assert {stat.S_IMODE((path / name).stat().st_mode) for name in FILES} == {0o666 & ~umask}
    assert stat.S_IMODE(path.stat().st_mode) == 0o777 & ~umask


def test_readers_and_writers_at_once_see_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    write(path, 0)
    stop, failures, seen = threading.Event(), [], set()

    def run(work: Callable[[], Any]) -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:  # what a thread raises is seen by nobody else
            failures.append(error)

    # Threads share a process's number: a writer at a time here, readers as many as there are.
    numbers = iter(range(1, 10_000))
    work = [lambda: write(path, next(numbers)), *[lambda: seen.add(what_is_there(path))] * 2]
    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    stop.wait(1.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(seen) > 3


# --- the digest ---


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(number=8),
        lambda header: header.update(more=None),
        lambda header: header.update(tensors_sha256="0" * 64),
        lambda header: header.update(digest="0" * 64),
        lambda header: header.pop("digest"),
        lambda header: header.update(format=True),
        lambda header: header.update(format=2.0),
    ],
)
def test_whatever_is_changed_in_the_header_is_noticed(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    write(tmp_path, 7)
    header = json.loads((tmp_path / "thing.json").read_text())
    change(header)
    (tmp_path / "thing.json").write_text(json.dumps(header))
    with pytest.raises(ModelFileError, match=r"thing\.json is damaged|has format"):
        read_folder(tmp_path, FORM)


def test_what_json_changes_by_itself_is_no_change(tmp_path: Path) -> None:
    """Keys become text, tuples lists; NaN, infinities and lone surrogates stay."""
    header = {"format": 2, "a": {1: (1, 2)}, "b": float("nan"), "c": -float("inf"), "d": "\ud800ä"}
    write_folder(tmp_path, FORM, header, {"a": torch.zeros(1)})
    read, _ = read_folder(tmp_path, FORM)
    assert read["a"] == {"1": [1, 2]}
    assert read["d"] == "\ud800ä"
    text = json.dumps(read, indent=7)
    (tmp_path / "thing.json").write_text(text)
    assert read_folder(tmp_path, FORM)[0]["digest"] == read["digest"]


def test_an_older_format_has_no_digest_and_is_read(tmp_path: Path) -> None:
    write(tmp_path, 7)
    header = json.loads((tmp_path / "thing.json").read_text())
    del header["digest"]
    (tmp_path / "thing.json").write_text(json.dumps({**header, "format": 1}))
    assert what_is_there(tmp_path) == 7


def test_the_digest_can_be_insisted_on(tmp_path: Path) -> None:
    write(tmp_path, 7)
    header = read_header(tmp_path, FORM)
    check_digest(tmp_path, header, f" {header['digest'].upper()} ")
    assert digest_of(header) == header["digest"]
    with pytest.raises(ModelFileError, match="was asked for"):
        check_digest(tmp_path, header, "0" * 64)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "{}", "[]"])
def test_headers_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, 7)
    (tmp_path / "thing.json").write_text(text)
    with pytest.raises(ModelFileError, match="damaged"):
        read_folder(tmp_path, FORM)
    write(tmp_path, 8)
    assert what_is_there(tmp_path) == 8


def test_a_folder_with_anything_else_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep")
    with pytest.raises(ModelFileError, match="is no saved model"):
        check_target(tmp_path, FORM)
