"""Which differences between methods are more than chance: Wilcoxon signed ranks, with Holm.

The comparison is over sets, as Demšar (2006) and Benavoli et al. (2016) recommend: of each pair of
methods the accuracies on the same sets are compared by the signed-rank test (exact up to 50 sets
without ties, else by the normal approximation, but never below the smallest p value that there is
with so many sets), differences of zero being split evenly between both sides; the p values of all
pairs are corrected together. Where the sets are so few that no corrected p value can be
significant, none is given: it would say nothing about the methods.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tsprompt.report.power import ALPHA, MIN_SETS, least_p, most_pairs, sets_for
from tsprompt.report.summary import DECIMALS

__all__ = [
    "ALPHA",
    "Comparison",
    "compare_methods",
    "signed_rank_p",
    "too_few",
    "why_unshown",
]


@dataclass(frozen=True)
class Comparison:
    """Methods compared over sets."""

    ranks: pd.Series
    """Mean rank of each method, best first."""
    pairs: pd.DataFrame
    """A row for each pair: a, b, difference (mean of a minus mean of b), se (its standard error
    over sets), wins, ties, losses (of a), p, and p_holm (NaN where `unshown` says why)."""
    p_holm: pd.DataFrame
    """Corrected p values, methods by methods."""
    groups: list[list[str]]
    """Critical-difference groups: the largest sets of methods, no two of them significantly
    different, best first; methods that differ from all others are in none. Empty where `unshown`
    says why."""
    unshown: str | None = None
    """Why no pair can be shown to differ, whatever the accuracies are; None: it can."""

    def pair(self, a: str, b: str) -> pd.Series:
        """The comparison of two methods, seen from `a`."""
        pairs = self.pairs
        found = pairs[(pairs["a"] == a) & (pairs["b"] == b)]
        if len(found):
            return found.iloc[0]
        turned = pairs[(pairs["a"] == b) & (pairs["b"] == a)].iloc[0].copy()
        turned["difference"] = -turned["difference"]
        turned["wins"], turned["losses"] = turned["losses"], turned["wins"]
        turned["a"], turned["b"] = a, b
        return turned


def too_few(accuracy: pd.DataFrame) -> str | None:
    """Why these methods can't be compared over sets, if they can't."""
    sets, methods = accuracy.shape
    if methods < 2:
        return "Too few methods for a test: it takes two."
    if sets < MIN_SETS:
        return f"Too few sets for a test: it takes {MIN_SETS} that all methods have."
    return None


def compare_methods(accuracy: pd.DataFrame) -> Comparison:
    """Compare methods over sets.

    Parameters
    ----------
    accuracy
        A row for each set, a column for each method, no gaps; see `too_few`.
    """
    from statsmodels.stats.multitest import multipletests

    accuracy = accuracy.round(DECIMALS)
    ranks = accuracy.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    ordered = accuracy[ranks.index]
    rows = []
    for a, b in itertools.combinations(ordered.columns, 2):
        difference = (ordered[a] - ordered[b]).round(DECIMALS)
        rows.append(
            {
                "a": a,
                "b": b,
                "difference": float(difference.mean()),
                "se": float(difference.to_numpy().std(ddof=1) / np.sqrt(len(difference))),
                "wins": int((difference > 0).sum()),
                "ties": int((difference == 0).sum()),
                "losses": int((difference < 0).sum()),
                "p": signed_rank_p(difference),
            }
        )
    pairs = pd.DataFrame(rows)
    unshown = why_unshown(len(accuracy), len(pairs))
    pairs["p_holm"] = multipletests(pairs["p"], method="holm")[1] if unshown is None else np.nan
    p_holm = pd.DataFrame(1.0, index=ordered.columns, columns=ordered.columns)
    for a, b, p in zip(pairs["a"], pairs["b"], pairs["p_holm"], strict=True):
        p_holm.loc[a, b] = p_holm.loc[b, a] = p
    groups = _groups(p_holm) if unshown is None else []
    return Comparison(ranks, pairs, p_holm, groups, unshown)


def why_unshown(sets: int, pairs: int) -> str | None:
    """Why none of so many pairs can be shown to differ, whatever the accuracies on so few sets are;
    None: one can."""
    if pairs * least_p(sets) < ALPHA:
        return None
    smallest = (
        f"the smallest p of a signed-rank test on {sets} sets is 2/2^{sets} = {least_p(sets):.3g}"
    )
    if pairs == 1:
        return (
            f"No difference can be significant with so few sets: {smallest}. It takes "
            f"{sets_for(1)} sets at least."
        )
    few = most_pairs(sets)
    fewer = f", or no more than {few} {'pair' if few == 1 else 'pairs'}" if few else ""
    return (
        f"No difference can be significant with so few sets: {smallest}, and Holm's correction "
        f"takes it times {pairs:,} pairs. It takes {sets_for(pairs)} sets at least{fewer}."
    )


def signed_rank_p(difference: pd.Series) -> float:
    """Two-sided p of the signed-rank test of differences on sets; see this module for its kind."""
    from scipy.stats import wilcoxon

    ties = difference.eq(0).any() or difference.abs().duplicated().any()
    # With ties, scipy's exact test would go through all 2^n signs: seconds for each pair.
    method: Literal["auto", "approx"] = "approx" if ties else "auto"
    found = wilcoxon(difference, zero_method="zsplit", method=method).pvalue
    return max(float(found), least_p(len(difference)))


def _groups(p_holm: pd.DataFrame) -> list[list[str]]:
    """The same groups that scikit-posthocs draws its bars over."""
    import networkx

    alike = (p_holm >= ALPHA).to_numpy() & ~np.eye(len(p_holm), dtype=bool)
    graph = networkx.from_numpy_array(alike)
    cliques = [sorted(one) for one in networkx.find_cliques(graph) if len(one) > 1]
    return [[str(p_holm.index[i]) for i in one] for one in sorted(cliques)]
