"""Combinations: how what several prompts make the model say becomes one classifier."""

from tsprompt.combinations.base import Combination, Evidence, Task, combinations

__all__ = ["Combination", "Evidence", "Task", "combinations"]
