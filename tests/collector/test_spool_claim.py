"""Two collectors on one spool are told, and a file that somebody has open is not mended under his feet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.spool import claim
from collector.spool.claim import CollectorClaim, collector_of, users_of
from collector.spool.connection import SpoolBusy, suspicion_path
from collector.spool.spool import Spool
from tests.collector.spools import append, readings

HOLDER = """
import sys
from pathlib import Path
from collector.spool.claim import CollectorClaim
from collector.spool.spool import Spool
with CollectorClaim(Path(sys.argv[1])), Spool.open(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(path: Path) -> subprocess.Popen[str]:  # type: ignore[misc]
    """Another process that collects into the spool."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_collector_is_told_who_the_first_is(path: Path, holder: subprocess.Popen[str]) -> None:
    sentence = rf"spool {path} is filled by another collector already \(process {holder.pid}\): end that one, or give"
    with pytest.raises(SpoolBusy, match=sentence):
        CollectorClaim(path)
    assert (collector_of(path), users_of(path)) == (holder.pid, [holder.pid])


def test_everybody_else_may_open_it_too(path: Path, holder: subprocess.Popen[str]) -> None:
    with Spool.open(path) as spool:
        assert append(spool, readings(1)) == 1
        assert users_of(path) == sorted([holder.pid, os.getpid()])


def test_a_killed_collector_claims_nothing(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with CollectorClaim(path):
        assert collector_of(path) == os.getpid()
    assert collector_of(path) is None


def test_a_file_in_use_is_not_mended(
    path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "_ALONE_S", 0.1)
    suspicion_path(path).write_text("a frame")
    with pytest.raises(
        SpoolBusy, match=rf"wants mending and is still in use by process {holder.pid}: end that process"
    ):
        Spool.open(path)
    holder.kill()
    holder.wait()
    with Spool.open(path) as spool:
        assert spool.log.end() == 0
    assert not suspicion_path(path).exists()
