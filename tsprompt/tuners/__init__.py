"""Tuners: how the prompt is found, inside train."""

from tsprompt.tuners.base import Found, Problem, Tuner, tuners, tuners_for

__all__ = ["Found", "Problem", "Tuner", "tuners", "tuners_for"]
