"""A small spool of which everything is known, copies of it to be damaged, and what a store finds in them afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from collector.readings import Batch, BatchBuilder, Equipment, Series
from collector.spool.dead import DeadLetter
from collector.spool.frames import Action, Control, Frame, Record, batch_frame, control_frame, pack, tick_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool

READER = "sink:store"
LINES = ("rig/bottling", "rig/packing", "rig/palletizing")
MAIN, WAL, WITNESS = "spool.sqlite", "spool.sqlite-wal", "spool.sqlite.end"
_GROUPS = 16
_IN_WAL = 3  # groups of which the last stages are in the write-ahead file only


class Known(NamedTuple):
    """What was acknowledged: packed bodies and numbers of readings by offset, and what the ledger added up to."""

    bodies: dict[int, bytes]
    readings: dict[int, int]
    booked: int


class Outcome(NamedTuple):
    """What was left after damage: the frames that are lost, and what was booked since."""

    lost: set[int]
    booked: int


def fill(folder: Path, *, folded: bool) -> Known:
    """Writes the spool and leaves it as a kill leaves it; `folded`: with nothing in the write-ahead file."""
    path = folder / "live" / MAIN
    with Spool.open(path) as spool:
        with spool.transaction():
            spool.log.enrol([READER], among="sink:")
        for group in range(_GROUPS):
            with spool.transaction():
                spool.log.append(_frames(spool, group), stored_ns=group)
                _beside(spool, group)
            if folded or group == _GROUPS - _IN_WAL - 1:
                spool._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        frames = spool.log.read(0, 10_000)
        booked = spool.ledger.sum()
        for name in (MAIN, WITNESS) if folded else (MAIN, WAL, WITNESS):
            shutil.copy(path.with_name(name), folder / name)
    readings = {frame.offset: len(frame.body) if isinstance(frame.body, Batch) else 0 for frame in frames}
    return Known({frame.offset: pack(frame.body) for frame in frames}, readings, booked)


@contextmanager
def copy_of(folder: Path) -> Iterator[Path]:
    """A copy of the spool in a folder of its own, to be damaged; gone afterwards."""
    into = folder / "copy"
    into.mkdir()
    for name in (MAIN, WAL, WITNESS):
        if (folder / name).exists():
            shutil.copyfile(folder / name, into / name)
    try:
        yield into / MAIN
    finally:
        shutil.rmtree(into)


def outcome(path: Path, known: Known) -> Outcome:
    """Opens the spool as a collector does, drains it as a store does, and goes on with it.

    What comes back must be what was written, and the books must say to the reading what does not.
    """
    with Spool.open(path) as spool:
        with spool.transaction():
            spool.log.append([tick_frame(10**12)])
        found = set[int]()
        while frames := spool.log.read(spool.log.cursor(READER), 16):
            for frame in frames:
                if frame.offset in known.bodies:
                    assert pack(frame.body) == known.bodies[frame.offset], f"frame {frame.offset} is another"
                    found.add(frame.offset)
            with spool.transaction():
                spool.log.advance(READER, frames[-1].offset)
        lost = known.bodies.keys() - found
        booked = spool.ledger.sum() - known.booked
        assert booked == sum(known.readings[offset] for offset in lost), f"{booked} booked for {sorted(lost)}"
        assert spool.ledger.total(Cause.DAMAGED) >= booked
        return Outcome(lost, booked)


def _frames(spool: Spool, group: int) -> list[Frame]:
    """Some lines' readings, more in some groups than fit on a page, and a tick."""
    frames = []
    for number, line in enumerate(LINES):
        builder = BatchBuilder()
        site, _, name = line.partition("/")
        for i in range(30 * (group % 5 + 1)):
            series = spool.series.id_of(Series(Equipment("iot1", site, line=name), f"metric_{i % 3}"))
            at_ns = group * 10**9 + i * 10**6
            builder.add(series, at_ns, (i * 37 + group * 11 + number) / 7.0 * (group % 4), 0, at_ns + 5)
        frames.append(batch_frame(line, builder.build()))
    return [*frames, tick_frame((group + 1) * 10**9)]


def _beside(spool: Spool, group: int) -> None:
    """What every stage writes beside the readings."""
    for line in LINES:
        rev = spool.states.load(line).rev
        spool.states.commit(line, spool.log.end(), 1, bytes(range(256)) * (group % 3), rev)
    record = Record("alert_event", {"site": "rig"}, {"title": f"t{group}"}, group, key=f"a{group % 7}")
    spool.log.say(LINES[0], f"alert|{group}", record)
    spool.log.append([control_frame(LINES[0], Control(Action.ACK, f"a{group}", who="Li Wei", at_ns=group))])
    spool.dead.add(DeadLetter("topic", b"x" * group * 20, "bad", group))
    spool.ledger.add(Gap(LINES[group % 3], Cause.SEQ_GAP, group, group + 1, 3))
    spool.remember("decoder", bytes([group]) * 40)
