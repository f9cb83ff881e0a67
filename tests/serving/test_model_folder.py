"""Models come, change and go; what is damaged is reported, and the one before it kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import ConfigError, ModelFileError, PromptClassifier, Socket
from tsprompt.base.tensor_folder import read_header
from tsprompt.model.saving import MODEL
from tsprompt.serving.model_folder import Change, ModelFolder
from tsprompt.serving.named_models import NamedModel, named_models

pytestmark = pytest.mark.extra("serve")


class Watched:
    """A folder that is looked at when a test says so."""

    def __init__(self, place: Path | None, named: Sequence[NamedModel] = ()) -> None:
        self.socket, self.busy = Socket(device="cpu"), set[str]()
        asked = self.busy.__contains__
        self.folder = ModelFolder(place, self.socket, named=named, busy=asked)
        self.told: list[Change] = []
        self.folder.tell = self.told.append
        self.look()

    def look(self) -> list[tuple[str, str]]:
        """What was told of two looks: what has changed is read once it stays as it is."""
        self.told.clear()
        self.folder.look()
        self.folder.look()
        return [(one.result, one.name) for one in self.told]

    @property
    def names(self) -> list[str]:
        return list(self.folder.offers)


@pytest.fixture
def place(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "models"))


def test_models_at_any_depth_are_found(place: Path) -> None:
    shutil.copytree(place / "one", place / "a" / "b" / "c")
    shutil.copytree(place / "one", place / ".hidden")
    assert Watched(place).names == ["a/b/c", "one", "two/waves"]


def test_a_model_that_is_put_there_appears_and_one_that_goes_is_gone(place: Path) -> None:
    watched = Watched(place)
    shutil.copytree(place / "one", place / "new")
    assert watched.look() == [("added", "new")]
    assert watched.look() == []
    shutil.rmtree(place / "new")
    assert watched.look() == [("removed", "new")]
    assert len(watched.socket) == 2


def test_one_that_is_being_copied_is_not_read_yet(place: Path) -> None:
    watched = Watched(place)
    (place / "new").mkdir()
    shutil.copy(place / "one" / "model.json", place / "new")
    watched.folder.look()
    shutil.copy(place / "one" / "model.safetensors", place / "new")
    watched.folder.look()
    assert watched.folder.problems == []
    assert watched.look() == [("added", "new")]


def test_one_that_is_replaced_is_swapped_whole(
    place: Path, tiny: dict[str, Any], separable: Any
) -> None:
    watched = Watched(place)
    before = watched.folder.offers["one"]
    watched.busy.add(before.key)
    other = PromptClassifier(**{**tiny, "random_state": 5})
    other.fit(separable.X[:, :, :1], separable.y).save(place / "one")
    assert watched.look() == [("replaced", "one")]
    after = watched.folder.offers["one"]
    assert (after.about.digest != before.about.digest, after.key != before.key) == (True, True)
    # Whoever asked before still gets its answer, of the model that was asked.
    X = separable.X_test[:, :, :1]
    asked = watched.socket.predict_proba({before.key: X, after.key: X})
    np.testing.assert_array_equal(asked[after.key], other.predict_proba(X))
    assert not np.array_equal(asked[before.key], asked[after.key])
    watched.busy.clear()
    watched.look()
    assert before.key not in watched.socket


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_a_damaged_one_is_reported_and_the_old_one_kept(place: Path, file: str) -> None:
    watched = Watched(place)
    held = (place / "one" / file).read_bytes()
    (place / "one" / file).write_bytes(held[: len(held) // 2])
    assert watched.look() == [("failed", "one")]
    (problem,) = watched.folder.problems
    assert (problem.name, problem.kept) == ("one", True)
    assert "damaged" in problem.message
    assert str(place) not in problem.message
    assert "one" in watched.names
    assert watched.look() == []
    (place / "one" / file).write_bytes(held)
    assert watched.look() == [("replaced", "one")]
    assert watched.folder.problems == []


def test_a_folder_that_vanishes_takes_nothing_with_it(place: Path) -> None:
    watched = Watched(place)
    place.rename(place.with_name("elsewhere"))
    assert watched.look() == [("failed", ".")]
    assert watched.names == ["one", "two/waves"]
    place.with_name("elsewhere").rename(place)
    watched.look()
    assert watched.folder.problems == []


def test_names_are_made_visible_and_none_stands_for_two(place: Path) -> None:
    for name in ("a\nb", "a\\nb"):
        shutil.copytree(place / "one", place / name)
    watched = Watched(place)
    assert "a\\nb" in watched.names
    assert [one.name for one in watched.folder.problems] == ["a\\nb"]
    shutil.rmtree(place / "a\nb")
    watched.look()
    assert watched.folder.problems == []


def test_links_that_lead_in_a_circle_end(place: Path) -> None:
    (place / "two" / "again").symlink_to(place, target_is_directory=True)
    (place / "nowhere").symlink_to(place / "nothing")
    assert Watched(place).names == ["one", "two/waves"]


def test_what_is_no_folder_is_refused(place: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        ModelFolder(place / "none", Socket(device="cpu"))


def test_a_folder_that_is_a_model_is_served_by_its_own_name(place: Path) -> None:
    assert Watched(place / "one").names == ["one"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_is_closed_to_us_is_left_out(place: Path) -> None:
    (place / "two").chmod(0)
    try:
        assert Watched(place).names == ["one"]
    finally:
        (place / "two").chmod(0o700)


def test_models_that_were_named_are_served_beside_those_of_the_folder(
    place: Path, hub: Any, tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copytree(place / "one", tmp_path / "elsewhere"))
    commit = hub.put("anna/waves", elsewhere)
    named = named_models([f"hf://anna/waves@{commit}", "b/c=hf://anna/waves", str(elsewhere)])
    hub.forbid()
    assert Watched(place, named).names == ["anna/waves", "b/c", "elsewhere", "one", "two/waves"]
    alone = Watched(None, named)
    assert alone.names == ["anna/waves", "b/c", "elsewhere"]
    shutil.rmtree(elsewhere)
    assert alone.look() == [("failed", "elsewhere")]
    assert "elsewhere" in alone.names
    (problem,) = alone.folder.problems
    assert str(tmp_path) not in problem.message


def test_a_named_model_of_another_digest_is_not_served(place: Path, tmp_path: Path) -> None:
    one, other = place / "one", place / "two" / "waves"
    digest = read_header(one, MODEL)["digest"]
    with pytest.raises(ModelFileError, match="was asked for"):
        named_models([f"x={other}"], [f"x={digest}"])
    moving = Path(shutil.copytree(one, tmp_path / "moving"))
    watched = Watched(None, named_models([f"x={moving}"], [f"x={digest}"]))
    for file in MODEL.files:
        shutil.copy(other / file, moving / file)
    assert watched.look() == [("failed", "x")]
    offer = watched.folder.offer("x")
    assert offer is not None
    assert offer.about.digest == digest


def test_names_that_can_not_be_served_are_refused(place: Path) -> None:
    one = place / "one"
    with pytest.raises(ConfigError, match="two models are called 'one'"):
        named_models([str(one), f"one={one}"])
    for text in (f"a//b={one}", f"../x={one}", f"={one}"):
        with pytest.raises(ConfigError, match="no name to ask for"):
            named_models([text])
    with pytest.raises(ConfigError, match="no model that was named; did you mean one"):
        named_models([str(one)], ["ones=" + "0" * 64])
    with pytest.raises(ConfigError, match="none is named"):
        named_models([], ["0" * 64])
    with pytest.raises(ModelFileError, match="holds no model"):
        named_models(["x=nowhere"])


def test_one_name_twice_is_told_and_the_named_one_served(place: Path) -> None:
    watched = Watched(place, named_models([f"one={place / 'two' / 'waves'}"]))
    offer = watched.folder.offer("one")
    assert offer is not None
    assert offer.expected.n_features == 2
    watched.look()
    assert [one.name for one in watched.folder.problems] == ["one"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to serve"),
        (["--model", "hf://anna/gone"], "HF_HUB_OFFLINE"),
        (["--model", "hf://gone"], "no name of a model on the hub"),
    ],
)
def test_the_command_says_at_once_what_it_can_not_serve(
    hub: Any, arguments: list[str], said: str
) -> None:
    from typer.testing import CliRunner

    from tsprompt_cli.main import app

    hub.forbid()
    done = CliRunner().invoke(app, ["serve", *arguments])
    assert done.exit_code == 2, done.exception
    assert said in " ".join(done.stderr.split())
