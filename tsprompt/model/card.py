"""The card of a saved model: `README.md` in its folder, in the format of the Hugging Face hub."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from tsprompt.base.files import is_folder
from tsprompt.base.names import for_markdown, visible

__all__ = ["CARD", "model_card"]

CARD = "README.md"
"""The file that the hub shows."""

_BASES = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
"""What the hub calls the models that come as packages."""

_TEMPLATE = """---
{{ card_data }}
---

# {{ title }}

A classifier of time series by tsprompt: {{ what }}.

{{ parts }}

The digest of this model is `{{ digest }}`.
With `tsprompt predict --digest`, and `load(..., digest=)`, any other is refused. This card is not
part of what the digest is over.

## Use

```bash
tsprompt predict FOLDER DATA.csv
```

```python
from tsprompt import PromptClassifier

model = PromptClassifier.load("FOLDER")
model.predict_proba(X)  # cases, timesteps, features
```

## Data

{{ data }}

## Figures

{{ figures }}

## Ablations

{{ ablations }}

## Limits

{{ limits }}

## Versions

{{ versions }}
"""


def model_card(header: dict[str, Any]) -> str:
    """The card of what a header of `model.json` describes, as Markdown with a YAML head."""
    from huggingface_hub import ModelCard

    details = header["details"]
    card = ModelCard.from_template(
        _card_data(header),
        template_str=_TEMPLATE,
        title=for_markdown(_title(details)),
        what=_what(header),
        parts=_items(_parts(header)),
        digest=header["digest"],
        data=_items(_data(header)),
        figures=_table(_figures(header)),
        ablations=_ablations(details),
        limits=_items(_limits(header)),
        versions=_items({"tsprompt": header["tsprompt"], **header["versions"]}.items()),
    )
    return str(card)


def _card_data(header: dict[str, Any]) -> Any:
    from huggingface_hub import EvalResult, ModelCardData

    details, base = header["details"], _base(header)
    name, test = visible(_title(details)), _test(details)
    results = [
        EvalResult(
            task_type="time-series-classification",
            dataset_type=visible(str(details.get("dataset", "unknown"))),
            dataset_name=visible(str(details.get("dataset", "unknown"))),
            dataset_split="test",
            metric_type=metric,
            metric_value=test[metric],
        )
        for metric in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
        if _number(test.get(metric)) is not None
    ]
    return ModelCardData(
        library_name="tsprompt",
        tags=["time-series", "time-series-classification", "prompting", "tsprompt"],
        base_model=base,
        model_name=name,
        eval_results=results or None,
    )


def _title(details: dict[str, Any]) -> str:
    name = details.get("dataset")
    return f"tsprompt on {name}" if isinstance(name, str) and name else "A tsprompt model"


def _base(header: dict[str, Any]) -> str | None:
    """The language model as the hub calls it; None where it has none of the hub's models."""
    kind, _, name = header["backbone"]["name"].rpartition(":")
    if kind in ("none", "random") or is_folder(Path(name)):
        return None
    return _BASES.get(name, name if name.count("/") == 1 else None)


def _what(header: dict[str, Any]) -> str:
    kind, _, name = header["backbone"]["name"].rpartition(":")
    shown = _shown(name)
    if kind == "none":
        return f"without a language model (the tokens of {shown} go straight to the readout)"
    if kind in ("random", "shuffled"):
        return f"a frozen {shown} with {kind} weights, for an ablation, reads each series"
    return f"a frozen {shown} reads each series through a prompt"


def _shown(name: str) -> str:
    """A backbone's name; of a folder its last part, for its place is nobody's business."""
    return for_markdown(PurePath(name).name if is_folder(Path(name)) else name)


def _parts(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "recipe", header["recipe"]
    for setting, spec in header["settings"].items():
        if isinstance(spec, str | int) and setting not in ("backbone", "prompt_from"):
            yield setting.replace("_", " "), str(spec)
    yield "seed", str(header["seed"])


def _data(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    details, expected = header["details"], header["expected"]
    if "dataset" in details:
        yield "data set", str(details["dataset"])
    if "n_train" in details:
        yield "train cases", f"{details['n_train']:,}"
    lengths = sorted({expected["shortest"], expected["longest"]} - {None})
    yield "timesteps", " to ".join(f"{one:,}" for one in lengths) or "any"
    yield "features", str(header["n_features"])
    if expected["features"]:
        yield "names of features", ", ".join(expected["features"][:20])
    yield "classes", f"{len(header['classes'])}: {_classes(header['classes'])}"
    for file, digest in dict(details.get("data_sha256") or {}).items():
        yield f"SHA-256 of {PurePath(str(file)).name}", str(digest)


def _classes(classes: list[Any]) -> str:
    few = [str(one)[:60] for one in classes[:20]]
    return ", ".join(few) + (", ..." if len(classes) > len(few) else "")


def _figures(header: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    test, scores = _test(header["details"]), header["scores"]
    yield "figure", "value", "95 % interval"
    yield "accuracy, train", _decimal(scores["train_accuracy"]), ""
    yield "accuracy, validation inside train", _decimal(scores["validation_accuracy"]), ""
    for metric, value in test.items():
        if metric != "cases":
            interval = _interval(value, test) if metric == "accuracy" else ""
            yield f"{metric.replace('_', ' ')}, test", _decimal(value), interval
    if _number(test.get("cases")) is not None:
        yield "test cases", f"{test['cases']:,}", ""


def _interval(accuracy: Any, test: dict[str, Any]) -> str:
    """Wilson's (1927) score interval."""
    from scipy.stats import binomtest

    cases, share = _number(test.get("cases")), _number(accuracy)
    if not cases or share is None or not 0 <= share <= 1:
        return ""
    found = binomtest(round(share * cases), int(cases)).proportion_ci(method="wilson")
    return f"{found.low:.3f} to {found.high:.3f}"


def _ablations(details: dict[str, Any]) -> str:
    told = details.get("without_language_model")
    figures = ("cases", "model", "twin", "difference", "se")
    if not isinstance(told, dict) or any(_number(told.get(one)) is None for one in figures):
        return (
            "None were made when this model was saved. `tsprompt compare` fits its twins: without "
            "the language model, and with random weights."
        )
    kind = for_markdown(told.get("kind"))
    return (
        f"Validation inside train, {told['cases']:,} cases, {kind}: accuracy "
        f"{_decimal(told['model'])}, and {_decimal(told['twin'])} without the language model; "
        f"difference {told['difference']:+.4f} ± {told['se']:.4f} (standard error)."
    )


def _limits(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "classes",
        "it gives one of its classes to whatever it is shown, also to what is none of them",
    )
    yield "data", "figures hold for cases drawn as those of train and test were, and for no others"
    if not _test(header["details"]):
        yield "test", "it was not judged on test data when it was saved"
    if header["backbone"]["name"].startswith(("none:", "random:", "shuffled:")):
        yield (
            "ablation",
            "it is a twin for comparison: no pretrained language model reads the series",
        )


def _test(details: dict[str, Any]) -> dict[str, Any]:
    test = details.get("test")
    return test if isinstance(test, dict) else {}


def _number(value: Any) -> float | None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return value if real and math.isfinite(value) else None


def _decimal(value: Any) -> str:
    number = _number(value)
    return "none" if number is None else f"{number:.4f}"


def _items(pairs: Any) -> str:
    return "\n".join(f"- {for_markdown(name)}: {for_markdown(value)}" for name, value in pairs)


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    head, *others = ["| " + " | ".join(map(for_markdown, row)) + " |" for row in rows]
    return "\n".join([head, "|---|---:|---|", *others])
