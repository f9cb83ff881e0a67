"""What leaves tsprompt: models as graphs for other engines, and onto the Hugging Face hub."""

from tsprompt.export.hub import Pushed, push
from tsprompt.export.onnx import Exported, export_onnx

__all__ = ["Exported", "Pushed", "export_onnx", "push"]
