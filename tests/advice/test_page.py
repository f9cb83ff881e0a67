"""The pages: all that is known stands on them, names do no harm, nothing comes from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tsprompt.advice import Advice, Curve, Ending, Forecast, Judged, Level, Mean, Point
from tsprompt.advice.page import advice_page, curve_page
from tsprompt.advice.strategies import training_strategies

HOSTILE = "<script>alert(1)</script>\x1b[31m"


def made_curve(name: str = "Set", **more: Any) -> Curve:
    mean = Mean(0.75, 3, 0.01, 0.71, 0.79)
    points = [Point(one, "model", size, mean) for one in (name, "no LM") for size in (4, 8)]
    ending = Ending(name, 4, Forecast(16, 0.8, 0.78, 0.82, 8), Forecast(8, 0.7, based_on=4))
    return Curve(name, 8, 20, 2, 3, points, [ending], [f"{name}: broken"], **more)


def made_advice(name: str = "Set") -> Advice:
    mean = Mean(0.75, 3, 0.01, 0.71, 0.79)
    rows = [Judged("default", "the head", mean, None, 1.0), Judged("lm", "LM", mean, mean, 9.0)]
    levels = [Level(few, 10, 5, rows, "lm", "default", ["lm", "default"]) for few in (5, None)]
    return Advice(name, 20, {"a": 10, name: 10}, 3, levels, training_strategies(), [f"{name} out"])


def test_a_curve_has_its_figure_its_table_and_its_words() -> None:
    text = curve_page(made_curve())
    assert text.count("<svg") == 1
    assert "0.710–0.790" in text
    assert "flat from 4 cases on" in text
    assert "broken" in text


def test_an_advice_has_a_section_for_each_level_and_the_command() -> None:
    text = advice_page(made_advice(), "tsprompt fit Set")
    assert text.count("<svg") == 2
    assert '<h2 id="level1-h">5 cases a class</h2>' in text
    assert "tsprompt fit Set --recipe prompt-tuning --train lm:method=lora" in text
    assert "→ lm" in text
    assert "= default" in text


@pytest.mark.parametrize(
    "page",
    [
        lambda name: curve_page(made_curve(name)),
        lambda name: advice_page(made_advice(name), f"tsprompt fit {name}"),
    ],
)
def test_hostile_names_are_only_names(page: Any) -> None:
    text = page(HOSTILE)
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


def test_pages_of_nothing_say_so() -> None:
    empty = Curve("Set", 8, 20, 2, 3, [], [], [])
    assert "Too few sizes" in curve_page(empty)
    nothing = Advice("Set", 20, {"a": 10}, 3, [], training_strategies(), [])
    assert "Nothing can be said yet" in advice_page(nothing, "tsprompt fit Set")
    assert np.isfinite(empty.test_error)
