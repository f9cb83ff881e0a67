"""How the commands put things: data sets, layouts and models in a line of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsprompt.errors import counted

if TYPE_CHECKING:
    from tsprompt.data import Dataset
    from tsprompt.model.description import Layout
    from tsprompt_datasets import DatasetInfo

__all__ = [
    "data_lines",
    "figures",
    "layout_line",
    "reading_line",
    "shot_lines",
    "span",
]

_CLASSES_SHOWN = 8


def span(info: DatasetInfo) -> str:
    """The lengths of the series."""
    if info.equal_length:
        return counted(info.length_max, "timestep")
    return f"{info.length_min} to {info.length_max} timesteps"


def data_lines(info: DatasetInfo) -> list[tuple[str, str]]:
    """What was read."""
    counts = [f"{label} ({count})" for label, count in info.train_counts.items()]
    more = len(counts) - _CLASSES_SHOWN
    shown = ", ".join(counts[:_CLASSES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    lines = [
        ("data", f"{info.name}, {info.source}: {info.n_train} train and {info.n_test} test cases"),
        ("", f"{span(info)} x {counted(info.n_features, 'feature')}"),
        ("", f"{counted(len(info.classes), 'class')}, with train cases: {shown}"),
    ]
    if info.missing:
        lines.append(("", counted(info.missing, "missing value")))
    return lines


def shot_lines(data: Dataset) -> list[tuple[str, str]]:
    """What is left of train after a draw of shots; nothing, if there was none."""
    if data.development is None and data.unlabelled is None:
        return []
    develop = len(data.development) if data.development else 0
    free = len(data.unlabelled) if data.unlabelled else 0
    learn = counted(len(data.train), "case")
    return [
        ("shots", f"{learn} to learn from, a development sample of {develop}, {free} unlabelled")
    ]


def layout_line(layout: Layout, timesteps: int | None = None) -> str:
    """How a series is laid out before the language model."""
    of = f" of {counted(layout.patch, 'number' if layout.latent else 'timestep')}"
    start = f"{counted(timesteps, 'timestep')} → " if timesteps else ""
    start += f"{layout.latent} latent numbers → " if layout.latent else ""
    steps = f"{start}{counted(layout.steps, 'step')}{of if layout.patch > 1 else ''}"
    if layout.width > 1:
        steps += f", {layout.width} tokens each"
    prompt = counted(layout.prompt_tokens, "prompt token") if layout.prompt_tokens else "no prompt"
    if layout.layer_tokens:
        prompt = f"{counted(layout.layer_tokens, 'prompt token')} at every layer"
    alone = ", each step read alone" if layout.scope == "step" else ""
    return f"{steps}, {prompt} → {counted(layout.positions, 'position')}{alone}"


def reading_line(layout: Layout) -> str:
    """What is read, and how much of it reaches the head."""
    read = layout.layers_read
    if not layout.layers:
        layers = "no language model"
    elif len(read) > 1 and list(read) == list(range(read[0], read[-1] + 1)):
        layers = f"layers {read[0]} to {read[-1]} of {layout.layers}"
    else:
        layers = (
            f"layer{'s' if len(read) > 1 else ''} {', '.join(map(str, read))} of {layout.layers}"
        )
    prompts = counted(layout.readings, "prompt")
    return f"{layers}, hidden size {layout.hidden_size}; {prompts} → {layout.features:,} features"


def figures(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The further figures of a fit."""
    return [
        (name, f"{value:.4g}" if isinstance(value, float) else str(value))
        for name, value in report.items()
    ]
