"""Runs Grafana's own npm packages, which `make checkers` installs under build/checkers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.checkers.verdict import Rendered, Verdict

HERE = Path(__file__).parent
INSTALLED = Path(__file__).parents[3] / "build" / "checkers"
PYTHON_OF_GRAFANA_CLIENT = INSTALLED / "venv" / "bin" / "python"
PRISM = INSTALLED / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
_LIMIT_S = 240


def missing() -> str:
    """What to type where the packages are not there, or are others than those asked for; nothing when they are."""
    if not shutil.which("node"):
        return "NOT TESTED against Grafana's own packages: node is not installed. As root: make servers"
    kept = INSTALLED / "installed.json"
    if not kept.exists() or kept.read_bytes() != (HERE / "package-lock.json").read_bytes():
        return "NOT TESTED against Grafana's own packages: they are not installed, or not these. Type: make checkers"
    return ""


def need_packages() -> None:
    """Skips loudly where they are missing, or fails with ANDON_REQUIRE_SERVERS=1."""
    sentence = missing()
    if sentence and os.environ.get("ANDON_REQUIRE_SERVERS") == "1":
        pytest.fail(sentence)
    if sentence:
        pytest.skip(sentence)


def judged(script: str, boards: Rendered) -> dict[str, Verdict]:
    """What a script beside this file says of the boards, by their names; one run for all."""
    done = subprocess.run(
        ["node", str(HERE / script), str(INSTALLED)],
        input=json.dumps(boards),
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return {name: Verdict(answer["checks"][name], answer["faults"][name]) for name in boards}
