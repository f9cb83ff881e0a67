"""Runs in MLflow, where an address is set: each record with its settings, figures and JSON.

Nothing is imported, and nothing sent, unless the environment variable `MLFLOW_TRACKING_URI` is set.
A server that does not answer costs some seconds and a notice, never a fit: what is logged is saved
or written before.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import say

if TYPE_CHECKING:
    from tsprompt.benchmark import Record

__all__ = ["Tracker", "tracker"]

ADDRESS, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
_SETTINGS = {
    # Else a server that does not answer is asked for a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # MLflow tells its makers how it is used unless it is asked not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Standard output is for results.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""How MLflow behaves, unless the environment says otherwise."""
_LONGEST = 500
"""Characters of a param or tag: what every server takes."""
_FIGURES = (
    *("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "train_accuracy"),
    *("validation_accuracy", "fit_seconds", "predict_seconds", "lm_seconds", "fit_tokens"),
    *(
        "predict_tokens",
        "peak_memory_bytes",
        "peak_gpu_memory_bytes",
        "trainable_parameters",
        "total_parameters",
        "model_bytes",
    ),
    *("n_train", "n_test", "n_classes"),
)
_TAGS = ("dataset", "method", "kind", "backbone", "weights_hash", "device", "dtype", "commit")


@dataclass
class Tracker:
    """Logs records to one experiment; one that has no address, or has lost it, does nothing."""

    address: str | None
    experiment: str
    logged: int = 0
    lost: bool = False
    """Whether MLflow could not be told, and is not asked again."""
    unattached: bool = False
    """Whether the records' JSON could not be kept beside their figures."""
    _client: Any = None
    _number: str = ""

    def log(self, record: Record, **tags: str) -> None:
        """A run of MLflow for one record; `tags` are set beside the record's own."""
        if self.address is None or self.lost:
            return
        try:
            self._log(record, tags)
        except Exception as error:  # MLflow's own, its server's, or that of any store behind it
            self.lost = True
            what = "nothing more is" if self.logged else "nothing is"
            told = f"{what} logged to MLflow at {_shown(self.address)}: {_line(error)}"
            say("Note", told, "cyan")

    def _log(self, record: Record, tags: dict[str, str]) -> None:
        client, now = self._opened(), int(time.time() * 1000)
        from mlflow.entities import Metric, Param, RunTag

        name = f"{record.dataset}, {record.method}, seed {record.seed}"
        run = client.create_run(self._number, run_name=_short(name)).info.run_id
        client.log_batch(
            run,
            metrics=[Metric(key, value, now, 0) for key, value in metrics_of(record).items()],
            params=[Param(key, value) for key, value in params_of(record).items()],
            tags=[RunTag(key, value) for key, value in tags_of(record, tags).items()],
        )
        self._attach(client, run, record)
        client.set_terminated(run, "FINISHED" if record.ok else "FAILED")
        self.logged += 1

    def _attach(self, client: Any, run: str, record: Record) -> None:
        """The record's JSON. A store of artefacts may need what is not here: the figures are logged
        all the same."""
        if self.unattached:
            return
        try:
            client.log_text(run, json.dumps(record.as_dict(), indent=1) + "\n", "record.json")
        except Exception as error:  # as above
            self.unattached = True
            told = f"MLflow keeps the figures, but not the records beside them: {_line(error)}"
            say("Note", told, "cyan")

    def _opened(self) -> Any:
        """The client, once the experiment is there."""
        if self._client is None:
            for name, value in _SETTINGS.items():
                os.environ.setdefault(name, value)
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=self.address)
            found = client.get_experiment_by_name(self.experiment)
            number = found.experiment_id if found else client.create_experiment(self.experiment)
            self._client, self._number = client, str(number)
        return self._client

    def tell(self) -> None:
        """Say what was logged, if anything was."""
        if self.logged and self.address is not None:
            runs = "1 run" if self.logged == 1 else f"{self.logged:,} runs"
            where = f"MLflow at {_shown(self.address)}, experiment {self.experiment}"
            say("Logged", f"{runs} to {where}", "green")


def tracker(experiment: str) -> Tracker:
    """Logs to the experiment of this name, or to that which MLflow's own variable names; does
    nothing where no address is set."""
    address = os.environ.get(ADDRESS) or None
    if address is not None and find_spec("mlflow") is None:
        say(
            "Note",
            f"{ADDRESS} is set, but MLflow is not installed, so nothing is logged; "
            "pip install 'tsprompt[mlflow]', or unset it",
            "cyan",
        )
        address = None
    return Tracker(address, os.environ.get(EXPERIMENT) or experiment)


def params_of(record: Record) -> dict[str, str]:
    """What was chosen: a param for each setting, with all options where they are known."""
    chosen = {
        "recipe": record.recipe,
        "seed": record.seed,
        "resample": record.resample,
        "shots": record.shots,
        **record.settings,
        **record.options,
    }
    return {
        key: _short(value)
        for name, value in chosen.items()
        if value is not None and (key := _key(name))
    }


def metrics_of(record: Record) -> dict[str, float]:
    """All figures of a record, those of its report too; what is no number is left out."""
    figures = {name: getattr(record, name) for name in _FIGURES}
    figures |= {f"report/{name}": value for name, value in record.report.items()}
    return {
        _key(name): float(value)
        for name, value in figures.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def tags_of(record: Record, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Which run it was, of which version, on which data, and what went wrong."""
    told = {name: getattr(record, name) for name in (*_TAGS, "validation", "status", "error")}
    told["version"] = record.versions.get("tsprompt")
    told["data_sha256"] = " ".join(record.data_sha256.values())
    return {f"tsprompt.{key}": _short(value) for key, value in {**told, **more}.items() if value}


def _key(name: str) -> str:
    """A name as MLflow takes it: letters, digits, and `_-. /`."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)[:250]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _shown(text: str) -> str:
    """An address, or a text with addresses, without the names and passwords that they may hold."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def _line(error: Exception) -> str:
    """The first line of what MLflow says."""
    return _shown(f"{type(error).__name__}: {error}".partition("\n")[0])[:_LONGEST]
