"""`tsprompt export`: a saved model for other engines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsprompt.errors import ConfigError, Setting
from tsprompt_cli.option_groups import Machine
from tsprompt_cli.options import Digest, Saved, folder_of
from tsprompt_cli.output import grid, show

__all__ = ["export"]

_ONNX = Setting("onnx")


def export(
    model: Saved,
    onnx: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Write the whole model as one ONNX graph: values in, probabilities out.",
            show_default=False,
        ),
    ],
    timesteps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="T",
            help="Of the series that the graph takes; by default that of train, where all its "
            "series had one length.",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Weights as 8-bit numbers: smaller, and less exact."),
    ] = False,
    digest: Digest = None,
) -> None:
    """Write a saved model in a form that runs without tsprompt and without torch."""
    from tsprompt.base.files import check_file, check_not_input
    from tsprompt.base.tensor_folder import digest_of, read_header
    from tsprompt.export import export_onnx
    from tsprompt.model.saving import MODEL
    from tsprompt_cli.display.progress_bars import working

    if onnx.suffix.lower() != ".onnx":  # a table or a model of the user's would be lost
        raise ConfigError(
            f"{onnx}: a graph is written as .onnx; give a name that ends so as ", _ONNX
        )
    check_file(onnx, _ONNX)
    folder = folder_of(model)
    check_not_input(onnx, folder, setting=_ONNX)
    classifier = Machine(device="cpu", dtype="float32").load(folder, digest)
    own = digest_of(read_header(folder, MODEL))
    with working("writing the graph") as work:
        work.start("writing the graph")
        made = export_onnx(classifier, onnx, timesteps=timesteps, int8=int8, digest=own)
    features = classifier.n_features_in_
    show(
        grid(
            [
                ("written", f"{made.path} ({made.bytes / 2**20:,.1f} MiB)"),
                ("takes", f"values: cases x {made.timesteps} x {features}, float32, no gaps"),
                ("gives", f"probabilities: cases x {len(classifier.classes_)}"),
                (
                    "beside the model",
                    f"largest difference {made.difference:.1e}, same label for "
                    f"{made.agreement:.0%} of random series",
                ),
            ]
        )
    )
