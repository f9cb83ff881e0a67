"""What fitting has made: the parts, the language model that they read with, and what they read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.base.seeds import derive
from tsprompt.data import Cases, Expected
from tsprompt.errors import InputError, Setting, near_names, notice
from tsprompt.heads import Judgement
from tsprompt.model.calibration import Calibration, check_coverage, why_none
from tsprompt.model.design import Design
from tsprompt.model.memory import check_predict
from tsprompt.model.training_data import TrainingData
from tsprompt.model.views import Views, joined_features
from tsprompt.reading.passes import Pass
from tsprompt.reading.reader import Reader, Reading

__all__ = ["Fitted"]


@dataclass
class Fitted:
    """A fitted classifier without the estimator around it: it predicts, and it can be saved."""

    design: Design
    """The parts, fitted."""
    reader: Reader
    """Runs the language model."""
    readings: list[Reading]
    """One tokenizer, prompt and readout for each prompt."""
    classes: npt.NDArray[Any]
    """(C,) labels, sorted."""
    expected: Expected
    """What series must look like."""
    seed: int
    """What all draws were derived from."""
    scores: dict[str, float]
    costs: dict[str, Any]
    report: dict[str, Any]
    task_vector: Tensor | None = None
    """(D,) what the frozen model says of train; see `tsprompt.model.warm_start`."""
    calibration: Calibration | None = None
    """By what sets of classes are made; see `tsprompt.model.calibration`."""
    judged: Judgement | None = None
    """What it said of cases that it had not learned from, right after the fit: it is not saved."""
    _held: tuple[int, int, int] | None = field(default=None, init=False, repr=False, compare=False)
    """B, T and F of the cases of late for which there is always room."""

    @classmethod
    def begun(
        cls,
        design: Design,
        reader: Reader,
        readings: list[Reading],
        data: TrainingData,
        *,
        seed: int,
        costs: dict[str, Any],
    ) -> Fitted:
        """One whose heads are yet to be fitted: it gives features, and no probabilities."""
        unknown = dict.fromkeys(
            ("train_accuracy", "validation_accuracy", "validation_loss"), float("nan")
        )
        known = (data.classes, data.expected, seed)
        return cls(design, reader, readings, *known, scores=unknown, costs=costs, report={})

    @property
    def n_features(self) -> int:
        """F, the features of a timestep."""
        return self.expected.n_features

    @property
    def learned_from_labels(self) -> bool:
        """Whether train had labels; if not, no accuracy is known."""
        return not np.isnan(self.scores["train_accuracy"])

    def calibrated(self, coverage: float, by: str = "all") -> Calibration:
        """What sets of this coverage are made by: to be asked before hours of work.

        Raises
        ------
        InputError
            There are too few cases to calibrate with.
        ConfigError
            The coverage is not between 0 and 1, or the model has nothing to calibrate with.
        """
        check_coverage(coverage, by)
        if self.calibration is None:
            raise why_none(self.design, labelled=self.learned_from_labels)
        self.calibration.check_count(coverage, by)
        return self.calibration

    def calibrate_on(self, cases: Cases, labels: npt.NDArray[Any]) -> None:
        """Make sets by these cases and their labels (B,) from now on, instead of those of train.

        Raises
        ------
        InputError
            A label is none of `classes`, or the cases have other features than train.
        """
        number_of = {str(label): number for number, label in enumerate(self.classes.tolist())}
        for label in map(str, labels.tolist()):
            if label not in number_of:
                raise InputError(
                    f"y has the class {label!r}, which train lacked; {near_names(label, number_of)}"
                )
        numbers = np.array([number_of[str(one)] for one in labels.tolist()], dtype=np.intp)
        seed = derive(self.seed, "calibration")
        self.calibration = Calibration.of(numbers, self.probabilities(cases), seed)

    def probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Class probabilities (B, C), in the order of `classes`.

        Raises
        ------
        InputError
            The cases have other features than train.
        """
        return self.decided(self.features(cases))

    def decided(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Class probabilities (B, C) of the features (B, R) of cases."""
        said = self.design.combination.probabilities(features)
        return np.minimum(said, 1)  # shares that are added up may round to more

    def features(self, cases: Cases) -> Tensor:
        """What the head sees of cases: (B, R), those of all prompts side by side.

        Raises
        ------
        InputError
            The cases have other features than train.
        """
        return joined_features({"it": self.passes(cases)})["it"]

    def passes(self, cases: Cases) -> list[Pass]:
        """What is to be read of cases, for each of `readings`.

        Raises
        ------
        InputError
            The cases have other features than train.
        """
        prepared = self.prepared(cases)
        views = Views(self.design.combination)
        users = Counter(id(reading.tokenizer) for reading in self.readings)
        return [
            Pass(
                self.reader,
                reading,
                views.of(prepared, reading.member),
                f"prompt {number}",
                keep=users[id(reading.tokenizer)] > 1,
            )
            for number, reading in enumerate(self.readings, start=1)
        ]

    def prepared(self, cases: Cases) -> Cases:
        """Cases as the tokenizer gets them.

        Raises
        ------
        InputError
            The cases have other features than train.
        """
        cases = self.expected.aligned(cases)
        self.expected.tell(cases)
        return self._prepared(cases)

    def _prepared(self, cases: Cases) -> Cases:
        """The cases as preprocessing and strategy leave them, once there is room for them."""
        parts = self.design
        longest = parts.preprocessing.length or int(cases.lengths.max())
        shape = len(cases), longest, cases.n_features
        if shape != self._held and check_predict(
            parts, self.reader, self.readings[0].layers, shape, len(self.classes)
        ):
            self._held = shape
        if parts.scope == "step" and not (cases.lengths == parts.preprocessing.length).all():
            notice(
                f"series are resampled to the {parts.preprocessing.length} timesteps of train: ",
                Setting("scope", "step"),
                " needs equal lengths",
            )
        return parts.strategy.transform(parts.preprocessing.transform(cases))
