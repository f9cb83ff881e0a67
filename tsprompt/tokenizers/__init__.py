"""Tokenizers: values become what the language model reads. Fitted on train only."""

from tsprompt.tokenizers.base import Tokenizer, Vocabulary, tokenizers

__all__ = ["Tokenizer", "Vocabulary", "tokenizers"]
