"""What a process has cost so far: CPU time and memory, from Linux's /proc; asks nothing of the process itself."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.bench.figure import NotMeasured

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MB = 1024.0  # /proc counts in kB


class Meter:
    """The meter of one process id. Raises NotMeasured where there is no /proc or no such process."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu_s(self) -> float:
        """User and system time of all its threads, to 10 ms."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def rss_mb(self) -> float:
        return self._status("VmRSS")

    def peak_rss_mb(self) -> float:
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        lines = self._read("status").splitlines()
        return next(float(line.split()[1]) / _MB for line in lines if line.startswith(f"{name}:"))

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text()
        except OSError as error:
            raise NotMeasured(
                f"{self._folder / name} cannot be read ({error.strerror}): this needs Linux's /proc and a process "
                "that is still running; look at its log"
            ) from error
