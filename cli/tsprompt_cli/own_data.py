"""The options that say how a file of one's own is read and parted, and what they load."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tsprompt.data import Dataset, Split
    from tsprompt_datasets import OwnData, ReadOptions, SplitOptions

__all__ = ["Loaded", "Parting", "Reading"]

_READ, _PART = "How a file is read (inferred where not given)", "How a file is parted"


class Layout(StrEnum):
    """How a table holds cases."""

    LONG = "long"
    WIDE = "wide"


def _column(about: str) -> Any:
    return typer.Option(metavar="COLUMN", help=about, show_default=False, rich_help_panel=_READ)


@dataclass(frozen=True)
class Reading:
    """How a file is to be understood."""

    label: Annotated[
        str | None, _column("The column of the labels; `none` where there is none.")
    ] = None
    id: Annotated[str | None, _column("The column that names the case.")] = None
    time: Annotated[
        str | None, _column("The column of the time, by which rows in long form are sorted.")
    ] = None
    values: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,COLUMN",
            help="The columns of the series; by default all numbers that are nothing else.",
            show_default=False,
            rich_help_panel=_READ,
        ),
    ] = None
    layout: Annotated[
        Layout | None,
        typer.Option(
            help="long: a row for each timestep; wide: a row for each case.",
            show_default=False,
            rich_help_panel=_READ,
        ),
    ] = None
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first row names the columns; without, they are called 1, 2, ...",
            show_default=False,
            rich_help_panel=_READ,
        ),
    ] = None
    resample: Annotated[
        str | None,
        typer.Option(
            metavar="N|SECONDS",
            help="Bring each case to N timesteps, such as 100, or to even steps of a time, such "
            "as 0.02s, 5min or 1h; linear in between.",
            show_default=False,
            rich_help_panel=_READ,
        ),
    ] = None

    def options(self) -> ReadOptions:
        """The same, as the reader takes it."""
        from tsprompt_datasets import ReadOptions

        names = [field.name for field in dataclasses.fields(Reading)]
        said = {name: getattr(self, name) for name in names}
        return ReadOptions(
            **{
                **said,
                "values": tuple((self.values or "").split(",")),
                "layout": self.layout.value if self.layout else None,
                "groups": getattr(self, "groups", None),
            }
        )

    @property
    def said(self) -> list[str]:
        """What was given."""
        fields = dataclasses.fields(self)
        return [one.name for one in fields if getattr(self, one.name) is not None]

    def refuse(self, name: str) -> None:
        """See that nothing was said that has no meaning for a set of the archives.

        Raises
        ------
        ConfigError
            It was.
        """
        from tsprompt.errors import ConfigError, Setting

        if self.said:
            raise ConfigError(
                Setting(self.said[0]),
                f" is for files of one's own, and {name} is a set's name; give a path such as "
                f"./{name}.csv",
            )


@dataclass(frozen=True)
class Parting(Reading):
    """The same, and how cases are parted into train and test."""

    test: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file of its own for test, with the same columns.",
            show_default=False,
            rich_help_panel=_PART,
        ),
    ] = None
    test_size: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The share of cases that become test, drawn in proportion to the classes; 0.3 "
            "where there is one file.",
            show_default=False,
            rich_help_panel=_PART,
        ),
    ] = None
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Keep what this column names (a person, a machine, a day) on one side.",
            show_default=False,
            rich_help_panel=_PART,
        ),
    ] = None
    cv: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Part the cases into K; each part is test once.",
            show_default=False,
            rich_help_panel=_PART,
        ),
    ] = None

    def splits(self, seed: int = 0) -> SplitOptions:
        """How the cases are parted, as the reader takes it."""
        from tsprompt_datasets import SplitOptions

        test = None if self.test is None else str(self.test)
        return SplitOptions(test, self.test_size, self.cv, 0, seed)

    @property
    def parts(self) -> bool:
        """Whether it is said how to part cases."""
        given = (self.test, self.test_size, self.groups, self.cv)
        return any(one is not None for one in given)

    def load(
        self,
        name: str,
        data_dir: Path | None,
        seed: int = 0,
        options: ReadOptions | None = None,
    ) -> Loaded:
        """A data set from a path, read as `options` say, or the archives' one of this name.

        Raises
        ------
        TspromptError
            It can't be found or read, or options for files were given with a set's name.
        """
        from tsprompt_datasets import is_path, load_dataset, read_own

        if is_path(name):
            return Loaded(name, own=read_own(name, options or self.options(), self.splits(seed)))
        self.refuse(name)
        return Loaded(name, archived=load_dataset(name, data_dir=data_dir))


@dataclass(frozen=True)
class Loaded:
    """A data set, and how it was understood if it is one's own."""

    asked: str
    """The name or path that was given."""
    archived: Dataset | None = None
    own: OwnData | None = None

    @property
    def dataset(self) -> Dataset:
        """Train and test."""
        found = self.own.dataset if self.own else self.archived
        assert found is not None
        return found

    @property
    def whole(self) -> Split | None:
        """All cases, where train and test were drawn from them."""
        return self.own.whole if self.own else None

    @property
    def stem(self) -> str:
        """What files that are made of it are called."""
        if self.own is None:
            return self.asked
        from tsprompt.base.names import for_file

        name = self.dataset.name
        return for_file(name.split(".")[0] or name)

    def understood(self) -> list[tuple[str, str]]:
        """What was understood, as lines for the screen."""
        lines = self.own.understood if self.own else ()
        return [("read" if not i else "", line) for i, line in enumerate(lines)]

    def drawn(self, number: int) -> Dataset:
        """Another draw of train and test; 0 is the one that comes first."""
        from tsprompt_datasets import resample_dataset

        return self.own.drawn(number) if self.own else resample_dataset(self.dataset, number)

    def folds(self) -> list[Dataset]:
        """The parts of the cross-validation that was asked for; none, if there was not one."""
        parts = self.own.parting.cv if self.own else None
        return [self.drawn(part) for part in range(parts or 0)]

    def details(self) -> dict[str, Any]:
        """What a model keeps of it, to read new cases in the same way."""
        if self.own is None:
            from tsprompt_datasets import files_of

            return {"files": files_of(self.dataset.sha256)}
        return {
            "files": self.own.files,
            "columns": self.own.columns,
            "features": list(self.dataset.features or ()),
            "reading": self.own.options.as_dict(),
            "parting": dataclasses.asdict(self.own.parting),
        }
