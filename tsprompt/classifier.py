"""PromptClassifier: the scikit-learn estimator that composes the parts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tsprompt import progress
from tsprompt.backbones import load_backbone
from tsprompt.combinations import Combination, Evidence
from tsprompt.data import Cases, as_cases
from tsprompt.errors import InputError, notice
from tsprompt.heads import Head
from tsprompt.parts import Parts, make_reader
from tsprompt.preprocessing import Preprocessing
from tsprompt.prompts import PromptModel
from tsprompt.reading import Reader, Reading
from tsprompt.readouts import Readout
from tsprompt.recipes import Settings, resolve
from tsprompt.regimes import Regime
from tsprompt.seeds import derive, generator
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.transfer import choose_source, read_sources, task_vector
from tsprompt.tuners import Problem, Tuner

__all__ = ["PromptClassifier"]


class PromptClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Time-series classifier: a frozen language model reads each series through a prompt.

    Parameters
    ----------
    recipe
        Sets every choice below that is None; see `tsprompt list recipes -v`.
    strategy, scope, preprocessing, tokenizer, prompt, tuner, readout, head, combination, train
        A part by name, by name with options (`"kernels:steps=32"`), or the part itself.
    n_prompts
        Prompts whose features are concatenated.
    backbone
        A bundled name, a Hugging Face hub name or a local folder, or `random:`, `shuffled:` or
        `none:` and a name for the twins that an ablation needs.
    prompt_from
        Folders of trained prompts (saved models, or what `tsprompt pretrain` wrote), one or
        several, also as a text joined by `+`: training starts from the prompt whose task is nearest
        to this one, see `tsprompt.transfer`.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    dtype
        `auto` (bfloat16 where it is native), `float32` or `bfloat16`.
    batch_tokens
        Tokens that the language model reads at once; None: what suits the device.
    random_state
        Seed, NumPy RandomState, or None for another result each time.
    verbose
        Show a progress bar.

    Attributes
    ----------
    classes_
        (C,) labels, sorted.
    n_features_in_
        F, the features of a timestep.
    parts_
        The fitted parts (preprocessing, strategy, combination, ...).
    readings_
        One tokenizer, prompt and readout for each of `n_prompts`.
    scores_
        `train_accuracy`, `validation_accuracy`, `validation_loss`.
    costs_
        `fit_seconds`, `lm_seconds`, `lm_tokens`, `trainable_parameters`, `total_parameters`.
    report_
        Further figures of the fit: reconstruction errors, search losses, prompt gradients, and
        where the prompt started from.
    task_vector_
        (D,) what the frozen model says of train, for prompts that others may start from; or None.
    """

    classes_: npt.NDArray[Any]
    n_features_in_: int
    parts_: Parts
    readings_: list[Reading]
    reader_: Reader
    scores_: dict[str, float]
    costs_: dict[str, Any]
    report_: dict[str, Any]
    task_vector_: torch.Tensor | None

    def __init__(
        self,
        recipe: str = "default",
        *,
        strategy: str | Strategy | None = None,
        scope: str | None = None,
        preprocessing: str | Preprocessing | None = None,
        tokenizer: str | Tokenizer | None = None,
        prompt: str | PromptModel | None = None,
        tuner: str | Tuner | None = None,
        n_prompts: int | None = None,
        readout: str | Readout | None = None,
        head: str | Head | None = None,
        combination: str | Combination | None = None,
        train: str | Regime | None = None,
        backbone: str | None = None,
        prompt_from: str | Path | Sequence[str | Path] | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_tokens: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.recipe = recipe
        self.strategy = strategy
        self.scope = scope
        self.preprocessing = preprocessing
        self.tokenizer = tokenizer
        self.prompt = prompt
        self.tuner = tuner
        self.n_prompts = n_prompts
        self.readout = readout
        self.head = head
        self.combination = combination
        self.train = train
        self.backbone = backbone
        self.prompt_from = prompt_from
        self.device = device
        self.dtype = dtype
        self.batch_tokens = batch_tokens
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> PromptClassifier:
        """Learn from train.

        Parameters
        ----------
        X
            (B, T, F) numbers, or a list of B arrays (T_i, F). NaN and inf count as missing.
        y
            (B,) labels.

        Raises
        ------
        InputError
            X or y can't be used: wrong shape, one class, too few cases of a class.
        ConfigError
            The choices are unknown or contradict each other.
        BackboneError
            The language model can't be had.
        """
        started = time.perf_counter()
        # Whatever goes wrong below, an earlier fit's readings must not meet the new classes.
        if hasattr(self, "readings_"):
            del self.readings_
        parts = Parts.build(self._settings())
        cases = as_cases(X)
        self.classes_, labels = _encode(y, len(cases))
        self._check_counts(labels, parts.head)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with self._progress():
            self._fit(parts, cases, labels, seed)
        self.costs_["fit_seconds"] = time.perf_counter() - started
        return self

    def _fit(self, parts: Parts, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        self.n_features_in_ = cases.n_features
        self.parts_ = parts
        if parts.scope == "step" and parts.preprocessing.length is None:
            # The head sees one vector for each step, so all series need the same steps.
            parts.preprocessing.length = int(cases.lengths.max())
            if not cases.equal_length:
                notice(
                    "series of different lengths are resampled to the longest of train, "
                    f"{parts.preprocessing.length} timesteps: scope='step' needs equal lengths"
                )
        sources = read_sources(parts.prompt_from)
        layers = parts.choose_layers()
        backbone = load_backbone(
            parts.backbone, max(layers), derive(seed, "backbone"), self.device, self.dtype
        )
        backbone = parts.train.prepare(backbone, derive(seed, "train"))
        parts.head.meet(backbone, [str(one) for one in self.classes_])
        prepared = parts.preprocessing.fit(cases).transform(cases)
        prepared = parts.strategy.fit_transform(prepared, derive(seed, "strategy"))
        self.reader_ = make_reader(parts, backbone, self.batch_tokens)
        tasks = parts.combination.tasks(prepared, labels, len(self.classes_), parts.n_prompts)
        parts.train.check(parts.tuner.name, len(tasks))
        self.task_vector_ = None
        if parts.prompt.of_vectors:
            self.task_vector_ = task_vector(parts, self.reader_, prepared, layers)
        chosen = choose_source(sources, self.task_vector_, parts, backbone)
        # A prompt belongs to the tokenizer draw that it was trained with.
        drawn = chosen.source.seed if chosen else seed
        fitted = self._fit_tokenizers(prepared, len(tasks), drawn)
        readings: list[Reading] = []
        members: list[int] = []
        trained = 0
        features = Columns(len(tasks) * parts.tuner.n_found)
        for member, (task, tokenizer) in enumerate(zip(tasks, fitted, strict=True)):
            problem = Problem(
                member=member,
                cases=prepared,
                labels=task.labels,
                n_classes=task.n_classes,
                reader=self.reader_,
                tokenizer=tokenizer,
                prompt=parts.prompt,
                readout=parts.readout,
                head=parts.head,
                slots=parts.strategy.slots(self.reader_.length, tokenizer.max_steps_),
                layers=layers,
                seed=seed,
                tunes_prompt=parts.train.tunes_prompt,
                start=chosen.source.prompt(member) if chosen else None,
            )
            for found in parts.tuner.find(problem):
                readings.append(found.reading)
                features.append(found.features)
                members.append(member)
                trained += found.trained
        self.reader_.forget()
        width = features.joined.shape[1] // len(readings)
        evidence = Evidence(
            features=features.joined,
            members=members,
            tasks=tasks,
            labels=labels,
            n_classes=len(self.classes_),
            optional=torch.cat([reading.readout.optional(width) for reading in readings]),
        )
        self._fit_heads(evidence, seed, trained)
        if chosen:
            self.report_ = {**chosen.report(), **self.report_}
        self.readings_ = readings

    def _fit_tokenizers(self, cases: Cases, count: int, seed: int) -> list[Tokenizer]:
        """One tokenizer draw for each prompt; all have the same steps."""
        parts, reader = self.parts_, self.reader_
        room = reader.room(parts.tokenizer.width(cases.n_features))
        fitted = []
        for member in range(count):
            tokenizer = tokenizers.build(parts.tokenizer)
            rng = generator(seed, "tokenizer", member)
            tokenizer.fit(cases, reader.backbone, max_steps=room, rng=rng, member=member)
            fitted.append(tokenizer)
        longest, steps = int(cases.lengths.max()), parts.tokenizer.steps
        if room is not None and room < min(longest, steps or longest):
            notice(
                f"{longest} timesteps don't fit into the {reader.backbone.positions} positions of "
                f"{parts.backbone}: steps are patches of {fitted[0].patch_} timesteps"
            )
        return fitted

    def _fit_heads(self, evidence: Evidence, seed: int, trained: int) -> None:
        """`trained`: numbers that were trained before the heads are."""
        parts, reader, combination = self.parts_, self.reader_, self.parts_.combination
        combination.fit(evidence, parts.head, derive(seed, "head"))
        self.seed_ = seed
        chances = combination.probabilities(evidence.features)
        self.scores_ = {
            "train_accuracy": float((chances.argmax(axis=1) == evidence.labels).mean()),
            "validation_accuracy": combination.validation_accuracy_,
            "validation_loss": combination.validation_loss_,
        }
        trainable = trained + combination.n_parameters + parts.strategy.n_parameters
        # Of the language model, what was trained is counted already.
        model = reader.backbone.n_parameters - reader.backbone.n_trained
        self.costs_ = {
            "fit_seconds": 0.0,
            "lm_seconds": reader.seconds,
            "lm_tokens": reader.tokens_run,
            "trainable_parameters": trainable,
            "total_parameters": trainable + model,
        }
        self.report_ = {**parts.strategy.report(), **parts.tuner.report()}

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Class probabilities (B, C), in the order of `classes_`.

        Raises
        ------
        InputError
            X can't be used, or has another number of features than train.
        """
        check_is_fitted(self, "readings_")
        cases = as_cases(X)
        if cases.n_features != self.n_features_in_:
            raise InputError(
                f"X has {cases.n_features} features, the model was fitted with "
                f"{self.n_features_in_}; give the same features in the same order"
            )
        parts = self.parts_
        if parts.scope == "step" and not (cases.lengths == parts.preprocessing.length).all():
            notice(
                f"series are resampled to the {parts.preprocessing.length} timesteps of train: "
                "scope='step' needs equal lengths"
            )
        with self._progress():
            prepared = parts.strategy.transform(parts.preprocessing.transform(cases))
            features = Columns(len(self.readings_))
            for number, reading in enumerate(self.readings_, start=1):
                features.append(self.reader_.features(reading, prepared, f"prompt {number}"))
            return parts.combination.probabilities(features.joined)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label (B,) of each case."""
        chances = self.predict_proba(X)
        return np.asarray(self.classes_[chances.argmax(axis=1)])

    def save(self, path: str | Path, **details: Any) -> Path:
        """Write the fitted model to a folder (safetensors and JSON); see `tsprompt.persistence`."""
        from tsprompt.persistence import save

        check_is_fitted(self, "readings_")
        return save(self, Path(path), details)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        dtype: str | None = None,
        batch_tokens: int | None = None,
    ) -> PromptClassifier:
        """Read a model that `save` wrote; None uses what it was fitted with."""
        from tsprompt.persistence import load

        return load(Path(path), cls, device=device, dtype=dtype, batch_tokens=batch_tokens)

    def _settings(self) -> dict[str, Any]:
        choices = [field.name for field in dataclasses.fields(Settings)]
        return resolve(self.recipe, {name: getattr(self, name) for name in choices})

    def _check_counts(self, labels: npt.NDArray[np.intp], head: Head) -> None:
        if len(self.classes_) < 2:
            raise InputError(
                f"y has one class only ({self.classes_[0]}); a classifier needs two or more"
            )
        counts = np.bincount(labels)
        rare = [str(self.classes_[i]) for i in np.flatnonzero(counts < head.min_per_class)]
        if rare:
            raise InputError(
                f"class {', '.join(rare)} has fewer than {head.min_per_class} training cases, but "
                f'head="{head.name}" holds a part of train out and needs each class in both; add '
                'cases, or use head="ridge", which validates by leave-one-out'
            )

    @contextmanager
    def _progress(self) -> Iterator[None]:
        with progress.bar() if self.verbose else nullcontext():
            yield

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class Columns:
    """The features of all readings side by side, on the processor: they exist once."""

    def __init__(self, count: int) -> None:
        self._count, self._filled = count, 0
        self.joined = torch.empty(0)

    def append(self, features: torch.Tensor) -> None:
        """The next reading's features (B, R)."""
        rows, width = features.shape
        if not self._filled:
            self.joined = torch.empty(rows, self._count * width)
        start = self._filled * width
        self.joined[:, start : start + width] = features
        self._filled += 1


def _encode(y: Any, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """Sorted labels (C,) and class numbers (B,)."""
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != count:
        raise InputError(
            f"y has shape {labels.shape}; one label for each of the {count} cases of X is needed"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InputError("y holds NaN or inf; remove these cases or label them")
    if labels.dtype == object:
        kinds = {type(label) for label in labels}
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise InputError(f"y mixes labels of several types ({names}); convert them to one")
    classes, numbers = np.unique(labels, return_inverse=True)
    return classes, numbers.astype(np.intp)
