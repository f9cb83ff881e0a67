"""Series as the library holds them: cases that each keep their own number of timesteps.

Axis letters, used everywhere: B cases, T timesteps, F features (channels), S steps, W tokens of a
step, P prompt slots, L template positions, D the language model's hidden size, R readout features,
C classes.
"""

from tsprompt.data.accept import as_cases, by_position
from tsprompt.data.cases import Cases, FloatArray, IntArray, Values
from tsprompt.data.dataset import Dataset, Split
from tsprompt.data.expected import Expected, tell_of_train
from tsprompt.data.file_set import FileSet
from tsprompt.data.labels import label_array, labels_from_json, labels_to_json

__all__ = [
    "Cases",
    "Dataset",
    "Expected",
    "FileSet",
    "FloatArray",
    "IntArray",
    "Split",
    "Values",
    "as_cases",
    "by_position",
    "label_array",
    "labels_from_json",
    "labels_to_json",
    "tell_of_train",
]
