"""A spool looked through from end to end, for `andon doctor`: what is damaged, what is lost, who has it open."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import msgspec

from collector.spool.claim import OpenSpool, collector_of, users_of
from collector.spool.connection import SpoolDamaged, SpoolError, connect
from collector.spool.ledger import Cause
from collector.spool.repair import repair
from collector.spool.spool import Spool
from collector.spool.tables import SCHEMA_VERSION

_FILES = {"spool": "", "write-ahead file": "-wal", "reserve": ".reserve", "replaced file": ".kept"}


class Examination(msgspec.Struct, frozen=True):
    """`fault` is what wants mending, empty when nothing does; `unread` are damaged frames nobody has booked yet."""

    path: str
    schema: int
    sizes: dict[str, int]
    disk_free_bytes: int
    users: list[int]
    collector: int | None
    fault: str = ""
    unread: int = 0
    unread_readings: int = 0
    frames: int = 0
    undelivered: int = 0
    dead_letters: int = 0
    readings_damaged: int = 0
    readings_evicted: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.fault and not self.unread


def examine(path: Path) -> Examination:
    """Looks a spool through and changes nothing. Raises SpoolError where there is none."""
    found = _seen_from_outside(path)
    with closing(OpenSpool(path)) as opening:
        fault = repair.fault_of(path, whole=True) if opening.is_alone() else ""
        opening.share()
        if fault:
            return msgspec.structs.replace(found, fault=fault)
        return _seen_from_inside(path, found)


def mend(path: Path) -> None:
    """Mends a spool that nobody has open, and books what cannot be read of it. Raises SpoolBusy, SpoolError."""
    with closing(OpenSpool(path)) as opening:
        opening.is_alone(must=True)
        fault = repair.fault_of(path, whole=True)
        if fault:
            repair.mend(path, fault)
    with Spool.open(path) as spool:
        for head in spool.damage.unread():
            spool.damage.met(head.offset, head.offset)
        with spool.transaction():
            pass  # what was met is booked with it


def _seen_from_outside(path: Path) -> Examination:
    if not path.is_file():
        raise SpoolError(f"spool {path} does not exist: start `andon collect`, or name it with --spool")
    with path.open("rb") as file:
        schema = int.from_bytes(file.read(64)[60:], "big")
    sizes = {what: path.with_name(path.name + end) for what, end in _FILES.items()}
    return Examination(
        path=str(path),
        schema=schema,
        sizes={what: one.stat().st_size for what, one in sizes.items() if one.exists()},
        disk_free_bytes=shutil.disk_usage(path.parent).free,
        users=users_of(path),
        collector=collector_of(path),
    )


def _seen_from_inside(path: Path, found: Examination) -> Examination:
    if found.schema != SCHEMA_VERSION:
        return found
    try:
        with closing(connect(path, None)) as connection:
            fault = repair.fault_inside(connection, whole=True)
    except SpoolDamaged as error:
        fault = str(error)
    if fault:
        return msgspec.structs.replace(found, fault=fault)
    with Spool.open(path) as spool:
        broken = spool.damage.unread()
        return msgspec.structs.replace(
            found,
            unread=len(broken),
            unread_readings=sum(head.readings for head in broken),
            frames=spool.log.end(),
            undelivered=spool.log.end() - spool.log.delivered(detected=False),
            dead_letters=spool.dead.count(),
            readings_damaged=spool.ledger.total(Cause.DAMAGED),
            readings_evicted=spool.ledger.total(Cause.EVICTED),
        )
