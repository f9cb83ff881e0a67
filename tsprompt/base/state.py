"""What a part may have learned: declared at the part, checked where it is read back.

Each part declares its fitted attributes, those that end in ``_``, in a `State` of its own, which
extends that of the class above it::

    class State(Tokenizer.State):
        edges_: Annotated[Tensor, numbers("float32", "F", "E")]
        ids_: Annotated[Tensor, numbers("int64", "bins", least=0)]

A letter stands for a size: all that bear the same letter must be equally long. A size that is
called like an option of the part is what the option says; some are known to all parts:

====  =======================================================
C     classes
D     hidden size of the language model
V     words of its vocabulary
====  =======================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core.core_schema import CoreSchema

__all__ = [
    "Between",
    "Count",
    "Figure",
    "Figures",
    "Finite",
    "Index",
    "NonNegative",
    "Pair",
    "Positive",
    "Seed",
    "check_state",
    "numbers",
]


@dataclass(frozen=True)
class Between:
    """A number in a range."""

    kind: type
    least: float | None = None
    most: float | None = None
    above: float | None = None
    gaps: bool = False
    """Whether it may be NaN or infinite."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        if self.kind is int:
            return core_schema.int_schema(strict=True, ge=_whole(self.least), le=_whole(self.most))
        return core_schema.float_schema(
            strict=True, ge=self.least, le=self.most, gt=self.above, allow_inf_nan=self.gaps
        )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


Count = Annotated[int, Between(int, least=1, most=2**31)]
Index = Annotated[int, Between(int, least=0, most=2**31)]
Seed = Annotated[int, Between(int, least=0, most=2**32)]
Finite = Annotated[float, Between(float)]
NonNegative = Annotated[float, Between(float, least=0)]
Positive = Annotated[float, Between(float, above=0)]
Figure = Annotated[float, Between(float, gaps=True)]
"""A figure that nothing is computed from; NaN: there is none."""
Figures = list[Figure]


class _Two:
    """Two whole numbers, 0 or more."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        one = core_schema.int_schema(strict=True, ge=0, le=2**32)
        return core_schema.list_schema(one, min_length=2, max_length=2)


Pair = Annotated[list[int], _Two()]


@dataclass(frozen=True)
class numbers:  # noqa: N801  (reads as a word in an annotation)
    """Annotates a tensor, or an array: its dtype, its sizes (none: any), and the range of its
    numbers, all of which are finite."""

    dtype: str
    dims: tuple[str, ...]
    least: float | None
    below: str | float | None
    above: float | None
    most: float | None
    array: bool
    gaps: bool

    def __init__(
        self,
        dtype: str,
        *dims: str,
        least: float | None = None,
        below: str | float | None = None,
        above: float | None = None,
        most: float | None = None,
        array: bool = False,
        gaps: bool = False,
    ) -> None:
        """`below` may be the name of a size; with `gaps` NaN and inf are allowed."""
        for name, value in (("dtype", dtype), ("dims", dims), ("least", least)):
            object.__setattr__(self, name, value)
        for name, value in (("below", below), ("above", above), ("most", most)):
            object.__setattr__(self, name, value)
        for name, value in (("array", array), ("gaps", gaps)):
            object.__setattr__(self, name, value)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(self._check)

    def _check(self, value: Any, info: Any) -> Any:
        import numpy as np
        import torch

        kind = np.ndarray if self.array else torch.Tensor
        if not isinstance(value, kind):
            raise ValueError(f"is no {'array' if self.array else 'tensor'}")
        found = str(value.dtype).removeprefix("torch.")
        if found not in self.dtype.split("|"):
            raise ValueError(f"holds {found}, not {self.dtype}")
        if self.dims and value.ndim != len(self.dims):
            raise ValueError(
                f"has {value.ndim} axes, not {len(self.dims)} ({', '.join(self.dims)})"
            )
        sizes: dict[str, int] = info.context
        for dim, size in zip(self.dims, value.shape, strict=False):
            known = sizes.setdefault(dim, int(size))
            if known != size:
                raise ValueError(f"is {size} long where {dim} is {known}")
        self._check_range(torch.as_tensor(value), sizes)
        return value

    def _check_range(self, value: Any, sizes: dict[str, int]) -> None:
        if not value.numel() or value.dtype.is_complex:
            return
        if value.dtype.is_floating_point and not self.gaps and not bool(value.isfinite().all()):
            raise ValueError("holds NaN or inf")
        least, most = (value.min().item(), value.max().item())
        below = sizes.get(self.below) if isinstance(self.below, str) else self.below
        if self.least is not None and least < self.least:
            raise ValueError(f"holds {least}, less than {self.least}")
        if self.above is not None and least <= self.above:
            raise ValueError(f"holds {least}, not above {self.above}")
        if self.most is not None and most > self.most:
            raise ValueError(f"holds {most}, more than {self.most}")
        if below is not None and most >= below:
            raise ValueError(f"holds {most}, not below {below}")


@lru_cache(maxsize=256)
def _adapter(schema: type) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    schema.__pydantic_config__ = config  # type: ignore[attr-defined]
    return TypeAdapter(schema)


def check_state(schema: type, state: Any, sizes: dict[str, int]) -> None:
    """See that a state is as its schema declares.

    Parameters
    ----------
    sizes
        What is known of sizes; those that the state settles are added.

    Raises
    ------
    ValueError
        Something is missing, unknown, of another type or size, or out of range; the text says what.
    """
    from pydantic import ValidationError

    try:
        _adapter(schema).validate_python(state, context=sizes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the state"
        said = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            said = "is not declared in the part's State"
        raise ValueError(f"{place}: {said}") from None
