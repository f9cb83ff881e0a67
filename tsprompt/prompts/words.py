"""Text that a person writes into a prompt becomes tokens of the backbone's vocabulary."""

from __future__ import annotations

from tsprompt.backbones import Backbone
from tsprompt.base.part import require

__all__ = ["encode_words"]


def encode_words(text: str, backbone: Backbone, name: str) -> list[int]:
    """Ids of a text's tokens, without special ones; `name`: the prompt that it was written for.

    Raises
    ------
    ConfigError
        A word is not in the vocabulary, and can't be spelled with its pieces either.
    """
    unknown = [word for word in text.split() if not backbone.words.knows(word)]
    require(
        not unknown,
        f"{name}: the vocabulary of {backbone.name} can't spell {', '.join(map(repr, unknown))}; "
        "use other words",
    )
    return backbone.words.encode(text)
