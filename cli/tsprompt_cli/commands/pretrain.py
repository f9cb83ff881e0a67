"""`tsprompt pretrain`: train prompts on several sets, for other fits to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsprompt_cli import completion
from tsprompt_cli.option_groups import Choices, Machine, flat
from tsprompt_cli.options import DataDir, Form, Seed, Strategy
from tsprompt_cli.output import Format, chosen, grid, show, show_json
from tsprompt_cli.own_data import Parting

if TYPE_CHECKING:
    from tsprompt.model.pretrained_prompts import Pretrained

__all__ = ["pretrain"]


@flat
def pretrain(
    sets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="Files of your own, or the archive's names of the data sets to train on.",
            autocompletion=completion.dataset_names,
            show_default=False,
        ),
    ],
    *,
    method: Annotated[
        str,
        typer.Option(
            metavar="RECIPE",
            help="ppt: one prompt for all sets, trained without labels; transprompt: a universal "
            "prompt and one for each set, trained on the labels of all together.",
        ),
    ] = "ppt",
    strategy: Strategy = None,
    model: Choices,
    machine: Machine,
    parting: Parting,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to save the prompts; by default models/METHOD-prompts.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Train prompts on several sets, for fit --prompt-from to start from.

    Only the train parts are read. The folder holds prompts and what tells the tasks apart, no data.
    """
    from tsprompt.base.files import check_writable
    from tsprompt.model.pretrained_prompts import check_prompts_target
    from tsprompt.model.pretrained_prompts import pretrain as pretrain_
    from tsprompt.model.warm_start import PROMPTS
    from tsprompt_cli.display.progress_bars import working

    folder = output or Path("models") / f"{method}-prompts"
    check_prompts_target(folder)
    check_writable(folder / PROMPTS.header)
    loaded = [parting.load(name, data_dir, seed).dataset for name in dict.fromkeys(sets)]
    trains = {data.name: (data.train.cases, data.train.labels) for data in loaded}
    with working("pre-training") as work:
        work.start("pre-training")
        made = pretrain_(
            trains,
            method,
            device=machine.device,
            dtype=machine.dtype,
            batch_tokens=machine.batch_tokens,
            random_state=seed,
            **model.settings(strategy=strategy),
        )
    made.save(folder)
    if chosen(form, None) is Format.TABLE:
        show(grid(_rows(made, folder)))
    else:
        tasks = [task.name for task in made.tasks]
        show_json({"saved": str(folder), "tasks": tasks, "report": made.report})


def _rows(made: Pretrained, folder: Path) -> list[tuple[str, str]]:
    from tsprompt_cli.display.summaries import figures

    start = ["tsprompt", "fit", "SET", "--recipe", made.method, "--prompt-from", str(folder)]
    return [
        ("prompts", ", ".join(task.name for task in made.tasks)),
        *figures(made.report),
        ("saved", str(folder)),
        ("next", shlex.join(start)),
    ]
