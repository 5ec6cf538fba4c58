"""Who may do what with a spool file: locks beside it that end with their process, however it ends.

Everybody who has the spool open shares `spool.sqlite.lock`; whoever has it alone may check and mend the file. The one
collector holds `spool.sqlite.collector`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from collector.spool.connection import SpoolBusy, SpoolError

_MENDING_S = 600.0  # longer than salvaging the largest spool takes
_ALONE_S = 30.0
_LOOK_S = 0.02


class Lock:
    """A lock file; closed, it is free for others."""

    def __init__(self, path: Path, spool_path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            own_as(spool_path, path)
        except OSError as error:
            raise SpoolError(
                f"spool {spool_path} cannot be written: {path.name}: {error.strerror}; give this user write access to "
                f"{path.parent}"
            ) from error

    def try_alone(self) -> bool:
        """Whether nobody else has it; if so nobody else gets it now."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def note(self, text: str) -> None:
        """Leaves a word in the file for whoever finds it locked."""
        with suppress(OSError):  # only a hint; a full disk shall stop nobody from starting
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text.encode(), 0)

    def read(self) -> str:
        return os.pread(self._file, 100, 0).decode(errors="replace").strip()

    def _try(self, how: int) -> bool:
        try:
            fcntl.flock(self._file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class OpenSpool:
    """One opening of a spool file, from `enter` to `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock(_beside(path, "lock"), path)

    def is_alone(self, *, must: bool = False) -> bool:
        """Whether nobody else has the file open, in which case nobody opens it until `share`.

        `must`: waits for that. Raises SpoolBusy when somebody keeps it open.
        """
        if self._lock.try_alone():
            return True
        if must:
            _wait(
                self._lock.try_alone, _ALONE_S, f"spool {self._path} wants mending and is still in use{self._users()}"
            )
        return must

    def share(self) -> None:
        """Has the file open together with others. Raises SpoolBusy when it is being mended for too long."""
        _wait(self._lock.try_shared, _MENDING_S, f"spool {self._path} is being mended{self._users()}")

    def close(self) -> None:
        self._lock.close()

    def _users(self) -> str:
        pids = [str(pid) for pid in users_of(self._path) if pid != os.getpid()]
        return f" by process {', '.join(pids)}" if pids else ""


class CollectorClaim:
    """The right to collect into a spool, held until closed. Raises SpoolBusy where somebody has it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(_beside(path, "collector"), path)
        if not self._lock.try_alone():
            holder = self._lock.read()
            self._lock.close()
            raise SpoolBusy(
                f"spool {path} is filled by another collector already (process {holder or 'unknown'}): end that one, "
                "or give this site a [spool] path of its own"
            )
        self._lock.note(str(os.getpid()))

    def close(self) -> None:
        self._lock.close()

    def __enter__(self) -> CollectorClaim:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def users_of(path: Path) -> list[int]:
    """The processes that have a spool open, as the kernel lists them (Linux; elsewhere none are known)."""
    return _holders(_beside(path, "lock"))


def collector_of(path: Path) -> int | None:
    """The process that collects into a spool, None where none does."""
    return next(iter(_holders(_beside(path, "collector"))), None)


def own_as(owner: Path, path: Path) -> None:
    """Gives a file that root makes beside another one's spool to that other one."""
    if os.geteuid() == 0 and owner.exists():
        of = owner.stat()
        if (of.st_uid, of.st_gid) != (0, 0):
            os.chown(path, of.st_uid, of.st_gid)


def _holders(lock_path: Path) -> list[int]:
    try:
        inode = str(lock_path.stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines if "FLOCK" in line and "->" not in line]
    return sorted({int(one[4]) for one in fields if one[5].split(":")[-1] == inode and int(one[4]) > 0})


def _wait(holds: Callable[[], bool], for_s: float, sentence: str) -> None:
    deadline = time.monotonic() + for_s
    while not holds():
        if time.monotonic() > deadline:
            raise SpoolBusy(f"{sentence}: end that process, or try again later")
        time.sleep(_LOOK_S)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")
