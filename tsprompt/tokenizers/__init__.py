"""Tokenizers: values become what the language model reads. Fitted on train only."""

from tsprompt.tokenizers.base import Joined, Tokenizer, Vocabulary, tokenizers

__all__ = ["Joined", "Tokenizer", "Vocabulary", "tokenizers"]
