"""A new tokenizer, tuner, verbalizer or baseline is one file: dropped into a copy of the sources,
it is listed, completed and tested without another edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tsprompt.base.kinds import KINDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

NEW = {
    "tokenizers/signs.py": '''
"""`signs`: two words, one for what lies above the mean and one for what lies below."""

from dataclasses import dataclass

from tsprompt.tokenizers.base import tokenizers
from tsprompt.tokenizers.bins import Bins


@tokenizers.register("signs")
@dataclass
class Signs(Bins):
    """As `bins`, with few of them."""

    bins: int = 12
    """How many bins."""
''',
    "tuners/second.py": '''
"""`second`: the second draw is taken as it is."""

from dataclasses import dataclass
from typing import ClassVar

from tsprompt.tuners.base import Found, Problem, Tuner, tuners


@tuners.register("second")
@dataclass
class Second(Tuner):
    """No search, and not the first draw."""

    finds: ClassVar[tuple[str, ...]] = ("hard",)

    def find(self, problem: Problem) -> list[Found]:
        """The second draw."""
        return [problem.read(problem.draw(1), "the second prompt")]
''',
    "heads/first_letters.py": '''
"""`first-letters`: a class is told by the words that are given for it, and by nothing else."""

from dataclasses import dataclass

from tsprompt.heads.base import heads
from tsprompt.heads.label_words import LabelWords


@heads.register("first-letters")
@dataclass
class FirstLetters(LabelWords):
    """As `label-words`."""
''',
    "baselines/last.py": '''
"""`last`: the class counts of train, under another name."""

from dataclasses import dataclass

from tsprompt.baselines.base import baselines
from tsprompt.baselines.prior import Prior


@baselines.register("last")
@dataclass
class Last(Prior):
    """As `prior`."""

    title = "last of all"
''',
}
"""File in the package -> what is in it."""
NAMES = {"tokenizer": "signs", "tuner": "second", "head": "first-letters", "baseline": "last"}
ONCE = "shared and signs and series or shared and second or head and first-letters"
"""Of the costly tests, one for each of the three that a classifier is made of."""

LISTED = """
import sys
from tsprompt.base.kinds import KINDS
from tsprompt_cli.completion import part_names
from tsprompt_cli.catalogue import explain_kind


names = {kind: name for kind, name in (one.split("=") for one in sys.argv[1:])}
assert all(name in part_names(KINDS[kind]) for kind, name in names.items())
assert "torch" not in sys.modules
for kind, name in names.items():
    assert name in [one.name for one in explain_kind(KINDS[kind])]
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with one new file of each kind."""
    copy = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("__pycache__", "golden")
    for name in ("tsprompt", "cli", "datasets", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, text in NEW.items():
        (copy / "tsprompt" / file).write_text(text.lstrip())
    return copy


def python(sources: Path, *args: str) -> str:
    """What a Python says that imports from the copy alone."""
    roots = [sources / part for part in ("", "cli", "datasets")]
    done = subprocess.run(
        [sys.executable, *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
        check=False,
        cwd=sources / "tests",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_and_completed(sources: Path) -> None:
    assert set(NAMES) <= set(KINDS)
    python(sources, "-c", LISTED, *(f"{kind}={name}" for kind, name in NAMES.items()))


def test_it_is_held_to_what_holds_for_all(sources: Path) -> None:
    conformance = str(sources / "tests" / "test_conformance.py")
    words = " or ".join(f"{kind}-{name}" for kind, name in NAMES.items())
    chosen = f"{words} or test_fits and ({ONCE})"
    run = ["-m", "pytest", "-q", "-p", "no:cacheprovider", conformance, "-rA", "-k", chosen]
    said = python(sources, *run)
    for kind, name in NAMES.items():
        assert f"test_a_part_is_built_again_from_its_spec[{kind}-{name}]" in said
    assert "test_fits_predicts_repeats_and_is_saved[shared signs series]" in said
    assert "test_fits_predicts_repeats_and_is_saved[shared hard by second]" in said
    assert "test_fits_predicts_repeats_and_is_saved[head first-letters]" in said
