"""What the contracts of pyproject.toml (`make lint`) can't say of imports: which are heavy, what
unpickles, which data is opened; and what the wheel puts into site-packages."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "tsprompt": ROOT / "tsprompt",
    "tsprompt_cli": ROOT / "cli" / "tsprompt_cli",
    "tsprompt_datasets": ROOT / "datasets" / "tsprompt_datasets",
}
HEAVY = {
    "jinja2",
    "matplotlib",
    "networkx",
    "scikit_posthocs",
    "statsmodels",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "sktime",
    "sklearn",
    "scipy",
    "pandas",
    "pyarrow",
}


def name_of(file: Path) -> str:
    package, folder = next(
        (name, folder) for name, folder in PACKAGES.items() if file.is_relative_to(folder)
    )
    parts = [package, *file.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    name_of(file): file for folder in PACKAGES.values() for file in sorted(folder.rglob("*.py"))
}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def import_nodes(node: ast.AST, *, lazy: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that run: those inside functions only if `lazy`; none for types only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif is_type_checking(child):
            continue
        elif lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from import_nodes(child, lazy=lazy)


@cache
def imports(module: str, *, lazy: bool) -> frozenset[str]:
    """Modules that a module imports, as dotted names; ours as they are in `FILES`."""
    file = FILES[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in import_nodes(ast.parse(file.read_text(encoding="utf-8")), lazy=lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        source = resolve_name("." * node.level + (node.module or ""), package)
        for alias in node.names:
            full = f"{source}.{alias.name}"
            found.add(full if full in FILES else source)
    return frozenset(found)


@cache
def loads(module: str) -> frozenset[str]:
    """All that importing a module brings in, through ours: the packages above it included."""
    seen: set[str] = set()
    queue = [module]
    while queue:
        one = queue.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in FILES:
            parent = one.rpartition(".")[0]
            queue += [*imports(one, lazy=False), *([parent] if parent else [])]
    return frozenset(seen)


def heavy(module: str) -> set[str]:
    return {one.partition(".")[0] for one in loads(module)} & HEAVY


def tops(module: str, *, lazy: bool) -> set[str]:
    return {one.partition(".")[0] for one in imports(module, lazy=lazy)}


def test_the_contracts_of_pyproject_hold() -> None:
    """As in `make lint`, for whoever runs the tests alone."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    asked = [sys.executable, "-c", command, "--no-cache", "--no-logo"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


# --- what is loaded, and what is opened ---


@pytest.mark.parametrize(
    "module", [name for name in FILES if name.startswith(("tsprompt_cli", "tsprompt_datasets"))]
)
def test_the_command_line_and_the_data_sets_start_without_anything_heavy(module: str) -> None:
    assert heavy(module) == set()


@pytest.mark.parametrize("module", list(FILES))
def test_data_is_opened_by_the_package_that_it_lies_in(module: str) -> None:
    """`importlib.resources` imports what it opens: an arrow that no import statement shows."""
    text = FILES[module].read_text(encoding="utf-8")
    assert "get_data(" not in text
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "files":
            continue
        said = ast.unparse(node.args[0])
        assert said in ("__name__", "__package__") or module.startswith(ast.literal_eval(said))


@pytest.mark.parametrize(
    "part",
    [
        "errors",
        "base.registry",
        "base.part_files",
        "base.part",
        "base.spec",
        "base.kinds",
        "base.plugins",
        "progress",
        "recipes",
        "data",
    ],
)
def test_leaves_load_nothing_heavy(part: str) -> None:
    assert heavy(f"tsprompt.{part}") == set()


def test_reports_are_free_of_torch() -> None:
    reports = [name for name in FILES if name.startswith("tsprompt.report")]
    for module in reports:
        assert not heavy(module) & {"torch", "transformers", "sktime"}, module
        assert "torch" not in tops(module, lazy=True), module
        assert not heavy(module) & {"matplotlib", "scikit_posthocs", "jinja2"}, module


def test_only_the_loader_loads_models() -> None:
    calls = ("from_pretrained(", "from_config(", "trust_remote_code=True")
    users = [
        module
        for module, file in FILES.items()
        if any(call in file.read_text(encoding="utf-8") for call in calls)
    ]
    assert users == [
        "tsprompt.backbones.load",
        "tsprompt.backbones.word_scores",
        "tsprompt.backbones.writer",
    ]


def test_nothing_is_unpickled() -> None:
    for module, file in FILES.items():
        # joblib's files are pickles; what runs in parallel is its other half.
        from_joblib = {one for one in imports(module, lazy=True) if one.startswith("joblib")}
        assert from_joblib <= {"joblib", "joblib.Parallel", "joblib.delayed"}, module
        text = file.read_text(encoding="utf-8")
        for unpickler in ("torch.load(", "joblib.load(", "import joblib\n"):
            assert unpickler not in text, module
        assert "allow_pickle=True" not in text, module


def test_the_guard_sees_imports_of_every_kind(tmp_path: Path) -> None:
    """The guards above rest on this: what it finds, and what it leaves out."""
    text = (
        "from typing import TYPE_CHECKING\nimport a.b\nfrom c import d\n"
        "if TYPE_CHECKING:\n    import e\nelse:\n    import no\n"
        "def f():\n    import g\n    from h.i import j\n"
        "try:\n    import k\nexcept ImportError:\n    pass\n"
        "class X:\n    import m\n    def g(self):\n        import n\n"
    )
    tree = ast.parse(text)

    def found(*, lazy: bool) -> set[str]:
        nodes = import_nodes(tree, lazy=lazy)
        return {
            node.names[0].name if isinstance(node, ast.Import) else str(node.module)
            for node in nodes
        } - {"typing"}

    assert found(lazy=False) == {"a.b", "c", "k", "m"}
    assert found(lazy=True) == {"a.b", "c", "k", "m", "g", "h.i", "n"}


# --- packaging ---


@pytest.mark.parametrize("folder", ["cli", "datasets", "tests"])
def test_source_roots_are_no_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel of the sources as they are, built aside: nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("tsprompt", "cli", "datasets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=source.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (source / "dist").iterdir()
    return zipfile.Path(built)


def test_the_wheel_puts_three_packages_into_site_packages(wheel: zipfile.Path) -> None:
    names = {one.name for one in wheel.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == set(PACKAGES)
    assert len(names) == 4


def test_the_wheel_holds_every_module_and_says_that_it_is_typed(wheel: zipfile.Path) -> None:
    inside = set(wheel.root.namelist())
    for package, folder in PACKAGES.items():
        for file in [*folder.rglob("*.py"), folder / "py.typed"]:
            assert f"{package}/{file.relative_to(folder)}" in inside
    library = PACKAGES["tsprompt"]
    pages = [file for kind in ("css", "html", "js") for file in library.rglob(f"*.{kind}")]
    data = [*(library / "report" / "published").glob("*.[cm]*"), *pages]
    assert len(data) >= 6 + 6
    for file in data:
        assert f"tsprompt/{file.relative_to(PACKAGES['tsprompt'])}" in inside
    assert not any("test" in name.split("/")[0] for name in inside)


def test_the_wheel_installs_the_command(wheel: zipfile.Path) -> None:
    (points,) = (name for name in wheel.root.namelist() if name.endswith("entry_points.txt"))
    assert "tsprompt = tsprompt_cli.main:main" in wheel.root.read(points).decode()
