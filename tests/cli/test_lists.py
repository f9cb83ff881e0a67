"""What there is: `list`, `datasets`, `doctor`, and the options of parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ok, refused, write_set

from tsprompt.base.kinds import KINDS
from tsprompt.recipes import RECIPES


def test_datasets(home: Path) -> None:
    folder = write_set(home, "Mine", ["1,2,3:a", "1,2,4:b"], ["1,2,3:a"])
    listed = ok("datasets", "list", "--data-dir", folder)
    assert "GunPoint" in listed
    assert "Mine" in listed
    assert "Adiac" not in listed
    assert "Adiac" in ok("datasets", "list", "--all", "--format", "csv")
    about = json.loads(ok("datasets", "info", "Mine", "--data-dir", folder, "--format", "json"))
    assert about["train_counts"] == {"a": 1, "b": 1}
    assert "67 train and 1029 test cases" in ok("datasets", "info", "ItalyPowerDemand")
    assert "bundled" in ok("datasets", "fetch", "UnitTest")


@pytest.mark.parametrize(
    ("kind", "one", "explained"),
    [
        ("strategies", "per-step", "latent = 32"),
        ("tokenizers", "kernels", "steps = 64"),
        ("prompts", "hard", "placement = around"),
        ("tuners", "search", "draws = 10"),
        ("readouts", "pooled", "segments = 4"),
        ("heads", "ridge", "low = -3.0"),
        ("baselines", "rocket", "kernels = 10000"),
        ("preprocessings", "standard", "missing = interpolate"),
        ("recipes", "original", "tokenizer = bins:words=index"),
        ("backbones", "minilm", "sha256"),
    ],
)
def test_lists(kind: str, one: str, explained: str) -> None:
    assert one in ok("list", kind)
    if kind != "backbones":
        assert explained in ok("list", kind, "-v")
    names = [row["name"] for row in json.loads(ok("list", kind, "--format", "json"))["rows"]]
    assert one in names


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.usefixtures("wide")
def test_recipes_are_told_in_lines_that_fit(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source, mechanism and departures stand beside their names, each line within the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    for kind in ("recipes", "tuners", "baselines"):
        lines = ok("list", kind, "-v").splitlines()
        assert max(map(len, lines)) <= columns
        assert not [line for line in lines if "\\n" in line], "an escaped end of a line"
    told = ok("list", "recipes", "-v")
    for recipe in RECIPES.values():
        block = told.split(f"{recipe.name}  {recipe.about[:20]}")[1].split("strategy = ")[0]
        words = " ".join(block.split())
        for what, text in (
            ("from", recipe.source),
            ("mechanism", recipe.mechanism),
            *(("departs", one) for one in recipe.departures),
        ):
            assert not text or f"{what} {text}" in words


def test_every_option_of_every_part_is_explained() -> None:
    from tsprompt_cli.catalogue import explain_kind

    for kind in KINDS.values():
        for part in explain_kind(kind):
            assert part.about
            assert not [option.name for option in part.options if not option.about], part.name


def test_doctor() -> None:
    out = ok("doctor")
    for said in ("minilm", "verified", "torch", "float32", "bundled", "tsai"):
        assert said in out
    assert set(json.loads(ok("doctor", "--format", "json"))) >= {"Machine", "Backbones", "Packages"}


def test_doctor_says_what_a_backbone_can_do_and_serves(
    tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = ("auto", ("manual", "image"))  # all of them take minutes
    monkeypatch.setattr("tsprompt.advice.served.served.__defaults__", two)
    said = json.loads(ok("doctor", "--backbone", tiny_bert, "--format", "json"))
    able, serves = said.values()
    assert able["words at the mask"] == "its embeddings alone (scores=tied)"
    assert serves["manual"] == "yes"
    assert serves["image"].startswith("no: ")
    assert "Recipes that it serves" in ok("doctor", "--backbone", tiny_bert)
    assert "not downloaded" in refused("doctor", "--backbone", "no-such-model")


def test_a_template_is_short_for_the_prompts_own_option() -> None:
    from tsprompt.errors import ConfigError
    from tsprompt_cli.option_groups import Choices, Model

    text = "so, {series} is [MASK]"
    assert Model(recipe="manual", template=text).settings() == {
        "prompt": f'manual:template="{text}"'
    }
    words = Model(prompt="soft-words", n_prompts=2, template=text).settings()
    assert words == {"prompt": f'soft-words:template="{text}"', "n_prompts": 2}
    assert "template" not in Model(recipe="manual").settings()
    with pytest.raises(ConfigError, match="--template: the prompt 'hard' has no template"):
        Model(template=text).settings()
    with pytest.raises(ConfigError, match=r"has no \[MASK\]"):
        Model(recipe="manual", template="a {series}").settings()
    with pytest.raises(ConfigError, match="--template: each recipe has a prompt of its own"):
        Choices(template=text).settings()


def test_the_command_says_what_a_template_lacks(cheap: list[str]) -> None:
    said = refused("fit", "ItalyPowerDemand", "--template", "a {series} [MASK]", *cheap)
    assert "the prompt 'hard' has no template; use --recipe manual" in said
