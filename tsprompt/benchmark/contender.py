"""What a benchmark asks of whatever takes part in it: a model of tsprompt, or a baseline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from tsprompt.baselines import Baseline
from tsprompt.data import Dataset
from tsprompt.errors import ConfigError, InputError, ModelFileError, Setting, notice

if TYPE_CHECKING:
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.spread import Spread

__all__ = ["BaselineContender", "Contender", "ModelContender", "contender_of"]


class Contender(ABC):
    """Fits a classifier on a data set, and says for the record what came of it."""

    @abstractmethod
    def fit(self, dataset: Dataset) -> None:
        """Learn from train, and from what few shots have left of it, where that is of use.

        Raises
        ------
        TspromptError
            It can't.
        """

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """Fields of the record that are known after the fit."""

    def tokens(self) -> dict[str, Any]:
        """Fields of the record on what a language model has read by now, also of test."""
        return {}

    def saved_bytes(self) -> int | None:
        """What the fitted classifier takes on disk; None where it can't be saved. To be asked last:
        a saved model is tried out on a case."""
        return None


@dataclass
class BaselineContender(Contender):
    """A baseline learns from labelled train cases alone."""

    classifier: Baseline

    def fit(self, dataset: Dataset) -> None:
        """Learn from train."""
        if not len(dataset.train):
            raise ConfigError("a baseline needs training cases; give 1 shot or more")
        self.classifier.fit(dataset.train.cases, dataset.train.labels)

    def figures(self) -> dict[str, Any]:
        """Its validation, size and options."""
        accuracy, kind = self.classifier.validation or (None, None)
        return {
            "validation_accuracy": accuracy,
            "validation": kind,
            "trainable_parameters": self.classifier.n_parameters,
            "total_parameters": self.classifier.total_parameters,
            "options": {"baseline": self.classifier.spec(full=True)},
        }


@dataclass
class ModelContender(Contender):
    """A model of tsprompt learns from what few shots leave, too; or from no labelled case."""

    classifier: PromptClassifier
    workers: Spread | None = None
    """Who reads the cases, if not this process."""

    def fit(self, dataset: Dataset) -> None:
        """Learn from train, the development sample and the unlabelled cases."""
        train, development = dataset.train, dataset.development
        if len(train):
            extra = None if development is None else (development.cases, development.labels)
            free = dataset.unlabelled if self.classifier.uses_unlabelled else None
            self.classifier.fit(
                train.cases,
                train.labels,
                unlabelled=free,
                development=extra,
                workers=self.workers,
            )
            return
        if self.workers is not None:
            raise ConfigError(
                "a fit on workers learns from labelled cases; leave out ", Setting("shots")
            )
        if dataset.unlabelled is None:
            raise InputError(f"{dataset.name} has no case of train to learn the scales from")
        self.classifier.fit_zero_shot(dataset.unlabelled, np.array(dataset.classes))

    def figures(self) -> dict[str, Any]:
        """Its scores on train, its parts with all options, and what it cost."""
        fitted = self.classifier.fitted_
        backbone, costs = fitted.reader.backbone, fitted.costs
        return {
            "train_accuracy": _known(fitted.scores["train_accuracy"]),
            "validation_accuracy": _known(fitted.scores["validation_accuracy"]),
            "validation": fitted.design.validation_kind(),
            "report": dict(fitted.report),
            "options": fitted.design.specs(full=True),
            "fit_tokens": costs["lm_tokens"],
            "trainable_parameters": costs["trainable_parameters"],
            "total_parameters": costs["total_parameters"],
            "backbone": backbone.name,
            "weights_hash": backbone.weights_hash,
            "device": str(backbone.device),
            "dtype": str(backbone.dtype).removeprefix("torch."),
        }

    def tokens(self) -> dict[str, Any]:
        """Tokens of prediction, and seconds of both."""
        reader, costs = self.classifier.fitted_.reader, self.classifier.fitted_.costs
        return {
            "predict_tokens": reader.tokens_run - costs["lm_tokens"],
            "lm_seconds": reader.seconds,
        }

    def saved_bytes(self) -> int | None:
        """All files of the saved model."""
        try:
            with TemporaryDirectory(prefix="tsprompt-") as folder:
                saved = self.classifier.save(Path(folder) / "model")
                return sum(one.stat().st_size for one in saved.rglob("*") if one.is_file())
        except (OSError, ModelFileError) as error:
            notice(f"what the model takes on disk is not known: it can't be saved here ({error})")
            return None


def contender_of(
    classifier: PromptClassifier | Baseline, workers: Spread | None = None
) -> Contender:
    """The part that a classifier has in a benchmark; `workers` read the cases of a model."""
    if isinstance(classifier, Baseline):
        return BaselineContender(classifier)
    return ModelContender(classifier, workers)


def _known(figure: float) -> float | None:
    """None of what there was no case for."""
    return None if np.isnan(figure) else figure
