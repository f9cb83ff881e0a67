"""What pages share: names do no harm, the policy fits the script, pictures say what they are."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from tsprompt.page import render, series_svg

TEMPLATE = """{% extends "shell.html" %}{% import "tables.html" as tables %}
{% block title %}{{ name }}{% endblock %}
{% block header %}<h1>{{ name }}</h1>{% endblock %}
{% block main %}<table><tr>{{ tables.number(value, value | share) }}</tr></table>{% endblock %}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the package of a page holds."""
    (tmp_path / "own.html").write_text(TEMPLATE)
    (tmp_path / "own.js").write_text("const own = 1;")
    (tmp_path / "own.css").write_text("b { color: red; }")
    return tmp_path


def test_a_page_brings_its_own_and_what_all_have(folder: Path) -> None:
    text = render(
        folder,
        "own.html",
        style="own.css",
        script="own.js",
        policy={"connect-src": "'self'"},
        name="<b>\x1b",
        value=0.5,
    )
    assert "<title>&lt;b&gt;\\x1b</title>" in text
    assert '<td data-value="0.5">0.500</td>' in text
    assert "b { color: red; }" in text
    script = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(script) == 1
    assert script[0].endswith("const own = 1;")
    digest = b64encode(sha256(script[0].encode()).digest()).decode()
    policy = re.search('http-equiv="Content-Security-Policy" content="(.*?)"', text)
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "connect-src 'self'" in policy[1]
    assert "default-src 'none'" in policy[1]


def test_what_a_template_lacks_is_an_error(folder: Path) -> None:
    with pytest.raises(UndefinedError, match="value"):
        render(folder, "own.html", name="a")


def bars(picture: str) -> list[tuple[str, bool]]:
    """The colour of each filled bar, and whether it goes up."""
    found = re.findall(
        r'<path d="M [\d.]+ ([\d.]+) +L [\d.]+ [\d.]+ +L [\d.]+ ([\d.]+)[^"]*z[^"]*"[^>]*'
        r'style="fill: var\(--(model|ablation)\)',
        picture,
    )
    return [(colour, float(tip) < float(foot)) for foot, tip, colour in found]


def test_shares_are_bars_up_and_down() -> None:
    values = np.sin(np.arange(12.0)).reshape(6, 2)
    shares = np.array([[1, -1], [2, -1], [-3, 0.5], [1, 1], [1, 1], [1, 1.0]])
    picture = series_svg(values, "case0", "<a case>", shares=shares)
    assert 'aria-label="&lt;a case&gt;"' in picture
    assert bars(picture) == [
        ("model" if share > 0 else "ablation", bool(share > 0)) for share in shares.T.ravel()
    ]
    assert 'id="case0-' in picture


def test_gaps_and_flat_shares_are_drawn() -> None:
    values = np.array([[np.nan], [1.0], [2.0]])
    assert "<svg" in series_svg(values, "a", "gaps", shares=np.zeros((3, 1)))
