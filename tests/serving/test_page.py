"""The page in a real browser, against a server that runs: what a person would do works, with a
mouse, a keyboard or a screen reader."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("browser", ROOT / "docs" / "browser.py")
assert SPEC is not None
assert SPEC.loader is not None
BROWSER = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(BROWSER)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.extra("serve"),
    pytest.mark.skipif(BROWSER.CHROMIUM is None, reason="there is no Chromium"),
]

CHOOSE = (
    "(name => { const model = document.getElementById('model'); model.value = name;"
    "model.dispatchEvent(new Event('change')); })"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with BROWSER.Browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, fresh, with its models; whatever it complains of fails the test."""
    browser.complaints.clear()
    browser.resize(1280, 900)
    browser.open(f"{address}/")
    browser.wait("document.querySelectorAll('#model option').length === 2")
    yield browser
    assert browser.complaints == []


def text(page: Any, identity: str) -> str:
    return str(page.run(f"document.getElementById('{identity}').textContent"))


def predict(page: Any) -> None:
    page.run("document.getElementById('predict').click()")
    page.wait("!document.getElementById('predict').disabled")


def paste(page: Any, values: np.ndarray) -> None:
    page.run("document.getElementById('paste').focus()")
    page.type("\n".join("\t".join(map(str, row)) for row in values.tolist()))


def test_a_model_is_described(page: Any) -> None:
    page.run(f"{CHOOSE}('two/waves')")
    assert "2 features, 20 timesteps" in text(page, "about")
    assert "calm, mild, wild" in text(page, "about")


def test_numbers_are_pasted_and_answered(page: Any, client: Any, separable: Any) -> None:
    page.run(f"{CHOOSE}('two/waves')")
    X = separable.X_test[0]
    paste(page, X)
    predict(page)
    told = client.post("/models/two/waves/predict", json={"cases": [X.tolist()]}).json()["cases"][0]
    assert text(page, "said").startswith(f"{told['label']} with probability ")
    shown = page.run(
        "[...document.querySelectorAll('#chances td:last-child')].map(x => x.textContent)"
    )
    assert shown == [f"{chance:.3f}" for chance in told["probabilities"]]
    widths = page.run("[...document.querySelectorAll('.bar')].map(x => parseFloat(x.style.width))")
    np.testing.assert_allclose(widths, 100 * np.array(told["probabilities"]), atol=0.01)
    assert page.run("document.querySelectorAll('#series polyline').length") == 2
    assert page.run("document.activeElement.id") == "answer-h"


def test_sets_and_where_it_looked_are_shown(page: Any, separable: Any) -> None:
    page.run(f"{CHOOSE}('two/waves')")
    page.run("document.getElementById('explain').checked = true")
    paste(page, separable.X_test[0])
    predict(page)
    assert text(page, "set").startswith("Set at 90 %: ")
    assert not page.run("document.getElementById('looked').hidden")
    assert page.run("document.querySelectorAll('#shares rect').length") == 20
    assert "log-odds against" in text(page, "looked-about")


def test_a_file_of_several_cases_is_read_and_leafed_through(
    page: Any, separable: Any, tmp_path: Path
) -> None:
    rows = [",".join(f"t{i}" for i in range(20))]
    rows += [",".join(map(str, x[:, 0])) for x in separable.X_test[:3]]
    (tmp_path / "new.csv").write_text("\n".join(rows))
    page.run(f"{CHOOSE}('one')")
    page.choose_file("#file", tmp_path / "new.csv")
    predict(page)
    assert "3 cases" in text(page, "status")
    assert page.run("document.getElementById('before').disabled")
    page.run("document.getElementById('after').click(); document.getElementById('after').click()")
    assert page.run("document.getElementById('case').value") == "2"
    assert page.run("document.getElementById('after').disabled")


def test_a_dropped_file_is_chosen(page: Any) -> None:
    drop = (
        "const data = new DataTransfer(); data.items.add(new File(['t0\\n1'], 'x.csv'));"
        "document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data,"
        " bubbles: true, cancelable: true})); document.getElementById('file').files[0].name"
    )
    assert page.run(drop) == "x.csv"


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "Choose a file, or paste numbers."),
        ("1\n2\nx\n", "Line 3 of what you pasted is not 1 number."),
        ("1 2\n3 4", "has 2 features"),
    ],
)
def test_what_is_wrong_is_said_aloud(page: Any, pasted: str, said: str) -> None:
    page.run(f"{CHOOSE}('one')")
    page.run("document.getElementById('paste').focus()")
    page.type(pasted)
    predict(page)
    assert said in text(page, "wrong")
    assert page.run("document.getElementById('wrong').getAttribute('role')") == "alert"
    # The browser itself remarks on answers of 422.
    page.complaints[:] = [one for one in page.complaints if "422" not in one]


def test_it_works_by_keyboard_alone(page: Any, separable: Any) -> None:
    page.run(f"{CHOOSE}('two/waves')")
    page.run("document.activeElement.blur()")
    seen = []
    for _ in range(20):
        page.press("Tab")
        seen.append(page.run("document.activeElement.id || document.activeElement.tagName"))
        if seen[-1] == "paste":
            page.type("\n".join("\t".join(map(str, row)) for row in separable.X_test[0].tolist()))
        if seen[-1] == "predict":
            page.press("Enter")
            break
    assert [one for one in seen if one in ("model", "file", "paste", "predict")] == [
        *("model", "file", "paste", "predict")
    ]
    page.wait("!document.getElementById('answer').hidden")
    assert page.run("document.activeElement.id") == "answer-h"


def test_a_screen_reader_comes_by_names_for_all(page: Any, separable: Any) -> None:
    page.run(f"{CHOOSE}('two/waves')")
    paste(page, separable.X_test[0])
    predict(page)
    names = page.names()
    named = {"combobox", "textbox", "button", "img", "image", "table", "heading", "form"}
    assert [one for one in names if one[0] in named and not one[1]] == []
    assert any(role in ("img", "image") and "20 timesteps" in name for role, name in names)
    assert page.run("document.getElementById('status').getAttribute('aria-live')") == "polite"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_window(page: Any, separable: Any, width: int) -> None:
    page.run(f"{CHOOSE}('two/waves')")
    paste(page, separable.X_test[0])
    predict(page)
    page.resize(width, 800)
    assert page.run("document.documentElement.scrollWidth") == width


def test_its_policy_lets_no_other_script_run(browser: Any, address: str) -> None:
    browser.open(f"{address}/")
    browser.complaints.clear()
    add = "(html => document.body.insertAdjacentHTML('beforeend', html))"
    browser.run(f'{add}(\'<img src=x onerror="document.title = 1"><b style="color: red">b</b>\')')
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("document.title") == "Try the models"
    assert any("Content Security Policy" in one for one in browser.complaints)


def test_names_are_shown_and_not_run(
    starting: Any,
    where: Any,
    folder: Path,
    tmp_path: Path,
    browser: Any,
) -> None:
    import shutil

    name = "<img src=x onerror=alert(1)>\n\x1b[31m'\"&%2F"
    shutil.copytree(folder / "one", tmp_path / name)
    with starting(tmp_path, "--device", "cpu") as process:
        browser.complaints.clear()
        browser.open(f"{where(process)}/")
        browser.wait("document.querySelectorAll('#model option').length === 1")
        shown = browser.run("document.getElementById('model').value")
        assert shown == "<img src=x onerror=alert(1)>\\n\\x1b[31m'\"&%2F"
        browser.run("document.getElementById('paste').value = '1 2 3'")
        predict(browser)
        assert not browser.run("document.getElementById('answer').hidden")
        assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_dark_where_people_want_it_so(address: str, dark: bool, tmp_path: Path) -> None:
    from PIL import Image

    with BROWSER.Browser(width=800, height=600, dark=dark) as browser:
        browser.open(f"{address}/")
        browser.picture(tmp_path / "page.png")
    paper = Image.open(tmp_path / "page.png").convert("L").getpixel((2, 2))
    assert isinstance(paper, int)
    assert paper < 60 if dark else paper > 240
