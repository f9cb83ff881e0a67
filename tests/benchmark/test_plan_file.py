"""What a plan's file says: choices of all models, and of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tsprompt.benchmark import read_plan
from tsprompt.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text('sets = ["GunPoint"]\n' + text, encoding="utf-8")
    return path


def test_all_models_start_from_what_every_says(tmp_path: Path) -> None:
    text = """
[every]
tokenizer = "kernels:steps=24"
head = "mlp"
[methods.fast]
[methods.ridge]
[methods."eight steps"]
recipe = "fast"
tokenizer = "kernels:steps=8"
"""
    fast, ridge, eight = read_plan(written(tmp_path, text)).methods
    assert fast.settings == {"tokenizer": "kernels:steps=24", "head": "mlp"}
    assert (ridge.kind, ridge.settings) == ("baseline", {"baseline": "ridge"})
    assert eight.settings == {"tokenizer": "kernels:steps=8", "head": "mlp"}


def test_methods_by_name_start_from_it_too(tmp_path: Path) -> None:
    text = 'methods = ["fast", "minirocket"]\nevery = { n_prompts = 2 }\n'
    fast, rocket = read_plan(written(tmp_path, text)).methods
    assert fast.settings == {"n_prompts": 2}
    assert rocket.settings == {"baseline": "minirocket"}


@pytest.mark.parametrize(
    ("every", "said"),
    [
        ('"fast"', "every is a table"),
        ("{ tokeniser = 1 }", "tokenizer"),
        ("{ n_promts = 2 }", "n_prompts"),
    ],
)
def test_a_wrong_every_is_refused(every: str, said: str, tmp_path: Path) -> None:
    text = f'methods = ["fast"]\nevery = {every}\n'
    with pytest.raises(ConfigError, match=said):
        read_plan(written(tmp_path, text))
