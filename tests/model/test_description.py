"""What is shown of a saved model: from its header alone, or from its parts, the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tsprompt import PromptClassifier
from tsprompt.base.tensor_folder import digest_of
from tsprompt.errors import ModelFileError
from tsprompt_cli.main import app

MODELS: dict[str, dict[str, Any]] = {
    "default": {"n_prompts": 2},
    "steps": {"strategy": "per-step", "scope": "step", "tokenizer": "bins:steps=3"},
    "vectors": {"prompt": "soft", "tuner": "none", "class_weight": {"calm": 2.0, "wild": 0.5}},
    "words": {"context": "demonstrations:per_class=1", "n_prompts": 2},
}
pytestmark = pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice")
ODD: list[Any] = [None, True, -1, 0, 10**30, 0.5, "", "x" * 2000, "\x1b[2J", [], {}, [[]], "a:b=1"]


@pytest.fixture(scope="module", params=MODELS)
def whole(
    request: pytest.FixtureRequest,
    tiny: dict[str, Any],
    separable: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    fitted = PromptClassifier(**{**tiny, **MODELS[request.param]}).fit(separable.X, separable.y)
    return fitted.save(tmp_path_factory.mktemp("whole") / "model", timesteps=24)


@pytest.fixture
def saved(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def header_of(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "model.json").read_text()))


def write(path: Path, header: dict[str, Any]) -> None:
    header["digest"] = digest_of(header)
    (path / "model.json").write_text(json.dumps(header))


def shown(path: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["show", str(path), *options])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def rows(text: str) -> list[str]:
    """Without those that tell which file it is, and how it was looked at."""
    kept, left_out = [], False
    for one in text.splitlines():
        if not one.startswith(" "):  # else it goes on with the row above
            left_out = one.startswith(("files", "digest", "checked"))
        if not left_out:
            kept.append(one)
    return kept


def test_header_and_parts_say_the_same(saved: Path) -> None:
    json_form = "--format", "json"
    told, table = shown(saved, *json_form), shown(saved)
    assert "both files are whole;" in table
    assert shown(saved, *json_form, "--check") == told
    assert "it predicts" in shown(saved, "--check")
    assert rows(shown(saved, "--check")) == rows(table)
    header = header_of(saved)
    del header["shown"]  # as it was before there was such an entry
    write(saved, header)
    old = json.loads(shown(saved, *json_form))
    news = {"bytes": old["bytes"], "digest": old["digest"]}
    assert old == {**json.loads(told), **news}
    assert rows(shown(saved)) == rows(table)


def test_a_model_of_format_3_is_shown() -> None:
    about = json.loads(shown(Path(__file__).with_name("format3"), "--format", "json"))
    assert about["classes"] == ["a", "b"]
    assert about["layout"]["positions"] == sum(one["tokens"] for one in about["templates"][0])


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a tree; of a list, to its first item alone."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for key, one in inside:
        yield (*here, key)
        if isinstance(one, (dict, list)):
            yield from places(one, (*here, key))


@pytest.mark.parametrize("entry", ["shown", "settings", "details", "classes", "recipe"])
def test_a_header_whose_digest_was_made_good_is_shown_or_refused_in_words(
    whole: Path, tmp_path: Path, entry: str
) -> None:
    path = Path(shutil.copytree(whole, tmp_path / "model"))
    kept = header_of(whole)[entry]
    ways = [(entry,), *((entry, *way) for way in places(kept) if isinstance(kept, (dict, list)))]
    for number, way in enumerate(ways):
        for value in ODD[number % 3 :: 3]:
            header: Any = header_of(whole)
            at = header
            for key in way[:-1]:
                at = at[key]
            at[way[-1]] = value
            write(path, header)
            result = CliRunner().invoke(app, ["show", str(path)])
            assert result.exit_code in (0, 2), (way, value, result.exception)
            assert "\x1b" not in result.stdout
            if result.exit_code == 2:
                assert "is damaged" in result.stderr


def test_another_number_of_prompts_or_classes_is_refused(saved: Path) -> None:
    for change in ("classes", "readings"):
        header = header_of(saved)
        header["shown"]["layout"][change] += 1
        write(saved, header)
        assert CliRunner().invoke(app, ["show", str(saved)]).exit_code == 2
        with pytest.raises(ModelFileError, match="shown: "):
            PromptClassifier.load(saved, device="cpu")


def test_the_language_model_is_looked_for_where_that_is_asked_for(saved: Path) -> None:
    header = header_of(saved)
    header["backbone"]["name"] = "/nowhere/bert"
    write(saved, header)
    assert "[MASK]" in shown(saved)
    refused = CliRunner().invoke(app, ["show", str(saved), "--check"])
    assert refused.exit_code == 2
    assert "/nowhere/bert" in refused.stderr


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_a_changed_file_is_not_shown(saved: Path, file: str) -> None:
    content = bytearray((saved / file).read_bytes())
    content[-9] ^= 1
    (saved / file).write_bytes(content)
    assert CliRunner().invoke(app, ["show", str(saved)]).exit_code == 2
