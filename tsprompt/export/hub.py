"""A saved model onto the Hugging Face hub: its files, and none that may lie beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsprompt.backbones.base import local_folder
from tsprompt.backbones.catalogue import BUNDLED, split_name
from tsprompt.base.files import exists
from tsprompt.base.hub import LOG_IN, HubName, asking, on_hub
from tsprompt.base.names import visible
from tsprompt.base.tensor_folder import digest_of
from tsprompt.base.version import __version__
from tsprompt.errors import ConfigError, ModelFileError, Setting, notice
from tsprompt.model.card import CARD, model_card
from tsprompt.model.saving import MODEL
from tsprompt.model.schema import ModelHeader, read

__all__ = ["Pushed", "push"]

_TELLING = ("settings", "backbone", "report", "details")
"""Parts of a header that may hold paths."""


@dataclass(frozen=True)
class Pushed:
    """Where a model is now."""

    name: str
    """What `load` takes: `hf://USER/NAME`."""
    url: str
    commit: str
    digest: str
    private: bool


def push(
    path: str | Path,
    name: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
    with_paths: bool = False,
) -> Pushed:
    """Put a saved model on the hub: `model.json`, `model.safetensors` and the card.

    The model is read and checked first. Its page is made if there is none yet; one that is
    there has to be as private, or as public, as is asked for. The token is that of
    `hf auth login`, or of HF_TOKEN.

    Parameters
    ----------
    name
        `USER/NAME`.
    private
        Whether only you, or your organisation, shall see it.
    revision
        The branch; it is made if there is none. None is `main`.
    message
        Of the commit.
    with_paths
        Push also what tells paths of this machine.

    Raises
    ------
    ModelFileError
        There is no model, it is damaged, its language model is a folder of this machine, it tells
        such paths, or the hub can't be asked or refuses.
    ConfigError
        The name is none, or what is there is public where it should be private, or the reverse.
    """
    target = HubName.of(name, revision)
    if on_hub(path):
        raise ConfigError(f"{visible(path)} is on the hub already; give a folder of yours")
    folder = Path(path).expanduser()
    header, _ = read(folder, MODEL, ModelHeader)
    _check_backbone(folder, header)
    if not with_paths:
        _check_paths(folder, header)
    files = _contents(folder, header)
    digest = digest_of(header)
    with asking(target, "pushed"):
        _make_room(target, private)
        commit, url = _commit(target, files, message or f"tsprompt {__version__}, {digest[:12]}")
    return Pushed(str(target), url, commit, digest, private)


def _check_backbone(folder: Path, header: dict[str, Any]) -> None:
    """See that others can have the language model."""
    _, base = split_name(header["backbone"]["name"])
    named = base.count("/") <= 1 and not base.startswith((".", "~", "/")) and "\\" not in base
    if base in BUNDLED or (named and local_folder(base) is None):
        return
    raise ModelFileError(
        f"{folder} reads with the language model {visible(base)}, a folder of this machine: nobody "
        "else could load it, and its path would be told. Put the language model on the hub, "
        "and fit with its name there as ",
        Setting("backbone"),
    )


def _check_paths(folder: Path, header: dict[str, Any]) -> None:
    """See that nothing tells where files lie on this machine."""
    found = [
        f"{place} is {visible(text)!r}"
        for part in _TELLING
        for place, text in _texts(header[part], part)
        if _is_path(text)
    ]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ModelFileError(
            f"{folder} holds paths of this machine, which everybody who sees the model could read "
            f"({found[0]}{more}); fit with relative paths, or push them too with ",
            Setting("with_paths", True),
        )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a header, and where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield f"a name in {place}", key
            yield from _texts(one, f"{place}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, place)


def _is_path(text: str) -> bool:
    """Whether a text is, or holds, an absolute path of this machine: one whose first folder is
    there. A feature called `/imu/x` is none."""
    return any(_is_absolute(one) for one in (text, *text.replace("'", '"').split('"')))


def _is_absolute(text: str) -> bool:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # `~nobody`
        return False
    return path.is_absolute() and len(path.parts) > 2 and exists(Path(*path.parts[:2]))


def _contents(folder: Path, header: dict[str, Any]) -> dict[str, bytes]:
    """The files as they were checked: name -> bytes.

    Raises
    ------
    ModelFileError
        They were replaced in the meantime.
    """
    try:
        files = {one: (folder / one).read_bytes() for one in (MODEL.header, MODEL.tensors)}
        own = digest_of(json.loads(files[MODEL.header]))
        weights = hashlib.sha256(files[MODEL.tensors]).hexdigest()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder} can't be read: {error}") from None
    if own != digest_of(header) or weights != header["tensors_sha256"]:
        raise ModelFileError(f"{folder} is being replaced, or its save was cut off; save it again")
    return {**files, CARD: _card(folder, header)}


def _card(folder: Path, header: dict[str, Any]) -> bytes:
    """The card that lies there, which may have been written on; else a new one."""
    file = folder / CARD
    if not file.is_file():
        return model_card(header).encode()
    card = file.read_bytes()
    if digest_of(header).encode() not in card:
        notice(f"{file} does not hold the digest of the model: it may be the card of another one")
    return card


def _make_room(target: HubName, private: bool) -> None:
    """See that the page is there, and seen by whom it should be."""
    from huggingface_hub import HfApi, get_token, is_offline_mode
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

    if is_offline_mode():
        raise OfflineModeIsEnabled
    if get_token() is None:
        raise ModelFileError(f"{target} can't be pushed: you are not logged in; {LOG_IN}")
    api = HfApi()
    try:
        there = api.model_info(target.repo).private
    except RepositoryNotFoundError:
        api.create_repo(target.repo, private=private)
        there = private
    if bool(there) != private:
        is_now = "private" if there else "public"
        raise ConfigError(
            f"{target.page} is there already, and is {is_now}: change that on its settings page, "
            f"or push it as {is_now}"
        )
    if target.revision not in (None, "main"):
        api.create_branch(target.repo, branch=target.revision, exist_ok=True)


def _commit(target: HubName, files: dict[str, bytes], message: str) -> tuple[str, str]:
    """The commit of these files, and the address of the page."""
    from huggingface_hub import CommitOperationAdd, HfApi

    made = HfApi().create_commit(
        target.repo,
        [CommitOperationAdd(path_in_repo=one, path_or_fileobj=files[one]) for one in files],
        commit_message=message,
        revision=target.revision,
    )
    return made.oid, target.page
