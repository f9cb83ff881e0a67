"""Downloads: from whichever mirror can be reached, checked, kept once. The mirrors are local."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tsprompt.errors import DatasetError
from tsprompt_datasets import fetch_dataset, list_datasets, load_dataset, mirrors
from tsprompt_datasets.mirrors import Mirror

TS = "@univariate true\n@classLabel true a b\n@data\n1,2:a\n3,4:b\n"
PARTS = ("Beef_TRAIN.ts", "Beef_TEST.ts")
HUB = "/datasets/sktime/tsc-datasets/resolve/main/Beef"
LISTING = "/api/datasets/sktime/tsc-datasets/tree/main/Beef"


def hub(sha256: str = hashlib.sha256(TS.encode()).hexdigest()) -> dict[str, bytes]:
    """What the Hugging Face Hub answers."""
    files = [{"path": f"Beef/{one}", "lfs": {"oid": sha256}} for one in PARTS]
    more = [{"path": "Beef/README.md"}, {"path": "Beef/../../evil_TRAIN.ts"}]
    return {
        LISTING: json.dumps([*files, *more]).encode(),
        **{f"{HUB}/{one}": TS.encode() for one in PARTS},
    }


def zipped(names: tuple[str, ...] = PARTS) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for one in names:
            archive.writestr(one, TS)
    return file.getvalue()


class Site:
    """A server on this machine that has these pages, and what was asked of it."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                page = site.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """All mirrors on one local server: the Hub at its root, two sites of .zip files, Zenodo."""
    site = Site()
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setattr(mirrors, "ZENODO", f"{site.url}/zenodo")
    local = [Mirror(one, mirrors._zipped(f"{site.url}/{one}")) for one in ("first", "last")]
    own = {mirror.name: mirror for mirror in mirrors.MIRRORS}
    chosen = (own["Hugging Face"], local[0], own["Zenodo"], local[1])
    monkeypatch.setattr("tsprompt_datasets.archive.MIRRORS", chosen)
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TSPROMPT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TSPROMPT_DATA_DIR", raising=False)
    for one in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(one, raising=False)
    return tmp_path / "cache"


def at_zenodo(site: Site) -> dict[str, bytes]:
    """The record of Beef, with a variant beside it that is not asked for."""
    files = {one: f"{site.url}/zenodo/files/{one}" for one in (*PARTS, "Beef_eq_TRAIN.ts")}
    checksum = f"md5:{hashlib.md5(TS.encode()).hexdigest()}"
    held = [
        {"key": one, "checksum": checksum, "links": {"self": url}} for one, url in files.items()
    ]
    return {
        f"/zenodo/api/records/{mirrors._records()['Beef']}": json.dumps({"files": held}).encode(),
        **{f"/zenodo/files/{one}": TS.encode() for one in files},
    }


@pytest.mark.parametrize("reached", ["hub", "first", "zenodo", "last"])
def test_one_mirror_is_enough_and_is_asked_once(reached: str, site: Site, cache_dir: Path) -> None:
    site.pages = {
        "hub": hub,
        "first": lambda: {"/first/Beef.zip": zipped()},
        "zenodo": lambda: at_zenodo(site),
        "last": lambda: {"/last/Beef.zip": zipped(("Beef/Beef_TRAIN.ts", "Beef/Beef_TEST.ts"))},
    }[reached]()
    partial = cache_dir / "archives" / "Beef"
    partial.mkdir(parents=True)
    (partial / "Beef_TRAIN.ts").touch()

    entry = fetch_dataset("Beef")
    assert (entry.source, entry.folder) == ("download", partial)
    asked = len(site.asked)
    dataset = load_dataset("Beef", download=False)
    assert (dataset.source, len(dataset.train)) == ("download", 2)
    assert len(site.asked) == asked
    assert "Beef" in [one.name for one in list_datasets()]
    assert sorted(one.name for one in partial.iterdir()) == sorted([*PARTS, "SHA256SUMS"])
    assert not list(cache_dir.glob("tmp*"))


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        (lambda: {}, "Hugging Face: 404 Not Found; first: 404"),
        (lambda: hub("0" * 64), "Hugging Face: .*hash"),
        (lambda: {LISTING: b"<html>"}, "Hugging Face: "),
        (lambda: {LISTING: b"[1]"}, "Hugging Face: "),
        (lambda: {"/first/Beef.zip": b"<html>a page of a portal"}, "first: .*zip"),
        (lambda: {"/first/Beef.zip": zipped()[:-30]}, "first: .*zip"),
        (lambda: {"/first/Beef.zip": zipped(PARTS[:1])}, "first: .*Beef_TRAIN"),
        (
            lambda: {"/first/Beef.zip": zipped(("../../evil_TRAIN.ts", "/evil_TEST.ts"))},
            "first: does",
        ),
    ],
)
def test_what_no_mirror_has_whole_is_refused_with_its_reasons(
    pages: Callable[[], dict[str, bytes]], reason: str, site: Site, cache_dir: Path, tmp_path: Path
) -> None:
    site.pages = pages()
    with pytest.raises(DatasetError, match=reason) as caught:
        load_dataset("Beef")
    assert "data_dir" in str(caught.value)
    assert not (cache_dir / "archives" / "Beef").exists()
    assert not list(tmp_path.rglob("evil*"))


def test_a_damaged_mirror_gives_way_to_the_next(site: Site) -> None:
    site.pages = {**hub("0" * 64), "/first/Beef.zip": b"PK", "/last/Beef.zip": zipped()}
    assert len(load_dataset("Beef").train) == 2


def test_no_network_is_an_error_in_seconds(
    monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        address = f"http://127.0.0.1:{closed.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setattr(
        "tsprompt_datasets.archive.MIRRORS",
        (mirrors.MIRRORS[0], Mirror("second", mirrors._zipped(address))),
    )
    before = time.monotonic()
    expected = r"'Beef' could not .*Hugging Face: .*refused; second: .*DIR/Beef.*data_dir"
    with pytest.raises(DatasetError, match=expected):
        load_dataset("Beef")
    assert time.monotonic() - before < 10
    with pytest.raises(DatasetError, match="downloading is switched off"):
        load_dataset("Beef", download=False)


def test_a_cache_that_cannot_be_written_is_named(site: Site, cache_dir: Path) -> None:
    site.pages = hub()
    cache_dir.write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match="can't be written"):
        fetch_dataset("Beef")


def test_a_download_that_was_changed_is_refused(site: Site, cache_dir: Path) -> None:
    site.pages = hub()
    load_dataset("Beef")
    (cache_dir / "archives" / "Beef" / "Beef_TEST.ts").write_text(TS.replace("3,4", "3,5"))
    with pytest.raises(DatasetError, match=r"Beef_TEST.ts is not what was downloaded; remove"):
        load_dataset("Beef")


def test_variants_of_a_set_lie_in_its_record(site: Site) -> None:
    site.pages = at_zenodo(site)
    found = mirrors._zenodo("Beef_eq")
    assert [one.name for one in found] == ["Beef_eq_TRAIN.ts"]
