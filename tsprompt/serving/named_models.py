"""Models that are served by name, wherever they lie: folders, and models on the Hugging Face hub.

Where they lie is found once, before anything listens: of a branch on the hub the commit of now is
served until the server ends. No request brings a model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tsprompt.base.files import exists
from tsprompt.base.hub import called, located, on_hub
from tsprompt.base.names import visible
from tsprompt.base.tensor_folder import check_digest, read_header
from tsprompt.errors import ConfigError, Setting, near_names
from tsprompt.model.saving import MODEL

__all__ = ["NamedModel", "named_models"]


@dataclass(frozen=True)
class NamedModel:
    """A model that somebody named."""

    name: str
    place: Path
    """Its folder, which Hugging Face's cache may hold."""
    digest: str | None = None
    """Another one is not served."""


def named_models(models: Iterable[str], digests: Iterable[str] = ()) -> list[NamedModel]:
    """Find the models, download them if need be, and see that they are those that are meant.

    Parameters
    ----------
    models
        Each `NAME=MODEL`, or MODEL alone: a folder, `hf://USER/NAME` or
        `hf://USER/NAME@REVISION`. Without a name it is called as its folder, or `USER/NAME`.
    digests
        Each `NAME=SHA256`, as `tsprompt show` prints it.

    Raises
    ------
    ConfigError
        Two have one name, a name can't be asked for, or a digest is for none of them.
    ModelFileError
        There is no model, the hub does not give it, it is damaged or of another digest.
    """
    sources: dict[str, str] = {}
    for text in models:
        name, source = _parted(text)
        if name in sources:
            raise ConfigError(
                f"two models are called {name!r}; give one of them another name, as in ",
                Setting("model", "NAME=MODEL"),
            )
        sources[name] = source
    pinned = _pinned(digests, sources)
    return [_named(name, source, pinned.get(name)) for name, source in sources.items()]


def _parted(text: str) -> tuple[str, str]:
    """The name and where the model is."""
    own, _, source = text.partition("=")
    alone = not source or on_hub(text) or exists(Path(text).expanduser())
    name, source = (called(text), text) if alone else (own, source)
    if {"", ".", ".."} & set(name.split("/")):
        raise ConfigError(
            f"{visible(text)!r} gives no name to ask for; give one, as in ",
            Setting("model", "NAME=MODEL"),
        )
    return visible(name), source


def _pinned(digests: Iterable[str], names: Collection[str]) -> dict[str, str]:
    """The digests by name."""
    pinned = {}
    for text in digests:
        own, _, digest = text.rpartition("=")
        name = visible(own)
        if name not in names:
            known = near_names(name, names) if names else "none is named"
            raise ConfigError(
                f"the digest {visible(text)!r} is for no model that was named; {known}; give it as "
                "in ",
                Setting("digest", "NAME=SHA256"),
            )
        pinned[name] = digest
    return pinned


def _named(name: str, source: str, digest: str | None) -> NamedModel:
    place = located(source, MODEL)
    header = read_header(place, MODEL)
    if digest is not None:
        check_digest(place, header, digest)
    return NamedModel(name, place, digest)
