"""What the original recipes read at once depends on the data: a whole row of bins, or each step's
row of features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.model.description import described
from tsprompt.model.header import read_whole
from tsprompt.model.layout import layout
from tsprompt.recipes import RECIPES

ORIGINALS = [name for name in RECIPES if name.startswith("original")]
QUICK = {
    "original": "search:draws=1",
    "original-gru": "none",
    "original-gru-st": "none",
    "original-surrogate": "side-network:epochs=1",
    "original-surrogate-replay": "surrogate:explore=1,epochs=1,surrogate_steps=1",
}


def fit(X: Any, y: Any, tiny: dict[str, Any], **choices: Any) -> PromptClassifier:
    options = {"tokenizer": "bins:words=index", "head": "mlp:epochs=1", **tiny, **choices}
    recipe = options.pop("recipe", "original")
    return PromptClassifier(recipe, **{"tuner": QUICK[recipe], **options}).fit(X, y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tsprompt.TspromptNotice")
@pytest.mark.parametrize("recipe", ORIGINALS)
def test_the_whole_row_of_bins_of_one_feature_is_one_input_with_one_mask_vector(
    recipe: str, tiny: dict[str, Any], separable: Any
) -> None:
    model = fit(separable.X[:, :, :1], separable.y, tiny, recipe=recipe)
    sizes = layout(model.fitted_)
    assert model.parts_.scope == sizes.scope == "series"
    assert sizes.positions == 3 + 16 + 20, "[CLS], [MASK], [SEP], the prompt, all 20 timesteps"
    assert sizes.features == 32, "one mask vector"


def test_of_several_features_each_timesteps_row_is_an_input(
    tiny: dict[str, Any], separable: Any
) -> None:
    model = fit(separable.X, separable.y, tiny)
    sizes = layout(model.fitted_)
    assert model.parts_.scope == sizes.scope == "step"
    assert sizes.positions == 3 + 16 + 2, "a token for each of the two features"
    assert sizes.prompt_tokens == 16, "the same prompt for all timesteps"
    assert sizes.features == 20 * 32, "a mask vector for each timestep"


def test_an_autoencoder_leaves_one_feature_and_so_one_input(
    tiny: dict[str, Any], separable: Any
) -> None:
    strategy = "autoencoder:epochs=1,latent=8"
    model = fit(separable.X, separable.y, tiny, strategy=strategy)
    sizes = layout(model.fitted_)
    assert (sizes.scope, sizes.features) == ("series", 32)
    assert sizes.positions == 3 + 16 + 8


def test_series_of_one_feature_keep_their_lengths(tiny: dict[str, Any], ragged: Any) -> None:
    model = fit([one[:, :1] for one in ragged.X], ragged.y, tiny)
    assert model.parts_.preprocessing.length is None


def test_the_scope_is_settled_by_each_fit_shown_and_saved(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    model = fit(separable.X, separable.y, tiny)
    assert model.parts_.specs()["scope"] == "step"
    model.fit(separable.X[:, :, :1], separable.y)
    assert model.parts_.specs()["scope"] == "series", "the estimator's own choice is still open"
    folder = model.save(tmp_path / "model")
    shown = described(folder, read_whole(folder))
    assert shown is not None
    assert shown.layout.scope == shown.settings["scope"] == "series"
    loaded = PromptClassifier.load(folder, device="cpu")
    test = separable.X_test[:, :, :1]
    np.testing.assert_array_equal(loaded.predict_proba(test), model.predict_proba(test))


def test_what_has_no_meaning_with_the_settled_scope_is_refused(
    tiny: dict[str, Any], separable: Any
) -> None:
    choices = {**tiny, "scope": "auto", "context": "demonstrations", "tokenizer": "kernels:steps=5"}
    PromptClassifier(**choices).fit(separable.X[:, :, :1], separable.y)
    with pytest.raises(ConfigError, match='no meaning with scope="step"'):
        PromptClassifier(**choices).fit(separable.X, separable.y)


def test_every_recipe_of_them_says_its_mechanism_and_where_it_departs() -> None:
    for name in ORIGINALS:
        recipe = RECIPES[name]
        assert recipe.settings.scope == "auto"
        assert recipe.mechanism
        assert not recipe.mechanism.endswith(".")
        assert all("because" in one for one in recipe.departures)
        assert not any(one.endswith(".") for one in recipe.departures)
