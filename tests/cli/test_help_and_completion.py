"""What every start of the command costs, and what the shell completes."""

from __future__ import annotations

import pytest
from command_line import HEAVY, start

from tsprompt.base.kinds import KINDS


@pytest.mark.parametrize("args", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    code = (
        "import resource; used = resource.getrusage(resource.RUSAGE_SELF); "
        f"print([one for one in {HEAVY} if one in sys.modules], used.ru_utime, file=sys.stderr)"
    )
    out, err = start(*args, code=code).communicate(timeout=60)
    assert err.startswith("[] "), err
    print(args, "took", err.split()[1], "s of processor time")
    assert "tsprompt" in out


@pytest.mark.parametrize(
    ("words", "number", "expected"),
    [
        ("tsprompt fit Unit", 2, "UnitTest"),
        ("tsprompt fit UnitTest --strategy per", 4, "per-step"),
        ("tsprompt fit UnitTest --recipe original-s", 4, "original-surrogate"),
        ("tsprompt eval", 1, "evaluate"),
    ],
)
def test_shell_completion_answers(words: str, number: int, expected: str) -> None:
    asked = {
        "_TSPROMPT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(number),
    }
    code = f"print([one for one in {HEAVY} if one in sys.modules], file=sys.stderr)"
    out, err = start(code=code, env=asked).communicate(timeout=60)
    assert expected in out.split()
    assert err.strip() == "[]"


def test_completion_knows_what_is_registered() -> None:
    from tsprompt_cli.catalogue import explain_kind
    from tsprompt_cli.completion import part_names

    for kind in KINDS.values():
        assert part_names(kind) == [part.name for part in explain_kind(kind)]
