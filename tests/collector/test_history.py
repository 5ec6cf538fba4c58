"""History answers as a plain table of all readings would, whatever was folded, merged, late, repeated or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.readings import NS_PER_S, Batch, Quality
from collector.spool.history.chunks import Samples
from collector.spool.history.history import Last
from collector.spool.history.rollup import rollup
from collector.spool.history.tail import Missing
from collector.spool.spool import Spool
from collector.spool.state import Fenced
from tests.collector.histories import T0_NS, Kept, SoonFolded, at, model, ns, seconds

EVER = (0, 2**62)
ROW = st.tuples(
    st.sampled_from([1, 2, 40]), st.integers(0, 900), st.integers(0, 50).map(float), st.sampled_from([0, 0, 0, 1, 2])
)
STEPS = st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=40)


@pytest.fixture
def small(path: Path) -> Iterator[SoonFolded]:
    history = SoonFolded(path)
    yield history
    history.close()


def as_kept(found: Samples) -> Kept:
    return dict(zip(found.at_ns.tolist(), zip(found.value.tolist(), found.quality.tolist(), strict=True), strict=True))


def as_readings(kept: Kept) -> Samples:
    values, qualities = ([row[i] for row in kept.values()] for i in (0, 1))
    return Samples(np.array(list(kept), np.int64), np.array(values, np.float64), np.array(qualities, np.uint8))


def holds(small: SoonFolded, batches: list[Batch], series: int) -> None:
    """Samples, rollups and the last value are those of the plain model."""
    kept = model(batches, series)
    found, missing = small.history.read(series, *EVER)
    assert (as_kept(found), missing) == (kept, [])
    assert found.at_ns.tolist() == sorted(found.at_ns.tolist())
    for every_s in (60, 300, 7):
        rolled, _ = small.history.means(series, *EVER, every_s)
        plain = rollup(as_readings(kept), every_s * NS_PER_S)
        for ours, theirs in zip(rolled.columns, plain.columns, strict=True):
            assert ours.tolist() == pytest.approx(theirs.tolist())
    last = {series: Last(max(kept), *kept[max(kept)])} if kept else {}
    assert small.history.last([series]) == last


@settings(max_examples=30)
@given(STEPS)
def test_it_answers_as_a_plain_table_would(steps):
    with TemporaryDirectory() as folder:
        small, batches = SoonFolded(Path(folder) / "spool.sqlite"), []
        for rows in steps:
            batches.append(at(*rows))
            small.keep(batches[-1])
        for series in (1, 2, 40):
            holds(small, batches, series)
        small.close()


def test_it_folds_and_merges_into_few_chunks_and_still_holds_all(small):
    batches = [seconds(1, minute * 60, minute * 60 + 60, float(minute)) for minute in range(200)]
    for one in batches:
        small.keep(one)
    holds(small, batches, 1)
    tiers = small.connection.execute("SELECT tier, count(*) FROM history_chunk GROUP BY tier").fetchall()
    assert max(tier for tier, _ in tiers) == 2
    assert all(count <= 8 for _, count in tiers)
    assert small.count("history_tail") < 6


def test_a_take_touches_few_rows_however_many_series(small):
    small.keep(at(*((series, 1, 1.0, 0) for series in range(1, 1001))))
    assert small.count("history_tail") == 1000 // 32 + 1


def test_only_what_was_asked_for_comes(small):
    for minute in range(6):
        small.keep(seconds(1, minute * 60, minute * 60 + 60))
    found, _ = small.history.read(1, ns(90), ns(250))
    assert (found.at_ns[0], found.at_ns[-1], len(found)) == (ns(90), ns(249), 160)
    minutes, _ = small.history.means(1, ns(90), ns(250))
    assert ((minutes.at_ns - T0_NS) // NS_PER_S).tolist() == [60, 120, 180, 240]
    assert small.history.read(7, *EVER)[0].at_ns.tolist() == []
    assert len(small.history.means(7, *EVER)[0]) == 0


def test_a_time_that_cannot_be_right_is_not_kept(small):
    doubtful = Quality.CLOCK | Quality.HISTORICAL
    small.keep(at((1, 1, 1.0, 0), (1, 9000, 2.0, Quality.CLOCK), (1, 9001, 2.0, doubtful)))
    assert as_kept(small.history.read(1, *EVER)[0]) == {ns(1): (1.0, 0)}
    assert small.history.last([1])[1].at_ns == ns(1)


def test_bad_and_stale_readings_are_kept_and_count_in_no_rollup(small):
    rows = at((1, 1, 10.0, 0), (1, 2, 99.0, Quality.BAD), (1, 3, 99.0, Quality.STALE), (1, 4, 20.0, Quality.HISTORICAL))
    small.keep(rows)
    assert len(small.history.read(1, *EVER)[0]) == 4
    assert small.history.means(1, *EVER)[0].mean.tolist() == [15.0]


def test_a_late_reading_changes_the_minute_it_belongs_to(small):
    batches = [seconds(1, minute * 60, minute * 60 + 60, 10.0) for minute in range(30)]
    for one in batches:
        small.keep(one)
    late = at((1, 125.5, 700.0, 0))
    small.keep(late)
    holds(small, [*batches, late], 1)
    assert small.history.means(1, ns(120), ns(180))[0].high.tolist() == [700.0]
    for _ in range(8):
        small.keep(late)
    holds(small, [*batches, late], 1)


def test_readings_of_an_outage_take_their_place_between_those_that_came_before(small):
    live = [seconds(1, start, start + 30) for start in (0, 30, 60, 600, 630, 660)]
    history = [seconds(1, start, start + 40, 2.0) for start in range(90, 600, 40)]
    for one in (*live, *history, seconds(1, 690, 720)):
        small.keep(one)
    holds(small, [*live, *history, seconds(1, 690, 720)], 1)


def damage(small: SoonFolded, table: str, column: str, which: int) -> None:
    """Flips a byte in the middle of one row's bytes."""
    small.connection.execute("BEGIN IMMEDIATE")
    given, blob = small.connection.execute(
        f"SELECT id, {column} FROM {table} ORDER BY id LIMIT 1 OFFSET {which}"
    ).fetchone()
    changed = bytearray(blob)
    changed[len(changed) // 2] ^= 0x40
    small.connection.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (bytes(changed), given))
    small.connection.execute("COMMIT")


def test_a_damaged_chunk_is_told_with_its_stretch_and_the_others_are_read(small):
    for minute in range(5):
        small.keep(seconds(1, minute * 60, minute * 60 + 60))
    small.keep()
    damage(small, "history_chunk", "body", 2)
    found, missing = small.history.read(1, *EVER)
    assert missing == [Missing(1, ns(120), ns(179), 60)]
    assert sorted({(at_ns - T0_NS) // (60 * NS_PER_S) for at_ns in found.at_ns.tolist()}) == [0, 1, 3, 4]
    assert len(small.history.means(1, *EVER)[0]) == 5, "its rollups are sound"
    damage(small, "history_chunk", "minutes", 3)
    assert len(small.history.means(1, *EVER)[0]) == 5, "made anew from its readings"
    damage(small, "history_chunk", "minutes", 2)
    minutes, missing = small.history.means(1, *EVER)
    assert (len(minutes), missing) == (4, [Missing(1, ns(120), ns(179), 60)])


def test_a_damaged_row_of_the_tail_is_told_and_the_rest_is_read(small):
    small.keep(seconds(1, 0, 3))
    small.keep(seconds(1, 3, 6))
    damage(small, "history_tail", "body", 0)
    found, missing = small.history.read(1, *EVER)
    assert len(found) == 3
    assert missing == [Missing(0, ns(0), ns(2), 3)]


def test_merging_goes_on_past_damage_and_says_what_is_gone(small):
    for minute in range(7):
        small.keep(seconds(1, minute * 60, minute * 60 + 60))
    small.keep()
    damage(small, "history_chunk", "body", 2)
    lost = []
    for minute in range(7, 12):
        tidied = small.history.tidying.next()
        lost += tidied.missing
        with small.writing():
            small.history.tidying.write(tidied)
            small.history.take([seconds(1, minute * 60, minute * 60 + 60)])
    assert lost == [Missing(1, ns(120), ns(179), 60)]
    found, missing = small.history.read(1, *EVER)
    assert (len(found), missing) == (11 * 60, [])


def test_another_connection_sees_every_reading_at_every_step(small, path):
    with Spool.open(path) as reader:
        batches = []
        for step in range(40):
            batches.append(seconds(1, step * 5, step * 5 + 5, float(step)))
            tidied = small.history.tidying.next()
            assert as_kept(reader.history.read(1, *EVER)[0]) == model(batches[:-1], 1)
            with small.writing():
                small.history.tidying.write(tidied)
                small.history.take(batches[-1:])
                assert as_kept(reader.history.read(1, *EVER)[0]) == model(batches[:-1], 1), "nothing half done is seen"
            assert as_kept(reader.history.read(1, *EVER)[0]) == model(batches, 1)
            assert reader.history.means(1, *EVER)[0].count.sum() == 5 * step + 5


def test_two_that_tidy_the_same_history_are_told(small, path):
    other = SoonFolded(path)
    for minute in range(3):
        small.keep(seconds(1, minute * 60, minute * 60 + 60))
    theirs = other.history.tidying.next()
    small.keep()
    other.connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(Fenced, match="stop one of the two"):
        other.history.tidying.write(theirs)
    other.connection.execute("ROLLBACK")
    other.close()


def test_the_last_value_is_exact_whatever_float_it_is(small):
    values = [float("nan"), -0.0, float("inf"), 5e-324]
    small.keep(at(*((series, 1, value, 0) for series, value in enumerate(values))))
    found = small.history.last(range(9))
    assert [np.float64(found[i].value).tobytes() for i in range(4)] == [np.float64(value).tobytes() for value in values]


def kept_minutes(small: SoonFolded) -> tuple[int, int]:
    """How many readings, and how many minutes there are."""
    return len(small.history.read(1, *EVER)[0]), len(small.history.means(1, *EVER)[0])


def test_what_is_too_old_goes_a_little_at_a_time_and_rollups_outlive_readings(small):
    for minute in range(40):
        small.keep(seconds(1, minute * 60, minute * 60 + 60))
    small.keep()
    before = kept_minutes(small)
    with small.writing():
        assert small.history.drop_before(ns(1200), rollups_before_ns=ns(0), limit=2) == 2
    readings, minutes = kept_minutes(small)
    assert readings < before[0]
    assert minutes == 40
    with small.writing():
        while small.history.drop_before(ns(1200), rollups_before_ns=ns(600), limit=2):
            pass
    readings, minutes = kept_minutes(small)
    assert readings <= 40 * 60 - 600
    assert 30 <= minutes < 40
    assert small.history.read(1, ns(1200), ns(1260))[0].at_ns.tolist() == [ns(at_s) for at_s in range(1200, 1260)]


def test_a_late_reading_of_a_minute_whose_readings_are_gone_still_counts(small):
    for minute in range(12):
        small.keep(seconds(1, minute * 60, minute * 60 + 60, 10.0))
    small.keep()
    with small.writing():
        small.history.drop_before(ns(300), rollups_before_ns=ns(0))
    for late in range(6):
        small.keep(seconds(1, 60 * late + 100_000, 60 * late + 100_060), at((1, 90.5 + late, 700.0, 0)))
    minute = small.history.means(1, ns(60), ns(120))[0]
    assert (minute.count.tolist(), minute.high.tolist()) == ([66], [700.0])


def test_a_full_spool_gives_up_the_oldest_readings_first_and_says_so(small):
    for minute in range(12):
        small.keep(seconds(1, minute * 60, minute * 60 + 60))
    small.keep()
    with small.writing():
        gone = small.history.drop_oldest(1)
    assert gone.from_ns == T0_NS
    readings, minutes = kept_minutes(small)
    assert (readings + gone.readings, minutes) == (720, 12)
    with small.writing():
        while small.history.drop_oldest(5).readings:
            pass
    assert small.count("history_chunk") == 0
