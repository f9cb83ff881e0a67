"""PromptClassifier: the scikit-learn estimator that composes the parts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from tsprompt import progress
from tsprompt.base.accelerator import synchronise
from tsprompt.base.seeds import derive
from tsprompt.combinations import Combination, Evidence
from tsprompt.contexts import Context, Train
from tsprompt.data import Cases, as_cases, by_position, tell_of_train
from tsprompt.errors import ConfigError, InputError, Setting, notice
from tsprompt.heads import Head
from tsprompt.heads.lesson import hold_out
from tsprompt.model.answers import Answers
from tsprompt.model.calibration import calibrate, judge
from tsprompt.model.design import Design, let_say, make_reader
from tsprompt.model.ensemble import Ensemble
from tsprompt.model.fitted import Fitted
from tsprompt.model.memory import Shape, check_fit, place_fit
from tsprompt.model.nested import NestedParams
from tsprompt.model.open_backbone import open_backbone
from tsprompt.model.pairs import match
from tsprompt.model.saving import Saved, load, save
from tsprompt.model.spread import Spread, check_spread, fit_by_sums
from tsprompt.model.training_data import TrainingData
from tsprompt.model.warm_start import choose_source, read_sources, task_vector
from tsprompt.preprocessings import Preprocessing
from tsprompt.prompts import PromptModel
from tsprompt.reading.reader import Reader, Reading
from tsprompt.readouts import Readout
from tsprompt.recipes import Settings, resolve
from tsprompt.regimes import Regime
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer
from tsprompt.tuners import Tuner

__all__ = ["PromptClassifier"]


class PromptClassifier(NestedParams, Answers, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Time-series classifier: a frozen language model reads each series through a prompt.

    Parameters
    ----------
    recipe
        Sets every choice below that is None; see `tsprompt list recipes -v`.
    strategy, scope, preprocessing, tokenizer, prompt, tuner, readout, head, combination
        A part by name, by name with options (`"kernels:steps=32"`), or the part itself. A text that
        names the recipe's own part keeps the recipe's options, but for those that it gives.
    train, context
        The same: what is fitted besides the head, and what stands in the input besides the data.
    n_prompts
        Prompts whose features are concatenated.
    backbone
        A bundled name, a Hugging Face hub name or a local folder, or `random:`, `shuffled:` or
        `none:` and a name for the twins that an ablation needs.
    prompt_from
        Folders of trained prompts (saved models, or what `tsprompt pretrain` wrote), or names on
        the Hugging Face hub (`hf://USER/NAME`), one or several, also as a text joined by `+`:
        training starts from the prompt that is nearest to one that is trained first, see
        `tsprompt.model.warm_start`.
    class_weight
        How much a case of each class counts in training: `balanced`, so that all classes count
        alike however few cases they have, or a dict of weights by label, 1 where it names none;
        None: all cases count alike. See `tsprompt.model.weights`.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    dtype
        `auto` (bfloat16 where it is native), `float32` or `bfloat16`.
    batch_tokens
        Tokens that the language model reads at once; None: what suits the device.
    scratch_dir
        A folder for the features of many cases while a fit lasts, where they take more than 1 GiB
        or more than memory has; None: the environment's TSPROMPT_SCRATCH_DIR, or where temporary
        files go.
    scratch_dtype
        `float32` or `bfloat16`, what they lie there as: bfloat16 takes half the disk, and moves
        probabilities a little (by 0.02 and less where it was tried; a head that chooses among words
        may choose others); None: the environment's TSPROMPT_SCRATCH_DTYPE, or float32.
    random_state
        Seed, NumPy RandomState, or None for another result each time.
    verbose
        Show a progress bar.
    axes
        The order of axes in arrays: `BTF` (cases, timesteps, features), or `BFT` (cases, channels,
        timesteps), as sktime and aeon hold them. Data frames say themselves what they hold.

    Attributes
    ----------
    classes_
        (C,) labels, sorted.
    n_features_in_
        F, the features of a timestep.
    feature_names_in_
        (F,) their names, if train had any.
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

    fitted_: Fitted

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
        context: str | Context | None = None,
        backbone: str | None = None,
        prompt_from: str | Path | Sequence[str | Path] | None = None,
        class_weight: str | dict[Any, float] | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_tokens: int | None = None,
        scratch_dir: str | Path | None = None,
        scratch_dtype: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        axes: str = "BTF",
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
        self.context = context
        self.backbone = backbone
        self.prompt_from = prompt_from
        self.class_weight = class_weight
        self.device = device
        self.dtype = dtype
        self.batch_tokens = batch_tokens
        self.scratch_dir = scratch_dir
        self.scratch_dtype = scratch_dtype
        self.random_state = random_state
        self.verbose = verbose
        self.axes = axes

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        unlabelled: Any = None,
        development: Any = None,
        workers: Spread | None = None,
    ) -> PromptClassifier:
        """Learn from train.

        Parameters
        ----------
        X
            (B, T, F) numbers, or (B, T) of one feature; a list of B arrays (T_i, F); a tensor; or
            data frames: `pd-multiindex`, `df-list` or `nested_univ` of sktime, or a row for each
            case; or a `DataLoader` or `Dataset` of PyTorch, which is gone through once. NaN, inf
            and what is masked count as missing.
        y
            (B,) labels: whole numbers, texts, booleans or dates. They come back as they came. None
            where X is a loader that gives pairs of cases and labels.
        sample_weight
            (B,) how much each case counts where heads and prompts are trained, beside
            `class_weight`: 2 is as if it were written twice, 0 as if it were left out. Weights that
            are all alike are none. Scales, tokenizers and readouts take each case once.
        unlabelled
            Further cases (U, T, F) without labels, for a combination that has a use for them
            (`distil`). Scales and tokenizers are learned from X alone.
        development
            A pair: cases (V, T, F) and their labels (V,). Heads and tuners that would hold out a
            part of train validate on these instead; nothing else learns from them. If this is
            None, such a part is set aside once for both, where both would hold one out or the
            context shows train cases.
        workers
            Who reads the cases, if not this process: they send sums over cases back, from which a
            ridge is solved, the same but for rounding.

        Raises
        ------
        InputError
            X or y can't be used: wrong shape, one class, too few cases of a class.
        ConfigError
            The choices are unknown or contradict each other, or the combination has no use for
            unlabelled cases.
        BackboneError
            The language model can't be had.
        """
        parts = Design.build(self._settings())
        if unlabelled is not None and not parts.uses_unlabelled:
            raise ConfigError(
                f"the combination {parts.combination.name!r} has no use for unlabelled cases; "
                "leave them out, or use ",
                Setting("combination", "distil"),
                " or ",
                Setting("recipe", "pet"),
            )
        data = TrainingData.of(
            X,
            y,
            unlabelled,
            development,
            axes=self.axes,
            sample_weight=sample_weight,
            class_weight=parts.class_weight,
        )
        self._check_counts(data, parts)
        resampled = parts.settle(data.train)
        if workers is not None:
            check_spread(parts, data)
        if resampled:
            _tell_of_length(parts, data.train)
        tell_of_train(data.train, by_position=by_position(X), axes=self.axes)
        return self._fit_on(parts, data, workers)

    def fit_zero_shot(self, X: Any, classes: Any) -> PromptClassifier:
        """Fit without a single label: only scales, vocabularies and quantiles are learned.

        Parameters
        ----------
        X
            Cases (U, T, F) without labels.
        classes
            (C,) the labels that there are.

        Raises
        ------
        ConfigError
            The head, the tuner or the combination must learn from cases with labels.
        """
        parts = Design.build(self._settings())
        parts.check_zero_shot()
        data = TrainingData.without_labels(X, classes, axes=self.axes)
        if parts.settle(data.train):
            _tell_of_length(parts, data.train)
        tell_of_train(data.train, by_position=by_position(X), axes=self.axes)
        return self._fit_on(parts, data)

    @property
    def uses_unlabelled(self) -> bool:
        """Whether `fit` takes cases without labels."""
        return Design.build(self._settings()).uses_unlabelled

    def _fit_on(
        self, parts: Design, data: TrainingData, workers: Spread | None = None
    ) -> PromptClassifier:
        started = time.perf_counter()
        # Whatever goes wrong below, an earlier fit must not pass for this one.
        if hasattr(self, "fitted_"):
            del self.fitted_
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with self._progress():
            fitted = self._fit(parts, data, seed, workers)
        synchronise(fitted.reader.backbone.device)
        fitted.costs["fit_seconds"] = time.perf_counter() - started
        self.fitted_ = fitted
        return self

    def _fit(
        self, parts: Design, data: TrainingData, seed: int, workers: Spread | None = None
    ) -> Fitted:
        sources = read_sources(parts.prompt_from)
        layers = parts.choose_layers()
        backbone = open_backbone(parts, seed, device=self.device, dtype=self.dtype)
        reader = make_reader(parts, backbone, self.batch_tokens)
        placed: dict[str, float] = {}
        if workers is None:
            need = check_fit(parts, reader, layers, _shape(parts, data), len(data.classes))
            reader.scratch, placed = place_fit(need, self.scratch_dir, self.scratch_dtype)
        names = [str(one) for one in data.classes]
        parts.head.meet(backbone, classes=names)
        parts.strategy.device = backbone.device
        prepared = _prepare(parts, data, seed)
        train = prepared.train, prepared.labels[: prepared.learn]
        parts.context.fit(
            backbone,
            Train(names, *train, derive(seed, "context"), parts.head.class_words),
        )
        vector = None
        if parts.prompt.of_vectors:
            # No label is read: all of train says what the task is.
            vector = task_vector(parts, reader, prepared.whole, layers)
        let_say(parts, reader)
        afresh = partial(Ensemble, parts, reader, prepared, layers, seed=seed)
        chosen = choose_source(
            sources, parts, backbone, vector=vector, compare=lambda these: afresh().compare(these)
        )
        source = chosen.source if chosen else None
        members = afresh(source=source)
        if workers is None:
            readings, evidence = members.read()
            # What the head learns is told beside what was found before.
            parts.combination.fit(evidence, parts.head, derive(seed, "head"))
        else:
            readings = members.readings()
            costs = _costs(parts, reader, 0)
            begun = Fitted.begun(parts, reader, readings, data, seed=seed, costs=costs)
            evidence = fit_by_sums(data, begun, workers, derive(seed, "head"), self._choices)
        report = {**parts.strategy.report(), **members.report(), **parts.combination.report()}
        report |= placed
        reader.scratch = None
        judged = judge(parts, evidence)
        if workers is not None:
            report["cases that the train accuracy is of"] = float(len(evidence.labels))
        if prepared.set_aside:
            report["development sample, held out of train"] = float(prepared.development)
        return Fitted(
            design=parts,
            reader=reader,
            readings=readings,
            classes=data.classes,
            expected=data.expected,
            seed=seed,
            scores=_scores(parts.combination, evidence, set_aside=members.data.set_aside),
            costs=_costs(parts, reader, members.trained),
            report={**(chosen.report() if chosen else {}), **report},
            task_vector=vector,
            calibration=calibrate(judged, derive(seed, "calibration")),
            judged=judged,
        )

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """(C,) labels, sorted."""
        return self._fitted("classes_").classes

    @property
    def n_features_in_(self) -> int:
        """F, the features of a timestep."""
        return self._fitted("n_features_in_").n_features

    @property
    def feature_names_in_(self) -> npt.NDArray[Any]:
        """(F,) names of the features; absent where train had none."""
        names = self._fitted("feature_names_in_").expected.features
        if names is None:
            raise AttributeError("feature_names_in_: the features of train had no names")
        return np.array(names, dtype=object)

    @property
    def parts_(self) -> Design:
        """The fitted parts."""
        return self._fitted("parts_").design

    @property
    def readings_(self) -> list[Reading]:
        """One tokenizer, prompt and readout for each prompt."""
        return self._fitted("readings_").readings

    @property
    def reader_(self) -> Reader:
        """What runs the language model."""
        return self._fitted("reader_").reader

    @property
    def seed_(self) -> int:
        """What all draws of the fit were derived from."""
        return self._fitted("seed_").seed

    @property
    def scores_(self) -> dict[str, float]:
        """Accuracies on train and at validation, and the validation's loss."""
        return self._fitted("scores_").scores

    @property
    def costs_(self) -> dict[str, Any]:
        """Seconds, tokens and parameters."""
        return self._fitted("costs_").costs

    @property
    def report_(self) -> dict[str, Any]:
        """Further figures of the fit."""
        return self._fitted("report_").report

    @property
    def task_vector_(self) -> Tensor | None:
        """(D,) what the frozen model says of train, or None."""
        return self._fitted("task_vector_").task_vector

    def _fitted(self, asked: str) -> Fitted:
        """The fitted state; before there is one, nothing has what is `asked` for."""
        if "fitted_" not in vars(self):
            raise AttributeError(f"{asked}: this {type(self).__name__} is not fitted; call fit")
        return self.fitted_

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Class probabilities (B, C), in the order of `classes_`.

        Raises
        ------
        InputError
            X can't be used, or has other features than train.
        """
        check_is_fitted(self, "fitted_")
        cases = as_cases(X, axes=self.axes)
        with self._progress():
            return self.fitted_.probabilities(cases)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label (B,) of each case."""
        chances = self.predict_proba(X)
        return np.asarray(self.classes_[chances.argmax(axis=1)])

    def match(self, first: Any, second: Any) -> npt.NDArray[np.float64]:
        """(B,) how likely each pair of series fits together, by a model that judges pairs.

        What fitting together means is what the model is asked: of the recipe `pairs`, whether they
        are the same; of one with the model's own head for next sentences
        (``context='pairs:template="{series} [SEP] {series}"', head="matching"``), whether the
        second comes next. So ``match(a, b) / (match(a, b) + match(b, a))`` is the chance that a
        comes first. No label of a pair is learned from.

        Parameters
        ----------
        first, second
            Cases, as many of both, of the features that train had.

        Raises
        ------
        ConfigError
            The model judges no pairs of series.
        InputError
            The cases can't be used.
        """
        check_is_fitted(self, "fitted_")
        cases, others = (as_cases(one, axes=self.axes) for one in (first, second))
        with self._progress():
            return match(self.fitted_, cases, others)

    def save(self, path: str | Path, **details: Any) -> Path:
        """Write the fitted model to a folder (safetensors and JSON): `tsprompt.model.saving`."""
        check_is_fitted(self, "fitted_")
        return save(self.fitted_, Path(path), self._choices, details)

    @property
    def _choices(self) -> dict[str, Any]:
        """The arguments that a saved model keeps beside its settings."""
        names = ("recipe", "random_state", "batch_tokens", "axes")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        dtype: str | None = None,
        batch_tokens: int | None = None,
        revision: str | None = None,
        digest: str | None = None,
    ) -> PromptClassifier:
        """Read a model that `save` wrote; None uses what it was fitted with.

        `hf://USER/NAME` is one on the Hugging Face hub, at a branch, tag or commit (`revision`).

        With a `digest`, as `tsprompt show` prints it, another model than that one is refused.
        """
        saved = load(
            path,
            device=device,
            dtype=dtype,
            batch_tokens=batch_tokens,
            revision=revision,
            digest=digest,
        )
        return cls.restored(saved)

    @classmethod
    def restored(cls, saved: Saved) -> PromptClassifier:
        """The estimator of what `tsprompt.model.saving.load` gave."""
        classifier = cls(**saved.choices)
        classifier.fitted_ = saved.fitted
        return classifier

    def _settings(self) -> dict[str, Any]:
        choices = [field.name for field in dataclasses.fields(Settings)]
        return resolve(self.recipe, {name: getattr(self, name) for name in choices})

    def _check_counts(self, data: TrainingData, parts: Design) -> None:
        if len(data.classes) < 2:
            raise InputError(
                f"y has one class only ({data.classes[0]}); a classifier needs two or more"
            )
        if data.development:
            return  # nothing need be held out of train
        counts = np.bincount(data.labels)
        head, tuner = parts.head, parts.tuner
        for own, least, other in (
            (
                Setting("head", head.name),
                head.min_per_class,
                (Setting("head", "ridge"), ", with its leave-one-out"),
            ),
            (
                Setting("tuner", tuner.name),
                tuner.min_per_class,
                (Setting("tuner", "search"), " or ", Setting("tuner", "none")),
            ),
        ):
            rare = [str(data.classes[i]) for i in np.flatnonzero(counts < least)]
            if rare:
                raise InputError(
                    f"class {', '.join(rare)} has fewer than {least} training cases, but ",
                    own,
                    " holds a part of train out and needs each class in both; add cases, or use ",
                    *other,
                    ", which holds out nothing",
                )

    @contextmanager
    def _progress(self) -> Iterator[None]:
        with progress.bar() if self.verbose else nullcontext():
            yield

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _shape(parts: Design, data: TrainingData) -> Shape:
    """B of all cases that are read, the longest T that they are brought to, and F."""
    count = len(data.cases) + (0 if data.unlabelled is None else len(data.unlabelled))
    longest = parts.preprocessing.length or int(data.cases.lengths.max())
    return count, longest, data.cases.n_features


def _tell_of_length(parts: Design, train: Cases) -> None:
    """Say to which length series were brought, where train decided it."""
    if not train.equal_length:
        notice(
            "series of different lengths are resampled to the longest of train, "
            f"{parts.preprocessing.length} timesteps: ",
            Setting("scope", "step"),
            " needs equal lengths",
        )


def _prepare(parts: Design, data: TrainingData, seed: int) -> TrainingData:
    """The same, preprocessed, and as the strategy wants it; both learn from train alone. What
    tuner and head validate on is set aside here, where they may not do so by themselves."""
    train = data.train
    prepared = parts.preprocessing.fit(train).transform(train)
    prepared = parts.strategy.fit_transform(prepared, derive(seed, "strategy"))
    if data.development:
        extra = data.cases[data.learn :]
        extra = parts.preprocessing.transform(extra, argument="development")
        prepared = Cases.joined(prepared, parts.strategy.transform(extra))
    free = data.unlabelled
    if free is not None:
        free = parts.preprocessing.transform(free, argument="unlabelled")
        free = parts.strategy.transform(free)
    whole = dataclasses.replace(data, cases=prepared, unlabelled=free)
    share = parts.held_share
    if not share or data.development or data.zero_shot:
        return whole
    return whole.with_development(*hold_out(data.labels, share, derive(seed, "development")))


def _scores(combination: Combination, evidence: Evidence, *, set_aside: bool) -> dict[str, float]:
    """Accuracies on train and at validation, and the validation's loss."""
    train_accuracy = float("nan")
    if len(evidence.labels):
        parts_of_train = [(evidence.features, evidence.labels)]
        if set_aside and evidence.development:
            parts_of_train.append(evidence.development)
        hits = [
            combination.probabilities(features).argmax(axis=1) == labels
            for features, labels in parts_of_train
        ]
        train_accuracy = float(np.concatenate(hits).mean())
    return {
        "train_accuracy": train_accuracy,
        "validation_accuracy": combination.validation_accuracy_,
        "validation_loss": combination.validation_loss_,
    }


def _costs(parts: Design, reader: Reader, trained: int) -> dict[str, Any]:
    """What reading took, and parameters; `trained`: numbers that were trained for the prompts."""
    trainable = trained + parts.combination.n_parameters + parts.strategy.n_parameters
    # Of the language model, what was trained is counted already.
    model = reader.backbone.n_parameters - reader.backbone.n_trained
    return {
        "fit_seconds": 0.0,
        "lm_seconds": reader.seconds,
        "lm_tokens": reader.tokens_run,
        "trainable_parameters": trainable,
        "total_parameters": trainable + model,
    }
