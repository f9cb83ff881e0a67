"""Series as the library holds them: cases that each keep their own number of timesteps.

Axis letters, used everywhere: B cases, T timesteps, F features (channels), S steps, W tokens of a
step, P prompt slots, L template positions, D the language model's hidden size, R readout features,
C classes.
"""

from tsprompt.data.accept import as_cases
from tsprompt.data.cases import Cases, FloatArray, IntArray, Values
from tsprompt.data.dataset import Dataset, Split

__all__ = ["Cases", "Dataset", "FloatArray", "IntArray", "Split", "Values", "as_cases"]
