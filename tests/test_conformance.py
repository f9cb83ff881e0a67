"""What holds for every registered part and every recipe, generated from the registries.

A new part is tested here without an edit; it says itself which options make it quick. The
backbone is the tiny BERT, which was never trained: what a head reads from it still tells three well
separated classes apart.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.base.kinds import KINDS
from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.base.seeds import derive, generator
from tsprompt.base.spec import name_in
from tsprompt.combinations import combinations
from tsprompt.contexts import contexts
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.heads import heads
from tsprompt.model.description import described, short_spec
from tsprompt.model.header import read_whole
from tsprompt.model.layout import describe
from tsprompt.prompts import PromptModel, prompts
from tsprompt.readouts import readouts
from tsprompt.recipes import RECIPES
from tsprompt.regimes import regimes
from tsprompt.strategies import strategies
from tsprompt.tokenizers import tokenizers
from tsprompt.tuners import tuners, tuners_for

REGISTRIES: dict[str, Registry[Any]] = {name: kind.registry() for name, kind in KINDS.items()}
SCOPES = ("series", "step")


def small(kind: str, spec: str, **options: Any) -> Any:
    """The part with its quick options."""
    part = REGISTRIES[kind].build(spec)
    return dataclasses.replace(part, **{**part.quick, **options})


def pairs() -> Iterator[tuple[str, str]]:
    """Each prompt with each tuner that can find it."""
    for name in prompts:
        model: type[PromptModel] = prompts[name]
        for tuner in tuners_for(model):
            yield name, tuner


FINDERS = [name for name in tuners if not tuners[name].trains_model]
"""Tuners that find prompts, and not a model under whatever prompt there is."""


def parts() -> list[tuple[str, str]]:
    return [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]


def asked_by(head: str) -> dict[str, str]:
    """The readout and the context that a head can read."""
    readout = "mask" if heads[head].reads_mask else "pooled"
    return {"readout": readout, "context": "pairs" if heads[head].needs_pairs else "none"}


CASES: dict[str, dict[str, Any]] = {}
"""What is fitted: a name, and the choices that differ from the default recipe's."""
for _strategy in strategies:
    for _tokenizer in tokenizers:
        for _scope in SCOPES:
            CASES[f"{_strategy} {_tokenizer} {_scope}"] = {
                "strategy": small("strategy", _strategy),
                "tokenizer": _tokenizer,
                "scope": _scope,
            }
for _prompt, _tuner in pairs():
    for _strategy in ("shared",) if prompts[_prompt].by_layer else ("shared", "per-step"):
        CASES[f"{_strategy} {_prompt} by {_tuner}"] = {
            "strategy": _strategy,
            "prompt": small("prompt", _prompt),
            "tuner": small("tuner", _tuner),
        }
        if tuners[_tuner].hears_words:
            CASES[f"{_strategy} {_prompt} by {_tuner}"] |= {
                "head": small("head", "auto-words"),
                "readout": "mask",
            }
for _readout in readouts:
    for _scope in SCOPES:
        if readouts[_readout].reads_words:  # with each context that brings words: see below
            continue
        CASES[f"{_readout} {_scope}"] = {"readout": _readout, "scope": _scope}
for _head in heads:
    CASES[f"head {_head}"] = {"head": small("head", _head), **asked_by(_head)}
for _twin in ("random", "shuffled", "none"):
    CASES[f"backbone {_twin}"] = {"backbone": _twin}
for _combination in combinations:
    CASES[f"combination {_combination}"] = {"combination": _combination, "n_prompts": 3}
for _regime in regimes:
    CASES[f"regime {_regime}"] = {"train": _regime}
    if regimes[_regime].tunes_model:
        for _prompt in prompts:
            CASES[f"regime {_regime} {_prompt}"] = {
                "train": _regime,
                "prompt": small("prompt", _prompt),
                "tuner": small("tuner", regimes[_regime]().tuner_of(prompts[_prompt].tuner)),
            }
for _context in contexts:
    for _strategy in ("shared", "per-step"):
        CASES[f"context {_context} {_strategy}"] = {
            "context": _context,
            "strategy": _strategy,
            "n_prompts": 2,
        }
    if contexts[_context].names_answers:
        CASES[f"context {_context} by words"] = {"context": _context, "readout": "words"}
for _recipe in RECIPES:
    CASES[f"recipe {_recipe}"] = {"recipe": _recipe}


VIT: dict[str, Any] = {"prompt": "none"}
"""What a tokenizer of images needs: a ViT as the backbone, and no words."""
CLIP: dict[str, Any] = {"prompt": "none", "tokenizer": "image"}
"""What compares pictures with texts needs."""
NEXT: dict[str, Any] = {}
"""What judges pairs needs: a head for next sentences."""
TOOLS: dict[str, dict[str, Any]] = {}
"""The files of the user's that a tuner needs, by its name."""


@pytest.fixture(scope="module", autouse=True)
def _files(
    make_family: Callable[..., str],
    make_clip: Callable[..., str],
    tiny_next: str,
    tools: dict[str, Any],
) -> None:
    VIT["backbone"], CLIP["backbone"] = make_family("vit"), make_clip()
    NEXT["backbone"] = tiny_next
    TOOLS.update(tools)


def makes_images(changes: dict[str, Any]) -> bool:
    """Whether the tokenizer of a case does."""
    recipe = RECIPES[changes.get("recipe", "default")].settings
    return bool(tokenizers.build(changes.get("tokenizer", recipe.tokenizer)).makes == "images")


def compares_texts(changes: dict[str, Any]) -> bool:
    """Whether the head of a case does, or its readout."""
    recipe = RECIPES[changes.get("recipe", "default")].settings
    own = {kind: changes.get(kind, getattr(recipe, kind)) for kind in ("head", "readout")}
    return any(REGISTRIES[kind].build(spec).needs_texts for kind, spec in own.items())


def judges_pairs(changes: dict[str, Any]) -> bool:
    """Whether the head of a case does."""
    recipe = RECIPES[changes.get("recipe", "default")].settings
    return bool(heads.build(changes.get("head", recipe.head)).needs_pairs)


def build(changes: dict[str, Any], tiny: dict[str, Any], seed: int = 0) -> PromptClassifier:
    """The classifier of one case."""
    options = {**tiny, **changes, "random_state": seed}
    if makes_images(changes):
        options |= VIT
    if compares_texts(changes):
        options |= CLIP
    if judges_pairs(changes):
        options |= NEXT
    if "recipe" in changes:
        chosen = RECIPES[changes["recipe"]].settings
        options["head"] = small("head", chosen.head)
        if chosen.combination != "concatenate":
            options["n_prompts"] = 2
        if chosen.tuner:
            options["tuner"] = small("tuner", name_in(chosen.tuner))
    if isinstance(tuner := options.get("tuner"), Part):
        options["tuner"] = dataclasses.replace(tuner, **TOOLS.get(tuner.name, {}))
    if "backbone" in changes:
        options["backbone"] = f"{changes['backbone']}:{tiny['backbone']}"
    return PromptClassifier(**options)


def is_random(fitted: PromptClassifier) -> bool:
    """Whether another seed may give another result."""
    chosen = fitted.parts_
    draws = [chosen.prompt.draw(4, fitted.reader_.backbone, generator(seed)) for seed in (0, 1)]
    return (
        not draws[0].equals(draws[1])
        or not (chosen.tokenizer.discrete or chosen.tokenizer.makes == "images")
        or not (chosen.head.name == "ridge" or chosen.head.needs_texts)
        or chosen.strategy.n_parameters > 0
        or chosen.tuner.trains_model
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Patches for lack of room, stand-ins and blocked gradients are said; that is tested apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_fits_predicts_repeats_and_is_saved(
    name: str, tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, y_test = separable
    fitted = build(CASES[name], tiny).fit(X, y)
    chances = fitted.predict_proba(X_test)

    assert chances.shape == (15, 3)
    assert chances.dtype == np.float64
    assert np.isfinite(chances).all()
    assert (chances >= 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-9)
    assert fitted.classes_.tolist() == ["calm", "mild", "wild"]
    assert fitted.predict(X_test).tolist() == fitted.classes_[chances.argmax(axis=1)].tolist()
    assert (fitted.predict(X_test) == y_test).mean() >= least(name)
    assert fitted.score(X, y) == fitted.scores_["train_accuracy"]

    again = build(CASES[name], tiny).fit(X, y)
    assert np.array_equal(again.predict_proba(X_test), chances)
    other = build(CASES[name], tiny, seed=1).fit(X, y)
    # Of votes that are counted, other features may make the same probabilities.
    pairs = ((one.predict_proba(X_test), one.transform(X_test)) for one in (fitted, other))
    same = all(np.array_equal(*both) for both in zip(*pairs, strict=True))
    # Two parts of train may choose the same of a few templates.
    assert fitted.parts_.tuner.name in TOOLS or same != is_random(fitted)

    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), chances)
    assert loaded.parts_.specs() == fitted.parts_.specs()
    header = read_whole(tmp_path / "model")
    # By their texts: NaN is another NaN once it was read.
    told = repr(described(tmp_path / "model", header))
    assert told == repr(describe(loaded.fitted_, header["recipe"]))

    backbone = fitted.reader_.backbone
    shared = load_backbone(
        backbone.name, backbone.depth, backbone.seed, str(backbone.device), backbone.dtype_name
    )
    assert fingerprint(shared.model) == backbone.weights_hash
    assert (backbone.model is shared.model) != fitted.parts_.train.tunes_model
    start = fitted.parts_.train.prepare(shared, derive(fitted.seed_, "train")).trained_state()
    end = backbone.trained_state()
    assert any(not end[name].equal(start[name]) for name in start) == bool(start)
    assert bool(start) == fitted.parts_.train.tunes_model
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    assert all(parameter.grad is None for parameter in backbone.model.parameters())
    assert not any(module.training for module in backbone.model.modules())


UNLEARNED = (
    "recipe in-context",
    "recipe clip",
    "recipe cpt-plot",
    "head class-texts",
    "recipe nsp",
    "recipe pairs",
    "head matching",
    "head label-texts",
)
"""What asks a model for what it has learned, and learns nothing, or hardly anything, itself."""


def least(name: str) -> float:
    """The accuracy to reach on held-out cases; chance is a third.

    The recipes of the original experiments read one vector for each step at the last layer of a
    model that was never trained: there it is enough that they beat chance. An autoencoder of a
    few epochs loses much of a case. Nothing is fitted in-context, and a model that was never
    trained has not learned to copy: tests/contexts/test_in_context.py has a reader that can. Nor
    has it learned to compare plots with texts, or two inputs, and its [CLS] says little of them;
    nor which texts are likely, whose temperatures may not turn against them.
    """
    if name in UNLEARNED:
        return 0.0
    if name in ("recipe tip-adapter", "head tip-adapter", "texts series"):
        return 0.5
    return 0.5 if name.startswith(("recipe original", "autoencoder")) else 0.8


GRID = [
    {"strategy": small("strategy", strategy), "tokenizer": tokenizer, "scope": scope}
    for strategy in strategies
    for tokenizer in tokenizers
    for scope in SCOPES
]
on_the_grid = pytest.mark.parametrize(
    "choices", GRID, ids=lambda one: f"{one['strategy'].name}-{one['tokenizer']}-{one['scope']}"
)


@pytest.mark.slow
@on_the_grid
def test_series_of_different_lengths_and_with_gaps(
    choices: dict[str, Any], tiny: dict[str, Any], ragged: Any, gappy: Any
) -> None:
    for data in (gappy, ragged):
        fitted = build(choices, tiny).fit(data.X, data.y)
        chances = fitted.predict_proba(data.X_test)
        assert chances.shape == (15, 3)
        assert np.isfinite(chances).all()
        alone = np.concatenate([fitted.predict_proba([one]) for one in data.X_test[:4]])
        # What the sphere adds is a root, which is steep where little is missing: noise grows in it.
        np.testing.assert_allclose(alone, chances[:4], atol=1e-4)
    longer = [np.concatenate([one, one, one]) for one in ragged.X_test[:3]]
    assert np.isfinite(fitted.predict_proba(longer)).all()
    assert np.isfinite(fitted.predict_proba([one[:1] for one in longer])).all()


@pytest.mark.parametrize(
    ("choices", "head"),
    [*((choices, "ridge") for choices in GRID), *(({}, head) for head in heads)],
    ids=lambda one: one if isinstance(one, str) else "-".join(map(str, one.values())) or "default",
)
def test_constant_series_are_no_division_by_zero(
    choices: dict[str, Any], head: str, tiny: dict[str, Any]
) -> None:
    X, y = np.full((6, 9, 2), 3.0), np.array([0, 1] * 3)
    chosen = {"head": small("head", head), **asked_by(head)}
    fitted = build({**choices, **chosen}, tiny).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)
    assert np.isfinite(fitted.predict_proba(X * 2 + 1)).all()


@pytest.mark.parametrize("name", CASES)
def test_scikit_learn_clones_it_with_all_parameters(name: str, tiny: dict[str, Any]) -> None:
    classifier = build(CASES[name], tiny)
    copy = clone(classifier)
    assert copy is not classifier
    assert copy.get_params() == classifier.get_params()


# --- parts by themselves ---


@pytest.mark.parametrize(("kind", "name"), parts())
def test_a_part_is_built_again_from_its_spec(kind: str, name: str) -> None:
    registry = REGISTRIES[kind]
    for part in (registry.build(name), small(kind, name)):
        assert isinstance(part, Part)
        assert part.name == name
        assert registry.build(part.spec()) == part
        assert registry.build(part) == part
        assert registry.build(part) is not part
        assert registry.create(name, part.options()) == part
        assert short_spec(KINDS[kind], part.spec(full=True)) == part.spec()
    assert registry.build(name).spec() == name


@pytest.mark.parametrize(("kind", "name"), parts())
def test_a_part_refuses_options_that_it_lacks(kind: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind} '{re.escape(name)}' has no option 'nonsense'"):
        REGISTRIES[kind].build(f"{name}:nonsense=1")


@pytest.mark.parametrize(("kind", "name"), parts())
def test_a_part_is_a_documented_dataclass(kind: str, name: str) -> None:
    part = REGISTRIES[kind][name]
    assert dataclasses.is_dataclass(part)
    assert part.__doc__ is not None
    # A dataclass without a docstring gets its signature as one.
    assert not part.__doc__.startswith(f"{part.__name__}(")
    assert part.__doc__.split("\n")[0].rstrip().endswith((".", ":", ",")) or "\n" in part.__doc__


@pytest.mark.parametrize(("kind", "name"), parts())
def test_every_option_is_explained_beneath_it(kind: str, name: str) -> None:
    part = REGISTRIES[kind][name]
    explained: set[str] = set()
    for parent in part.__mro__:
        if dataclasses.is_dataclass(parent):
            explained |= explained_fields(parent)
    assert {field.name for field in dataclasses.fields(part)} <= explained


def explained_fields(part: type[Any]) -> set[str]:
    """Fields of a class whose line is followed by a text."""
    module = ast.parse(inspect.getsource(inspect.getmodule(part)))  # type: ignore[arg-type]
    body = next(
        node.body
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef) and node.name == part.__name__
    )
    return {
        field.target.id
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


@pytest.mark.parametrize(("kind", "name"), parts())
def test_every_part_lives_in_the_package_of_its_kind(kind: str, name: str) -> None:
    registry = REGISTRIES[kind]
    assert registry[name].__module__.startswith(registry.package)


def test_every_prompt_names_tuners_that_exist_and_its_own_among_them() -> None:
    for name in prompts:
        assert prompts[name].tuner in prompts[name].tuners
        assert set(tuners_for(prompts[name])) <= set(tuners)
    assert {tuner for _, tuner in pairs()} == set(FINDERS), "a tuner that finds no prompt"


@pytest.mark.parametrize("name", FINDERS)
def test_a_tuner_refuses_prompts_that_do_not_list_it(
    name: str, tiny: dict[str, Any], separable: Any
) -> None:
    for prompt in prompts:
        if name not in tuners_for(prompts[prompt]):
            with pytest.raises(ConfigError, match=f"tuner '{name}' can't find the prompt"):
                PromptClassifier(**tiny, prompt=prompt, tuner=name).fit(separable.X, separable.y)


def test_fitting_leaves_the_global_random_numbers_alone(
    tiny: dict[str, Any], separable: Any
) -> None:
    for name in ("shared kernels series", "autoencoder bins series", "head mlp", "recipe original"):
        torch.manual_seed(5)
        np.random.seed(5)
        expected = torch.rand(1), np.random.rand()
        torch.manual_seed(5)
        np.random.seed(5)
        build(CASES[name], tiny).fit(separable.X, separable.y).predict(separable.X_test)
        assert (torch.rand(1), np.random.rand()) == expected, name
