"""A class that is rare and hard to hear, with and without `--class-weight balanced`.

    python benchmarks/rare_class.py --seeds 10

200 common cases and 4 rare ones of 60 timesteps: both are noise, and the rare ones have a slow wave
below it. Test has 200 and 40. Each row is the mean over the seeds, each with draws of its own.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from tsprompt import PromptClassifier
from tsprompt.errors import TspromptNotice

LENGTH = 60


def drawn(common: int, rare: int, seed: int, size: float) -> tuple[npt.NDArray[np.float64], ...]:
    """Cases (B, T, 1) and labels (B,): 1 is rare."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [common, rare])
    phase = rng.uniform(0, 2 * np.pi, size=(len(labels), 1))
    wave = np.sin(2 * np.pi * np.arange(LENGTH) / 20 + phase)
    noise = rng.normal(size=(len(labels), LENGTH))
    return (noise + size * labels[:, None] * wave)[:, :, None], labels


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=float, default=0.6, help="of the wave; the noise has 1")
    parser.add_argument("--heads", nargs="+", default=["ridge", "mlp"])
    given = parser.parse_args()
    warnings.simplefilter("ignore", TspromptNotice)
    print(f"{'head':<8}{'weights':<12}{'recall':>8}{'balanced':>10}{'accuracy':>10}{'AUC':>7}")
    for head in given.heads:
        for weight in (None, "balanced"):
            figures = np.array(
                [once(head, weight, seed, given.size) for seed in range(given.seeds)]
            )
            mean = figures.mean(axis=0)
            columns = "".join(f"{one:>{n}.3f}" for one, n in zip(mean, (8, 10, 10, 7), strict=True))
            print(f"{head:<8}{weight or 'none':<12}{columns}   recalls {figures[:, 0].round(2)}")


def once(head: str, weight: str | None, seed: int, size: float) -> list[float]:
    """Recall of the rare class, balanced accuracy, accuracy and AUC on test."""
    X, y = drawn(200, 4, seed, size)
    X_test, y_test = drawn(200, 40, 1_000 + seed, size)
    fitted = PromptClassifier(head=head, class_weight=weight, n_prompts=1, random_state=seed)
    chances = fitted.fit(X, y).predict_proba(X_test)[:, 1]
    said = (chances > 0.5).astype(int)
    return [
        float(recall_score(y_test, said)),
        float(balanced_accuracy_score(y_test, said)),
        float((said == y_test).mean()),
        float(roc_auc_score(y_test, chances)),
    ]


if __name__ == "__main__":
    main()
