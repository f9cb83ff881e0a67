"""Saved models: two files, nothing pickled, all or nothing."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from tsprompt import PromptClassifier
from tsprompt.base.tensor_folder import digest_of, read_header
from tsprompt.errors import BackboneError, ModelFileError, TspromptError
from tsprompt.model.saving import FORMAT, MODEL
from tsprompt.readouts.pooled import Pooled


@pytest.fixture(scope="module")
def fitted(tiny: dict[str, Any], separable: Any) -> PromptClassifier:
    return PromptClassifier(**tiny).fit(separable.X, separable.y)


@pytest.fixture(scope="module")
def other(tiny: dict[str, Any], separable: Any) -> PromptClassifier:
    return PromptClassifier(**{**tiny, "random_state": 1}).fit(separable.X, separable.y)


@pytest.fixture
def saved(fitted: PromptClassifier, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "model")


def load(path: Path) -> PromptClassifier:
    return PromptClassifier.load(path, device="cpu")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the header as one who means to: the digest is made good."""
    header = json.loads((path / "model.json").read_text())
    change(header)
    header["digest"] = digest_of(header)
    (path / "model.json").write_text(json.dumps(header))


def same(path: Path, classifier: PromptClassifier, X: np.ndarray) -> bool:
    return np.array_equal(load(path).predict_proba(X), classifier.predict_proba(X))


FILES = ["README.md", "model.json", "model.safetensors"]

# --- what is written ---


def test_the_folder_holds_json_safetensors_and_a_card_and_nothing_else(saved: Path) -> None:
    assert sorted(file.name for file in saved.iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]
    assert [one.name for one in saved.parent.iterdir()] == ["model"]
    with safe_open(saved / "model.safetensors", "pt") as file:
        assert len(list(file.keys())) > 3
    header = json.loads((saved / "model.json").read_text())
    assert header["format"] == FORMAT
    assert header["versions"]["torch"] == torch.__version__


def test_the_language_model_is_not_copied(fitted: PromptClassifier, saved: Path) -> None:
    header = read_header(saved, MODEL)
    assert header["backbone"]["weights_hash"] == fitted.reader_.backbone.weights_hash
    with safe_open(saved / "model.safetensors", "pt") as file:
        sizes = [file.get_tensor(name).numel() for name in file.keys()]  # noqa: SIM118
    weights = fitted.parts_.combination.heads_[0].state()["weights_"].numel()
    assert sum(sizes) < weights + fitted.reader_.backbone.n_parameters / 2


def test_details_and_figures_are_kept(fitted: PromptClassifier, tmp_path: Path) -> None:
    path = fitted.save(tmp_path / "model", dataset="GunPoint", test_accuracy=0.5)
    assert read_header(path, MODEL)["details"] == {"dataset": "GunPoint", "test_accuracy": 0.5}
    loaded = load(path)
    assert loaded.scores_ == fitted.scores_
    assert loaded.costs_ == fitted.costs_
    assert loaded.report_ == fitted.report_
    assert loaded.seed_ == fitted.seed_


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["ä", "b"]),
        np.array(["a", "b"], dtype=object),
        np.array([-3, 7]),
        np.array([3, 7], dtype=np.uint8),
        np.array([False, True]),
        np.array([1.0, 2.0]),
        np.array(["2020-01-31", "2021-02-01"], dtype="datetime64[D]"),
        np.array([date(2020, 1, 31), date(2021, 2, 1)], dtype=object),
        np.array(["01", " 1 "]),
    ],
)
def test_labels_come_back_with_their_type(
    tiny: dict[str, Any], separable: Any, tmp_path: Path, labels: np.ndarray
) -> None:
    y = labels[np.arange(24) % 2]
    fitted = PromptClassifier(**tiny).fit(separable.X, y)
    loaded = load(fitted.save(tmp_path / "model"))
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.predict(separable.X).tolist() == fitted.predict(separable.X).tolist()


def test_a_loaded_model_is_saved_alike_and_can_be_fitted_again(
    fitted: PromptClassifier, saved: Path, separable: Any, tmp_path: Path
) -> None:
    loaded = load(saved)
    again = loaded.save(tmp_path / "again")
    ours, theirs = (read_header(path, MODEL) for path in (saved, again))
    assert ours == theirs
    refitted = load(saved).fit(separable.X, separable.y)
    assert refitted.parts_.specs() == fitted.parts_.specs()
    chances = fitted.predict_proba(separable.X_test)
    assert np.array_equal(refitted.predict_proba(separable.X_test), chances)


def test_a_default_that_has_changed_since_changes_no_saved_model(
    fitted: PromptClassifier, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, *others = Pooled.__init__.__defaults__  # type: ignore[misc]
    monkeypatch.setattr(Pooled.__init__, "__defaults__", ((1,), *others))
    assert Pooled().layers == (1,)
    assert load(saved).parts_.readout.options() == fitted.parts_.readout.options()


def test_predicting_between_changes_nothing(
    fitted: PromptClassifier, saved: Path, separable: Any
) -> None:
    loaded = load(saved)
    loaded.predict(100 * separable.X)
    assert np.array_equal(
        loaded.predict_proba(separable.X_test), fitted.predict_proba(separable.X_test)
    )


def test_home_is_found(
    fitted: PromptClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fitted.save("~/models/mine")
    assert (tmp_path / "models" / "mine" / "model.json").is_file()
    assert load(Path("~/models/mine")).classes_.tolist() == fitted.classes_.tolist()


# --- what is there is not lost ---


def test_a_saved_model_is_replaced(
    saved: Path, fitted: PromptClassifier, other: PromptClassifier, separable: Any
) -> None:
    assert same(saved, fitted, separable.X_test)
    other.save(saved)
    assert same(saved, other, separable.X_test)
    assert [one.name for one in saved.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.txt": "years of work"},
        {"model.json": '{"mine": 1}'},
        {"model.json": "{}", "model.safetensors": "", "notes.txt": "keep"},
    ],
)
def test_a_folder_with_anything_else_is_not_touched(
    fitted: PromptClassifier, tmp_path: Path, files: dict[str, str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(ModelFileError, match=r"exists and is no saved model; choose another"):
        fitted.save(folder)
    assert {file.name: file.read_text() for file in folder.iterdir()} == files
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_a_file_is_not_overwritten(fitted: PromptClassifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelFileError, match="is no saved model"):
        fitted.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(ModelFileError, match="can't be written"):
        fitted.save(tmp_path / "file" / "model")


def test_an_empty_folder_may_be_given(fitted: PromptClassifier, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    path = fitted.save(tmp_path / "empty")
    assert sorted(one.name for one in path.iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]


def test_a_link_to_a_model_stays_a_link(
    saved: Path, other: PromptClassifier, separable: Any
) -> None:
    link = saved.with_name("link")
    link.symlink_to(saved)
    other.save(link)
    assert link.is_symlink()
    assert same(saved, other, separable.X_test)


def test_a_relative_path_is_one_from_here(
    fitted: PromptClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fitted.save("model") == Path("model")
    assert fitted.save("model/../model").is_dir()
    assert [one.name for one in tmp_path.iterdir()] == ["model"]
    (tmp_path / "file").touch()
    with pytest.raises(ModelFileError, match="is no saved model"):
        fitted.save(".")


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), ModelFileError),
        (OSError(errno.EROFS, "Read-only file system"), ModelFileError),
    ],
)
@pytest.mark.parametrize("place", ["safetensors.torch.save", "os.fsync"])
def test_a_write_that_fails_leaves_the_old_model_and_nothing_else(
    *,
    saved: Path,
    fitted: PromptClassifier,
    other: PromptClassifier,
    separable: Any,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    raised: BaseException,
    seen: type[BaseException],
) -> None:
    """Every other call that may fail is tried in tests/base/test_tensor_folder.py."""

    def fail(*args: object, **kwargs: object) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(place, fail)
        with pytest.raises(seen) as caught:
            other.save(saved)
    if seen is ModelFileError:
        assert "what was there is untouched" in str(caught.value)
        assert str(raised.args[1]) in str(caught.value)
    assert sorted(one.name for one in saved.iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]
    assert same(saved, fitted, separable.X_test)


# --- what cannot be read ---


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("kept", [0, 1, 0.3, 0.9, -1])
def test_a_truncated_file_is_refused(saved: Path, file: str, kept: float) -> None:
    content = (saved / file).read_bytes()
    end = int(kept * len(content)) if 0 < kept < 1 else int(kept)
    (saved / file).write_bytes(content[:end])
    with pytest.raises(ModelFileError, match=f"{file} is (damaged or|truncated or)"):
        load(saved)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_a_missing_file_is_refused(saved: Path, file: str) -> None:
    (saved / file).unlink()
    with pytest.raises(ModelFileError, match="missing"):
        load(saved)


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ModelFileError, match=r"holds no model|can't be read"):
            load(path)


def test_a_changed_tensor_is_refused(saved: Path) -> None:
    content = bytearray((saved / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (saved / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        load(saved)


def test_tensors_of_another_model_are_refused(
    saved: Path, other: PromptClassifier, tmp_path: Path
) -> None:
    theirs = other.save(tmp_path / "other")
    shutil.copy(theirs / "model.safetensors", saved)
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        load(saved)


@pytest.mark.parametrize("version", [FORMAT + 1, 2, 0, "1", None, True])
def test_another_format_is_refused(saved: Path, version: Any) -> None:
    edit(saved, lambda header: header.update(format=version))
    with pytest.raises(ModelFileError, match=rf"has format {version}, .* reads format {FORMAT}"):
        load(saved)


@pytest.mark.parametrize(
    "key", ["settings", "state", "backbone", "classes", "classes_dtype", "seed", "scores"]
)
def test_a_header_that_lacks_something_is_refused(saved: Path, key: str) -> None:
    edit(saved, lambda header: header.pop(key))
    with pytest.raises(ModelFileError, match="is damaged"):
        load(saved)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"format"', "{}", "\x00\x01", "{'a': 1}"])
def test_a_header_of_another_kind_is_refused(saved: Path, text: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(ModelFileError, match="damaged or truncated"):
        load(saved)


def test_a_header_that_is_no_text_is_refused(saved: Path) -> None:
    (saved / "model.json").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ModelFileError, match="damaged or truncated"):
        load(saved)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.binary(min_size=0, max_size=2))
def test_damage_anywhere_in_the_header_is_a_clear_error_or_does_no_harm(
    saved: Path, place: float, byte: bytes
) -> None:
    content = (saved / "model.json").read_bytes()
    at = int(place * len(content))
    try:
        (saved / "model.json").write_bytes(content[:at] + byte + content[at + 1 :])
        load(saved)
    except TspromptError:
        pass
    finally:
        (saved / "model.json").write_bytes(content)


# --- the backbone ---


def test_another_backbone_is_refused(saved: Path, make_bert: Callable[..., str]) -> None:
    stranger = make_bert(seed=9)
    edit(saved, lambda header: header["backbone"].update(name=stranger))
    with pytest.raises(BackboneError, match="are not those that the model was fitted with"):
        load(saved)


def test_another_hash_is_refused(saved: Path) -> None:
    edit(saved, lambda header: header["backbone"].update(weights_hash="0" * 64))
    with pytest.raises(BackboneError, match=r"instead of 000000000000\.\.\."):
        load(saved)


def test_a_backbone_that_is_gone_is_named(saved: Path) -> None:
    edit(saved, lambda header: header["backbone"].update(name="/nowhere/bert"))
    with pytest.raises(BackboneError, match="/nowhere/bert"):
        load(saved)


@pytest.mark.parametrize("twin", ["random", "shuffled", "none"])
def test_a_twin_is_drawn_again(
    tiny: dict[str, Any], separable: Any, tmp_path: Path, twin: str
) -> None:
    from tsprompt.backbones.load import _load

    changed = {**tiny, "backbone": f"{twin}:{tiny['backbone']}"}
    fitted = PromptClassifier(**changed).fit(separable.X, separable.y)
    expected = fitted.predict_proba(separable.X_test)
    path = fitted.save(tmp_path / "model")
    _load.cache_clear()
    assert np.array_equal(load(path).predict_proba(separable.X_test), expected)


def test_the_dtype_is_that_of_the_fit_unless_another_is_asked_for(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    changed = {**tiny, "dtype": "bfloat16"}
    path = PromptClassifier(**changed).fit(separable.X, separable.y).save(tmp_path / "model")
    assert load(path).reader_.backbone.dtype == torch.bfloat16
    full = PromptClassifier.load(path, device="cpu", dtype="float32")
    assert full.reader_.backbone.dtype == torch.float32
