"""What every detection method promises. The folder is listed: a new method is tested with no edit here."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest

from collector.folder import names_in
from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Quality, Series
from collector.spool.ledger import Cause, Gap
from detectors import methods
from detectors.calendar import Calendar
from detectors.detector import Context, Detector, Scores
from detectors.models.taught import Taught
from tests.detectors import lessons
from tests.detectors.playback import play

START_S, STEP_S, STEPS = 1_752_000_000, 5, 900
STUCK, SILENT, SLOW, BURST = range(300, 420), range(500, 560), range(620, 700), range(760, 800)
LEAK, LATE = range(580, 740), range(800, 900)
PLACE = Equipment("acme", "north", "hall", "press", "cell")
STORE = Equipment("acme", "north", "", "inventory", "bolt")
SERIES = {
    0: Series(PLACE, "temperature", "Cel"),
    1: Series(PLACE, "stock_bolt", "1", Kind.STOCK),
    2: Series(PLACE, "good", "1", Kind.COUNTER),
    3: Series(PLACE, "bottles", "1", Kind.COUNTER, on_event=True),
    4: Series(PLACE, "state", "1", Kind.STATE, ("idle", "run")),
    5: Series(PLACE, "recipe"),
    6: Series(PLACE, "scrap", "1", Kind.COUNTER),
    7: Series(PLACE, "stock_glue", "g", Kind.STOCK),
    8: Series(STORE, "next_due/acme", "s", on_event=True),
}
MODEL, MODEL_BYTES = lessons.kept()
CONTEXT = Context(
    SERIES, Calendar(), "north/press", lambda model_id: MODEL_BYTES if model_id == MODEL.model_id else b""
)


def line(steps: int = STEPS) -> Batch:
    """A line with one trouble of each kind: a frozen gauge, silence, a slow stretch, scrap, a stock that runs
    empty, one that leaks, a receipt that does not come.
    """
    rng = np.random.default_rng(11)
    builder, good, scrap, stock, glue = BatchBuilder(), 0, 0, 400.0, 9000.0
    for i in range(steps):
        at_ns = (START_S + i * STEP_S) * NS_PER_S + 7 * i % 5
        phase = i % STEPS
        if phase in SILENT:
            continue
        made = 2 if phase not in SLOW else int(i % 3 == 0)
        good, stock = good + made, 400.0 if stock <= -20 else stock - made
        glue = 9000.0 if glue < 100 else glue - made - 2 * (phase in LEAK)
        scrap += 3 if phase in BURST else int(i % 5 == 0)
        temperature = 21.5 if phase in STUCK else float(rng.normal(20, 1))
        values = {0: temperature, 1: max(stock, 0.0), 2: good, 4: float(made > 0), 5: 12.0, 6: scrap, 7: glue}
        for series, value in values.items():
            builder.add(series, at_ns, value, Quality.GOOD, at_ns)
        if phase % 50 == 10:  # promised in an hour; of the last one the hour is over
            due_s = at_ns // NS_PER_S + (3600 if phase not in LATE else -400_000)
            builder.add(8, at_ns, due_s, Quality.GOOD, at_ns)
        if made:
            builder.add(3, at_ns, good, Quality.GOOD, at_ns)
    return builder.build()


LINE = line()


def options_of(method: ModuleType) -> Any:
    """The method's defaults; what it requires is a number, and 60 will do."""
    required = [field for field in msgspec.structs.fields(method.Options) if field.required]
    return method.Options(**{field.name: 60.0 for field in required})


@pytest.fixture(params=names_in(methods))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"detectors.methods.{request.param}")


def start(method: ModuleType) -> Detector:
    """The method with its defaults; one that is taught has had its lesson."""
    detector: Detector = method.build(options_of(method), CONTEXT)
    if isinstance(detector, Taught):
        detector.swap(MODEL)
    return detector


def rows_of(scores: Iterator[Scores] | list[Scores]) -> np.ndarray:
    """Every row said, as numbers."""
    columns = [
        (s.series, s.at_ns, s.score, s.value, s.expected_low, s.expected, s.expected_high) for s in scores if len(s)
    ]
    return np.concatenate([np.column_stack(c) for c in columns]) if columns else np.empty((0, 7))


def with_rows(batch: Batch, extra: list[tuple[int, int, float, int]]) -> Batch:
    """The batch with more rows, in order of time; extra rows come after those of the same instant."""
    builder = BatchBuilder()
    for row in extra:
        builder.add(*row, row[1])
    more = builder.build()
    columns = [np.concatenate(pair) for pair in zip(batch.columns, more.columns, strict=True)]
    return Batch(*columns).take(np.argsort(columns[1], kind="stable"))


def test_it_finds_the_trouble_it_is_for(method):
    scores = rows_of(list(play(start(method), LINE)))[:, 2]
    assert (scores >= 1.0).any()
    assert (scores < 1.0).any()


def test_columns_are_of_one_length_and_in_order_of_time(method):
    for scores in play(start(method), LINE):
        assert len({len(getattr(scores, name)) for name in Scores.__slots__}) == 1
        assert (np.diff(scores.at_ns) >= 0).all()
        assert set(scores.series.tolist()) <= set(SERIES)


def test_what_comes_later_changes_no_earlier_score(method):
    """Strictly causal: score, then learn."""
    whole = list(play(start(method), LINE))
    for until_ns in LINE.at_ns[[len(LINE) // 5, len(LINE) // 2, -400]]:
        part = rows_of(list(play(start(method), LINE.take(LINE.at_ns <= until_ns))))
        part = part[part[:, 1] <= until_ns]
        np.testing.assert_array_equal(part, rows_of(whole)[: len(part)])


def test_batch_cuts_change_nothing(method):
    once, apart = start(method), start(method)
    rows = [[], []]
    for end in range(0, len(LINE), 97):
        stretch = LINE.take(slice(end, end + 97))
        rows[0].append(once.score(stretch))
        rows[1].extend(apart.score(stretch.take(slice(i, i + 1))) for i in range(len(stretch)))
    np.testing.assert_array_equal(rows_of(rows[0]), rows_of(rows[1]))
    assert once.snapshot() == apart.snapshot()


@pytest.mark.parametrize("cut", [1, 500, 1400, 2600])
def test_a_restored_detector_goes_on_as_if_nothing_had_happened(method, cut):
    before, after = start(method), start(method)
    list(play(before, LINE.take(slice(0, cut))))
    after.restore(before.snapshot())
    rest = LINE.take(slice(cut, None))
    np.testing.assert_array_equal(rows_of(list(play(before, rest))), rows_of(list(play(after, rest))))
    assert before.snapshot() == after.snapshot()


def test_its_memory_is_bounded(method):
    sizes = []
    for turns in (2, 6):
        detector = start(method)
        list(play(detector, line(turns * STEPS)))
        sizes.append(len(detector.snapshot()))
    assert sizes[1] <= 1.2 * sizes[0] + 200
    assert sizes[1] <= 8192 * len(SERIES)


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (float("nan"), Quality.GOOD),
        (float("inf"), Quality.GOOD),
        (-1e9, Quality.BAD),
        (-1e9, Quality.STALE),
        (-1e9, Quality.CLOCK),
        (-1e9, Quality.GOOD | Quality.HISTORICAL),
    ],
)
def test_what_cannot_be_used_is_ignored(method, value, quality):
    worse = with_rows(LINE, [(s, int(at) + 1, value, quality) for at in LINE.at_ns[::40] for s in SERIES])
    clean, other = start(method), start(method)
    np.testing.assert_array_equal(rows_of(list(play(clean, LINE))), rows_of(list(play(other, worse))))
    assert clean.snapshot() == other.snapshot()


def test_readings_that_are_not_newer_are_ignored(method):
    clean, other = start(method), start(method)
    rows = []
    for detector in (clean, other):
        said = []
        for end in range(100, len(LINE) + 100, 100):
            said.append(detector.score(LINE.take(slice(end - 100, end))))
            if detector is other:
                said.append(detector.score(LINE.take(slice(max(end - 300, 0), end))))  # delivered again
        rows.append(rows_of(said))
    np.testing.assert_array_equal(*rows)
    assert clean.snapshot() == other.snapshot()


def test_it_is_quiet_while_warming_up(method):
    first = LINE.take(slice(0, 3 * 6))
    assert not (rows_of(list(play(start(method), first)))[:, 2] >= 1.0).any()


def test_an_instant_asked_twice_is_answered_twice_the_same(method):
    detector = start(method)
    for _ in play(detector, LINE.take(slice(0, 1500))):
        pass
    at_ns = int(LINE.at_ns[1499]) + 10 * NS_PER_S
    np.testing.assert_array_equal(rows_of([detector.tick(at_ns)]), rows_of([detector.tick(at_ns)]))


def test_silence_resolves_nothing(method):
    """No tick takes back a verdict when nothing was heard since."""
    detector, verdicts = start(method), {}
    for end in range(50, len(LINE), 50):
        scores = detector.score(LINE.take(slice(end - 50, end)))
        verdicts |= dict(zip(scores.series.tolist(), (scores.score >= 1.0).tolist(), strict=True))
        later = detector.tick(int(LINE.at_ns[end - 1]) + NS_PER_S)
        for series, score in zip(later.series.tolist(), later.score.tolist(), strict=True):
            assert not (verdicts.get(series, False) and score < 1.0)


def lost(first: int, last: int, cell: str = "") -> tuple[Batch, Gap]:
    """The line without the readings of these steps, and the gap that says so."""
    from_ns, to_ns = ((START_S + step * STEP_S) * NS_PER_S for step in (first, last))
    gap = Gap("north/press", Cause.EVICTED, from_ns, to_ns, 1, "", "north/press", cell)
    return LINE.take((LINE.at_ns < from_ns) | (LINE.at_ns >= to_ns)), gap


def raised_at(scores: list[Scores]) -> set[tuple[int, int]]:
    """(series, step) of every score that calls for an alert."""
    rows = rows_of(scores)
    rows = rows[rows[:, 2] >= 1.0]
    return {(int(series), int(at_ns // NS_PER_S - START_S) // STEP_S) for series, at_ns in rows[:, :2]}


@cache
def undisturbed(method: ModuleType) -> set[tuple[int, int]]:
    return raised_at(list(play(start(method), LINE)))


@pytest.mark.parametrize("first", [130, 330, 470, 590, 690])
@pytest.mark.parametrize("came_all_the_same", [False, True])
def test_a_gap_raises_no_alert_that_the_readings_themselves_would_not(method, first, came_all_the_same):
    """Five minutes, told where the readings stood. An alert may come as late as a window after it would have."""
    rest, gap = lost(first, first + 60)
    scores = list(play(start(method), LINE if came_all_the_same else rest, gaps=[(gap.from_ns, gap)]))
    for series, step in raised_at(scores):
        assert any((series, near) in undisturbed(method) for near in range(step - 60, step + 61)), step


def test_a_gap_that_is_told_late_or_of_another_cell_is_harmless(method):
    clean, told = start(method), start(method)
    late, elsewhere = lost(100, 160)[1], lost(200, 260, "another")[1]
    gaps = [(int(LINE.at_ns[1500]), late), (elsewhere.from_ns, elsewhere)]
    np.testing.assert_array_equal(rows_of(list(play(clean, LINE))), rows_of(list(play(told, LINE, gaps=gaps))))
    assert clean.snapshot() == told.snapshot()


def test_a_gap_takes_back_no_verdict(method):
    detector, verdicts = start(method), {}
    for end in range(50, len(LINE), 50):
        scores = detector.score(LINE.take(slice(end - 50, end)))
        verdicts |= dict(zip(scores.series.tolist(), (scores.score >= 1.0).tolist(), strict=True))
        last_ns = int(LINE.at_ns[end - 1])
        apart = start(method)
        apart.restore(detector.snapshot())
        apart.miss(Gap("north/press", Cause.EVICTED, last_ns, last_ns + 600 * NS_PER_S, 1, "", "north/press"))
        later = apart.tick(last_ns + 601 * NS_PER_S)
        for series, score in zip(later.series.tolist(), later.score.tolist(), strict=True):
            assert not (verdicts.get(series, False) and score < 1.0)


@pytest.mark.parametrize("cut", [1, 100])
def test_a_detector_restored_within_a_gap_goes_on_as_if_nothing_had_happened(method, cut):
    rest, gap = lost(200, 260)
    before_gap = rest.take(rest.at_ns < gap.from_ns)
    after_gap = rest.take(rest.at_ns >= gap.to_ns)
    before, after = start(method), start(method)
    list(play(before, before_gap))
    before.miss(gap)
    list(play(before, after_gap.take(slice(0, cut))))
    after.restore(before.snapshot())
    assert before.snapshot() == after.snapshot()
    more = after_gap.take(slice(cut, None))
    np.testing.assert_array_equal(rows_of(list(play(before, more))), rows_of(list(play(after, more))))
    assert before.snapshot() == after.snapshot()


def test_silence_that_outlasts_a_gap_is_judged(method):
    """A method that judges silence at all judges it in the end though a gap was told at its beginning."""
    scores = []
    for gaps in ((), (lost(400, 430)[1],)):
        detector = start(method)
        list(play(detector, lost(400, STEPS)[0]))
        for gap in gaps:
            detector.miss(gap)
        end_ns = (START_S + 2000 * STEP_S) * NS_PER_S
        scores.append(raised_at([detector.tick(end_ns)]))
    assert scores[0] == scores[1]


def test_many_gaps_leave_its_memory_bounded(method):
    detector, sizes = start(method), []
    list(play(detector, LINE))
    last_ns = int(LINE.at_ns[-1])
    for i in range(200):
        from_ns = last_ns + 20 * i * NS_PER_S
        detector.miss(Gap("north/press", Cause.SEQ_GAP, from_ns, from_ns + NS_PER_S, 1, "", "north/press"))
        sizes.append(len(detector.snapshot()))
    assert sizes[-1] == sizes[50]


def test_its_evidence_is_plain_values_for_a_named_subject(method):
    detector, found = start(method), 0
    for scores in play(detector, LINE):
        for series, at_ns, score in zip(
            scores.series.tolist(), scores.at_ns.tolist(), scores.score.tolist(), strict=True
        ):
            if score >= 1.0:
                evidence = detector.explain(series, at_ns)
                assert evidence
                json.dumps(evidence, allow_nan=False)
                assert all(isinstance(value, float | int | str | bool) for value in evidence.values())
                assert detector.subject(SERIES[series]).startswith("north")
                found += 1
    assert found


def test_unknown_options_are_refused(method):
    with pytest.raises(msgspec.ValidationError, match="no_such_option"):
        msgspec.convert({**msgspec.to_builtins(options_of(method)), "no_such_option": 1}, method.Options)


def test_it_says_when_it_fails_and_where_it_comes_from(method):
    text = " ".join((method.__doc__ or "").split())
    assert "fails" in text
    assert "Source" in text
