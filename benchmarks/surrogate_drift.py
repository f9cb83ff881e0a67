"""Why the second of the original attempts did not learn: how far its target moves from epoch to
epoch, beside how far off the network is that should learn it.

Each set is fitted twice with the recipe `original-surrogate`: as it is, and with a prompt that
stands still, so that the network alone learns. For each epoch, in squared units of the numbers of
the mask vector, averaged over them:

- drift: how far the mask vector, averaged over train, has moved since the epoch before
- error: how far off the network is, and how far off it would be if the target stood still
- variance: how far the mask vectors of the cases lie from their mean

    python benchmarks/surrogate_drift.py [--sets ArrowHead GunPoint] [--epochs 40]
        [--rate 0.002] [--output drift.json] [--picture drift.svg]
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsprompt import PromptClassifier, TspromptNotice
from tsprompt.tuners.side_network import SideNetwork
from tsprompt_datasets import load_dataset

LINES: dict[str, tuple[str, Any, str]] = {
    "drift": ("#c2410c", "-", "drift of the target since the epoch before"),
    "error": ("#1d4ed8", "-", "error of the network beside the model"),
    "error_still": ("#1d4ed8", (0, (4, 2)), "its error, if the target stands still"),
    "variance": ("#6b7280", (0, (1, 1.5)), "variance of the cases"),
}
"""Colour, dashes and legend of each."""


def figures_of(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The lines of one set, a number for each epoch, and what came of both fits."""
    data, told, epochs = load_dataset(name), {}, options.epochs
    fits = {}
    for moves in (True, False):
        model = PromptClassifier(
            "original-surrogate",
            tokenizer=f"bins:words=index,steps={options.steps}",
            tuner=SideNetwork(
                epochs=epochs,
                patience=epochs,
                moves_prompt=moves,
                learning_rate=options.rate,
            ),
            backbone="minilm",
            random_state=options.seed,
        ).fit(data.train.cases, data.train.labels)
        tuner = model.parts_.tuner
        assert isinstance(tuner, SideNetwork)
        fits[moves] = tuner
        accuracy = float(model.score(data.test.cases, data.test.labels))
        told["accuracy" if moves else "accuracy_still"] = round(accuracy, 4)
    return {
        "set": name,
        **told,
        "drift": fits[True].drifts_,
        "error": fits[True].errors_,
        "error_still": fits[False].errors_,
        "variance": fits[True].variances_,
        "gradient": fits[True].gradients_,
    }


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """A panel for each set."""
    settings = {"svg.hashsalt": "tsprompt", "font.size": 9, "font.family": "DejaVu Sans"}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(4.2 * len(found), 3.9), facecolor="white")
        panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, one in zip(panels, found, strict=True):
            _panel(axes, one)
        panels[0].set_ylabel("squared units of the mask vector")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncol=2, frameon=False)
        figure.tight_layout(rect=(0, 0.14, 1, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _panel(axes: Axes, one: dict[str, Any]) -> None:
    for line, (colour, dashes, legend) in LINES.items():
        epochs = range(1, len(one[line]) + 1)
        axes.plot(epochs, one[line], color=colour, linestyle=dashes, linewidth=1.4, label=legend)
    axes.set_yscale("log")
    axes.set_title(one["set"])
    axes.set_xlabel("epoch")
    axes.grid(color="#d1d5db", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=["ArrowHead", "GunPoint"])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rate", type=float, default=SideNetwork.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", TspromptNotice)
    found = []
    for name in options.sets:
        found.append(figures_of(name, options))
        one = found[-1]
        print(f"{name}: accuracy {one['accuracy']}, with a prompt that stands still ", end="")
        print(f"{one['accuracy_still']}")
        for epoch in sorted({1, 5, 10, 20, options.epochs} & set(range(1, options.epochs + 1))):
            values = {line: one[line][epoch - 1] for line in LINES}
            print(f"  epoch {epoch}: " + ", ".join(f"{k} {v:.4f}" for k, v in values.items()))
    if options.output:
        command = f"--sets {' '.join(options.sets)} --epochs {options.epochs}"
        command += f" --steps {options.steps} --rate {options.rate} --seed {options.seed}"
        told = {"command": f"python benchmarks/surrogate_drift.py {command}", "sets": found}
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
