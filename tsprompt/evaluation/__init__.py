"""How good one model is on labelled cases: figures, how far to trust them, and what went wrong."""

from tsprompt.evaluation.calibration import Bin, Calibration
from tsprompt.evaluation.figures import ClassFigures, Evaluation, evaluate
from tsprompt.evaluation.mistakes import Mistake
from tsprompt.evaluation.promises import Promise

__all__ = ["Bin", "Calibration", "ClassFigures", "Evaluation", "Mistake", "Promise", "evaluate"]
