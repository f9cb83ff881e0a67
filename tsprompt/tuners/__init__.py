"""Tuners: how the prompt is found, inside train."""

from tsprompt.tuners.base import Found, Problem, Taught, Tuner, tuners, tuners_for

__all__ = ["Found", "Problem", "Taught", "Tuner", "tuners", "tuners_for"]
