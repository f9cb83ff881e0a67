"""The guide "From your file to a model": each of its commands runs, on files written here."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
GUIDE, README = ROOT / "docs" / "guides" / "your-file.md", ROOT / "README.md"
FITTING = ("fit", "compare")


def panel(cases: int = 24, steps: int = 20, seed: int = 0) -> pd.DataFrame:
    """Long form: two classes that differ in the pace of `ax`."""
    rng = np.random.default_rng(seed)
    case, step = np.repeat(np.arange(cases), steps), np.tile(np.arange(steps), cases)
    return pd.DataFrame(
        {
            "id": [f"r{one:02d}" for one in case],
            "time": (step * 0.02).round(2),
            "ax": np.sin(step * np.array([0.3, 1.2])[case % 2]) + rng.normal(size=len(case)) * 0.1,
            "ay": rng.normal(size=len(case)),
            "state": np.array(["walk", "run fast"])[case % 2],
        }
    )


def write_files(folder: Path) -> None:
    """The files that the guide names."""
    long = panel()
    for name in ("long.csv", "readings.csv"):
        long.to_csv(folder / name, index=False)
    panel(10, seed=1).to_csv(folder / "later.csv", index=False)
    panel(6, seed=2).drop(columns="state").to_csv(folder / "new.csv", index=False)
    long.assign(person=long.id.str[1:].astype(int) // 4).to_csv(folder / "people.csv", index=False)
    long.to_parquet(folder / "table.parquet")
    long.drop(index=[3, 47]).to_csv(folder / "uneven.csv", index=False)
    odd = long.rename(columns={"id": "bottle", "state": "taste", "ax": "acid", "ay": "sugar"})
    odd.assign(note=1.5).to_csv(folder / "odd.csv", index=False)
    X = np.stack([one[["ax", "ay"]].to_numpy() for _, one in long.groupby("id")])
    y = long.groupby("id").state.first().to_numpy()
    np.savez(folder / "arrays.npz", X=X, y=y.astype(str))
    wide = pd.DataFrame(X[:, :, 0]).add_prefix("t").assign(label=y)
    wide.to_csv(folder / "wide.csv", index=False)
    plain = np.c_[np.arange(24) % 2 + 1, X[:, :, 0]]
    np.savetxt(folder / "plain.csv", plain, delimiter=",", fmt="%g")
    for name, one in long.groupby("id"):
        file = folder / "recordings" / one.state.iloc[0] / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        one[["ax", "ay"]].to_csv(file, index=False)


def commands() -> list[list[str]]:
    """Those of the README's second block, then those of the guide."""
    found = [
        re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for page in (README, GUIDE)
    ]
    blocks = [found[0][1], *found[1]]
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def run(args: list[str]) -> str:
    from tsprompt_cli.main import app

    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, f"{shlex.join(args)}: {result.output}"
    return result.output


def test_each_command_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bert: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    # So that a fit takes a blink; the guide's own options stay as they are.
    cheap = ["--no-ablations", "--n-prompts", "1", "--tokenizer", "kernels:steps=4"]
    cheap += ["--backbone", tiny_bert, "--device", "cpu", "--dtype", "float32"]
    said = {}
    for args in commands():
        folder = Path("models", Path(args[1]).stem + "-shared")
        again = args[0] == "fit" and folder.exists()
        elsewhere = (
            ["-o", f"models/{len(said)}"] if again else []
        )  # the guide goes on with the first
        said[shlex.join(args)] = run([*args, *elsewhere, *(cheap if args[0] in FITTING else [])])
    assert len(said) > 20
    text = "\n".join(said.values())
    assert "\nfold sd" in text, "the head of the table may be folded where it is narrow"
    assert "of 6 groups" in text
    assert Path("predictions.csv").read_text().startswith("case,id,label,p(run fast),p(walk)\n")
    assert len(Path("out.jsonl").read_text().splitlines()) == 6


def test_the_plan_and_the_python_of_the_guide_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    text = GUIDE.read_text(encoding="utf-8")
    [plan] = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert len(tomllib.loads(plan)["sets"]) == 3
    plan = plan.replace('"default", ', "").replace('"GunPoint", ', "")  # what takes long
    Path("plan.toml").write_text(plan)
    assert "6 of 6 runs" in run(["bench", "run", "plan.toml", "--jobs", "1"])
    [block] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    small = block.replace("random_state=0", 'random_state=0, n_prompts=1, device="cpu"')
    exec(compile(small, "your-file.md", "exec"), {})
