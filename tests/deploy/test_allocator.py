"""Memory that is free again goes back to the machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
if sys.argv[1] == "bound":
    from deploy.allocator import give_back_memory
    if not give_back_memory():
        sys.exit("no glibc")
large = bytearray(30 << 20)
del large  # having seen one freed, glibc would keep blocks of this size to itself
blocks = [bytearray(1 << 20) for _ in range(24)]
pin = bytearray(600)
del blocks
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("RssAnon")))
"""


def left_kb(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=False)
    if "no glibc" in done.stderr:
        pytest.skip("the C library here is not glibc")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_burst_leaves_nothing_behind() -> None:
    assert left_kb("bound") < left_kb("as it is") - 20_000
