"""The page of an evaluation: one file that says what there is, in text and in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tsprompt.data import Cases
from tsprompt.evaluation import Evaluation, evaluate
from tsprompt.evaluation.page import page
from tsprompt.model.calibration import Calibration

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", "--hide-scrollbars"),
)
HOSTILE = "<script>alert('x')</script>"


def kept(classes: int) -> Calibration:
    """What a model of random answers keeps."""
    draw = np.random.default_rng(1)
    labels = np.arange(90) % classes
    return Calibration.of(labels, draw.dirichlet(np.full(classes, 0.4), 90), seed=0)


def made_page(features: int = 1, count: int = 60, names: list[str] | None = None) -> str:
    draw = np.random.default_rng(0)
    classes = names or ["calm", "mild", HOSTILE]
    truth = np.array(classes)[np.arange(count) % len(classes)]
    chances = draw.dirichlet(np.full(len(classes), 0.4), count)
    cases = Cases(draw.normal(size=(count, 30, features)), ids=[f"<b>{i}" for i in range(count)])
    made: Evaluation = evaluate(truth, chances, classes, cases.ids, kept(len(classes)))
    said = np.array(classes)[chances.argmax(axis=1)]
    return page(
        made,
        cases,
        truth,
        said,
        name=f"Set {HOSTILE}",
        about=[("model", "models/<x>")],
        warnings=["These cases were train."],
    )


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    return made_page()


def test_the_page_needs_nothing_else_and_names_do_no_harm(text: str) -> None:
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert "<script>alert" not in text
    assert "&lt;b&gt;" in text
    for _, attributes in Elements(text).found:
        assert not attributes.keys() & {"src", "srcset", "data", "poster", "action"}


def test_ids_are_unique_links_lead_somewhere_and_all_is_named(text: str) -> None:
    elements = Elements(text)
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(one["href"])[1:] for one in elements.all("a")}
    assert "sets" in links
    assert links <= set(ids)
    assert len(elements.all("table")) == len(elements.all("caption")) == 5
    pictures = elements.all("svg")
    assert len(pictures) == 1 + 12
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    assert [tag for tag, _ in elements.found if tag in ("h1", "h2")] == ["h1"] + ["h2"] * 7


def test_it_tells_what_there_is(text: str) -> None:
    for said in ("95\N{NO-BREAK SPACE}% interval", "The 12 surest of", "These cases were train."):
        assert said in text
    assert "dashed for its true class" in text
    assert re.search(r"the error is more than\s+chance", text)


def test_every_feature_has_a_row_and_what_is_left_out_is_said() -> None:
    many = made_page(features=8)
    assert "there are 2 more" in many
    assert many.count(">feature 6</text>") == 12
    assert "feature 7" not in many
    assert "dashed for its true class" not in many


def test_many_classes_and_no_mistakes() -> None:
    many = made_page(names=[f"class {i}" for i in range(25)])
    assert "With 25 classes, only the most frequent confusions" in many
    truth = np.array(["a", "b"] * 10)
    chances = np.where(truth[:, None] == ["a", "b"], 0.9, 0.1)
    made = evaluate(truth, chances, ["a", "b"])
    all_right = page(made, Cases(np.zeros((20, 5, 1))), truth, truth, name="Set")
    assert "There are none: every answer is right." in all_right
    assert "Sets of classes" not in all_right


# in a browser


@pytest.fixture(scope="module")
def file(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("evaluation") / "page.html"
    file.write_text(text, encoding="utf-8")
    return file


def browse(file: Path, *switches: str) -> str:
    """What the browser prints; whatever the page complains of fails the test."""
    profile = file.parent / "profile"
    command = [str(BROWSER), *SWITCHES, f"--user-data-dir={profile}", *switches, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_seen(file: Path, dark: bool) -> None:
    from PIL import Image

    picture = file.with_name("page.png")
    scheme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    browse(file, "--window-size=800,2400", f"--screenshot={picture}", *scheme)
    image = Image.open(picture).convert("L")
    paper = image.getpixel((2, 2))
    assert isinstance(paper, int)
    assert paper < 60 if dark else paper > 240
    low, high = image.getextrema()
    assert int(high) - int(low) > 150  # type: ignore[call-overload]


@needs_browser
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(file: Path, width: int) -> None:
    """What is wider scrolls inside a region of its own."""
    frame = file.with_name("frame.html")
    frame.write_text(
        f"<!doctype html><iframe style='width:{width}px;height:800px' src='page.html'></iframe>"
        "<script>onload = () => { const inner = document.querySelector('iframe').contentDocument;"
        "document.title = inner.documentElement.scrollWidth; }</script>",
        encoding="utf-8",
    )
    shown = browse(frame, "--dump-dom", "--allow-file-access-from-files")
    assert f"<title>{width}</title>" in shown


@needs_browser
def test_it_prints(file: Path) -> None:
    paper = file.with_name("page.pdf")
    browse(file, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", paper.read_bytes())
    assert 2 <= len(pages) <= 6
