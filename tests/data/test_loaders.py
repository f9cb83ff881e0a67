"""Data sets and loaders of PyTorch, as users have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from tsprompt import PromptClassifier
from tsprompt.data import as_cases
from tsprompt.data.loaders import is_loader, load_all
from tsprompt.errors import InputError
from tsprompt.model.training_data import TrainingData

X = np.random.default_rng(0).normal(size=(7, 5, 2)).astype(np.float32)
Y = np.array([0, 1, 0, 1, 1, 0, 1])
BOTH = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
ALONE = TensorDataset(torch.from_numpy(X))


class Words(Dataset[Any]):
    """Arrays with words for labels; it ends by its length alone."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, number: int) -> tuple[np.ndarray, str]:
        return X[number], "ab"[Y[number]]


class Stream(IterableDataset[Any]):
    """Cases that come one after the other."""

    def __iter__(self) -> Any:
        return iter(zip(torch.from_numpy(X), Y.tolist(), strict=True))


def ragged(items: list[Any]) -> Any:
    return [values[: 3 + i] for i, (values, _) in enumerate(items)], [y for _, y in items]


def values_alone(items: list[Any]) -> Any:
    return [values for values, _ in items]


@pytest.mark.parametrize(
    "given",
    [BOTH, Words(), Stream(), DataLoader(BOTH, 3), DataLoader(Words(), 2), DataLoader(Stream(), 4)],
)
def test_pairs_are_cases_and_labels(given: Any) -> None:
    assert is_loader(given)
    cases, labels = load_all(given)
    np.testing.assert_array_equal(np.stack(list(as_cases(cases))), X)
    assert labels is not None
    assert ["ab".index(one) if isinstance(one, str) else one for one in labels] == Y.tolist()
    np.testing.assert_array_equal(np.stack(list(as_cases(given))), X)
    assert TrainingData.of(given, None).labels.tolist() == Y.tolist()


@pytest.mark.parametrize(
    "given",
    [
        ALONE,
        DataLoader(ALONE, 3),
        DataLoader(torch.from_numpy(X), 3),  # type: ignore[arg-type]
        DataLoader(BOTH, 3, collate_fn=values_alone),
        DataLoader(BOTH, 1, collate_fn=values_alone),
    ],
)
def test_cases_may_come_alone(given: Any) -> None:
    cases, labels = load_all(given)
    np.testing.assert_array_equal(np.stack(list(as_cases(cases))), X)
    assert labels is None
    assert TrainingData.of(given, Y).labels.tolist() == Y.tolist()
    with pytest.raises(InputError, match="X brings no labels; give them as y"):
        TrainingData.of(given, None)


@pytest.mark.parametrize("form", [tuple, list])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_collate_function_may_give_series_of_many_lengths(size: int, form: Any) -> None:
    made = DataLoader(BOTH, size, collate_fn=lambda items: form(ragged(items)))
    cases, labels = load_all(made)
    assert [len(one) for one in cases] == [min(5, 3 + i % size) for i in range(7)]
    assert labels == Y.tolist()


def test_channels_may_come_first() -> None:
    turned = DataLoader(TensorDataset(torch.from_numpy(X.transpose(0, 2, 1).copy())), 3)
    np.testing.assert_array_equal(np.stack(list(as_cases(turned, axes="BFT"))), X)


@pytest.mark.parametrize(
    ("collate", "words"),
    [
        (lambda items: {"x": items[0][0]}, "item 0 of X is a dict of 1; it must be a tensor"),
        (lambda items: (items[0][0], 1, 2), "item 0 of X is a tuple of 3"),
        (lambda items: (torch.zeros(3, 5, 2), [1]), "has 3 cases and 1 labels"),
        (lambda items: "text", "item 0 of X is a str"),
    ],
)
def test_what_is_no_batch_is_refused(collate: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_cases(DataLoader(BOTH, 3, collate_fn=collate))


def test_labels_are_given_once() -> None:
    with pytest.raises(InputError, match="X brings its own labels; leave y out"):
        TrainingData.of(BOTH, Y)


def test_a_classifier_takes_loaders(separable: Any, tiny: dict[str, Any]) -> None:
    numbers = np.unique(separable.y, return_inverse=True)[1]
    train = TensorDataset(torch.from_numpy(separable.X), torch.from_numpy(numbers))
    fitted = PromptClassifier("fast", **tiny).fit(DataLoader(train, 5))
    expected = PromptClassifier("fast", **tiny).fit(separable.X, numbers)
    test = DataLoader(TensorDataset(torch.from_numpy(separable.X_test)), 4)
    np.testing.assert_array_equal(
        fitted.predict_proba(test), expected.predict_proba(separable.X_test)
    )
