"""Known holes in the pinned packages, where the database can be reached; aloud where not.

    python .ci/audit.py constraints.txt

pip-audit asks the package index. One that mirrors files alone knows of no hole in anything: then
this says so instead of saying that all is well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_SECONDS = 120


def audit(pins: Path) -> int:
    """0, or 1 where a pinned package has a known hole."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "audit.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pins), "--no-deps"]
        command += ["--disable-pip", "--format", "json", "--output", str(answer)]
        command += ["--progress-spinner", "off", "--timeout", "10"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return skip(f"no answer within {_SECONDS} seconds")
        if not answer.is_file():
            return skip((done.stderr.strip().splitlines() or ["no answer"])[-1])
        packages = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
    known = [one for one in packages if "vulns" in one]
    if not known:
        return skip(f"the index knows of none of the {len(packages)} packages")
    holes = [(one, hole) for one in known for hole in one["vulns"]]
    for one, hole in holes:
        mended = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"audit: {one['name']} {one['version']}: {hole['id']}, mended in {mended}")
    print(f"audit: {len(holes)} known holes in {len(known)} of {len(packages)} packages looked up")
    return int(bool(holes))


def skip(why: str) -> int:
    """Say that nothing was looked up."""
    print(f"audit: SKIPPED, nothing was looked up: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(audit(Path(sys.argv[1])))
