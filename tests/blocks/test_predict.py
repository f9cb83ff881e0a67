"""Blocks of cases are predicted each once, whoever is killed; a folder is of one model alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsprompt.base.backends import Backend, Dask, Ray, Reduction, WorkerLostError
from tsprompt.blocks.output import MANIFEST, Origin, PredictionsFolder
from tsprompt.blocks.predict import Reads, predict_blocks
from tsprompt.errors import ConfigError, TspromptError

HERE = Path(__file__).parent
BLOCKS = [(seed, 3 + seed % 2) for seed in range(12)]
BESIDE = [{"file": f"f{seed}", "first": 10 * seed} for seed, _ in BLOCKS]


@pytest.fixture(scope="module")
def reads(tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> Reads:
    from tsprompt import PromptClassifier
    from tsprompt.base.tensor_folder import digest_of, read_header
    from tsprompt.model.saving import MODEL

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 20, 2)), np.repeat(["a", "b"], 10)
    X[y == "b", :, 0] += 2
    settings = {"backbone": tiny_bert, "n_prompts": 1, "tokenizer": "kernels:steps=3"}
    folder = tmp_path_factory.mktemp("model") / "model"
    machine = {"device": "cpu", "dtype": "float32"}
    PromptClassifier(**settings, **machine, random_state=0).fit(X, y).save(folder)
    return Reads(
        folder, digest_of(read_header(folder, MODEL)), "block_loader:load", device="cpu", threads=1
    )


@pytest.fixture(autouse=True)
def _loaders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path[1:]]))


@pytest.fixture
def folder(reads: Reads, tmp_path: Path) -> Callable[..., PredictionsFolder]:
    def make(name: str = "out", **changes: object) -> PredictionsFolder:
        inputs = ({"name": "f", "size": 1, "modified": 2},)
        asked = {"digest": reads.digest, "inputs": inputs, "settings": {"dtype": "auto"}}
        origin = Origin(**{**asked, "blocks": tuple(count for _, count in BLOCKS), **changes})  # type: ignore[arg-type]
        return PredictionsFolder(tmp_path / name, origin)

    return make


def run(out: PredictionsFolder, reads: Reads, backend: Backend | None = None) -> list[int]:
    with out.claimed():
        return list(predict_blocks(BLOCKS, BESIDE, reads, out, backend))


def change(reads: Reads, **options: object) -> Reads:
    import dataclasses

    return dataclasses.replace(reads, options=options)


def all_of(out: PredictionsFolder) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(one) for one in sorted(out.path.glob("*.parquet"))])


def test_each_case_is_predicted_once(
    reads: Reads, folder: Callable[..., PredictionsFolder]
) -> None:
    out = folder()
    assert sorted(run(out, reads)) == list(range(12))
    assert run(out, reads) == []
    found = all_of(out)
    assert len(found) == out.origin.cases == 42
    assert not found.duplicated(["file", "case"]).any()
    assert found.iloc[4][["file", "case"]].tolist() == ["f1", 12]
    assert np.allclose(found["p(a)"] + found["p(b)"], 1)
    assert set(found["label"]) <= {"a", "b"}
    out.part(5).write_bytes(out.part(5).read_bytes()[:50])
    assert run(out, reads) == [5]
    assert all_of(out).equals(found)


RUNNER = """
    import sys
    from pathlib import Path
    from test_predict import BLOCKS, BESIDE
    from tsprompt.blocks.output import Origin, PredictionsFolder
    from tsprompt.blocks.predict import Reads, predict_blocks

    out, model, digest, seconds = sys.argv[1:]
    reads = Reads(Path(model), digest, "block_loader:load", {"seconds": float(seconds)},
                  device="cpu", threads=1)
    inputs = ({"name": "f", "size": 1, "modified": 2},)
    origin = Origin(digest, inputs, {"dtype": "auto"}, tuple(count for _, count in BLOCKS))
    folder = PredictionsFolder(Path(out), origin)
    with folder.claimed():
        print(len(list(predict_blocks(BLOCKS, BESIDE, reads, folder))))
"""


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_and_doubles_nothing(
    reads: Reads, folder: Callable[..., PredictionsFolder], tmp_path: Path
) -> None:
    whole, out = folder("whole"), folder()
    run(whole, reads)
    script = tmp_path / "runner.py"
    script.write_text(textwrap.dedent(RUNNER))
    given = [str(one) for one in (out.path, reads.model, reads.digest, 0.3)]
    for wanted in (2, 5):
        runner = subprocess.Popen([sys.executable, str(script), *given], env=os.environ)
        end = time.monotonic() + 120
        while len(list(out.path.glob("*.parquet"))) < wanted and time.monotonic() < end:
            time.sleep(0.05)
        with pytest.raises(ConfigError, match="another run is writing"):
            run(out, reads)
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        assert wanted <= len(list(out.path.glob("*.parquet"))) < 12
    (out.path / ".part-000011.parquet.partial-1").touch()  # as if it was killed while it wrote
    left = run(out, reads)
    assert len(left) == 12 - len(out.done() - set(left))
    assert all_of(out).equals(all_of(whole))
    assert not list(out.path.glob(".*partial*"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"digest": "ab" * 32}, r"another model \(digest"),
        ({"inputs": ({"name": "g", "size": 1, "modified": 2},)}, "f was among them"),
        ({"inputs": ({"name": "f", "size": 1, "modified": 3},)}, "f has changed since"),
        ({"settings": {"dtype": "float32"}}, 'dtype was "auto"'),
        ({"blocks": (1, 2)}, "other blocks"),
    ],
)
def test_a_folder_of_another_origin_is_refused(
    changes: dict[str, object], why: str, folder: Callable[..., PredictionsFolder]
) -> None:
    with folder().claimed():
        pass
    with pytest.raises(ConfigError, match=why), folder(**changes).claimed():
        pass


def test_a_folder_of_something_else_is_refused(
    folder: Callable[..., PredictionsFolder], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").touch()
    with pytest.raises(ConfigError, match=r"'letter.txt' and no"), folder().claimed():
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / MANIFEST).write_text("{")
    with pytest.raises(ConfigError, match="can't be read"), folder("other").claimed():
        pass


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    reads: Reads, folder: Callable[..., PredictionsFolder]
) -> None:
    resource = pytest.importorskip("resource")
    out = folder()
    with out.claimed():
        pass
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500, whole[1]))  # stands in for a disk
    try:
        with pytest.raises(TspromptError, match=r"part-000000.parquet can't be written"):
            run(out, reads)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    assert sorted(one.name for one in out.path.iterdir()) == [".lock", MANIFEST]
    assert len(run(out, reads)) == 12


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [pytest.param(one, marks=pytest.mark.extra(one.__name__.lower())) for one in (Ray, Dask)],
)
def test_a_cluster_whose_workers_die_predicts_each_case_once(
    kind: type[Ray] | type[Dask],
    reads: Reads,
    folder: Callable[..., PredictionsFolder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    whole, out, lost = folder("whole"), folder(), folder("lost")
    run(whole, reads)
    if kind is Ray:
        import ray

        ray.shutdown()  # workers of an earlier test know another path
    place = kind(None, 2, retries=1)
    assert len(run(out, change(reads, dies=str(tmp_path / "dead")), place)) == 12
    assert (tmp_path / "dead").exists()
    assert all_of(out).equals(all_of(whole))
    import block_loader

    tasks = [(value,) for value in range(20)]
    seen: list[int] = []
    dead = str(tmp_path / "dead too")
    work = Reduction(block_loader.number, tasks, block_loader.joined, dead, seen.append)
    assert place.reduce(work) == [*range(20)]
    assert (tmp_path / "dead too").exists()
    assert seen[-1] == 20
    with pytest.raises(WorkerLostError, match="given to 2 workers"):
        run(lost, change(reads, always=4), place)
    assert not lost.part(4).exists()
