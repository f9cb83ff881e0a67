"""aeon's loops as users have them: compiled by numba. The other tests have Python run them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import environment
from quick_baselines import made

COMPILED = """
    import json, warnings
    import numpy as np, torch
    from aeon.classification import distance_based
    from numba import config
    from tiny_data import waves
    from tsprompt.baselines import baselines

    def state():
        return [np.random.rand(), torch.rand(1).item(), torch.get_num_threads()]

    part = baselines.create("1nn-dtw", {})
    part.random_state, part.device = 0, "cpu"
    warnings.simplefilter("error")
    np.random.seed(5), torch.manual_seed(5)
    before = state()
    np.random.seed(5), torch.manual_seed(5)
    found = part.fit(*waves(24, 0)).predict_proba(waves(15, 1)[0])
    assert state() == before
    assert not config.DISABLE_JIT
    print(json.dumps(found.tolist()))
"""
"""Of all loops these are compiled soonest, and numba remarks on them."""


@pytest.mark.slow
@pytest.mark.extra("baselines")
def test_compiled_they_say_the_same_and_nothing_else(separable: Any, tmp_path: Path) -> None:
    expected = made("1nn-dtw").fit(separable.X, separable.y).predict_proba(separable.X_test)

    env = environment(NUMBA_DISABLE_JIT="0", NUMBA_CACHE_DIR=str(tmp_path))
    env["PYTHONPATH"] += f":{Path(__file__).parents[1] / 'sharing'}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COMPILED)],
        check=False,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.nbi")), "nothing was compiled"
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)
