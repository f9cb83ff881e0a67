"""The page of explanations, and how a set is divided for it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt.explanations import Explanation, Neighbour, overall
from tsprompt.explanations.grid import Grid
from tsprompt.explanations.page import page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
HOSTILE = "<script>alert('x')</script>"


def told(number: int, cells: Any, *, predicted: str = HOSTILE, length: int = 12) -> Explanation:
    """A case whose stretches are equally long."""
    shares = np.asarray(cells, dtype=float)
    edges = np.linspace(0, length, len(shares) + 1).astype(int)
    features = shares.shape[1]
    draw = np.random.default_rng(number)
    near = [
        Neighbour(label, place, None, 0.1 * place, draw.normal(size=(length, features)))
        for label in (predicted, "other")
        for place in range(3)
    ]
    names = tuple(f"<b>{one}" for one in range(features))
    return Explanation(
        number=number,
        id=f"<i>{number}",
        values=draw.normal(size=(length, features)),
        predicted=predicted,
        runner_up="other",
        probability=0.8,
        runner_up_probability=0.2,
        score=1.4,
        base=0.0,
        grid=Grid(
            np.column_stack([edges[:-1], edges[1:]]),
            tuple((one,) for one in range(features)),
            names,
        ),
        cells=shares,
        by_feature=shares.sum(axis=0),
        feature_names=names,
        method="ablation",
        reference="straight lines",
        features_by="ablation",
        nearest=tuple(near),
    )


def test_shares_of_a_grid_are_not_torn_apart_over_a_set() -> None:
    cells = np.random.default_rng(0).normal(size=(16, 1))
    one = told(0, cells, length=150)
    edges = np.linspace(0, 150, 17).round().astype(int)
    one = dataclasses.replace(
        one, grid=Grid(np.column_stack([edges[:-1], edges[1:]]), ((0,),), ("1",))
    )
    assert np.allclose(overall([one])[0].by_stretch, cells[:, 0])


# --- the page ---


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def made_page() -> str:
    cells = [[0.5, -0.25], [1.0, 0.0], [-0.75, 0.0]]
    cases = [told(0, cells), told(1, cells)]
    about = [("model", "models/<x>")]
    return page(cases, overall(cases), name=f"Set {HOSTILE}", about=about, notes=["Few."])


def test_the_page_says_all_in_words_and_names_do_no_harm() -> None:
    text = made_page()
    assert "https://" not in text
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert "timesteps 5 to 8, &lt;b&gt;0 +1.000 (for)" in text
    assert "timesteps 9 to 12, &lt;b&gt;0 −0.750 (against)" in text
    assert text.count("Near: train case 3,") == 4
    found = Elements(text).found
    pictures = [own for tag, own in found if tag == "svg"]
    assert len(pictures) == 1 + 2 * 7
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    ids = [own["id"] for _, own in found if "id" in own]
    assert len(ids) == len(set(ids))
    assert {str(own["href"])[1:] for tag, own in found if tag == "a"} <= set(ids)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_nothing_is_wider_than_the_screen(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(made_page(), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frames = "".join(
        f"<iframe style='width:{width}px;height:800px' src='page.html'></iframe>"
        for width in (390, 768, 1280)
    )
    frame.write_text(
        f"<!doctype html>{frames}<script>onload = () => {{ document.title = "
        "[...document.querySelectorAll('iframe')]"
        ".map(one => one.contentDocument.documentElement.scrollWidth).join(' '); }</script>",
        encoding="utf-8",
    )
    switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --dump-dom"
    more = "--disable-background-networking --allow-file-access-from-files --hide-scrollbars"
    command = [str(BROWSER), *f"{switches} {more} --enable-logging=stderr --v=0".split()]
    command += ["--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, frame.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    assert "<title>390 768 1280</title>" in done.stdout
