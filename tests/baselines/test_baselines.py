"""What holds for every registered baseline; and what each of them promises apart.

A new baseline is tested here without an edit. Those whose extra is not installed are skipped;
those that need pretrained weights read random ones, or tiny ones from a folder.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt.baselines import Baseline, baselines
from tsprompt.baselines.decisions import chances
from tsprompt.benchmark import Cell, Machine, baseline, run_cells
from tsprompt.data import Dataset, Split, as_cases
from tsprompt.errors import BackboneError, ConfigError, InputError, TspromptNotice

pytestmark = pytest.mark.slow

T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_heads": 2, "num_layers": 2}

SMALL: dict[str, Any] = {
    "members": 2,
    "epochs": 20,
    "layers": 1,
    "width": 32,
    "heads": 4,
    "trees": 50,
    "rocket_kernels": 500,
}
"""Options that make a baseline quick, by the option's name; kernels of ROCKET are `KERNELS`."""
KERNELS = {"rocket": 200, "minirocket": 500, "multirocket-hydra": 4}
NETWORKS = [name for name in baselines if baselines[name].extra == "tsai"]
CONVOLUTIONS = list(KERNELS)
NEEDY = [name for name in baselines if baselines[name].extra]


def by_name(names: Iterable[str]) -> Any:
    """A test for each of these baselines, marked with the extra that brings its packages."""
    marks = {name: [pytest.mark.extra(baselines[name].extra)] for name in NEEDY}
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=marks.get(name, [])) for name in names]
    )


each = by_name(baselines)


def made(name: str, seed: int = 0, *, rough: bool = False, **options: Any) -> Baseline:
    """A quick baseline, on the CPU; a rough one hardly learns."""
    kind = baselines[name]
    known = {field.name for field in dataclasses.fields(kind)}
    quick = {key: value for key, value in SMALL.items() if key in known}
    if rough and name in NETWORKS:
        quick["epochs"] = 2
    if name in KERNELS:
        quick["kernels"] = KERNELS[name]
    part = baselines.create(name, {**quick, **options})
    part.random_state, part.device = seed, "cpu"
    return part


@pytest.fixture(scope="session")
def moment_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny MOMENT, named as in the authors' file."""
    import torch
    from safetensors.torch import save_file

    from tsprompt.base.seeds import seeded_torch

    folder = tmp_path_factory.mktemp("moment")
    part = baselines["moment"]()
    with seeded_torch(0):
        model = part._module({"t5_config": {**T5, "feed_forward_proj": "gated-gelu"}})
    tensors = {
        key.replace("value.", "patch_embedding.value_embedding.", 1): value.contiguous()
        for key, value in model.state_dict().items()
    }
    save_file({**tensors, "head.linear.bias": torch.zeros(8)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"t5_config": T5, "patch_len": 8}))
    return folder


@pytest.fixture
def options(name: str, moment_folder: Path) -> dict[str, Any]:
    """What a baseline can't be made without here."""
    return {"mantis": {"weights": "random"}, "moment": {"weights": str(moment_folder)}}.get(
        name, {}
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Filled gaps are said; that is tested apart. NumPy remarks on what compiled loops of aeon do
    silently."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"aeon\.")
        yield


# --- all of them ---


@each
def test_it_fits_predicts_and_repeats(name: str, options: dict[str, Any], separable: Any) -> None:
    X, y, X_test, y_test = separable
    fitted = made(name, **options).fit(X, y)
    found = fitted.predict_proba(X_test)

    assert found.shape == (15, 3)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert fitted.classes_.tolist() == ["calm", "mild", "wild"]
    assert fitted.predict(X_test).tolist() == fitted.classes_[found.argmax(axis=1)].tolist()
    assert (fitted.predict(X_test) == y_test).mean() >= (0.3 if name == "prior" else 0.7)

    again = made(name, **options).fit(X, y)
    assert np.array_equal(again.predict_proba(X_test), found)
    if not fitted.seeded:
        other = made(name, seed=1, **options).fit(X, y)
        assert np.array_equal(other.predict_proba(X_test), found)

    assert fitted.n_parameters is None or fitted.n_parameters >= 3
    if fitted.n_parameters is not None:
        assert fitted.total_parameters >= fitted.n_parameters
    if fitted.validation is not None:
        accuracy, kind = fitted.validation
        assert 0 <= accuracy <= 1
        assert kind


@each
def test_series_of_different_lengths_and_with_gaps(
    name: str, options: dict[str, Any], ragged: Any, gappy: Any
) -> None:
    for data in (gappy, ragged):
        fitted = made(name, rough=True, **options).fit(data.X, data.y)
        found = fitted.predict_proba(data.X_test)
        assert found.shape == (15, 3)
        assert np.isfinite(found).all()
        # No case depends on those that are predicted with it.
        alone = np.concatenate([fitted.predict_proba([one]) for one in data.X_test[:4]])
        np.testing.assert_allclose(alone, found[:4], atol=1e-4)
    longer = [np.concatenate([one, one, one]) for one in ragged.X_test[:3]]
    assert np.isfinite(fitted.predict_proba(longer)).all()
    assert np.isfinite(fitted.predict_proba([one[:1] for one in longer])).all()


@each
def test_very_short_and_constant_series(name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    y = np.array([0, 1] * 4)
    for timesteps in (1, 8):
        X = rng.normal(size=(8, timesteps, 1)) + 3 * y[:, None, None]
        found = made(name, rough=True, **options).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    X = np.full((8, 9, 2), 3.0)
    fitted = made(name, rough=True, **options).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)
    assert np.isfinite(fitted.predict_proba(X * 2 + 1)).all()


@each
def test_fitting_leaves_the_process_as_it_was(
    name: str, options: dict[str, Any], separable: Any
) -> None:
    import torch

    def state() -> tuple[Any, ...]:
        return torch.rand(1), np.random.rand(), torch.get_num_threads(), list(warnings.filters)

    made(name, rough=True, **options).fit(
        separable.X[:6], separable.y[:6]
    )  # packages import what they need
    torch.manual_seed(5)
    np.random.seed(5)
    expected = state()
    torch.manual_seed(5)
    np.random.seed(5)
    made(name, rough=True, **options).fit(separable.X, separable.y).predict(separable.X_test)
    assert state() == expected


@each
def test_bad_input_is_refused(name: str, options: dict[str, Any], separable: Any) -> None:
    part = made(name, rough=True, **options)
    with pytest.raises(InputError, match=r"y has shape \(3,\); one label for each of the 24 cases"):
        part.fit(separable.X, separable.y[:3])
    with pytest.raises(InputError, match="one class only"):
        part.fit(separable.X, ["calm"] * 24)
    part.fit(separable.X[:6], separable.y[:6])
    with pytest.raises(InputError, match=f"X has 1 feature, {name} was fitted with 2"):
        part.predict(separable.X_test[:, :, :1])


@each
def test_it_tells_where_it_comes_from(name: str) -> None:
    part = baselines[name]
    assert part.title
    assert part.source
    assert (part.extra is None) == (not part.packages)
    assert len({baselines[one].title for one in baselines}) == len(list(baselines))


@each
def test_a_missing_package_is_named_with_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch, separable: Any
) -> None:
    from tsprompt_cli.catalogue import explain_baselines

    monkeypatch.setattr("tsprompt.baselines.base.find_spec", lambda _: None)
    part = baselines.build(name)
    [told] = [one for one in explain_baselines() if one.name == name]
    assert told.about == part.title
    assert part.source in told.more
    if part.extra is None:
        assert told.needs == ""
        return
    assert told.needs == f'pip install "tsprompt[{part.extra}]"'
    assert told.needs in told.more
    with pytest.raises(ConfigError, match=rf"needs .*{part.packages[0]}.*tsprompt\[{part.extra}\]"):
        part.fit(separable.X, separable.y)


def test_every_extra_is_one_of_the_project() -> None:
    import tomllib

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    assert {baselines[name].extra for name in baselines} - {None} <= set(extras)


def test_listing_them_imports_none_of_their_packages() -> None:
    code = (
        "import sys; from tsprompt_cli.catalogue import explain_baselines; explain_baselines(); "
        "sys.exit(str({'torch', 'aeon', 'tsai', 'mantis', 'sklearn', 'transformers'} "
        "& set(sys.modules) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr in ("", "0\n"), done.stderr


@pytest.mark.usefixtures("wide")
def test_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from tsprompt_cli.main import app

    monkeypatch.setattr("tsprompt.baselines.base.find_spec", lambda _: None)
    listed = CliRunner().invoke(app, ["list", "baselines", "--format", "csv"]).stdout
    assert "MultiROCKET-Hydra" in listed
    assert "Dempster, Petitjean and Webb (2020)" in listed
    for form in ([], ["-v"]):
        shown = CliRunner().invoke(app, ["list", "baselines", *form]).stdout
        assert 'pip install "tsprompt[tsai]"' in shown


# --- linear ones ---


def test_decision_values_become_probabilities() -> None:
    two = chances(np.array([0.0, 2.0, -800.0]))
    np.testing.assert_allclose(two[:, 1], [0.5, 1 / (1 + np.exp(-2)), 0])
    three = chances(np.array([[1.0, 1.0, 1.0], [900.0, 0.0, 0.0]]))
    np.testing.assert_allclose(three, [[1 / 3] * 3, [1, 0, 0]])


@by_name(CONVOLUTIONS)
def test_rockets_are_those_of_aeon(name: str, separable: Any) -> None:
    ours = made(name).fit(separable.X, separable.y)
    from aeon.classification import convolution_based as aeon

    theirs = {
        "rocket": lambda: aeon.RocketClassifier(200, random_state=0),
        "minirocket": lambda: aeon.MiniRocketClassifier(500, random_state=0),
        "multirocket-hydra": lambda: aeon.MultiRocketHydraClassifier(
            n_kernels=4, n_groups=64, random_state=0
        ),
    }[name]()
    if name == "multirocket-hydra":
        ours = made(name, rocket_kernels=6_250).fit(separable.X, separable.y)
    flipped = separable._replace(
        X=separable.X.transpose(0, 2, 1), X_test=separable.X_test.transpose(0, 2, 1)
    )
    theirs.fit(flipped.X, separable.y)
    noisy = separable.X_test + np.random.default_rng(0).normal(size=separable.X_test.shape)
    assert ours.predict(noisy).tolist() == theirs.predict(noisy.transpose(0, 2, 1)).tolist()


# --- networks ---


@by_name(NETWORKS)
def test_networks_hold_out_a_part_of_train_only(
    name: str, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tsprompt.baselines import training

    part = made(name, epochs=1)
    seen = []

    def watch(model: Any, how: Any, learn: Any, held: Any) -> None:
        seen.append((learn, held))
        model.eval()

    monkeypatch.setattr(training, "train", watch)
    part.fit(separable.X, separable.y)
    assert len(seen) == part.members
    (learn, labels), (held, truth) = seen[0]
    assert (len(learn), len(held)) == (18, 6)
    assert sorted(truth.tolist()) == [0, 0, 1, 1, 2, 2]
    assert sorted([*labels.tolist(), *truth.tolist()]) == [0] * 8 + [1] * 8 + [2] * 8
    for other_learn, _ in seen[1:]:
        assert torch.equal(other_learn[0], learn)
    # The scale is that of the part that is learned from.
    np.testing.assert_allclose(learn.mean(dim=(0, 2)), 0, atol=1e-2)
    made(name, seed=1, epochs=1).fit(separable.X, separable.y)
    assert not torch.equal(seen[-1][1][0], held)


@by_name(["fcn"])
def test_a_class_of_one_case_is_learned_and_nothing_is_held_out(name: str, separable: Any) -> None:
    with pytest.warns(TspromptNotice, match="fcn: a class has one training case only"):
        fitted = made(name, epochs=2).fit(separable.X[:4], separable.y[:4])
    assert fitted.validation is None
    assert fitted.predict_proba(separable.X_test).shape == (15, 3)
    assert made(name, epochs=2, validation_share=0).fit(separable.X, separable.y).validation is None


def test_training_ends_early_with_the_best_weights() -> None:
    import torch
    from torch import nn

    from tsprompt.base.seeds import seeded_torch
    from tsprompt.baselines.training import Training, train

    calls = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, x: Any) -> Any:
            if not self.training:
                calls.append(self.linear.weight.detach().clone())
            return self.linear(x[:, :, 0])

    x, y = torch.tensor([[[1.0]], [[-1.0]]]), torch.tensor([0, 1])
    with seeded_torch(0):
        model = Counting()
        # What is learned is the contrary of what is held: every epoch is worse than the last.
        train(model, Training(50, 4, 2, 0.1), (x, y), (x, 1 - y))
    assert len(calls) == 5
    assert torch.equal(model.linear.weight.detach(), calls[0])
    assert not model.training
    with seeded_torch(0), pytest.raises(ConfigError, match="never a number"):
        train(Counting(), Training(2, 4, 2, 0.1), (x * torch.nan, y), None)


@by_name(NETWORKS)
def test_networks_refuse_what_makes_no_sense(name: str) -> None:
    for wrong, said in (
        ("epochs=0", "1 or more"),
        ("learning_rate=0", "positive"),
        ("validation_share=1", "below 1"),
    ):
        with pytest.raises(ConfigError, match=said):
            baselines.build(f"{name}:{wrong}")


# --- pretrained encoders ---


@by_name(["mantis", "moment"])
def test_without_weights_nothing_is_fitted(name: str, separable: Any, tmp_path: Path) -> None:
    part = made(name)
    with pytest.raises(BackboneError, match=r"not in Hugging Face's cache.*weights="):
        part.fit(separable.X, separable.y)
    with pytest.raises(BackboneError, match=r"holds no model\.safetensors"):
        made(name, weights=str(tmp_path)).check()
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    (tmp_path / "config.json").write_text(json.dumps({"t5_config": T5}))
    with pytest.raises(BackboneError, match="can't be loaded"):
        made(name, weights=str(tmp_path)).fit(separable.X, separable.y)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(BackboneError, match=r"config\.json can't be read"):
        made(name, weights=str(tmp_path)).fit(separable.X, separable.y)


def test_random_weights_are_told_in_the_title() -> None:
    assert baseline("mantis:weights=random").name == "Mantis + ridge (weights=random)"
    assert baseline("mantis").name == "Mantis + ridge"


@pytest.mark.extra("mantis")
def test_mantis_gives_the_features_of_its_package(separable: Any, tmp_path: Path) -> None:
    import torch
    from torch.nn.functional import interpolate

    part = made("mantis", weights="random").fit(separable.X, separable.y)
    part.model_.save_pretrained(tmp_path)
    loaded = made("mantis", weights=str(tmp_path)).fit(separable.X, separable.y)
    assert np.array_equal(
        loaded.predict_proba(separable.X_test), part.predict_proba(separable.X_test)
    )

    from mantis.architecture import MantisV1
    from mantis.trainer import MantisTrainer

    network = MantisV1(device="cpu", return_transf_layer=2, output_token="combined")
    network = network.from_pretrained(str(tmp_path))
    values = torch.from_numpy(separable.X_test).transpose(1, 2)
    resized = interpolate(values, 512, mode="linear", align_corners=False)
    theirs = MantisTrainer("cpu", network).transform(resized.numpy())
    np.testing.assert_allclose(part._features(as_cases(separable.X_test)), theirs, atol=1e-5)


def test_moment_reads_the_end_of_its_window(moment_folder: Path) -> None:
    import torch

    part = made("moment", weights=str(moment_folder))
    part.model_ = part._loaded().eval()
    series = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    seen: list[Any] = []
    part.model_.get_submodule("encoder").register_forward_pre_hook(
        lambda _, __, inputs: seen.append(inputs["inputs_embeds"]), with_kwargs=True
    )
    with torch.no_grad():
        assert part._embed(series).shape == (3, 16)
        scaled = (series - series.mean(1, keepdim=True)) / (
            series.std(1, keepdim=True, correction=0) + 1e-5
        )
        plain = part.model_.get_submodule("value")(scaled.unflatten(1, (5, 8)))
    place, width = torch.arange(59, 64).float()[:, None], torch.arange(0, 16, 2)
    wave = place / 10_000 ** (width / 16)
    torch.testing.assert_close((seen[0] - plain)[0, :, 0::2], wave.sin(), atol=1e-4, rtol=0)
    torch.testing.assert_close((seen[0] - plain)[0, :, 1::2], wave.cos(), atol=1e-4, rtol=0)


# --- in a benchmark ---


def test_records_hold_what_was_validated(separable: Any, moment_folder: Path) -> None:
    train = Split(as_cases(separable.X), separable.y)
    test = Split(as_cases(separable.X_test), separable.y_test)
    dataset = Dataset("Waves", train, test, "data-dir", {"Waves_TRAIN.ts": "abc"})
    methods = [baseline("prior"), baseline(f"moment:weights={moment_folder}")]
    cells = [Cell("Waves", method, 0) for method in methods]
    prior, moment = run_cells(cells, lambda *_: dataset, Machine(device="cpu"))
    assert (prior.status, prior.validation_accuracy, prior.total_parameters) == ("ok", None, 3)
    assert moment.validation == "leave-one-out"
    assert moment.validation_accuracy is not None
    assert moment.total_parameters > moment.trainable_parameters
