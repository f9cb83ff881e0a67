"""`predict --out`: cases of Parquet files, a block at a time, into a folder of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.new_cases import NewCases, Remembered, aligned, as_known
from tsprompt_cli.option_groups import Machine
from tsprompt_cli.options import folder_of
from tsprompt_cli.output import say
from tsprompt_cli.own_data import Reading
from tsprompt_cli.places import PANEL, Workers

if TYPE_CHECKING:
    from tsprompt.base.backends import Backend
    from tsprompt.blocks.output import Origin, PredictionsFolder
    from tsprompt.blocks.predict import Reads
    from tsprompt_datasets import CaseBlock, CaseBlocks, ReadOptions

__all__ = ["ManyCases", "load_block", "predict_many"]

_BLOCK = 4_096


@dataclass(frozen=True)
class ManyCases:
    """Whether, and how, cases are predicted a block at a time."""

    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Read a Parquet file, or all those of a folder, a block of cases at a time, and "
            "write the predictions of each block to a file in this folder. The same command goes "
            "on where it was stopped.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None
    block_cases: Annotated[
        int,
        typer.Option(
            min=1, help="Cases of a block: all that is in memory at once.", rich_help_panel=PANEL
        ),
    ] = _BLOCK

    def check(self, workers: Workers, **others: object) -> None:
        """See that the options go together; `others` are those of predictions in one piece.

        Raises
        ------
        ConfigError
            They don't.
        """
        from tsprompt.errors import ConfigError, Setting

        if self.out is None:
            if workers != Workers() or self.block_cases != _BLOCK:
                raise ConfigError(
                    "a cluster and blocks are for predictions into a folder; give one as ",
                    Setting("out"),
                )
            return
        given = next((name for name, value in others.items() if value is not None), None)
        if given is not None:
            raise ConfigError(
                Setting("out"),
                " writes Parquet files, a block of cases at a time, and does not go with ",
                Setting(given),
                "; leave one of them out",
            )


def predict_many(
    model: str,
    source: str,
    many: ManyCases,
    workers: Workers,
    *,
    machine: Machine,
    reading: Reading,
    digest: str | None,
) -> None:
    """Predict all cases of Parquet files into a folder.

    Raises
    ------
    TspromptError
        The files can't be read, a block can't be predicted or written, the cluster is not there, or
        the folder holds something else.
    """
    from tsprompt.base.tensor_folder import check_digest, digest_of, read_header
    from tsprompt.blocks.output import PredictionsFolder
    from tsprompt.blocks.predict import Reads
    from tsprompt.data import labels_from_json
    from tsprompt.model.saving import MODEL

    assert many.out is not None
    place = workers.place()
    place.check()
    folder = folder_of(model).absolute()
    header = read_header(folder, MODEL)
    if digest is not None:
        check_digest(folder, header, digest)
    remembered = Remembered(header.get("details", {}))
    found = _blocks(source, many, remembered.options(reading), remembered.columns)
    reads = Reads(
        model=folder,
        digest=digest_of(header),
        loader="tsprompt_cli.many_cases:load_block",
        options={"options": found.options, "features": remembered.features},
        label_type=found.label_type,
        device=machine.device,
        dtype=None if machine.dtype == "auto" else machine.dtype,
        batch_tokens=machine.batch_tokens,
        threads=workers.threads,
    )
    _check_apart(many.out, source)
    out = PredictionsFolder(many.out, _origin(reads.digest, found, machine))
    with out.claimed():
        kept = _run(out, found, reads, place)
        classes = labels_from_json(header["classes"], header["classes_dtype"])
        _tell(out, found, kept, classes)


def load_block(block: CaseBlock, options: ReadOptions, features: tuple[str, ...]) -> NewCases:
    """The cases of a block, their features in the order of the model; for workers.

    Raises
    ------
    DatasetError
        They can't be read.
    """
    from tsprompt_datasets import read_block

    content = read_block(block, options)
    cases = aligned(content.cases, features, block.file.name)
    return NewCases(block.file.name, cases, content.labels)


def _blocks(source: str, many: ManyCases, options: ReadOptions, like: dict[str, Any]) -> CaseBlocks:
    from tsprompt_cli.display.progress_bars import working
    from tsprompt_datasets import blocks_of

    with working("looking at the files") as work:
        work.start("looking at the files")
        return blocks_of(Path(source), options, like, many.block_cases)


def _check_apart(out: Path, source: str) -> None:
    """See that predictions don't come to lie among the cases, where they would be read as such."""
    from tsprompt.errors import ConfigError, Setting

    cases, there = Path(source).expanduser().resolve(), out.expanduser().resolve()
    if there == cases or there.is_relative_to(cases):
        raise ConfigError(
            f"{out} is {source} or inside it, and predictions would be read as cases; give another "
            "folder as ",
            Setting("out"),
        )


def _origin(digest: str, found: CaseBlocks, machine: Machine) -> Origin:
    from tsprompt.blocks.output import Origin

    inputs = tuple(
        {"name": file.name, "size": file.size, "modified": file.modified} for file in found.files
    )
    settings = {"dtype": machine.dtype, "reading": found.options.as_dict()}
    return Origin(digest, inputs, settings, tuple(block.cases for block in found.blocks))


def _run(out: PredictionsFolder, found: CaseBlocks, reads: Reads, place: Backend) -> int:
    """Predict what is not there yet; how many blocks were there."""
    from tsprompt.base.backends import WorkerLostError
    from tsprompt.blocks.predict import predict_blocks
    from tsprompt.errors import Setting, TspromptError
    from tsprompt_cli.display.progress_bars import working

    count, kept = len(found.blocks), len(out.done())
    done = kept
    beside = [{"file": one.file.name, "first": one.first} for one in found.blocks]
    if kept:
        say("Found", f"{kept} of {count} blocks are done already", "cyan")
    try:
        with working("predicting", count) as work:
            work.skip(kept)
            work.start("blocks of cases")
            for number in predict_blocks(found.blocks, beside, reads, out, place):
                done += 1
                one = found.blocks[number]
                work.finish(f"{done} of {count} blocks: {one.file.name}, {one.cases:,} cases")
    except WorkerLostError as lost:
        raise TspromptError(
            f"{lost}; {done} of {count} blocks are in {out.path}, and the same command goes on "
            "from there; if memory was the reason, take a new folder and smaller blocks, by ",
            Setting("block_cases"),
        ) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{done} of {count} blocks are in {out.path}; the same command goes on from there"
        ) from None
    return kept


def _tell(out: PredictionsFolder, found: CaseBlocks, kept: int, classes: Any) -> None:
    """The last lines: how many cases there are, and how many are right."""
    from tsprompt.errors import TspromptError

    if len(out.done()) < len(found.blocks):
        raise TspromptError(
            f"{out.path} lacks files that were written a moment ago; give the same command again"
        )
    if found.label_type is not None:
        right, known = _right(out, len(found.blocks), classes)
        if known:
            say("Accuracy", f"{right / known:.4f} of {known:,} cases with labels", "green")
    before = f", {kept} of which were there" if kept else ""
    files = f"{len(found.files):,} file{'' if len(found.files) == 1 else 's'}"
    blocks = f"{len(found.blocks):,} block{'' if len(found.blocks) == 1 else 's'}"
    say("Done", f"{found.cases:,} cases of {files} in {blocks}{before}: {out.path}", "green")


def _right(out: PredictionsFolder, count: int, classes: Any) -> tuple[int, int]:
    """Of the cases with labels, how many are labelled right, and how many there are."""
    import numpy as np
    from pyarrow import parquet

    right = known = 0
    for number in range(count):
        table = parquet.read_table(out.part(number), columns=["label", "true label"])
        table = table.filter(table.column("true label").is_valid())
        said, truth = (
            as_known(np.array(table.column(name).to_pylist(), dtype=object), classes)
            for name in ("label", "true label")
        )
        right, known = right + int((said == truth).sum()), known + len(truth)
    return right, known
