"""The socket: one frozen language model in memory, and many saved models that read with it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.base.hub import called, located
from tsprompt.base.part import count_of
from tsprompt.classifier import PromptClassifier
from tsprompt.data import as_cases
from tsprompt.errors import ConfigError, InputError, near_names
from tsprompt.model.saving import MODEL, load
from tsprompt.model.views import joined_features
from tsprompt.reading.passes import Pass
from tsprompt.serving.allocator import bound_kernels, give_back
from tsprompt.serving.plugged import Plugged, own_bytes
from tsprompt.serving.shared_tokens import SharedTokenizers, share_cases

__all__ = ["Socket"]

_TIDY_SECONDS = 1.0
"""Between two times that free memory is given back after passes of few cases."""
_MANY_CASES = 8
"""From so many on, it is given back after each pass: it is much, and giving it back takes little
beside that pass."""


class Socket:
    """Predicts with many saved models, and holds the language model that they share once.

    Models may be added, replaced, removed and asked from several threads at once. What each of them
    has learned (prompt, tokenizer, readout, head) stays in memory up to a bound; beyond it, the
    models that were not asked for the longest leave, and are read again from their folders when
    they are asked for.

    Parameters
    ----------
    device
        `auto`, `cpu`, `cuda` or `mps`.
    dtype
        `float32` or `bfloat16`; None: what each model was fitted with.
    batch_tokens
        Tokens that the language model reads at once; None: as each model was fitted.
    max_bytes
        Bytes of memory that models may take besides the weights that they share. The one that was
        asked last stays, however large it is.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        dtype: str | None = None,
        batch_tokens: int | None = None,
        max_bytes: int = 1 << 30,
    ) -> None:
        bound_kernels()
        self.max_bytes = count_of("max_bytes", max_bytes)
        self._how: dict[str, Any] = {
            "device": device,
            "dtype": dtype,
            "batch_tokens": batch_tokens,
        }
        self._folders: dict[str, tuple[Path, str | None]] = {}
        """Where each model lies, and the digest that it must have."""
        self._loaded: OrderedDict[str, Plugged] = OrderedDict()
        """Those in memory, the one that was not asked for the longest first."""
        self._tokenizers = SharedTokenizers()
        self._tables = threading.RLock()
        """Held while the two above are looked at or changed, never while anything is read."""
        self._reading = threading.Lock()
        """Held while a folder is read."""
        self._running = threading.Lock()
        """Held while the language model runs: it takes all cores anyway."""
        self._given_back = time.monotonic()
        """When free memory was given back after a pass."""

    def add(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        revision: str | None = None,
        digest: str | None = None,
    ) -> str:
        """Plug in a saved model; gives the name that it is asked by.

        A model of that name is replaced, in one step, once the new one has been read and checked.

        Parameters
        ----------
        path
            Its folder; or where it is on the Hugging Face hub, `hf://USER/NAME`. Of a branch there,
            the commit of now is kept: add it again to follow the branch.
        name
            None: the folder's, or `USER/NAME`.
        revision
            On the hub: a branch, a tag or a commit.
        digest
            What `tsprompt show` printed of the model that is meant; another one is refused, now and
            whenever the folder is read again.

        Raises
        ------
        ModelFileError
            There is no model, it is damaged, or of another digest, or the hub does not give it;
            what had the name stays.
        BackboneError
            Its language model is not on this machine, or has other weights.
        ConfigError
            The device or the dtype is not available, or the name on the hub is none.
        """
        if name is None:
            name = called(path)
        path = located(path, MODEL, revision=revision)
        with self._reading:
            plugged = self._read(path, digest)
            with self._tables:
                self._folders[name] = path, digest
                self._keep(name, plugged)
        return name

    def remove(self, name: str) -> None:
        """Unplug a model; requests that have its answer under way still get it.

        Raises
        ------
        ConfigError
            There is none of that name.
        """
        with self._tables:
            self._folder(name)
            del self._folders[name]
            self._loaded.pop(name, None)

    @property
    def names(self) -> list[str]:
        """The names of all models, sorted."""
        with self._tables:
            return sorted(self._folders)

    @property
    def loaded(self) -> list[str]:
        """The names of those in memory, the one that was not asked for the longest first."""
        with self._tables:
            return list(self._loaded)

    @property
    def bytes(self) -> int:
        """What these take in memory besides the weights that they share."""
        with self._tables:
            return sum(one.bytes for one in self._loaded.values())

    def __contains__(self, name: object) -> bool:
        with self._tables:
            return name in self._folders

    def __len__(self) -> int:
        with self._tables:
            return len(self._folders)

    def model(self, name: str) -> PromptClassifier:
        """A model, read again if it has left.

        Raises
        ------
        ConfigError
            There is none of that name.
        ModelFileError, BackboneError
            It had to be read again, and can't be.
        """
        return self.plugged(name).model

    def plugged(self, name: str) -> Plugged:
        """A model with its folder, digest and size; raises as `model` does."""
        found = self._in_memory(name)
        if found is not None:
            return found
        with self._reading:
            found = self._in_memory(name)  # somebody else may have read it meanwhile
            if found is not None:
                return found
            with self._tables:
                place = self._folder(name)
            plugged = self._read(*place)
            with self._tables:
                # Of one that was removed meanwhile, this is the last answer.
                if self._folders.get(name) == place:
                    self._keep(name, plugged)
            return plugged

    def predict(self, asked: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
        """The most probable label (B,) of each case, for several models at once.

        Parameters
        ----------
        asked
            By a model's name, cases as its `predict` takes them.

        Raises
        ------
        ConfigError
            There is no model of a name.
        InputError
            Cases can't be used, or have other features than the model's train.
        ModelFileError, BackboneError
            A model had to be read again, and can't be.
        """
        models = {name: self.model(name) for name in asked}
        chances = self._probabilities(models, asked)
        return {
            name: np.asarray(models[name].classes_[one.argmax(axis=1)])
            for name, one in chances.items()
        }

    def predict_proba(self, asked: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
        """Class probabilities (B, C), in the order of each model's `classes_`; as `predict`."""
        return self._probabilities({name: self.model(name) for name in asked}, asked)

    def _probabilities(
        self, models: Mapping[str, PromptClassifier], asked: Mapping[str, Any]
    ) -> dict[str, npt.NDArray[np.float64]]:
        passes: dict[str, list[Pass]] = {}
        for name, X in asked.items():
            with _naming(name):
                model = models[name]
                passes[name] = model.fitted_.passes(as_cases(X, axes=model.axes))
        with self._running:
            share_cases([one for own in passes.values() for one in own])
            features = joined_features(passes)
            self._tidy(sum(len(own[0].cases) for own in passes.values()))
        return {name: models[name].fitted_.decided(features[name]) for name in asked}

    def _tidy(self, cases: int) -> None:
        """Give back what a pass of so many cases has let go of, or several passes of few."""
        now = time.monotonic()
        if cases >= _MANY_CASES or now - self._given_back > _TIDY_SECONDS:
            self._given_back = now
            give_back()

    def _folder(self, name: str) -> tuple[Path, str | None]:
        try:
            return self._folders[name]
        except KeyError:
            known = near_names(name, self._folders) if self._folders else "it has none"
            raise ConfigError(f"the socket has no model {name!r}; {known}") from None

    def _in_memory(self, name: str) -> Plugged | None:
        with self._tables:
            self._folder(name)
            if name not in self._loaded:
                return None
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def _read(self, path: Path, digest: str | None) -> Plugged:
        saved = load(path, digest=digest, **self._how)
        self._tokenizers.share(saved.fitted)
        model = PromptClassifier.restored(saved)
        saved.fitted.reader.backbone.words.rest()
        give_back()
        return Plugged(path, digest, model, saved.digest, own_bytes(saved.fitted))

    def _keep(self, name: str, plugged: Plugged) -> None:
        """Put a model last, and let go of the first ones beyond the bound."""
        self._loaded[name] = plugged
        self._loaded.move_to_end(name)
        while len(self._loaded) > 1 and self.bytes > self.max_bytes:
            self._loaded.popitem(last=False)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """While the block runs, what is said of cases names the model that they are for."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: ", *error.args) from None
