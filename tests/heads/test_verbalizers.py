"""Heads that read the mask as words: whose words, whose scores, and what each method does."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.errors import BackboneError, ConfigError
from tsprompt.heads import Head, heads
from tsprompt.heads.auto_words import AutoWords
from tsprompt.heads.knowledge import Knowledge, expand
from tsprompt.heads.label_words import LabelWords
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.prototype import Prototype, contrast
from tsprompt.heads.soft_words_head import SoftWords
from tsprompt.heads.verbalizer import words_of_classes

WORD_HEADS = ("label-words", "knowledge", "auto-words", "soft-words-head", "prototype")
VERBALIZERS = ("label-words", "knowledge", "auto-words")


@pytest.fixture(scope="session")
def speaking(tiny_mlm: str) -> Any:
    """A tiny BERT that has its head for masked words, in float32 on the CPU."""
    return load_backbone(tiny_mlm, device="cpu", dtype="float32")


@pytest.fixture
def talking(tiny: dict[str, Any], tiny_mlm: str) -> dict[str, Any]:
    """Keyword arguments of a PromptClassifier whose model has its head for masked words."""
    return {**tiny, "backbone": tiny_mlm}


def met(head: Head, backbone: Any, classes: tuple[str, ...] = ("3", "7")) -> Any:
    head.meet(backbone, classes=list(classes))
    return head


def id_of(backbone: Any, word: str) -> int:
    number = backbone.words.id(word)
    assert number is not None
    return number


def towards(backbone: Any, words: list[str], count: int = 40, noise: float = 0.3) -> Any:
    """States (B, D) in which the tied scorer hears, class by class, one of these words."""
    labels = np.arange(count) % len(words)
    rng = np.random.default_rng(0)
    vectors = backbone.word_vectors[[id_of(backbone, word) for word in words]]
    spread = float(vectors.std())
    noises = torch.from_numpy(rng.standard_normal((count, vectors.shape[1])).astype(np.float32))
    return vectors[labels] + noise * spread * noises, labels


# --- the scorer ---


def masked(folder: str) -> tuple[Tensor, Tensor, Any]:
    """The states at a mask, and what transformers' own model says there."""
    from transformers import AutoModelForMaskedLM

    backbone = load_backbone(folder, device="cpu", dtype="float32")
    words = backbone.words
    ids = torch.tensor([[words.cls, words.plain[3], words.mask, words.plain[8], words.sep]])
    states = backbone.run(backbone.embed(ids), (backbone.layers,))[0][:, 2]
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    with torch.no_grad():
        return states, model(input_ids=ids).logits[:, 2], backbone


@pytest.mark.parametrize(
    "kind", ["Bert", "Roberta", "DistilBert", "MPNet", "Electra", "Bert untied"]
)
def test_the_word_scorer_is_the_head_of_the_masked_language_model(
    kind: str, make_mlm: Callable[..., str]
) -> None:
    family, _, untied = kind.partition(" ")
    states, expected, backbone = masked(make_mlm(family, tie_word_embeddings=not untied))
    scorer = word_scorer(backbone, "model")
    torch.testing.assert_close(scorer.scores(scorer.say(states)), expected, atol=1e-5, rtol=1e-5)
    some = torch.tensor([5, 90, 7])
    torch.testing.assert_close(
        scorer.scores(scorer.say(states), some), expected[:, some], atol=1e-5, rtol=1e-5
    )


def test_the_bias_and_the_transform_are_the_files(make_mlm: Callable[..., str]) -> None:
    """Weights that differ from a fresh head's: nothing is quietly drawn anew."""
    one, other = (
        word_scorer(load_backbone(make_mlm("Bert", seed=seed), device="cpu"), "model")
        for seed in (0, 1)
    )
    assert one.weights_hash != other.weights_hash
    assert one.bias.abs().sum() > 0


def test_a_model_without_a_head_is_refused_and_tied_is_offered_by_name(backbone: Any) -> None:
    with pytest.raises(ConfigError, match=r"cls\.predictions.*scores=tied"):
        word_scorer(backbone, "model")
    states = torch.randn(3, backbone.hidden_size)
    scorer = word_scorer(backbone, "tied")
    torch.testing.assert_close(scorer.scores(scorer.say(states)), states @ backbone.word_vectors.T)


@pytest.mark.parametrize("head", [name for name in WORD_HEADS if name != "prototype"])
def test_a_head_that_needs_the_models_scores_refuses_a_model_without(
    head: str, tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier(**tiny, readout="mask", head=head)
    with pytest.raises(ConfigError, match="scores=tied"):
        model.fit(separable.X, separable.y)


def test_tied_and_model_scores_differ(speaking: Any) -> None:
    states = torch.randn(4, speaking.hidden_size)
    own, tied = (word_scorer(speaking, kind) for kind in ("model", "tied"))
    assert not torch.allclose(own.scores(own.say(states)), tied.scores(tied.say(states)), atol=0.1)


def test_tied_is_refused_where_states_and_embeddings_differ_in_size(
    make_mlm: Callable[..., str],
) -> None:
    folder = make_mlm("Electra", embedding_size=16)
    with pytest.raises(ConfigError, match="have 32 entries and its word embeddings 16"):
        word_scorer(load_backbone(folder, device="cpu", dtype="float32"), "tied")


def test_gradients_flow_through_the_word_scorer_and_leave_it_as_it_is(speaking: Any) -> None:
    scorer = word_scorer(speaking, "model")
    before = fingerprint(scorer.transform)
    states = torch.randn(2, speaking.hidden_size, requires_grad=True)
    scorer.scores(scorer.say(states)).square().sum().backward()
    assert states.grad is not None
    assert states.grad.abs().sum() > 0
    assert not any(one.requires_grad for one in scorer.transform.parameters())
    assert fingerprint(scorer.transform) == before


def test_twins_treat_the_word_scorer_as_the_other_weights(tiny_mlm: str) -> None:
    def scorer(twin: str, seed: int = 0) -> Any:
        return word_scorer(load_backbone(twin + tiny_mlm, None, seed, "cpu", "float32"), "model")

    own, shuffled, none = scorer(""), scorer("shuffled:"), scorer("none:")
    assert none.weights_hash == own.weights_hash
    assert len({scorer("random:", seed).weights_hash for seed in (0, 1)} | {own.weights_hash}) == 3
    dense = [
        next(one for key, one in part.transform.named_parameters() if key.endswith("dense.weight"))
        for part in (own, shuffled)
    ]
    assert not dense[0].equal(dense[1])
    assert dense[0].flatten().sort().values.equal(dense[1].flatten().sort().values)
    # Tied decoders are the twin's own embeddings.
    assert shuffled.vectors is shuffled.backbone.word_vectors


def test_a_twin_of_a_model_without_a_head_has_none(tiny_bert: str) -> None:
    with pytest.raises(ConfigError, match="no head that gives scores to words"):
        word_scorer(load_backbone(f"random:{tiny_bert}", device="cpu"), "model")


def test_a_copy_of_a_word_scorer_loads_instead_of_carrying_weights(speaking: Any) -> None:
    scorer = word_scorer(speaking, "model")
    again = pickle.loads(pickle.dumps(scorer))
    assert again.weights_hash == scorer.weights_hash
    assert len(pickle.dumps(scorer)) < 2_000
    assert copy.deepcopy(scorer).vectors.equal(scorer.vectors)


# --- whose words ---


def test_words_are_the_classes_names_numbers_or_first_pieces(backbone: Any) -> None:
    words = backbone.words
    plain = words.word(words.plain[40])
    ids = words_of_classes(None, ["3", plain, "calm"], words, "x")
    assert [words.word(own[0]) for own in ids] == ["3", plain, "c"]


def test_words_may_be_given_in_order_or_by_name(backbone: Any) -> None:
    classes = ["calm", "wild"]
    words = backbone.words
    given = words_of_classes("3/4|7", classes, words, "x")
    assert [[words.word(one) for one in own] for own in given] == [["3", "4"], ["7"]]
    assert words_of_classes("wild:7|calm:3/4", classes, words, "x") == given
    for same in ({"wild": 7, "calm": ["3", 4]}, [["3", "4"], "7"]):
        assert words_of_classes(LabelWords(words=same).words, classes, words, "x") == given  # type: ignore[arg-type]
    spec = heads.build("label-words:words=wild:7|calm:3/4")
    assert heads.build(spec.spec()) == spec


@pytest.mark.parametrize(
    ("words", "classes", "why"),
    [
        ("3", ["calm", "wild"], "for 1 class, but there are 2: calm, wild"),
        ("calm:3|mild:4", ["calm", "wild"], "classes that there are not: mild"),
        ("calm:3", ["calm", "wild"], "none for the classes wild"),
        ("3|nonsense", ["calm", "wild"], "'nonsense' is no word of the model's vocabulary"),
        ("3|3", ["calm", "wild"], "'3' would stand for the classes calm and wild"),
        ("3|/", ["calm", "wild"], "leave a class without a word"),
        (None, ["☃", "☂"], "'☃', '☂' are no words.*words=one"),
        (None, ["class 1", "class 2"], "'c' would stand for the classes class 1 and class 2"),
    ],
)
def test_what_is_no_word_is_said(
    words: str | None, classes: list[str], why: str, backbone: Any
) -> None:
    with pytest.raises(ConfigError, match=why):
        words_of_classes(words, classes, backbone.words, "label-words")


# --- label-words ---


def test_words_given_by_the_user_decide(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"])
    options = {"scores": "tied", "fitted": False, "calibrate": False}
    right = met(LabelWords(words="3|7", **options), backbone).fit(Lesson(features, labels, 2, 0))
    wrong = met(LabelWords(words="7|3", **options), backbone).fit(Lesson(features, labels, 2, 0))
    assert right.validation_accuracy_ == 1.0
    assert wrong.validation_accuracy_ == 0.0
    np.testing.assert_allclose(
        right.probabilities(features), wrong.probabilities(features)[:, ::-1]
    )


def test_without_fitting_it_is_the_softmax_of_the_words_scores(speaking: Any) -> None:
    features = torch.randn(10, speaking.hidden_size)
    head = met(LabelWords(words="3/4|7", fitted=False, calibrate=False), speaking)
    head.fit(Lesson(features, np.arange(10) % 2, 2, 0))
    scorer = word_scorer(speaking, "model")
    three, four, seven = (id_of(speaking, word) for word in "347")
    scores = scorer.scores(scorer.say(features)).double()
    classes = torch.stack([scores[:, [three, four]].mean(dim=1), scores[:, seven]], dim=1)
    np.testing.assert_allclose(
        head.probabilities(features), classes.softmax(dim=1).numpy(), atol=1e-5
    )
    assert head.n_parameters == 0
    assert head.validation_kind() == "train, from which nothing was learned"


def test_calibration_evens_a_planted_prior(backbone: Any) -> None:
    """All cases prefer the second class's word: by itself it would always win."""
    features, labels = towards(backbone, ["3", "7"], noise=0.1)
    features = features + 30 * backbone.word_vectors[id_of(backbone, "7")]
    options = {"words": "3|7", "scores": "tied", "fitted": False}
    plain = met(LabelWords(**options, calibrate=False), backbone).fit(
        Lesson(features, labels, 2, 0)
    )
    even = met(LabelWords(**options, calibrate=True), backbone).fit(Lesson(features, labels, 2, 0))
    assert plain.validation_accuracy_ == 0.5
    assert even.validation_accuracy_ == 1.0


def test_a_fitted_temperature_never_lets_a_word_speak_against_its_class(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"])
    head = met(LabelWords(words="7|3", scores="tied"), backbone).fit(Lesson(features, labels, 2, 0))
    assert (head.scale_ > 0).all()
    assert head.validation_accuracy_ < 0.6
    right = met(LabelWords(words="3|7", scores="tied"), backbone).fit(
        Lesson(features, labels, 2, 0)
    )
    assert right.validation_loss_ < 0.2 < head.validation_loss_


@pytest.mark.parametrize("name", VERBALIZERS)
def test_validation_is_no_better_than_chance_on_noise(name: str, backbone: Any) -> None:
    """Words and weights are chosen anew in each fold: cases don't judge what they have chosen."""
    rng = np.random.default_rng(4)
    features = torch.from_numpy(rng.standard_normal((60, backbone.hidden_size), dtype=np.float32))
    head = met(heads.create(name, {"scores": "tied"}), backbone)
    head.fit(Lesson(features, rng.permutation(np.arange(60) % 2), 2, 0))
    assert head.validation_accuracy_ < 0.68
    assert head.validation_loss_ > 0.55
    assert head.validation_kind() == "10-fold cross-validation"


def test_an_encoder_decoder_has_no_head_that_fills_masks(
    make_family: Callable[..., str], tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "backbone": make_family("bart"), "readout": "mask"}
    with pytest.raises(ConfigError, match=r"none that fills masks.* use scores=tied"):
        PromptClassifier(**options, head="auto-words").fit(separable.X, separable.y)


@pytest.mark.parametrize("name", VERBALIZERS)
def test_one_case_of_a_class_is_enough(name: str, backbone: Any) -> None:
    """Without one of them its class is unknown: a development sample judges, or nobody."""
    features, labels = towards(backbone, ["3", "7"], count=2)
    head = met(heads.create(name, {"scores": "tied"}), backbone).fit(Lesson(features, labels, 2, 0))
    assert np.isfinite(head.probabilities(features)).all()
    assert np.isnan(head.validation_loss_)
    assert "one case of each class" in head.validation_kind()

    others, truth = towards(backbone, ["3", "7"], count=20, noise=3.0)
    head.fit(Lesson(features, labels, 2, 0, development=(others, truth)))
    guessed = head.probabilities(others).argmax(axis=1)
    assert head.validation_accuracy_ == (guessed == truth).mean()
    assert head.validation_kind() == "development sample"


@pytest.mark.parametrize("name", VERBALIZERS)
def test_paraphrases_of_a_case_are_judged_without_it(name: str, backbone: Any) -> None:
    """Noise, each case four times over: words learned from its twins would know it."""
    features, _ = towards(backbone, ["3", "7"], count=30, noise=100.0)
    labels = np.random.default_rng(5).permutation(np.arange(30) % 2)
    rows = np.repeat(np.arange(30), 4)
    judged = []
    for groups in (None, rows):
        head = met(heads.create(name, {"scores": "tied"}), backbone)
        head.fit(Lesson(features[rows], labels[rows], 2, 0, groups=groups))
        judged.append(head.validation_loss_)
    assert judged[1] > judged[0]
    assert judged[1] > 0.6


def test_several_vectors_are_heard_as_the_mean_of_their_scores(speaking: Any) -> None:
    one, other = torch.randn(2, 12, speaking.hidden_size)
    scorer = word_scorer(speaking, "model")
    head = met(LabelWords(), speaking)
    both = scorer.scores(head.say(torch.cat([one, other], dim=1)))
    each = [scorer.scores(scorer.say(states)) for states in (one, other)]
    torch.testing.assert_close(both, (each[0] + each[1]) / 2, atol=1e-5, rtol=1e-5)


def test_features_that_are_no_states_are_refused(backbone: Any) -> None:
    for head in (LabelWords(scores="tied"), Prototype()):
        with pytest.raises(ConfigError, match="33 features"):
            met(head, backbone).fit(Lesson(torch.randn(8, 33), np.arange(8) % 2, 2, 0))


def test_tasks_without_names_are_refused(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7", "9"])
    with pytest.raises(ConfigError, match="classes of its own"):
        met(LabelWords(scores="tied"), backbone).fit(Lesson(features, labels, 3, 0))


# --- knowledge ---


def test_words_are_expanded_by_their_nearest_and_go_to_one_class() -> None:
    vectors = torch.tensor([[1.0, 0], [0, 1], [1, 0.1], [0.1, 1], [1, 0.4], [0.7, 0.6], [-1, -0.5]])
    assert expand([[0], [1]], vectors, range(7), 2) == [[0, 2, 4], [1, 3, 6]]
    assert expand([[0], [1]], vectors, range(7), 0) == [[0], [1]]


def test_weights_of_words_are_learned(backbone: Any) -> None:
    """Of two words of a class one tells it, one is noise: the first gets the larger share."""
    features, labels = towards(backbone, ["3", "7"], noise=0.5)
    head = met(
        Knowledge(words="3/150|7/151", scores="tied", neighbours=0, keep=1.0, denoise=False),
        backbone,
    ).fit(Lesson(features, labels, 2, 0))
    shares = head.weights_.reshape(2, 2)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert (shares[:, 0] > shares[:, 1]).all()


def test_words_that_the_model_never_expects_go(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"])
    kept = {}
    for share in (1.0, 0.3):
        head = met(Knowledge(scores="tied", keep=share, denoise=False), backbone)
        kept[share] = sum(map(len, head.fit(Lesson(features, labels, 2, 0)).ids_))
    assert kept[1.0] == 42
    assert 10 < kept[0.3] < 17


# --- auto-words ---


@pytest.mark.parametrize("choice", ["classifier", "likelihood"])
def test_planted_words_are_found(choice: str, backbone: Any) -> None:
    plain = [backbone.words.word(backbone.words.plain[k]) for k in (31, 77, 120)]
    features, labels = towards(backbone, plain, count=60, noise=0.2)
    head = met(AutoWords(scores="tied", words=2, choice=choice), backbone, ("a", "b", "c"))
    head.fit(Lesson(3 * features, labels, 3, 0))
    assert all(word in own for word, own in zip(plain, head.words_, strict=True))
    assert head.validation_accuracy_ > 0.95
    assert len({one for own in head.ids_ for one in own}) == 6


def test_more_words_than_there_are_are_refused(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"])
    with pytest.raises(ConfigError, match="too few for 2 classes of 900"):
        met(AutoWords(scores="tied", words=900), backbone).fit(Lesson(features, labels, 2, 0))


# --- soft-words-head ---


def test_label_vectors_learn_what_words_do_not_say(backbone: Any) -> None:
    """The classes' names are swapped: as words they are all wrong, as vectors they learn."""
    features, labels = towards(backbone, ["7", "3"])
    untrained = met(SoftWords(scores="tied", epochs=1), backbone).fit(
        Lesson(features, labels, 2, 0)
    )
    trained = met(SoftWords(scores="tied"), backbone).fit(Lesson(features, labels, 2, 0))
    assert untrained.validation_accuracy_ < 0.2
    assert trained.validation_accuracy_ > 0.9
    assert trained.epochs_run_ > 5


def test_label_vectors_start_from_words_where_there_are_any(backbone: Any) -> None:
    said = torch.randn(9, backbone.hidden_size)
    head = met(SoftWords(scores="tied"), backbone)
    start = head.module(said, 2).learned()[0]
    expected = backbone.word_vectors[[id_of(backbone, "3"), id_of(backbone, "7")]]
    torch.testing.assert_close(start, expected)
    nameless = met(SoftWords(scores="tied"), backbone, ("☃", "☂"))
    assert nameless.met_ids == []
    with pytest.raises(ConfigError, match="no word"):
        met(SoftWords(scores="tied", words="☃|7"), backbone)


# --- prototype ---


def test_contrast_is_least_where_classes_are_apart() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.where(labels[:, None] == labels, 1.0, -1.0)
    assert contrast(apart, labels) < contrast(torch.zeros(4, 4), labels) < contrast(-apart, labels)
    expected = -torch.tensor([1.0, -1.0, -1.0]).log_softmax(dim=0)[0]
    torch.testing.assert_close(contrast(apart, labels), expected)
    assert contrast(torch.eye(2), torch.tensor([0, 1])) == 0


def test_cases_are_pulled_to_their_kind_and_to_their_prototype(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"], noise=1.5, count=60)
    truth = torch.from_numpy(labels)
    same = (truth[:, None] == truth) & ~torch.eye(60, dtype=torch.bool)

    def figures(epochs: int) -> tuple[float, float]:
        head = met(Prototype(), backbone)
        torch.manual_seed(0)
        model = head.module(features, labels, 2)
        optimiser = torch.optim.NAdam(model.parameters(), lr=3e-3)
        vectors = features[:, None]
        for _ in range(epochs):
            optimiser.zero_grad()
            model.loss(vectors, truth).backward()
            optimiser.step()
        with torch.no_grad():
            mapped = model.map(vectors)[:, 0]
            alike = mapped @ mapped.T
            apart = float(alike[same].mean() - alike[truth[:, None] != truth].mean())
            own = model(vectors) * model.temperature
            return apart, float((own[range(60), labels] - own[range(60), 1 - labels]).mean())

    before, after = figures(0), figures(60)
    assert after[0] > before[0] + 0.3
    assert after[1] > before[1] + 0.3


def test_prototypes_predict_by_cosine(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"], noise=1.0)
    head = met(Prototype(), backbone).fit(Lesson(features, labels, 2, 0))
    assert head.validation_accuracy_ > 0.8
    weights = head.weights_
    mapped = (features - weights["mean"]) / weights["unit"] @ weights["project.weight"].T
    cosines = torch.nn.functional.cosine_similarity(
        mapped[:, None], weights["prototypes"][None], dim=2
    )
    expected = (cosines / head.temperature).softmax(dim=1)
    np.testing.assert_allclose(head.probabilities(features), expected.numpy(), atol=1e-5)


# --- all of them ---


@pytest.mark.parametrize("name", WORD_HEADS)
@pytest.mark.parametrize("choices", [{}, {"scope": "step", "tokenizer": "bins"}, {"n_prompts": 2}])
def test_a_saved_model_says_the_same(
    name: str, choices: dict[str, Any], talking: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    """With the model's own head; in the three cases that give one vector or several."""
    fitted = PromptClassifier(**{**talking, **choices}, readout="mask", head=name).fit(
        separable.X, separable.y
    )
    chances = fitted.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    assert np.isfinite(fitted.scores_["validation_loss"])


def test_another_head_for_words_is_refused(talking: dict[str, Any], separable: Any) -> None:
    head = (
        PromptClassifier(**talking, readout="mask", head="label-words")
        .fit(separable.X, separable.y)
        .parts_.combination.heads_[0]
    )
    with pytest.raises(BackboneError, match="not the one that the model was fitted with"):
        head.restore({**head.state(), "voice_hash_": "another"})


@pytest.mark.parametrize("name", WORD_HEADS)
def test_the_coach_gives_the_heads_own_scores_with_a_gradient(name: str, backbone: Any) -> None:
    """A prompt is trained through the words: what the coach prefers, the head does."""
    features, labels = towards(backbone, ["3", "7"], count=60)
    known = {"scores": "tied"} if name != "prototype" else {}
    head = met(heads.create(name, known), backbone)
    torch.manual_seed(0)
    coach = head.coach(Lesson(features, labels, 2, 0), 16)
    asked = features.clone().requires_grad_(True)
    scores = coach(asked)
    assert scores.shape == (60, 2)
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    assert asked.grad is not None
    assert asked.grad.abs().sum() > 0
    assert (scores.argmax(dim=1).numpy() == labels).mean() > 0.9


def test_a_head_that_reads_words_needs_the_mask(tiny: dict[str, Any], separable: Any) -> None:
    for name in WORD_HEADS:
        with pytest.raises(ConfigError, match='needs readout="mask"'):
            PromptClassifier(**tiny, readout="pooled", head=name).fit(separable.X, separable.y)
