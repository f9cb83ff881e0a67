"""Draw the picture of the guide "Serve it": ``make_serving_picture.py docs/guides``.

A model of GunPoint is fitted and served, and a browser asks it about a test case.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from browser import Browser

from tsprompt import PromptClassifier
from tsprompt_datasets import load_dataset


def main(folder: Path) -> None:
    """Write `serve-light.png` and `serve-dark.png` to a folder."""
    data = load_dataset("GunPoint")
    case = data.test.cases[0]
    with tempfile.TemporaryDirectory() as models:
        model = PromptClassifier(random_state=0).fit(data.train.cases, data.train.labels)
        test = {"accuracy": model.score(data.test.cases, data.test.labels), "cases": 150}
        model.save(Path(models) / "gunpoint", dataset="GunPoint", test=test)
        command = "from tsprompt_cli.main import main; main()"
        with subprocess.Popen(
            [sys.executable, "-c", command, "serve", models, "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            wait(f"{address}/readyz")
            for dark in (False, True):
                name = f"serve-{'dark' if dark else 'light'}.png"
                take(address, "\n".join(map(str, case[:, 0].tolist())), folder / name, dark=dark)
            process.terminate()


def wait(url: str) -> None:
    """Until the models are loaded."""
    while True:
        try:
            urlopen(url).close()
            return
        except HTTPError:
            time.sleep(0.1)


def take(address: str, values: str, file: Path, *, dark: bool) -> None:
    """Ask the page about a case, and take its picture."""
    with Browser(width=1100, height=760, dark=dark) as browser:
        browser.open(f"{address}/")
        browser.wait("document.querySelectorAll('#model option').length === 1")
        browser.run("document.getElementById('paste').focus()")
        browser.type(values)
        browser.run("document.getElementById('explain').checked = true")
        browser.run("document.getElementById('predict').click()")
        browser.wait("!document.getElementById('answer').hidden")
        browser.picture(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
