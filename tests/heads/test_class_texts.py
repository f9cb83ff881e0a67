"""CLIP: a plot is compared with the texts of the classes, zero-shot and few-shot."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.text_scorer import text_scorer
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.heads import Lesson, heads
from tsprompt.heads.tip_adapter import cached_scores

CPU: dict[str, Any] = {"device": "cpu", "dtype": "float32"}
Make = Callable[..., str]
TEXTS = "texts=bada bade|fu|bimi"
PLAIN = f'class-texts:{TEXTS},templates="a {{class}}|{{class}} b"'


def choices(folder: str, **more: Any) -> dict[str, Any]:
    return {**CPU, "backbone": folder, "random_state": 0, **more}


def whole(folder: str) -> Any:
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()


def ids_of(folder: str, text: str) -> torch.Tensor:
    """The ids of a text, between those that begin and end it."""
    from transformers import AutoTokenizer

    own = AutoTokenizer.from_pretrained(folder).encode(text, add_special_tokens=False)
    return torch.tensor([[2, *own, 3]])


def pictures(fitted: PromptClassifier, X: Any) -> torch.Tensor:
    """What the model is shown of cases, in colours from 0 to 1."""
    reader, tokenizer = fitted.reader_, fitted.readings_[0].tokenizer
    prepared = fitted.parts_.preprocessing.transform(Cases(X))
    values = torch.from_numpy(np.stack(list(prepared)))
    return tokenizer.render(values, reader.backbone.picture)


def test_zero_shot_gives_what_clip_gives_for_the_plot_and_the_mean_of_its_templates(
    make_clip: Make, separable: Any
) -> None:
    """softmax of exp(t) times cosines, texts normalised, averaged over templates, normalised."""
    folder = make_clip()
    fitted = PromptClassifier("clip", **choices(folder, head=PLAIN))
    fitted.fit_zero_shot(separable.X, ["calm", "mild", "wild"])
    model = whole(folder)
    pixels = pictures(fitted, separable.X_test) * 2 - 1
    with torch.no_grad():
        seen = model.get_image_features(pixel_values=pixels).pooler_output
        classes = []
        for name in ("bada bade", "fu", "bimi"):
            each = [
                model.get_text_features(input_ids=ids_of(folder, text)).pooler_output[0]
                for text in (f"a {name}", f"{name} b")
            ]
            classes.append(functional.normalize(torch.stack(each), dim=1).mean(dim=0))
        told = functional.normalize(torch.stack(classes), dim=1)
        scores = model.logit_scale.exp() * functional.normalize(seen, dim=1) @ told.T
    expected = scores.double().softmax(dim=1).numpy()
    assert np.ptp(expected, axis=0).max() > 0.01, "all plots look alike"
    np.testing.assert_allclose(fitted.predict_proba(separable.X_test), expected, atol=1e-4)


def test_one_template_is_the_models_own_answer_in_its_own_words(
    make_clip: Make, separable: Any
) -> None:
    folder = make_clip()
    names = ("ab", "cd", "ef")  # of equally many tokens, so that they can be read at once
    head = f'class-texts:texts={"|".join(names)},templates="{{class}}"'
    fitted = PromptClassifier("clip", **choices(folder, head=head)).fit_zero_shot(
        separable.X, ["calm", "mild", "wild"]
    )
    pixels = pictures(fitted, separable.X_test) * 2 - 1
    ids = torch.cat([ids_of(folder, one) for one in names])
    with torch.no_grad():
        said = whole(folder)(input_ids=ids, pixel_values=pixels).logits_per_image
    np.testing.assert_allclose(
        fitted.predict_proba(separable.X_test), said.double().softmax(dim=1).numpy(), atol=1e-4
    )


def test_nothing_is_learned_from_labels(make_clip: Make, separable: Any) -> None:
    chosen = choices(make_clip(), head=PLAIN)
    labelled = PromptClassifier("clip", **chosen).fit(separable.X, separable.y)
    turned = PromptClassifier("clip", **chosen).fit(separable.X, np.roll(separable.y, 1))
    assert labelled.costs_["trainable_parameters"] == 0
    chances = labelled.predict_proba(separable.X_test)
    assert np.array_equal(turned.predict_proba(separable.X_test), chances)


def test_a_class_is_its_name_where_no_text_is_given(make_clip: Make, separable: Any) -> None:
    labels = np.array([{"calm": "fu", "mild": "bimi", "wild": "bada"}[one] for one in separable.y])
    template = {"head": 'class-texts:templates="a {class}"'}
    named = PromptClassifier("clip", **choices(make_clip(), **template)).fit(separable.X, labels)
    texts = "class-texts:texts=bada:bada|bimi:bimi|fu:fu"
    given = PromptClassifier(
        "clip", **choices(make_clip(), head=texts + ',templates="a {class}"')
    ).fit(separable.X, labels)
    chances = named.predict_proba(separable.X_test)
    assert np.array_equal(given.predict_proba(separable.X_test), chances)


# --- few-shot ---


def test_the_cache_is_tip_adapters_formula_by_hand() -> None:
    """f = (1, 0); keys (1, 0) of class 0 and (0, 1) of class 1; beta = 2."""
    image, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    scores = cached_scores(image, keys, torch.eye(2), 2.0)
    torch.testing.assert_close(scores, torch.tensor([[1.0, math.exp(-2)]], dtype=torch.float64))
    own = cached_scores(keys, keys, torch.eye(2), 2.0, (np.arange(2), np.arange(2)))
    torch.testing.assert_close(own, math.exp(-2) * (1 - torch.eye(2)).double())


def test_tip_adapter_adds_the_cache_to_the_texts(make_clip: Make, separable: Any) -> None:
    chosen = choices(make_clip(), head=f"tip-adapter:{TEXTS},alphas=3.0,betas=5.5")
    fitted = PromptClassifier("tip-adapter", **chosen).fit(separable.X, separable.y)
    texts = PromptClassifier("clip", **choices(make_clip(), head=f"class-texts:{TEXTS}")).fit(
        separable.X, separable.y
    )
    (head,) = fitted.parts_.combination.heads_
    images, train = (
        functional.normalize(head.say(torch.from_numpy(fitted.transform(X))), dim=1)
        for X in (separable.X_test, separable.X)
    )
    labels = torch.from_numpy(np.unique(separable.y, return_inverse=True)[1])
    cache = 3 * (-5.5 * (1 - images.double() @ train.double().T)).exp()
    sums = cache @ functional.one_hot(labels, 3).double()
    own = np.log(texts.predict_proba(separable.X_test))
    expected = torch.from_numpy(own) + sums
    np.testing.assert_allclose(
        fitted.predict_proba(separable.X_test), expected.softmax(dim=1).numpy(), atol=1e-4
    )


def test_alpha_and_beta_are_chosen_by_cases_that_leave_themselves_out() -> None:
    """Beside each picture lies one of the other class: only its own key would say the right one."""
    rng = torch.Generator().manual_seed(0)
    places = torch.randn(20, 8, generator=rng).repeat_interleave(2, dim=0)
    features = functional.normalize(places + 0.01 * torch.randn(40, 8, generator=rng), dim=1)
    head = heads.build("tip-adapter:alphas=0.0+32.0,betas=25.0+10000.0")
    head.hear(_Scorer(), ["a", "b"])  # type: ignore[attr-defined]
    head.met_texts = [["a"], ["b"]]  # type: ignore[attr-defined]
    fitted = head.fit(Lesson(features, np.arange(40) % 2, 2, seed=0))
    assert fitted.alpha_ == 0.0  # type: ignore[attr-defined]
    assert fitted.validation_accuracy_ < 0.8
    assert fitted.n_parameters == 2


def test_a_case_under_several_prompts_leaves_out_all_its_keys() -> None:
    """Its twin under the other prompt would say its class, whatever that is."""
    rng = torch.Generator().manual_seed(0)
    places = torch.randn(20, 8, generator=rng).repeat(2, 1)
    features = functional.normalize(places + 0.01 * torch.randn(40, 8, generator=rng), dim=1)
    labels, cases = np.tile(np.arange(20) % 2, 2), np.tile(np.arange(20), 2)

    def accuracy(groups: np.ndarray | None) -> float:
        head = heads.build("tip-adapter:alphas=0.0+32.0,betas=25.0+10000.0")
        head.hear(_Scorer(), ["a", "b"])  # type: ignore[attr-defined]
        head.met_texts = [["a"], ["b"]]  # type: ignore[attr-defined]
        head.fit(Lesson(features, labels, 2, seed=0, groups=groups))
        return float(head.validation_accuracy_)  # type: ignore[attr-defined]

    assert accuracy(None) == 1.0
    assert accuracy(cases) < 0.8


class _Scorer:
    """A scorer that takes states as they are, for two texts."""

    size, weights_hash = 8, "none"
    vectors = torch.eye(2, 8)

    def say(self, states: torch.Tensor) -> torch.Tensor:
        return states

    def scores(self, said: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return said @ self.vectors[ids].T


def test_few_shots_are_learned_from_and_the_model_is_saved(
    make_clip: Make, separable: Any, tmp_path: Path
) -> None:
    for recipe, more in (
        ("tip-adapter", {"head": f"tip-adapter:{TEXTS}"}),
        ("clip", {"head": "ridge"}),
        ("clip", {"head": PLAIN}),
    ):
        fitted = PromptClassifier(recipe, **choices(make_clip(), **more))
        fitted.fit(separable.X, separable.y)
        chances = fitted.predict_proba(separable.X_test)
        if more["head"] != PLAIN:  # what a tower that was never trained says at [CLS] is little
            assert (fitted.predict(separable.X_test) == separable.y_test).mean() >= 0.6
        loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
        assert np.array_equal(loaded.predict_proba(separable.X_test), chances)


def test_a_development_sample_chooses_in_trains_place(make_clip: Make, separable: Any) -> None:
    chosen = choices(make_clip(), head=f"tip-adapter:{TEXTS}")
    fitted = PromptClassifier("tip-adapter", **chosen).fit(
        separable.X, separable.y, development=(separable.X_test, separable.y_test)
    )
    (head,) = fitted.parts_.combination.heads_
    assert head.validation_kind() == "development sample"
    accuracy = fitted.score(separable.X_test, separable.y_test)
    assert head.validation_accuracy_ == pytest.approx(accuracy)


# --- texts that don't fit, and models ---


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("class-texts:texts=fu|bimi", r"for 2 classes, but there are 3"),
        ("class-texts:texts=fu|bimi|xyzzy?", r"can't read the text 'a plot of xyzzy\?'"),
        (
            f"class-texts:texts=fu|bimi|{'bada ' * 30}",
            "has 127 tokens, and .* reads 38 at the most",
        ),
        ('class-texts:templates="a plot"', r"'a plot' has no \{class\}"),
    ],
)
def test_texts_that_do_not_fit_are_refused(
    head: str, message: str, make_clip: Make, separable: Any
) -> None:
    with pytest.raises(ConfigError, match=message):
        PromptClassifier("clip", **choices(make_clip(), head=head)).fit(separable.X, separable.y)


def test_a_model_that_reads_no_texts_is_refused(
    make_family: Make, tiny_bert: str, separable: Any
) -> None:
    with pytest.raises(ConfigError, match=r"reads images alone.*openai/clip-vit-base-patch32"):
        PromptClassifier("clip", **choices(make_family("vit"))).fit(separable.X, separable.y)
    with pytest.raises(ConfigError, match=r"makes images, but the backbone .* reads words"):
        PromptClassifier("clip", **choices(tiny_bert)).fit(separable.X, separable.y)


def test_another_vocabulary_than_the_models_is_refused(tmp_path: Path, make_clip: Make) -> None:
    import json
    import shutil

    folder = Path(shutil.copytree(make_clip(), tmp_path / "clip"))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="not the one that its texts were read with"):
        text_scorer(load_backbone(str(folder), **CPU), [["fu"]])


def test_the_twins_read_texts_with_other_weights(make_clip: Make) -> None:
    folder = make_clip()
    told = {}
    for twin in ("", "random:", "shuffled:", "none:"):
        backbone = load_backbone(twin + folder, **CPU)
        scorer = text_scorer(backbone, [["fu"], ["bimi"]])
        told[twin] = scorer.vectors
        again = pickle.loads(pickle.dumps(scorer))
        assert again.weights_hash == scorer.weights_hash
        assert torch.equal(again.vectors, scorer.vectors)
    assert torch.equal(told[""], told["none:"])
    assert not torch.allclose(told[""], told["random:"], atol=1e-3)
    assert not torch.allclose(told[""], told["shuffled:"], atol=1e-3)
