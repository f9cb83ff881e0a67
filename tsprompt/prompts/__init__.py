"""Prompt models: what fills the prompt slots. Each says how it is found (its default tuner)."""

from tsprompt.prompts.base import PromptModel, PromptModule, prompts

__all__ = ["PromptModel", "PromptModule", "prompts"]
