"""What a process has cost so far: CPU time and memory, from Linux's /proc; asks nothing of the process itself."""

from __future__ import annotations

import errno
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

    def pss_mb(self) -> float:
        """Like RSS, but of a page that several processes share only this one's part."""
        return self._line("smaps_rollup", "Pss")

    def peak_rss_mb(self) -> float:
        return self._status("VmHWM")

    def open_files(self) -> int:
        """How many descriptors it holds: files, sockets, pipes."""
        try:
            return len(list((self._folder / "fd").iterdir()))
        except OSError as error:
            raise _unreadable(self._folder / "fd", error) from error

    def _status(self, name: str) -> float:
        return self._line("status", name)

    def _line(self, file: str, name: str) -> float:
        for line in self._read(file).splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1]) / _MB
        raise _unreadable(self._folder / file, OSError(errno.ESRCH, "the process has ended"))

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text()
        except OSError as error:
            raise _unreadable(self._folder / name, error) from error


def _unreadable(path: Path, error: OSError) -> NotMeasured:
    return NotMeasured(
        f"{path} cannot be read ({error.strerror}): this needs Linux's /proc and a process that is still running; look "
        "at its log"
    )
