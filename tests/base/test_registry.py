"""Registries, the error tree, and what the package exports."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

import tsprompt
from tsprompt import errors
from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.errors import ConfigError, TspromptError, TspromptNotice, near_names, notice
from tsprompt.readouts import readouts
from tsprompt.readouts.pooled import Pooled
from tsprompt.recipes import RECIPES, resolve
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.kernels import Kernels
from tsprompt.tuners import tuners
from tsprompt.tuners.gradient import Gradient


def fresh() -> Registry[Part]:
    return Registry("toy", "tsprompt.errors")


@dataclass
class Toy(Part):
    size: int = 3


# --- registry ---


def test_a_name_is_registered_once() -> None:
    registry = fresh()
    registry.register("toy")(Toy)
    with pytest.raises(ValueError, match="registered twice"):
        registry.register("toy")(Toy)


def test_registered_parts_are_found_by_importing_their_package() -> None:
    assert list(tokenizers) == sorted(tokenizers)
    assert {"bins", "patches", "kernels", "digits"} <= set(tokenizers)
    assert tokenizers["kernels"] is Kernels
    assert Kernels.name == "kernels"


ASKED = """
import sys
from tsprompt.base.kinds import KINDS
registries = {name: kind.registry() for name, kind in KINDS.items()}
assert registries["head"]["ridge"].name == "ridge"
names = {name: list(registry) for name, registry in registries.items()}
print("tsprompt.heads.mlp" in sys.modules, "tsprompt.tuners.policy" in sys.modules)
for name, kind in KINDS.items():
    registries[name]._import_own()
    assert sorted(registries[name]._parts) == names[name], name
    assert all(registries[name][one].name == one for one in names[name])
"""


def test_names_are_known_without_importing_the_parts() -> None:
    """All that are in the sources, and no others, are there once everything is imported."""
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(ConfigError, match="no tokenizer is called 'kernel'; did you mean kernels"):
        tokenizers.build("kernel")


def test_an_unknown_option_is_answered_with_near_ones() -> None:
    with pytest.raises(ConfigError, match="no option 'stepz'; did you mean steps"):
        tokenizers.build("kernels:stepz=3")


def test_an_option_of_a_part_without_options_says_so() -> None:
    from tsprompt.tuners import tuners

    with pytest.raises(ConfigError, match="it has none"):
        tuners.build("none:draws=3")


@pytest.mark.parametrize("wrong", [3, None, ["kernels"], Pooled(), Kernels])
def test_what_is_no_such_part_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="is not a tokenizer; give one of: bins"):
        tokenizers.build(wrong)


@pytest.mark.parametrize("spec", ["kernels:steps", "kernels:7", "kernels:length=7,steps"])
def test_a_spec_that_is_not_option_value_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="is not option=value"):
        tokenizers.build(spec)


@pytest.mark.parametrize("spec", ["kernels:steps=many", "bins:bins=x", "pooled:levels=a"])
def test_a_value_of_the_wrong_type_is_a_config_error(spec: str) -> None:
    registry = readouts if spec.startswith("pooled") else tokenizers
    with pytest.raises(ConfigError):
        registry.build(spec)


def test_a_part_is_copied_without_its_fitted_state() -> None:
    mine = Kernels(steps=5)
    mine.patch_ = 3
    built = tokenizers.build(mine)
    assert built == mine
    assert built is not mine
    assert built.state() == {}


def test_state_and_restore_are_inverse() -> None:
    part = Toy()
    part.learned_ = [1, 2]  # type: ignore[attr-defined]
    part.private = "not kept"  # type: ignore[attr-defined]
    other = Toy()
    other.restore(part.state())
    assert other.state() == {"learned_": [1, 2]}


def test_an_option_is_changed_in_a_spec() -> None:
    assert tokenizers.amend("kernels", steps=5) == "kernels:steps=5"
    assert tokenizers.amend("kernels:steps=64,length=5", length=7) == "kernels:length=7"
    with pytest.raises(ConfigError, match="no option 'stepz'"):
        tokenizers.amend("kernels", stepz=5)


# --- recipes ---


def test_resolve_replaces_only_what_is_given() -> None:
    settings = resolve("default", {"strategy": "per-step", "head": None})
    known = dataclasses.asdict(RECIPES["default"].settings)
    del known["class_weight"]  # younger than the names of runs: there only where it is chosen
    assert settings == {**known, "strategy": "per-step"}


def test_an_unknown_recipe_is_answered_with_near_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean original"):
        resolve("orignal", {})


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.about
    assert recipe.source


# --- errors ---


def test_every_error_of_the_package_has_the_one_base() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(classes) == 7
    assert all(issubclass(one, TspromptError) for one in classes)
    assert all(one.__name__ in str(errors.__doc__) for one in classes)


def test_input_and_config_errors_are_value_errors() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.DatasetError, errors.InputError)


def test_notice_is_a_warning_that_can_be_told_apart() -> None:
    with pytest.warns(TspromptNotice, match="something"):
        notice("something")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        notice("nothing is heard")


def test_near_names() -> None:
    assert near_names("gunpoint", ["GunPoint", "Beef"]) == "did you mean GunPoint?"
    assert near_names("xyz", ["a", "b"]) == "known: a, b"
    assert near_names("?", [f"n{i:02}" for i in range(15)]).endswith("n11 and 3 more")


# --- exports ---


def test_all_is_what_is_exported_both_ways() -> None:
    assert len(set(tsprompt.__all__)) == len(tsprompt.__all__)
    assert dir(tsprompt) == sorted(tsprompt.__all__)
    for name in tsprompt.__all__:
        assert getattr(tsprompt, name) is not None
    public = {
        name
        for name, value in vars(tsprompt).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("tsprompt")
    }
    assert public <= set(tsprompt.__all__)
    namespace: dict[str, object] = {}
    exec("from tsprompt import *", namespace)
    assert set(tsprompt.__all__) <= set(namespace)


def test_type_checkers_see_what_is_imported_on_first_use() -> None:
    tree = ast.parse(Path(str(tsprompt.__file__)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == tsprompt._EXPORTS
    assert {"__version__", *seen} == set(tsprompt.__all__)


def test_every_error_is_exported() -> None:
    named = {name for name in errors.__all__ if name.endswith(("Error", "Notice"))}
    assert named <= set(tsprompt.__all__)


def test_an_unknown_export_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = tsprompt.Nothing


def test_importing_the_package_and_its_leaves_imports_no_torch() -> None:
    code = (
        "import sys, tsprompt, tsprompt.errors, tsprompt.base.registry, tsprompt.base.part, "
        "tsprompt.recipes, tsprompt.progress, tsprompt.data; "
        "heavy = {'torch', 'transformers', 'sktime', 'pandas', 'sklearn', 'scipy'}; "
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_choice_changes_the_named_options_of_a_recipe_alone() -> None:
    chosen = resolve("p-tuning", {"tuner": "gradient:epochs=9", "tokenizer": "kernels:steps=7"})
    tuner = tuners.build(chosen["tuner"])
    assert (tuner.epochs, tuner.patience, tuner.learning_rate) == (9, 5, 0.001)
    # A part itself says all of its options.
    whole = resolve("p-tuning", {"tuner": Gradient(epochs=9)})["tuner"]
    assert tuners.build(whole).patience == Gradient().patience
    assert resolve("default", {"backbone": "minilm"})["backbone"] == "minilm"
