"""What leaves tsprompt: models as graphs for other engines."""

from tsprompt.export.onnx import Exported, export_onnx

__all__ = ["Exported", "export_onnx"]
