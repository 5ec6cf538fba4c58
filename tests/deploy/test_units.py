"""The gateway's units: the commands exist, and a process that speaks with the plant can do nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from deploy.cli import app

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
HARDENED = {
    "User": "andon",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "RestrictNamespaces": "yes",
    "LockPersonality": "yes",
    "CapabilityBoundingSet": "",
    "Restart": "always",
    "StateDirectory": "andon",
}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_hardened_bounded_and_runs_a_command_that_exists(path):
    lines = [line.partition("=") for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    said = {key: value for key, _, value in lines}
    assert {key: said.get(key) for key in HARDENED} == HARDENED
    assert said["MemoryMax"] and said["TasksMax"]
    program, command, site = said["ExecStart"].split()
    assert program == "/opt/andon/bin/andon" and site == "/etc/andon/site.toml"
    assert command in get_command(app).commands  # type: ignore[attr-defined]


def test_collector_and_detectors_are_two_units_so_that_one_cannot_stall_the_other():
    assert [path.stem for path in UNITS] == ["andon-collect", "andon-detect"]
