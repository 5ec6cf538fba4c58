"""Line protocol appended to a file: for a site without a store, and to see what would be sent.

Rows come from `collector.rows`. A file that has grown past `max_mb` is renamed to `NAME-000001` and so on, and a new
one is begun; old files are never deleted here.
"""

from __future__ import annotations

import errno
import os
from io import RawIOBase
from pathlib import Path

from collector.config import Name, Positive, Section
from collector.disk import sync_folder
from collector.sinks.sink import Parcel, SinkUnavailable

_REMEDIES = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "raise this user's quota or free space",
    errno.EROFS: "name a `path` on a disk that can be written",
    errno.EACCES: "give this user write access to the folder",
    errno.EPERM: "give this user write access to the folder",
    errno.EISDIR: "name a file, not a folder, as `path`",
    errno.ENOTDIR: "name a `path` whose parents are folders",
}


class Options(Section, frozen=True, kw_only=True):
    """`path` is relative to the folder of site.toml. `max_mb` is the size at which the file is set aside."""

    path: Name = "var/rows.lp"
    max_mb: Positive = 100.0


def build(options: Options, folder: Path) -> LinesFile:
    return LinesFile(folder / options.path, max_bytes=int(options.max_mb * 1e6))


class LinesFile:
    """A Sink. Opens the file anew for every write, so it may be moved or mended at any time in between."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def write(self, parcel: Parcel) -> None:
        """Appends one line a row, down to the disk. Raises SinkUnavailable, and then the file holds none of them."""
        if not parcel.body:
            return
        body = parcel.body + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._set_aside_before(len(body))
            with self._path.open("a+b", buffering=0) as file:
                _append(file, body)
            sync_folder(self._path.parent)
        except OSError as error:
            raise SinkUnavailable(self._sentence(error)) from error

    def close(self) -> None:
        """Nothing is held open."""

    def _set_aside_before(self, n_bytes: int) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        if size and size + n_bytes > self._max_bytes:
            self._path.rename(self._next_name())

    def _next_name(self) -> Path:
        stem, suffix = self._path.stem, self._path.suffix
        taken = [path.stem.removeprefix(f"{stem}-") for path in self._path.parent.glob(f"{stem}-*{suffix}")]
        number = 1 + max((int(tail) for tail in taken if tail.isdecimal()), default=0)
        return self._path.with_name(f"{stem}-{number:06d}{suffix}")

    def _sentence(self, error: OSError) -> str:
        remedy = _REMEDIES.get(error.errno or 0, "check the path and the disk")
        return f"file {self._path} cannot be written ({error.strerror}): {remedy}"


def _append(file: RawIOBase, body: bytes) -> None:
    """All of `body` behind the last whole line, or nothing of it."""
    start = file.truncate(_end_of_last_line(file))
    try:
        rest = memoryview(body)
        while rest:
            rest = rest[file.write(rest) or 0 :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(start)
        raise


def _end_of_last_line(file: RawIOBase) -> int:
    """Where the last whole line ends: a line without its end was cut by a crash, and its row comes again."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65_536)
        file.seek(start)
        found = (file.read(end - start) or b"").rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
