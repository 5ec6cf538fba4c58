"""What a spool promises: a transaction is all or nothing, several may share the file, what is reported is durable."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.readings import Equipment, Kind, Series
from collector.spool.dead import DeadLetter
from collector.spool.frames import (
    tick_frame,
)
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from collector.spool.state import NEW, Fenced, ShardState
from tests.collector.batches import rows_of
from tests.collector.spools import LINE, OTHER, append, expected, readings

RED = Series(Equipment("iot1", "rig", line="bottling", cell="red"), "fill_level", "g", Kind.STOCK)
BLUE = Series(Equipment("iot1", "rig", line="bottling", cell="blue"), "fill_level", "g", Kind.STOCK)
MODE = Series(Equipment("iot1", "rig"), "mode", kind=Kind.STATE, states=("idle", "on"), on_event=True)


def test_a_transaction_is_all_or_nothing(spool: Spool) -> None:
    append(spool, tick_frame(5))
    with pytest.raises(ZeroDivisionError), spool.transaction():
        spool.log.append([readings(1), tick_frame(9)])
        spool.log.say(LINE, "x", expected(1.0, key="k"))
        spool.log.advance("sink:lines", 7)
        spool.states.commit(LINE, 7, 1, b"state", 0)
        spool.remember("decoder", b"memory")
        spool.dead.add(DeadLetter("t", b"x", "bad", 1))
        spool.ledger.add(Gap("rig", Cause.SEQ_GAP, 1, 2, 3))
        raise ZeroDivisionError
    assert (spool.log.end(), spool.log.clock_ns(), spool.log.latest("expected")) == (1, 5, [])
    assert (spool.log.cursor("sink:lines"), spool.states.load(LINE), spool.recall("decoder")) == (0, NEW, b"")
    assert (spool.dead.count(), spool.ledger.read()) == (0, [])


def test_series_ids_of_a_rolled_back_transaction_are_void(spool: Spool, path: Path) -> None:
    with pytest.raises(ZeroDivisionError), spool.transaction():
        void = spool.series.id_of(RED)
        assert list(spool.series) == [void]
        raise ZeroDivisionError
    assert dict(spool.series) == {}
    with Spool.open(path) as other, other.transaction():
        taken = other.series.id_of(BLUE)
    assert taken == void, "the id was free again, so remembering it would have mixed up two series"
    with spool.transaction():
        given = spool.series.id_of(RED)
    assert dict(spool.series) == {taken: BLUE, given: RED}


def test_a_series_has_one_id_for_everyone(spool: Spool, path: Path) -> None:
    with Spool.open(path) as other:
        with spool.transaction():
            ids = [spool.series.id_of(series) for series in (RED, MODE)]
        with other.transaction():
            assert [other.series.id_of(series) for series in (BLUE, MODE, RED)] == [3, ids[1], ids[0]]
        assert spool.series[3] == BLUE
        assert dict(spool.series) == dict(other.series) == {1: RED, 2: MODE, 3: BLUE}
    with pytest.raises(KeyError):
        spool.series[99]


def test_a_newcomer_sees_series_that_were_registered_before_its_own(spool: Spool, path: Path) -> None:
    with spool.transaction():
        spool.series.id_of(RED)
    with Spool.open(path) as other:
        with other.transaction():
            other.series.id_of(BLUE)
        assert len(other.series) == 2
        assert list(other.series.values()) == [RED, BLUE]


def test_state_moves_by_compare_and_set(spool: Spool, path: Path) -> None:
    assert spool.states.load(LINE) == NEW
    with spool.transaction():
        assert spool.states.commit(LINE, 5, 2, b"one", 0) == 1
    with Spool.open(path) as other:
        assert other.states.load(LINE) == ShardState(offset=5, rev=1, version=2, body=b"one")
        with other.transaction():
            other.states.commit(LINE, 6, 2, b"two", 1)
    with (
        pytest.raises(Fenced, match=r"line rig/bottling: another `andon detect` .*; stop one of them"),
        spool.transaction(),
    ):
        spool.log.append([readings(1)])
        spool.states.commit(LINE, 6, 2, b"mine", 1)
    assert spool.states.load(LINE).body == b"two"
    assert spool.log.end() == 0, "what the fenced one said is gone with its state"


def test_memory_is_kept_by_name(spool: Spool, path: Path) -> None:
    with spool.transaction():
        spool.remember("decoder", b"old")
        spool.remember("decoder", b"new")
    with Spool.open(path) as other:
        assert other.recall("decoder") == b"new"
        assert other.recall("else") == b""


def test_a_redelivered_letter_is_the_same_letter(spool: Spool) -> None:
    letters = [DeadLetter("a", b"x", "why", 1), DeadLetter("a", b"y", "why", 2), DeadLetter("b", b"x", "why", 3)]
    with spool.transaction():
        for letter in (*letters, letters[0]._replace(received_ns=9)):
            spool.dead.add(letter)
    assert spool.dead.count() == 3
    assert spool.dead.read() == [letters[2], letters[1], letters[0]._replace(times=2)]
    assert spool.dead.read(limit=1) == letters[2:]


def test_the_ledger_gives_gaps_back_newest_first(spool: Spool) -> None:
    gaps = [Gap("rig/a", Cause.SEQ_GAP, 1, 2, 3), Gap("rig/b", Cause.EVICTED, 4, 5, 6, "full")]
    with spool.transaction():
        for gap in gaps:
            spool.ledger.add(gap)
    assert spool.ledger.read() == gaps[::-1]
    assert spool.ledger.read(limit=1) == gaps[1:]


def test_two_writers_take_turns(path: Path) -> None:
    def write(shard: str) -> None:
        with Spool.open(path) as mine:
            for i in range(1, 101):
                append(mine, readings(i, shard))

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, (LINE, OTHER)))
    with Spool.open(path) as spool:
        frames = spool.log.read(0, 1000)
    assert [frame.offset for frame in frames] == list(range(1, 201))
    for shard in (LINE, OTHER):
        assert [frame.at_ns for frame in frames if frame.shard == shard] == list(range(1, 101))


def test_several_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    for attempt in range(10):
        path = tmp_path / f"{attempt}.sqlite"
        with ThreadPoolExecutor(4) as opening:
            for spool in opening.map(lambda _, path=path: Spool.open(path), range(4)):
                spool.close()


@pytest.mark.parametrize("reports", [1, 40, 173])
def test_kill_9_loses_nothing_that_was_reported(path: Path, reports: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.collector.appending", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    said = [child.stdout.readline() for _ in range(reports)]
    child.send_signal(signal.SIGKILL)
    said.extend(child.stdout)  # what it reported between our last look and its end counts as well
    child.wait()
    reported = [tuple(map(int, line.split())) for line in said if line.endswith("\n")]
    assert len(reported) >= reports
    with Spool.open(path) as spool:
        stored = {frame.offset: frame.body for frame in spool.log.read(0, 1_000_000)}
        for offset, count in reported:
            ((series, at_ns, value, *_),) = rows_of(stored[offset])  # type: ignore[arg-type]
            assert (at_ns, value, spool.series[series].metric) == (count, float(count), f"metric_{count % 50}")
        assert sorted(stored) == list(range(1, len(stored) + 1))
