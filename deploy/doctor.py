"""What `andon doctor` says about a spool, and what it does about it."""

from __future__ import annotations

from collections.abc import Iterator

from collector.spool.examination import Examination
from collector.spool.tables import SCHEMA_VERSION


def told(found: Examination) -> Iterator[str]:
    """The findings as sentences: the verdict first, then the facts it rests on."""
    yield f"spool {found.path}: {_verdict(found)}"
    if found.schema != SCHEMA_VERSION:
        yield f"  schema {found.schema}: the next start brings it to {SCHEMA_VERSION}, which this version works with"
    sizes = ", ".join(f"{what} {size / 1e6:.1f} MB" for what, size in found.sizes.items())
    yield f"  on disk: {sizes}; {found.disk_free_bytes / 1e6:.0f} MB free"
    if "reserve" not in found.sizes:
        yield "  no reserve is held: the disk was full, or no collector has run here yet"
    yield f"  open in: {', '.join(_user(pid, found) for pid in found.users) or 'no process'}"
    if not found.fault:
        yield f"  {found.frames} frames were ever stored; {found.undelivered} wait for the slowest reader"
        yield f"  {found.dead_letters} dead letters (andon dead list)"
    yield f"  booked as lost: {found.readings_damaged} damaged, {found.readings_evicted} evicted (andon ledger)"
    if not found.is_sound:
        yield f"  {_remedy(found)}"


def _verdict(found: Examination) -> str:
    if found.fault:
        return f"damaged ({found.fault})"
    if found.unread:
        return f"sound, but {found.unread} frames with {found.unread_readings} readings cannot be read"
    return "sound"


def _remedy(found: Examination) -> str:
    if found.users:
        return "end these processes; whichever is started first mends it, as does `andon doctor --repair`"
    return "`andon doctor --repair` mends it and books what is lost; so does the next start. Check the disk."


def _user(pid: int, found: Examination) -> str:
    return f"process {pid} (the collector)" if pid == found.collector else f"process {pid}"
