"""Packages that bring parts of their own: used, listed, saved with a model, refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tsprompt.base.plugins import GROUP, Plugin, Plugins
from tsprompt.errors import PluginError
from tsprompt.heads import heads
from tsprompt.heads.ridge import Ridge

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "plugin"

SESSION = """
import json, sys
from typer.testing import CliRunner
from tsprompt_cli.main import app
done = [CliRunner().invoke(app, one) for one in json.loads(sys.argv[1])]
print(json.dumps([[one.exit_code, one.stdout, one.stderr] for one in done]))
"""


def install(folder: Path, name: str = "tsprompt-toy", **changes: str) -> Path:
    """Put the toy package there as pip would, with other modules, given as name and text."""
    project = tomllib.loads((TOY / "pyproject.toml").read_text())["project"]
    module = name.replace("-", "_")
    shutil.copytree(TOY / "tsprompt_toy", folder / module)
    for file, text in changes.items():
        (folder / module / f"{file}.py").write_text(text)
    about = folder / f"{module}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n"
    )
    lines = [
        f"{key} = {value.replace('tsprompt_toy', module)}"
        for key, value in project["entry-points"][GROUP].items()
    ]
    (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    return folder


def python(code: str, *args: str, site: Path | None = None) -> str:
    """What a new Python says in which `site` is a folder of packages."""
    roots = [*([site] if site else []), ROOT, ROOT / "cli", ROOT / "datasets"]
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def session(commands: list[list[str]], site: Path | None = None) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of commands, one after the other in one new process."""
    said = json.loads(python(SESSION, json.dumps(commands), site=site).splitlines()[-1])
    return [(code, out, " ".join(err.split())) for code, out, err in said]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def fitting(tiny_bert: str) -> list[str]:
    """A quick fit with the parts of the toy."""
    options = {
        "backbone": tiny_bert,
        "n-prompts": "1",
        "device": "cpu",
        "tokenizer": "toy-bins:bins=12",
        "head": "toy-ridge",
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ["fit", "UnitTest", *flags, "--no-ablations"]


def test_its_parts_are_fitted_listed_and_saved(
    site: Path, fitting: list[str], tmp_path: Path
) -> None:
    model = str(tmp_path / "model")
    commands = [
        [*fitting, "-o", model],
        ["evaluate", model, "UnitTest", "--format", "json"],
        ["list", "heads"],
        ["list", "heads", "-v"],
        ["list", "tokenizers", "--format", "json"],
        ["list", "readouts"],
        ["doctor"],
    ]
    done = session(commands, site)
    assert [code for code, _, _ in done] == [0] * len(commands), done
    _, evaluated, table, long, rows, others, doctor = (out for _, out, _ in done)
    assert json.loads(evaluated)["rows"][0]["accuracy"] > 0.5
    assert re.search(r"toy-ridge .* tsprompt-toy 0\.1\.0", table)
    assert "From the package tsprompt-toy 0.1.0." in long
    packages = {row["name"]: row["package"] for row in json.loads(rows)["rows"]}
    assert packages["toy-bins"] == "tsprompt-toy 0.1.0"
    assert packages["bins"] == ""
    assert "package" not in others
    assert "tsprompt-toy" in doctor
    header = json.loads((tmp_path / "model" / "model.json").read_text())
    assert header["plugins"] == [
        {"setting": setting, "part": part, "package": "tsprompt-toy", "version": "0.1.0"}
        for setting, part in (("tokenizer", "toy-bins"), ("head", "toy-ridge"))
    ]

    [(code, _, said)] = session([["evaluate", model, "UnitTest"]])
    assert code == 2
    assert "needs the tokenizer 'toy-bins' of the package tsprompt-toy 0.1.0" in said
    assert "pip install tsprompt-toy==0.1.0" in said


def test_names_are_completed_without_importing_it(site: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom tsprompt.base.kinds import KINDS\n"
        "from tsprompt_cli.completion import part_of\n"
        "print(part_of(KINDS['tokenizer'])('toy'), part_of(KINDS['tuner'])('toy'))\n"
        "print([one for one in ('torch', 'tsprompt_toy') if one in sys.modules])"
    )
    assert python(code, site=site).splitlines() == ["['toy-bins'] []", "[]"]
    broken = install(tmp_path / "site", parts="def broken(:\n")
    assert python(code, site=broken).splitlines() == ["[] []", "[]"]


CLASH = """
from dataclasses import dataclass
from tsprompt.heads import heads
from tsprompt.heads.ridge import Ridge



@heads.register("ridge")
@dataclass
class Mine(Ridge):
    "Another ridge."
"""


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("import nonesuch\n", "ModuleNotFoundError: No module named 'nonesuch'"),
        (CLASH, "the head 'ridge' is registered twice, by tsprompt.heads.ridge and by tsprompt_"),
    ],
)
def test_one_that_fails_is_refused_by_what_needs_parts(
    parts: str, reason: str, fitting: list[str], tmp_path: Path
) -> None:
    site = install(tmp_path / "site", parts=parts)
    model = tmp_path / "model"
    free = [["--help"], ["fit", "--help"], ["datasets", "list"], ["list", "recipes"], ["doctor"]]
    needy = [["list", "readouts"], [*fitting, "-o", str(model)], ["list", "heads"]]
    done = session([*free, *needy], site)
    assert [code for code, _, _ in done] == [0] * len(free) + [2] * len(needy), done
    for _, _, said in done[len(free) :]:
        assert said.count("tsprompt-toy 0.1.0 can't bring its parts (tsprompt_toy.parts)") == 1
        assert reason in said
        assert "pip uninstall tsprompt-toy" in said
    assert re.search(r"tsprompt-toy +0\.1\.0, can't be used: ", done[len(free) - 1][1])
    assert not model.exists()


def test_two_that_bring_the_same_name_are_told_apart(tmp_path: Path) -> None:
    install(tmp_path / "site")
    site = install(tmp_path / "site", "tsprompt-twin")
    [(code, _, said)] = session([["list", "heads"]], site)
    assert code == 2
    assert "the package tsprompt-twin 0.1.0 can't bring its parts" in said
    assert "by tsprompt_toy.parts and by tsprompt_twin.parts" in said


# --- in this process ---


def plugin(value: str, package: str = "some-parts") -> Plugin:
    return Plugin(package, "2.0", EntryPoint("any", value, GROUP))


def test_all_that_fail_are_named_at_once_and_each_time() -> None:
    these = Plugins(lambda: [plugin("nonesuch"), plugin("json"), plugin("re:nothing", "others")])
    for _ in range(2):
        with pytest.raises(PluginError, match=r"some-parts 2\.0 .*\n.*others 2\.0 ") as caught:
            these.load()
        assert "json" not in str(caught.value)
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("def broken(:", "SyntaxError: "), ("raise SystemExit(3)", "SystemExit: 3")],
)
def test_whatever_goes_wrong_in_a_module_is_a_reason(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"wrong_parts_{len(text)}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    these = Plugins(lambda: [plugin(name), plugin("json", "right")])
    assert [said[: len(reason)] for said in these.checked().values()] == [reason, ""]


def test_one_may_ask_for_names_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    (tmp_path / "asking_parts.py").write_text("import builtins\nbuiltins.asked_by_plugin()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    these = Plugins(lambda: [plugin("asking_parts")])

    def ask() -> None:
        these.load()
        asked.append(list(heads))

    monkeypatch.setattr("builtins.asked_by_plugin", ask, raising=False)
    these.load()
    these.load()
    assert len(asked) == 1


def test_a_part_comes_from_the_nearest_plugin() -> None:
    these = Plugins(lambda: [plugin("xml.sax", "sax"), plugin("xml.dom", "dom"), plugin("json")])
    these.load()

    class Part:
        __module__ = "xml.dom.parts"

    origin = these.origin(Part)
    assert origin is not None
    assert origin.package == "dom"
    assert these.origin(Ridge) is None
