"""aeon's loops as users have them: compiled by numba. The other tests have Python run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import environment

from tsprompt.baselines import baselines

pytestmark = [pytest.mark.slow, pytest.mark.extra("baselines")]

OPTIONS: dict[str, dict[str, Any]] = {"rocket": {"kernels": 50}, "1nn-dtw": {}}
"""Of those that have loops, the two that are compiled soonest: with a random state and with remarks
of numba's."""

COMPILED = """
    import json, os, sys, warnings
    import numpy as np, torch
    from aeon.classification import distance_based
    from aeon.transformations.collection import convolution_based
    from numba import config
    from tiny_data import waves
    from tsprompt.baselines import baselines

    def state():
        return [np.random.rand(), torch.rand(1).item(), torch.get_num_threads()]

    name, options = sys.argv[1], json.loads(sys.argv[2])
    part = baselines.create(name, options)
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


@pytest.mark.parametrize("name", OPTIONS)
def test_compiled_it_says_the_same_and_nothing_else(
    name: str, separable: Any, tmp_path: Path
) -> None:
    part = baselines.create(name, OPTIONS[name])
    part.random_state, part.device = 0, "cpu"
    expected = part.fit(separable.X, separable.y).predict_proba(separable.X_test)

    shared = str(Path(__file__).parents[1] / "sharing")
    env = environment(NUMBA_DISABLE_JIT="0", NUMBA_CACHE_DIR=str(tmp_path))
    env["PYTHONPATH"] += f":{shared}"
    code = [sys.executable, "-c", "\n".join(line[4:] for line in COMPILED.splitlines())]
    done = subprocess.run(
        [*code, name, json.dumps(OPTIONS[name])],
        check=False,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.nbi")), "nothing was compiled"
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)
