"""Options that several commands share, each written once; their groups are in `option_groups`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tsprompt.base.kinds import KINDS
from tsprompt_cli import completion
from tsprompt_cli.output import Format

__all__ = [
    "MACHINE_PANEL",
    "MODEL_PANEL",
    "DataDir",
    "Digest",
    "DryRun",
    "Form",
    "Output",
    "Saved",
    "ScratchDir",
    "ScratchDtype",
    "Seed",
    "SetName",
    "Strategy",
    "folder_of",
    "part_option",
]

MODEL_PANEL, MACHINE_PANEL = "What the model is made of", "Where and how it runs"
"""Headings of `--help` that options stand under."""


def part_option(kind: str, example: str) -> Any:
    """An option that takes the spec of a part of this kind."""
    about, plural = KINDS[kind].about, KINDS[kind].plural
    return typer.Option(
        help=f"{about} Such as {example}; see `tsprompt list {plural}`.",
        metavar="SPEC",
        show_default=False,
        autocompletion=completion.part_of(KINDS[kind]),
        rich_help_panel=MODEL_PANEL,
    )


SetName = Annotated[
    str,
    typer.Argument(
        metavar="SET",
        help="A file or folder of your own, or the archive's name of a data set, such as GunPoint.",
        autocompletion=completion.dataset_names,
        show_default=False,
    ),
]
Saved = Annotated[
    str,  # not Path, which makes hf:/ of hf://
    typer.Argument(
        metavar="MODEL",
        help="A folder that fit wrote, or hf://USER/NAME on the Hugging Face hub, with @REVISION "
        "for a branch, a tag or a commit.",
        show_default=False,
    ),
]
Digest = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256",
        help="Refuse any model but the one with this digest, as `tsprompt show` prints it.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A folder laid out as the archives are: DIR/NAME/NAME_TRAIN.ts, or .tsv, or .arff. "
        "By default the environment variable TSPROMPT_DATA_DIR.",
        show_default=False,
    ),
]
ScratchDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where a fit lays the features of many cases while it lasts, if they take more than "
        "1 GiB. By default the environment variable TSPROMPT_SCRATCH_DIR, or else the folder for "
        "temporary files.",
        show_default=False,
        rich_help_panel=MACHINE_PANEL,
    ),
]
ScratchDtype = Annotated[
    str | None,
    typer.Option(
        metavar="DTYPE",
        help="What they lie there as: float32, or bfloat16, which takes half the disk and moves "
        "probabilities a little. By default the environment variable TSPROMPT_SCRATCH_DTYPE, or "
        "else float32.",
        show_default=False,
        rich_help_panel=MACHINE_PANEL,
    ),
]
Form = Annotated[
    Format | None,
    typer.Option("--format", help="What to print; by default a table.", show_default=False),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what it would take on this machine (cases, tokens, memory, time), and run "
        "nothing.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to this file; its ending (.csv, .json, .md) tells the format unless --format "
        "does.",
        show_default=False,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="The same seed gives the same result on the same machine.")
]
Strategy = Annotated[
    str | None,
    part_option("strategy", "per-step or autoencoder:latent=32"),
]


def folder_of(model: str) -> Path:
    """Where a saved model lies; one on the hub is downloaded first, unless the cache holds it."""
    from tsprompt.base.hub import located, on_hub

    if not on_hub(model):
        return Path(model).expanduser()
    from tsprompt.model.header import MODEL

    return located(model, MODEL)
