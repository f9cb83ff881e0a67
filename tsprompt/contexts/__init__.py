"""Contexts: what stands in the model's input besides prompt and data."""

from tsprompt.contexts.base import NO_CONTEXT, Context, NoContext, Train, contexts

__all__ = ["NO_CONTEXT", "Context", "NoContext", "Train", "contexts"]
