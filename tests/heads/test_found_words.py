"""Words that are found: by knowledge, by train, or as vectors; and prototypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from words_at_the_mask import id_of, met, towards

from tsprompt.errors import ConfigError
from tsprompt.heads.auto_words import AutoWords
from tsprompt.heads.knowledge import Knowledge, expand
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.prototype import Prototype, contrast
from tsprompt.heads.soft_words_head import SoftWords
from tsprompt.heads.subset import Subset

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
        model = head.module(Subset(features, truth, torch.arange(60)), 2)
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
