"""What a spool promises: appended is durable, a transaction is all or nothing, and every fault is a sentence."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.readings import Equipment, Kind, Series
from collector.spool.dead import DeadLetter
from collector.spool.frames import (
    EVERY_SHARD,
    Action,
    Control,
    DamagedFrame,
    Frame,
    FrameKind,
    Record,
    batch_frame,
    control_frame,
    record_frame,
    tick_frame,
)
from collector.spool.ledger import Cause, Gap
from collector.spool.log import INPUTS
from collector.spool.spool import Spool, SpoolError, SpoolFull
from collector.spool.state import NEW, Fenced, ShardState
from tests.collector.batches import batch, rows_of

RED = Series(Equipment("iot1", "rig", line="bottling", cell="red"), "fill_level", "g", Kind.STOCK)
BLUE = Series(Equipment("iot1", "rig", line="bottling", cell="blue"), "fill_level", "g", Kind.STOCK)
MODE = Series(Equipment("iot1", "rig"), "mode", kind=Kind.STATE, states=("idle", "on"), on_event=True)
LINE, OTHER = "rig/bottling", "rig/packing"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "spool.sqlite"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with Spool.open(path) as opened:
        yield opened


def readings(at_ns: int, shard: str = LINE) -> Frame:
    return batch_frame(shard, batch((1, at_ns, 1.0, 0, at_ns)))


def append(spool: Spool, *frames: Frame) -> int:
    with spool.transaction():
        return spool.log.append(frames)


def expected(value: float, *, key: str = "", at_ns: int = 1) -> Record:
    return Record("expected", {"site": "rig"}, {"value": value}, at_ns, key=key, detail={"seen": [1, None]})


# ---- the log


def test_what_is_appended_is_read_in_order_by_another_connection(spool: Spool, path: Path) -> None:
    ack = Control(Action.ACK, "a1", who="Li Wei", at_ns=3)
    frames = [readings(1), tick_frame(2), control_frame(LINE, ack), record_frame(LINE, expected(4.0))]
    last = append(spool, *frames)
    with Spool.open(path) as other:
        read = other.log.read(0, 100)
        assert other.log.end() == last == 4
    assert [frame.offset for frame in read] == [1, 2, 3, 4]
    assert [frame[:3] for frame in read] == [frame[:3] for frame in frames]
    assert rows_of(read[0].body) == rows_of(frames[0].body)  # type: ignore[arg-type]
    assert [frame.body for frame in read[1:]] == [frame.body for frame in frames[1:]]


def test_a_line_reads_its_own_frames_and_the_ticks(spool: Spool) -> None:
    append(spool, readings(1), readings(2, OTHER), tick_frame(3), record_frame(LINE, expected(1.0)), readings(4))
    assert [frame.offset for frame in spool.log.read(0, 100, shard=LINE, kinds=INPUTS)] == [1, 3, 5]
    assert [frame.shard for frame in spool.log.read(1, 1, shard=LINE)] == [EVERY_SHARD]
    assert [frame.offset for frame in spool.log.read(0, 100, kinds=(FrameKind.RECORD,))] == [4]


def test_appending_nothing_is_offset_zero(spool: Spool) -> None:
    assert append(spool) == 0
    assert spool.log.end() == 0
    assert spool.log.read(0, 10) == []


def test_each_reader_has_its_own_cursor(spool: Spool, path: Path) -> None:
    assert spool.log.cursor("sink:lines") == 0
    with spool.transaction():
        spool.log.advance("sink:lines", 7)
        spool.log.advance("sink:influx", 3)
    with Spool.open(path) as other:
        assert (other.log.cursor("sink:lines"), other.log.cursor("sink:influx")) == (7, 3)
        assert other.log.delivered() == 3


def test_what_a_line_has_not_seen_is_not_delivered(spool: Spool) -> None:
    with spool.transaction():
        spool.log.advance("sink:lines", 7)
        spool.states.commit(LINE, 5, 1, b"", 0)
    assert spool.log.delivered() == 5


def test_nothing_is_delivered_before_the_first_reader(spool: Spool) -> None:
    append(spool, readings(1))
    assert spool.log.delivered() == 0


def test_the_clock_is_the_latest_tick_and_never_runs_back(spool: Spool) -> None:
    assert spool.log.clock_ns() == 0
    append(spool, tick_frame(50), tick_frame(40))
    assert spool.log.clock_ns() == 50


def test_lines_are_known_by_their_readings_even_after_those_are_gone(spool: Spool) -> None:
    append(spool, readings(1), readings(2, OTHER), tick_frame(3), record_frame("rig/chain", expected(1.0)))
    append(spool, readings(1, "rig/_self"))
    assert spool.log.lines() == [LINE, OTHER]
    with spool.transaction():
        spool.states.commit(LINE, 3, 1, b"memory", 0)
        spool.log.evict(10, 10)
    assert spool.log.lines() == [LINE], "a silent line is still a line"


def test_evicted_offsets_are_never_used_again(spool: Spool) -> None:
    append(spool, readings(10), readings(20), readings(30))
    with spool.transaction():
        assert spool.log.evict(2, 10) == (2, 10, 20)
        assert spool.log.evict(2, 10) == (0, 0, 0)
    assert [frame.offset for frame in spool.log.read(0, 10)] == [3]
    with spool.transaction():
        spool.log.evict(3, 10)
    assert append(spool, readings(40)) == 4
    assert spool.log.end() == 4


def test_eviction_keeps_to_its_limit_kinds_and_age(spool: Spool) -> None:
    append(spool, tick_frame(10), readings(20), record_frame(LINE, expected(1.0)), readings(30), readings(90))
    with spool.transaction():
        assert spool.log.evict(5, 1, kinds=(FrameKind.BATCH,)) == (1, 20, 20)
        assert spool.log.evict(5, 9, kinds=(FrameKind.BATCH,), before_ns=90) == (1, 30, 30)
    assert [frame.offset for frame in spool.log.read(0, 10)] == [1, 3, 5]


# ---- what is said


def test_the_same_thing_is_said_once(spool: Spool) -> None:
    for _ in range(3):
        with spool.transaction():
            spool.log.say(LINE, "expected/1", expected(1.0, key="k"))
    assert [frame.body for frame in spool.log.read(0, 10)] == [expected(1.0, key="k")]


def test_said_again_it_does_not_become_the_latest(spool: Spool) -> None:
    with spool.transaction():
        spool.log.say(LINE, "first", expected(1.0, key="k", at_ns=1))
        spool.log.say(LINE, "second", expected(2.0, key="k", at_ns=2))
        spool.log.say(LINE, "first", expected(1.0, key="k", at_ns=1))
    assert spool.log.latest("expected") == [expected(2.0, key="k", at_ns=2)]


def test_the_latest_of_each_key_outlives_its_frames(spool: Spool) -> None:
    with spool.transaction():
        spool.log.say(LINE, "1", expected(1.0, key="b", at_ns=5))
        spool.log.say(LINE, "2", expected(2.0, key="a", at_ns=6))
        spool.log.say(LINE, "3", expected(3.0, at_ns=7))
        spool.log.evict(10, 10)
    assert [(record.key, record.detail) for record in spool.log.latest("expected")] == [
        ("b", {"seen": [1, None]}),
        ("a", {"seen": [1, None]}),
    ]
    assert spool.log.latest("alert_event") == []


# ---- transactions


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


# ---- state, memory, dead letters, ledger


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
    assert spool.dead.read() == letters[::-1]
    assert spool.dead.read(limit=1) == letters[2:]


def test_the_ledger_gives_gaps_back_newest_first(spool: Spool) -> None:
    gaps = [Gap("rig/a", Cause.SEQ_GAP, 1, 2, 3), Gap("rig/b", Cause.EVICTED, 4, 5, 6, "full")]
    with spool.transaction():
        for gap in gaps:
            spool.ledger.add(gap)
    assert spool.ledger.read() == gaps[::-1]
    assert spool.ledger.read(limit=1) == gaps[1:]


# ---- several at once, and the end of one


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


# ---- faults


def test_a_full_spool_says_so_loses_nothing_and_takes_more_once_there_is_room(path: Path) -> None:
    with Spool.open(path, max_mb=0.5) as spool:
        big = Record("expected", {}, {"text": "x" * 100_000}, at_ns=1)
        stored = 0
        with pytest.raises(SpoolFull, match=rf"spool {path} is full .*\[spool\] max_mb.*: free space or raise max_mb"):
            while stored < 100:
                stored = append(spool, record_frame(LINE, big))
        assert 0 < stored < 6
        assert [frame.offset for frame in spool.log.read(0, 100)] == list(range(1, stored + 1))
        with spool.transaction():
            assert spool.log.evict(stored, 2)[0] == 2
        assert append(spool, record_frame(LINE, big)) > stored
        assert spool.size_bytes() <= 0.5e6


def test_series_met_while_the_spool_was_full_are_registered_once_there_is_room(path: Path) -> None:
    with Spool.open(path, max_mb=0.5) as spool:
        huge = Record("expected", {}, {"text": "x" * 1_000_000}, at_ns=1)
        with pytest.raises(SpoolFull), spool.transaction():
            spool.series.id_of(RED)
            spool.log.append([record_frame(LINE, huge)])
        with spool.transaction():
            given = spool.series.id_of(RED)
        with Spool.open(path) as other:
            assert other.series[given] == RED


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("not a folder")
    with pytest.raises(SpoolError, match=rf"spool folder {tmp_path}/var: .*; name another in \[spool\] path"):
        Spool.open(tmp_path / "var" / "spool.sqlite")
    with pytest.raises(SpoolError, match="Not a directory; name another"):
        Spool.open(tmp_path / "var" / "deeper" / "spool.sqlite")


def test_a_folder_in_place_of_the_file_is_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SpoolError, match=f"spool {path} cannot be written .*: give this user write access"):
        Spool.open(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files from anybody")
def test_a_folder_that_takes_no_files_is_named() -> None:
    with pytest.raises(SpoolError, match=r"spool /proc/self/spool.sqlite cannot be written.*access to /proc/self"):
        Spool.open(Path("/proc/self/spool.sqlite"))


def test_a_read_only_folder_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        sentence = _sentence_for_a_plain_user(Path(folder) / "spool.sqlite")
        Path(folder).chmod(0o755)
    assert sentence == f"spool {folder}/spool.sqlite cannot be written: give this user write access to {folder}"


def _sentence_for_a_plain_user(path: Path) -> str:
    """What Spool.open says in a process without root's rights, to which no folder is read-only."""
    receive, send = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_open_as_a_plain_user, args=(path, send))
    child.start()
    sentence = str(receive.recv())
    child.join()
    return sentence


def _open_as_a_plain_user(path: Path, send: multiprocessing.connection.Connection) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        Spool.open(path)
        send.send("opened")
    except SpoolError as error:
        send.send(str(error))


def test_a_file_that_is_no_spool_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(SpoolError, match=rf"spool {path} is not a sound spool file .*: move it away"):
        Spool.open(path)


def test_a_damaged_page_is_named_when_it_is_read(path: Path) -> None:
    with Spool.open(path) as spool:
        append(spool, *(readings(i) for i in range(1, 2001)))
    raw = bytearray(path.read_bytes())
    raw[3 * 4096 :] = b"\xa5" * (len(raw) - 3 * 4096)
    path.write_bytes(raw)
    with (
        pytest.raises(SpoolError, match=rf"spool {path} is not a sound spool file .*: move it away"),
        Spool.open(path) as spool,
    ):
        spool.log.read(0, 10_000)


def test_a_damaged_frame_is_named_by_file_and_offset(spool: Spool, path: Path) -> None:
    append(spool, readings(1), readings(2))
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE log SET body = x'0102' WHERE offset = 2")
    assert len(spool.log.read(0, 1)) == 1
    with pytest.raises(DamagedFrame, match=f"{path} offset 2: "):
        spool.log.read(1, 1)


def test_a_file_of_another_version_is_named(spool: Spool, path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(SpoolError, match=r"another version \(schema 99, this one reads 1\): move the file away"):
        Spool.open(path)


def test_a_busy_spool_is_named(spool: Spool, path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        spool._connection.execute("PRAGMA busy_timeout = 10")  # instead of waiting for half a minute
        with pytest.raises(SpoolError, match=f"spool {path}: database is locked"):
            append(spool, readings(1))
        other.execute("ROLLBACK")
    assert append(spool, readings(1)) == 1
