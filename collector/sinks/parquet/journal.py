"""The archive's journal: bundles appended to a file and synced, so that they are safe before they are Parquet files.

A folder of numbered parts; the newest is written to, the others wait to become files. An entry is its length and
CRC-32, then msgpack: which offsets of which log it covers, and the bundle. A part begins with what all parts before it
covered, without bundles: so what comes again after a crash is known even when its part has long become files.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from collector.disk import sync_folder
from collector.forwarding.bundle import Bundle, pack, unpack
from collector.forwarding.coverage import Coverage

_HEAD = struct.Struct("<II")


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    log: str
    after: int
    through: int
    received_ns: int = 0
    bundle: bytes = b""


_decoder = msgspec.msgpack.Decoder(_Entry)


class Part:
    """A part of the journal that nobody writes to any more. `damaged_from`: the byte its damage begins at, if any."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries, end = _read(path)
        self.damaged_from = end if end < path.stat().st_size else None

    def bundles(self) -> list[Bundle]:
        """Its bundles in order, up to the damage."""
        return [unpack(entry.bundle) for entry in self._entries if entry.bundle]

    def remove(self) -> None:
        self.path.unlink()
        sync_folder(self.path.parent)

    def set_aside(self) -> Path:
        """Renames it, so that a person may look what was lost."""
        return self.path.rename(self.path.with_suffix(".damaged"))


class Journal:
    """Opened by `open`, which may be called again at any time; all other methods need it open. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received_ns = 0  # of the newest reading in the part that is written to, 0 while it holds none
        self.size_bytes = 0
        self._covered: dict[str, Coverage] = {}
        self._path: Path | None = None
        self._handle: int | None = None

    def open(self) -> None:
        """Takes up the newest part, cut behind its last whole entry, or begins the first."""
        if self._is_in_place():
            return
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = self._paths()
        self._covered, self.received_ns = {}, 0
        if not paths:
            self._begin(1)
            return
        entries, end = _read(paths[-1])
        for entry in entries:
            self._note(entry)
        if not _is_torn(paths[-1], end):
            self._begin(_number(paths[-1]) + 1)  # damaged in the middle: what is behind it must not be cut off
            return
        self._path, self.size_bytes = paths[-1], end
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND)
        os.ftruncate(self._handle, end)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def append(self, bundles: Sequence[Bundle], received_ns: int) -> None:
        """Adds what is not in the journal or the archive yet, and syncs it; nothing of it when that fails."""
        for bundle in bundles:
            self._covered.setdefault(bundle.log, Coverage()).settle(bundle.settled)
        fresh = [one for one in map(self._fresh, bundles) if len(one.batch)]
        entries = [_Entry(one.log, one.after, one.through, received_ns, pack(one)) for one in fresh]
        if not entries or self._handle is None:
            return
        try:
            _write(self._handle, entries)
        except OSError:
            os.ftruncate(self._handle, self.size_bytes)
            raise
        self.size_bytes = os.fstat(self._handle).st_size
        for entry in entries:
            self._note(entry)

    def begin_next(self) -> None:
        """From now on another part is written to, and the present one is finished."""
        self.close()
        self._begin(_number(self._paths()[-1]) + 1)

    def finished(self) -> list[Part]:
        """The parts that wait to become files, oldest first."""
        return [Part(path) for path in self._paths()[:-1]]

    def _is_in_place(self) -> bool:
        """Whether the part that is open is still the one of its name: a folder may be moved or unmounted."""
        if self._handle is None or self._path is None or not self._path.exists():
            return False
        return os.path.samestat(os.fstat(self._handle), self._path.stat())

    def _begin(self, number: int) -> None:
        """A new part under its name only when it says what was covered before."""
        path, draft = self.folder / f"{number:09d}.journal", self.folder / "draft"
        covered = [_Entry(log, *span) for log, coverage in self._covered.items() for span in coverage.spans]
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        try:
            _write(handle, covered)
            draft.rename(path)
            sync_folder(self.folder)
        except OSError:
            os.close(handle)
            raise
        self._path, self._handle = path, handle
        self.received_ns, self.size_bytes = 0, os.fstat(handle).st_size

    def _fresh(self, bundle: Bundle) -> Bundle:
        """The bundle without the frames that the journal or the archive already holds."""
        return bundle.unseen(self._covered.get(bundle.log, Coverage()))

    def _note(self, entry: _Entry) -> None:
        self._covered.setdefault(entry.log, Coverage()).add(entry.after, entry.through)
        self.received_ns = max(self.received_ns, entry.received_ns)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.journal"), key=_number)


def _number(path: Path) -> int:
    return int(path.stem)


def _write(handle: int, entries: Iterable[_Entry]) -> None:
    """Appends entries and syncs them. Raises OSError; then some bytes may be there."""
    bodies = [msgspec.msgpack.encode(entry) for entry in entries]
    rest = memoryview(b"".join(_HEAD.pack(len(body), zlib.crc32(body)) + body for body in bodies))
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


def _read(path: Path) -> tuple[list[_Entry], int]:
    """A part's entries up to the first that is torn or damaged, and the byte where that begins."""
    raw, at = path.read_bytes(), 0
    entries = []
    while at + _HEAD.size <= len(raw):
        length, checksum = _HEAD.unpack_from(raw, at)
        body = raw[at + _HEAD.size : at + _HEAD.size + length]
        if not body or len(body) != length or zlib.crc32(body) != checksum:
            break
        at += _HEAD.size + length
        entries.append(_decoder.decode(body))
    return entries, at


def _is_torn(path: Path, end: int) -> bool:
    """Whether what follows `end` is the one entry that a crash cut short (or nothing), not damage with more behind."""
    with path.open("rb") as file:
        file.seek(end)
        head = file.read(_HEAD.size)
    return len(head) < _HEAD.size or end + _HEAD.size + int(_HEAD.unpack(head)[0]) >= path.stat().st_size
