"""Build a release and use it as somebody would who has no checkout: ``make release-check``.

The sdist is built from the sources, and the wheel from the sdist. It goes into an empty environment
in a temporary folder, with the packages of constraints.txt, and fits GunPoint from there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import tsprompt

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> str:
    """Run a command away from the checkout, show it, and return what it printed."""
    words = [str(one) for one in command]
    print("$", " ".join(words), flush=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    # Its own cache: what an earlier use left behind must not help.
    clean["TSPROMPT_CACHE_DIR"] = str(cwd / "cache")
    done = subprocess.run(
        words, cwd=cwd, env=clean, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
    )
    print("\n".join(done.stdout.splitlines()[-30:]), flush=True)
    return done.stdout


def check(folder: Path) -> None:
    """Build, install and use; an exception says what is wrong."""
    dist, home, elsewhere = folder / "dist", folder / "venv", folder / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT, cwd=folder)
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    for built in (wheel, sdist):
        if f"-{tsprompt.__version__}" not in built.name:
            raise ValueError(f"{built.name} is not version {tsprompt.__version__}")
    venv.create(home, with_pip=True)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python, command = scripts / "python", scripts / "tsprompt"
    constraints = ROOT / "constraints.txt"
    pip = (python, "-m", "pip", "install", "--quiet", "--constraint", constraints)
    run(*pip, wheel, cwd=elsewhere)
    run(python, "-m", "pip", "check", cwd=elsewhere)
    said = run(command, "--version", cwd=elsewhere)
    if said.split() != ["tsprompt", tsprompt.__version__]:
        raise ValueError(f"--version says {said!r}")
    where = run(python, "-c", "import tsprompt; print(tsprompt.__file__)", cwd=elsewhere)
    if not Path(where.strip()).resolve().is_relative_to(home.resolve()):
        raise ValueError(f"tsprompt was imported from {where}")
    run(command, "fit", "GunPoint", cwd=elsewhere)
    run(command, "show", "models/GunPoint-shared", cwd=elsewhere)
    run(command, "predict", "models/GunPoint-shared", "GunPoint", cwd=elsewhere)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tsprompt-release-") as name:
        check(Path(name))
    print("the release builds, installs and fits")
