"""Saved models on the Hugging Face hub, by name: `hf://USER/NAME`, or `hf://USER/NAME@REVISION`.

The files of a model, and none that may lie beside them, are brought into Hugging Face's own cache,
and read from there as from any folder: JSON and safetensors, never a repository's code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from tsprompt.base.files import exists
from tsprompt.base.names import visible
from tsprompt.errors import ConfigError, ModelFileError, Setting, TspromptError, notice

if TYPE_CHECKING:
    from tsprompt.base.tensor_folder import FolderFormat

__all__ = ["LOG_IN", "PREFIX", "HubName", "asking", "called", "located", "on_hub"]

PREFIX = "hf://"
LOG_IN = "log in with `hf auth login`, or set the environment variable HF_TOKEN"
_COMMIT = re.compile("[0-9a-f]{40}")
_PATIENCE = 10
"""Seconds to wait for the hub's first answer."""


@dataclass(frozen=True)
class HubName:
    """A model on the hub."""

    repo: str
    """`USER/NAME`."""
    revision: str | None = None
    """A branch, a tag or a commit; None is the branch `main`."""

    @classmethod
    def of(cls, text: str, revision: str | None = None) -> HubName:
        """What `hf://USER/NAME`, `hf://USER/NAME@REVISION` or the same without `hf://` says.

        Raises
        ------
        ConfigError
            It is no such name, or another revision is asked for beside it.
        """
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        repo, _, own = text.removeprefix(PREFIX).partition("@")
        try:
            validate_repo_id(repo)
            if repo.count("/") != 1:
                raise HFValidationError("it has no USER before the NAME")
        except HFValidationError as error:
            raise ConfigError(
                f"{visible(text)!r} is no name of a model on the hub, such as hf://USER/NAME: "
                f"{visible(error)}"
            ) from None
        if own and revision and own != revision:
            raise ConfigError(
                f"{visible(text)} says a revision, and another is asked for ({visible(revision)}); "
                "leave out one of them"
            )
        return cls(repo, own or revision or None)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f"@{visible(self.revision)}" if self.revision else "")

    @property
    def page(self) -> str:
        """Its address for a browser."""
        from huggingface_hub import HfApi

        return f"{HfApi().endpoint}/{self.repo}"


def on_hub(source: str | Path) -> TypeGuard[str]:
    """Whether this names a model on the hub, and no folder."""
    return isinstance(source, str) and source.startswith(PREFIX)


def called(source: str | Path) -> str:
    """What a saved model is called where nobody says it: as its folder, or as `USER/NAME`.

    Raises
    ------
    ConfigError
        The name on the hub is none.
    """
    if on_hub(source):
        return HubName.of(source).repo
    return Path(source).expanduser().resolve().name


def located(source: str | Path, *forms: FolderFormat, revision: str | None = None) -> Path:
    """The folder of a saved model: a path as it is; of a name on the hub where the cache keeps its
    files, downloaded if need be.

    Parameters
    ----------
    forms
        What it may hold: on the hub, the files of one of these.
    revision
        Of a model on the hub: a branch, a tag or a commit. A commit that the cache holds is taken
        without asking the hub.

    Raises
    ------
    ModelFileError
        The hub has no such model, does not show it, or can't be reached and the cache has none.
    ConfigError
        The name is none, or a revision is asked for of a folder.
    """
    if on_hub(source):
        return _fetched(HubName.of(source, revision), forms)
    path = Path(source).expanduser()
    if path.parts[:1] == ("hf:",) and not exists(path):
        raise ConfigError(
            f"{source}: models on the hub are named by text, as in 'hf://USER/NAME'; a Path, or "
            "one slash, makes a folder of it"
        )
    if revision is not None:
        raise ConfigError(
            f"{path} is a folder, which has no revisions; leave out ", Setting("revision")
        )
    return path


def _fetched(name: HubName, forms: Sequence[FolderFormat]) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if _COMMIT.fullmatch(name.revision or "") and (kept := _cached(name, forms)) is not None:
        return kept
    try:
        info = HfApi().model_info(name.repo, revision=name.revision, timeout=_PATIENCE)
    except Exception as error:  # no network, a refused connection, a proxy in between: many types
        if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
            raise _refused(name, "read", error) from None
        kept = _cached(name, forms)
        if kept is None:
            raise ModelFileError(
                f"{name} is not in Hugging Face's cache on this machine, and can't be downloaded: "
                f"{_reason(name, error)}"
            ) from None
        if not isinstance(error, OfflineModeIsEnabled):
            notice(
                f"{name}: the hub can't be reached; taking the copy in the cache, of commit "
                f"{kept.name}"
            )
        return kept
    there = {one.rfilename for one in info.siblings or ()}
    if not any(form.files <= there for form in forms):
        raise ModelFileError(f"{name} holds {_none_of(forms, there)}")
    with asking(name, "downloaded"):
        return Path(
            snapshot_download(name.repo, revision=name.revision, allow_patterns=_wanted(forms))
        )


def _wanted(forms: Sequence[FolderFormat]) -> list[str]:
    return sorted({file for form in forms for file in form.written})


def _none_of(forms: Sequence[FolderFormat], there: set[str]) -> str:
    """What it does not hold, and the files that are missing."""
    missing = [f"{form.none_there} of tsprompt ({_first_missing(form, there)})" for form in forms]
    return ", and ".join(missing)


def _first_missing(form: FolderFormat, there: set[str]) -> str:
    return f"{next(one for one in (form.header, form.tensors) if one not in there)} is missing"


def _cached(name: HubName, forms: Sequence[FolderFormat]) -> Path | None:
    """Where the cache keeps all files of a model, if it does; nothing is asked of the network."""
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            name.repo,
            revision=name.revision,
            allow_patterns=_wanted(forms),
            local_files_only=True,
        )
    except (OSError, ValueError):
        return None
    there = {one.name for one in Path(found).iterdir() if one.is_file()}
    return Path(found) if any(form.files <= there for form in forms) else None


@contextmanager
def asking(name: HubName, done: str) -> Iterator[None]:
    """While the block asks the hub, and does nothing else: what goes wrong is told in words.

    Raises
    ------
    ModelFileError
        The model can't be `done`, such as read; the text says why, and what to do.
    """
    try:
        yield
    except TspromptError:
        raise
    except Exception as error:
        raise _refused(name, done, error) from None


def _refused(name: HubName, done: str, error: Exception) -> ModelFileError:
    return ModelFileError(f"{name} can't be {done}: {_reason(name, error)}")


def _reason(name: HubName, error: Any) -> str:
    """Why, and what to do."""
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return (
            "HF_HUB_OFFLINE is set, and forbids to ask the hub; unset it where there is a network"
        )
    if isinstance(error, errors.GatedRepoError):
        return f"its authors want to be asked first, on {name.page}; then {LOG_IN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no {name.page}, or it is private and not shown to you; check the name, or "
            f"{LOG_IN}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no such revision; see {name.page}/commits/main"
    said = _said(error)
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    advice = "try again later"
    if status in (401, 403):
        advice = f"{LOG_IN}, with a token that may do this"
    elif status is None:
        advice = "is there a network, and is HF_ENDPOINT right where it is set?"
    return f"{said}; {advice}"


def _said(error: Any) -> str:
    """The error's own words, in one line."""
    text = getattr(error, "server_message", None) or str(error).strip() or type(error).__name__
    return visible(" ".join(text.split()))[:300]
