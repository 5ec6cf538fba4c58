"""Installs the peers' pinned versions into one folder, never elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import venv
from pathlib import Path

from deploy.bench.figure import NotMeasured

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / "build" / "peers"


def install_npm() -> None:
    """Node-RED and its node. Raises NotMeasured without Node.js."""
    if not shutil.which("npm") or not shutil.which("node"):
        raise NotMeasured("npm and node are not installed; install Node.js 18.5 to 22")
    if _is_new("package.json"):
        _run("npm", "install", "--prefix", str(INSTALLED), "--no-audit", "--no-fund", "--omit=dev")
        _keep("package.json")


def install_pypi() -> None:
    """The Python peers, in an environment of their own."""
    if _is_new("requirements.txt"):
        venv.create(INSTALLED / "venv", with_pip=True, clear=True)
        _run(str(INSTALLED / "venv" / "bin" / "pip"), "install", "--quiet", "-r", str(HERE / "requirements.txt"))
        _keep("requirements.txt")


def _is_new(name: str) -> bool:
    """Whether the list is another than the one last installed; npm wants it in the folder already."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / name, INSTALLED / name)
    kept = INSTALLED / f"{name}.installed"
    return not kept.exists() or kept.read_text() != (HERE / name).read_text()


def _keep(name: str) -> None:
    shutil.copy(HERE / name, INSTALLED / f"{name}.installed")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMeasured(f"{' '.join(command)} failed; mend what it said:\n{(done.stderr or done.stdout)[-2000:]}")
