"""What more data would bring, and which training strategy suits as much as there is."""

from tsprompt.advice.advise import LEVELS, Advice, AdvicePlan, Judged, Level
from tsprompt.advice.curve import Curve, CurvePlan, Ending, Point
from tsprompt.advice.estimate import expected_seconds
from tsprompt.advice.means import Mean, mean_of
from tsprompt.advice.power_law import Forecast, forecast
from tsprompt.advice.strategies import (
    DEFAULT,
    EPOCHS,
    TrainingStrategy,
    training_strategies,
)
from tsprompt.advice.words import advice_words, curve_words

__all__ = [
    "DEFAULT",
    "EPOCHS",
    "LEVELS",
    "Advice",
    "AdvicePlan",
    "Curve",
    "CurvePlan",
    "Ending",
    "Forecast",
    "Judged",
    "Level",
    "Mean",
    "Point",
    "TrainingStrategy",
    "advice_words",
    "curve_words",
    "expected_seconds",
    "forecast",
    "mean_of",
    "training_strategies",
]
