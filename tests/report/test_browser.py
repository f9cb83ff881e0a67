"""The page in a real browser, where there is one: nothing complains, and what is pressed works."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tsprompt.benchmark import Record
from tsprompt.errors import DatasetError
from tsprompt.report import Results, make_report
from tsprompt.report.page import page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")]

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", "--hide-scrollbars"),
)


@pytest.fixture
def file(make_record: Callable[..., Record], tmp_path: Path) -> Path:
    methods = {"shared": "model", "shared, no LM": "ablation", "ridge on raw values": "baseline"}
    records = [
        make_record(f"Set{i}", name, 0.6 + ((3 * i + 2 * j) % 7) / 20, kind=kind)
        for i in range(6)
        for j, (name, kind) in enumerate(methods.items())
    ]

    def no_data(name: str) -> None:
        raise DatasetError(name)

    made = page(make_report(Results(tmp_path, records, [])), no_data)  # type: ignore[arg-type]
    (tmp_path / "page.html").write_text(made, encoding="utf-8")
    return tmp_path / "page.html"


def browse(file: Path, *switches: str) -> str:
    """What the browser prints; whatever the page complains of fails the test."""
    profile = file.parent / "profile"
    command = [str(BROWSER), *SWITCHES, f"--user-data-dir={profile}", *switches, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


def with_script(file: Path, script: str, name: str = "pressed.html") -> Path:
    """The same page, and a script that does what a person would; its policy is told of it."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    text = file.read_text(encoding="utf-8").replace("script-src ", f"script-src 'sha256-{digest}' ")
    scripted = file.with_name(name)
    scripted.write_text(text.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    return scripted


def test_the_page_loads_and_draws(file: Path) -> None:
    shown = browse(file, "--dump-dom")
    assert "6 sets: " in shown
    assert shown.count("<circle") == 6


def test_complaints_of_a_page_are_seen(file: Path) -> None:
    with pytest.raises(AssertionError, match="CONSOLE"):
        browse(with_script(file, "console.error('no')"), "--dump-dom")


@pytest.mark.parametrize(
    "foreign", ["<script>document.title = 'owned'</script>", "<img src=x onerror=alert(1)>"]
)
def test_the_policy_stops_every_script_but_the_own(file: Path, foreign: str) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("</body>", f"{foreign}</body>"), "utf-8")
    with pytest.raises(AssertionError, match="violates the following Content Security Policy"):
        browse(file, "--dump-dom")


def test_buttons_sort(file: Path) -> None:
    press = "document.querySelectorAll('#sets th button')[1].click();"
    columns = []
    for times in (1, 2):
        shown = browse(with_script(file, press * times), "--dump-dom")
        table = shown[shown.index('id="sets"') : shown.index('id="cases"')]
        rows = re.findall(r"<tr><th.*?</tr>", table, flags=re.DOTALL)[-6:]
        columns.append([float(re.findall(r'<td data-value="([^"]*)"', row)[0]) for row in rows])
        assert f'aria-sort="{"descending" if times == 1 else "ascending"}"' in table
    assert columns[0] == sorted(columns[0], reverse=True)
    assert columns[1] == sorted(columns[1])


def test_the_scatter_plot_follows_the_choice(file: Path) -> None:
    choose = (
        "const b = document.getElementById('scatter-b'); b.value = '2';"
        "b.dispatchEvent(new Event('change'));"
    )
    told = re.search(
        r'id="scatter-told"[^>]*>([^<]*)', browse(with_script(file, choose), "--dump-dom")
    )
    assert told is not None
    assert "ridge on raw values on" in told[1]


def test_a_link_to_a_set_opens_it(file: Path) -> None:
    shown = browse(with_script(file, "location.hash = '#set2';"), "--dump-dom")
    assert re.search(r'<details class="set" id="set2" open="">', shown)
    assert shown.count("open=") == 1


def test_nothing_is_wider_than_a_phone(file: Path) -> None:
    frame = (
        "<!doctype html><iframe id=f style='width:390px;height:800px' src='wide.html'></iframe>"
        "<script>addEventListener('message', event => { document.title = event.data; });</script>"
    )
    with_script(file, "parent.postMessage(document.documentElement.scrollWidth, '*');", "wide.html")
    outer = file.with_name("outer.html")
    outer.write_text(frame, encoding="utf-8")
    assert "<title>390</title>" in browse(outer, "--dump-dom")


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_seen(file: Path, dark: bool) -> None:
    from PIL import Image

    picture = file.with_name("page.png")
    scheme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    browse(file, "--window-size=800,900", f"--screenshot={picture}", *scheme)
    image = Image.open(picture).convert("L")
    assert image.size == (800, 900)
    paper = image.getpixel((2, 2))
    assert isinstance(paper, int)
    assert paper < 60 if dark else paper > 240
    low, high = image.getextrema()
    assert int(high) - int(low) > 150  # type: ignore[call-overload]
