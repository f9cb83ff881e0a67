"""What holds for every registered baseline.

A new baseline is tested here without an edit. Those whose extra is not installed are skipped;
those that need pretrained weights read random ones, or tiny ones from a folder.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick_baselines import each, made

from tsprompt.baselines import baselines
from tsprompt.errors import ConfigError, InputError

pytestmark = pytest.mark.slow


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
