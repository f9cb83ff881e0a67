"""Loading and predicting on a machine that can't be written to, without network or home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tsprompt import PromptClassifier

BARE = """
import os, sys

def refuse(event, given):
    if event == "open":
        path, _, flags = given
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and path != os.devnull:
            raise OSError(30, "Read-only file system", path)
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink"):
        raise OSError(30, "Read-only file system", str(given[0]))
    elif event in ("socket.connect", "socket.getaddrinfo"):
        sys.stderr.write(f"NETWORK {given}\\n")
        raise OSError(101, "Network is unreachable")

# torch imports dill where it is installed, and dill looks for a temporary folder when it is
# imported. It is no dependency of tsprompt's, but of extras.
sys.modules["dill"] = None
sys.addaudithook(refuse)
import numpy as np
from tsprompt import PromptClassifier
from tsprompt.errors import BackboneError

model = PromptClassifier.load(sys.argv[1], device="cpu")
chances = model.predict_proba(np.load(sys.argv[2]))
assert np.array_equal(chances, np.load(sys.argv[3])), "other probabilities"
try:
    PromptClassifier.load(sys.argv[4], device="cpu")
except BackboneError as error:
    assert "is not downloaded" in str(error), error
else:
    raise AssertionError("a model of a backbone that is not here was loaded")
print("as well as anywhere")
"""


def test_load_and_predict_need_no_place_to_write_and_no_network(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    import json

    from tsprompt.base.tensor_folder import digest_of

    fitted = PromptClassifier(**tiny).fit(separable.X, separable.y)
    path = fitted.save(tmp_path / "model")
    np.save(tmp_path / "X.npy", separable.X_test)
    np.save(tmp_path / "chances.npy", fitted.predict_proba(separable.X_test))
    absent = fitted.save(tmp_path / "absent")
    header = json.loads((absent / "model.json").read_text())
    header["backbone"]["name"] = "google-bert/bert-base-uncased-that-nobody-has"
    header["digest"] = digest_of(header)
    (absent / "model.json").write_text(json.dumps(header))
    nowhere = str(tmp_path / "nowhere")
    names = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BARE]
        + [str(one) for one in (path, tmp_path / "X.npy", tmp_path / "chances.npy", absent)],
        env={**os.environ, **dict.fromkeys(names, nowhere), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "as well as anywhere" in done.stdout
    assert "NETWORK" not in done.stderr
