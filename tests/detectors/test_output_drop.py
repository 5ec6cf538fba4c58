"""Output drop: less than usual, or nothing; planned time, resets, jumps and silence are told apart."""

import datetime as dt
import math

import numpy as np
import pytest

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar, PlannedStop, Shift
from detectors.detector import Cause, Context
from detectors.flow import Flow
from detectors.methods import output_drop
from tests.detectors.played import START_S, Played, series

PERIODIC = series("good", Kind.COUNTER)
ON_EVENT = series("bottles", Kind.COUNTER, on_event=True)


class Line:
    """A counter that makes a unit every `takt_s`; `run` and `stand` go on from where it is and give (second, score)."""

    def __init__(self, of, calendar: Calendar | None = None, **options: float | None) -> None:
        self.played = Played(output_drop, of, calendar, **options)
        self.on_event = of.on_event
        self.second, self.count, self.owed = 0, 0.0, 0.0

    def run(self, for_s: int, takt_s: float = 4.0) -> list[tuple[int, float]]:
        return self._go(for_s, 1 / takt_s)

    def stand(self, for_s: int) -> list[tuple[int, float]]:
        return self._go(for_s, 0.0)

    def pass_silently(self, for_s: int) -> list[tuple[int, float | None]]:
        rows = [(self.second + s, self.played.tick(self.second + s)) for s in range(5, for_s + 1, 5)]
        self.second += for_s
        return rows

    def _go(self, for_s: int, units_per_s: float) -> list[tuple[int, float]]:
        rows = []
        for _ in range(for_s):
            self.second += 1
            self.owed += units_per_s
            made = math.floor(self.owed + 1e-9)
            self.owed -= made
            self.count += made
            if made if self.on_event else self.second % 10 == 0:
                rows.append((self.second, self.played.at(self.second, self.count)))
            if self.second % 5 == 0 and (score := self.played.tick(self.second)) is not None:
                rows.append((self.second, score))
        return rows


@pytest.fixture(params=[PERIODIC, ON_EVENT], ids=["periodic", "on event"])
def line(request) -> Line:
    return Line(request.param, window_s=300)


def active(rows: list) -> list[int]:
    return [second for second, score in rows if score is not None and score >= 1.0]


def planned(*stops: tuple[int, int]) -> Calendar:
    def at(second: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(START_S + second, dt.UTC)

    return Calendar("UTC", (), [PlannedStop(reason="break", start=at(a), end=at(b)) for a, b in stops])


def test_a_steady_line_never_alarms(line):
    assert not active(line.run(7200))


def test_a_full_stop_is_raised_long_before_the_window_is_empty_and_ends_with_the_first_count(line):
    line.run(1800)
    raised = active(line.stand(200))
    assert 1820 <= raised[0] <= 1860
    assert raised[-1] == 2000
    assert not active(line.run(1200)[2:])


def test_a_slow_line_falls_below_its_band(line):
    line.run(3600)
    assert active(line.run(900, takt_s=6.0))
    assert not active(line.run(300)[-2:])


def test_a_little_slower_is_within_the_band(line):
    line.run(3600)
    assert not active(line.run(900, takt_s=4.5))


def test_frequent_short_stops_fall_below_the_band(line):
    """None is a stop by itself; together they cost a third of the output."""
    line.run(3600)
    rows = []
    for _ in range(30):
        rows += line.run(24) + line.stand(12)
    assert active(rows)


def test_the_band_is_in_units_per_hour_around_the_usual_rate(line):
    line.run(3600)
    said = line.played.said
    assert said.expected[-1] == pytest.approx(900, rel=0.02)
    assert said.expected_low[-1] == pytest.approx(720, rel=0.02)
    assert said.expected_high[-1] == pytest.approx(1080, rel=0.02)


def test_a_lasting_new_rate_becomes_the_usual_one(line):
    line.run(7200)
    assert active(line.run(1800, takt_s=6.0))
    assert not active(line.run(7200, takt_s=6.0)[-100:])


def test_a_stop_is_not_learned_as_usual(line):
    line.run(3600)
    for _ in range(10):
        assert active(line.stand(300))
        line.run(600)
    assert line.played.said.expected[-1] == pytest.approx(900, rel=0.03)


@pytest.mark.parametrize("restart_at", [0.0, 7.0])
def test_a_counter_that_restarts_is_no_drop(line, restart_at):
    line.run(3600)
    line.count = restart_at
    assert not active(line.run(1200))


def test_an_impossible_jump_is_not_production(line):
    line.run(3600)
    line.count += 50_000
    line.run(100)
    assert line.played.said.value[-1] == pytest.approx(900, rel=0.1)
    assert not active(line.run(1200))


def test_a_takt_of_a_minute_needs_no_other_rule():
    line = Line(PERIODIC, window_s=900)
    assert not active(line.run(6 * 3600, takt_s=60))
    stopped = active(line.stand(900))
    assert 300 <= stopped[0] - 6 * 3600 <= 320


def test_of_a_periodic_series_silence_is_neither_health_nor_a_stop():
    line = Line(PERIODIC, unknown_after_s=60)
    line.run(1800)
    assert {score for second, score in line.pass_silently(60) if second <= 1860} == {None}
    assert all(math.isnan(score) for _, score in line.pass_silently(7200))


def test_after_silence_an_unchanged_counter_was_a_stop_and_a_changed_one_was_not():
    for made, stopped in ((0, True), (150, False)):
        line = Line(PERIODIC, unknown_after_s=60)
        line.run(1800)
        line.pass_silently(600)
        line.count += made
        line.second += 10
        assert (line.played.at(line.second, line.count) >= 1.0) == stopped


def test_of_an_event_series_silence_is_a_stop_seen_by_ticks():
    line = Line(ON_EVENT)
    line.run(1800)
    raised = active(line.pass_silently(66_620))
    assert raised[0] == 1820
    assert len(raised) == (66_620 - 20) // 5 + 1  # and stays so


def test_ticks_between_readings_change_nothing_that_is_learned():
    quiet, ticked = Line(ON_EVENT), Line(ON_EVENT)
    quiet.run(1800)
    ticked.run(1800)
    for second in range(1800, 1900):
        ticked.played.tick(second)
    assert quiet.played.detector.snapshot() == ticked.played.detector.snapshot()


def test_within_a_planned_stop_the_score_shows_the_stop_that_the_engine_suppresses(line):
    line.played = Played(output_drop, PERIODIC if not line.on_event else ON_EVENT, planned((1800, 3600)))
    line.run(1800)
    assert 3590 in active(line.stand(1800))


def test_after_a_planned_stop_the_line_gets_its_start_up(line):
    of = ON_EVENT if line.on_event else PERIODIC
    line.played = Played(output_drop, of, planned((1800, 3600)), start_up_s=120)
    line.run(1800)
    line.stand(1800)
    assert not active(line.stand(120)[1:])
    late = active(line.stand(120))
    assert late, "a line that does not start after its start-up time is a stop"
    assert 3600 + 120 < late[0] <= 3600 + 120 + 60


def test_a_planned_stop_is_not_in_the_window(line):
    of = ON_EVENT if line.on_event else PERIODIC
    line.played = Played(output_drop, of, planned((3600, 3900)))
    line.run(3600)
    line.stand(300)
    line.stand(30)
    assert not active(line.run(1800)[1:])
    assert line.played.said.expected[-1] == pytest.approx(900, rel=0.02)


def test_output_in_a_planned_stop_is_no_trouble(line):
    of = ON_EVENT if line.on_event else PERIODIC
    line.played = Played(output_drop, of, planned((3600, 4500)))
    assert not active(line.run(7200))


def test_the_evidence_of_a_stop():
    line = Line(ON_EVENT)
    line.run(3600)
    line.pass_silently(400)
    said = line.played.explain(4000)
    assert said["rate_per_h"] == 0.0
    assert said["expected_per_h"] == pytest.approx(900, rel=0.02)
    assert said["stopped_since_s"] == START_S + 3600
    assert said["units_lost"] == pytest.approx(100, rel=0.02)


def test_the_evidence_of_a_slow_line(line):
    line.run(3600)
    line.run(600, takt_s=8.0)
    said = line.played.explain(4200)
    assert said["rate_per_h"] == pytest.approx(450, rel=0.05)
    assert said["units_lost"] == pytest.approx(600 / 8, rel=0.2)  # since it slowed down, not of the window alone
    assert said["slow_since_s"] == pytest.approx(START_S + 3600, abs=120)
    assert "stopped_since_s" not in said


def test_in_a_planned_stop_no_units_are_lost():
    line = Line(ON_EVENT, planned((3600, 9000)))
    line.run(3600)
    line.pass_silently(3600)
    assert line.played.explain(7200)["units_lost"] == 0.0


def test_it_is_quiet_while_it_learns(line):
    assert all(math.isnan(score) for _, score in line.run(36))
    assert not active(Line(PERIODIC).stand(3600))


def test_a_counter_that_hardly_counts_never_alarms_by_rate():
    line = Line(ON_EVENT, window_s=300)
    assert not active(line.run(100_000, takt_s=900))


def by_minute(counts, window_s: float):
    """What is said of a counter that is read once a minute."""
    builder = BatchBuilder()
    for minute, total in enumerate(np.cumsum(counts).tolist()):
        builder.add(0, (START_S + 60 * minute) * NS_PER_S, total, Quality.GOOD, 0)
    return Played(output_drop, PERIODIC, window_s=window_s).detector.score(builder.build())


@pytest.mark.parametrize("window_s", [300.0, 900.0])
@pytest.mark.parametrize("idle", [3, 60, 360])
def test_a_line_that_stands_before_it_starts_is_not_taken_for_one_that_makes_nothing(window_s: float, idle: int):
    counts = np.random.default_rng(1).poisson(20.0, 2010).astype(float)
    counts[:idle], counts[2000:] = 0.0, 0.0
    said = by_minute(counts, window_s)
    assert not (said.score[:2000] >= 1.0).any()
    assert said.expected[1999] == pytest.approx(1200, rel=0.06)
    assert (said.score[2005:] >= 1.0).all()


def test_a_line_that_tries_a_few_units_before_it_stands_and_starts_is_learned_from_its_start():
    line = Line(PERIODIC)
    line.run(30)
    line.stand(7200)
    assert not active(line.run(7200))
    assert line.played.said.expected[-1] == pytest.approx(900, rel=0.02)


def test_nights_and_a_weekend_that_no_calendar_names_are_stops_which_end_with_the_first_count():
    minute = np.arange(9 * 1440)
    runs = (minute % 1440 // 60 >= 6) & (minute % 1440 // 60 < 22) & (minute // 1440 % 7 < 5)
    said = by_minute(20.0 * runs, 900.0)
    alarm = said.score >= 1.0
    assert alarm[2 * 1440 + 22 * 60 + 10 : 3 * 1440 + 6 * 60].all()
    assert alarm[5 * 1440 : 7 * 1440 + 6 * 60].all()
    assert not alarm[runs].any()
    assert said.expected[8 * 1440 + 720] == pytest.approx(1200, rel=0.01)


def test_a_drop_that_a_stop_began_with_is_over_with_the_stop():
    """What the slow rule sums up until the stop is known for one was no running."""
    counts = np.full(1000, 20.0)
    counts[600:660] = 0.0
    score = by_minute(counts, 900.0).score
    assert (score[605:660] >= 1.0).all()
    assert not (score[660:] >= 1.0).any()


@pytest.mark.parametrize("window_s", [200.0, 300.0, 700.0])
def test_what_is_usual_is_what_is_made_however_few_readings_a_window_holds(window_s: float):
    assert by_minute([20.0] * 400, window_s).expected[-1] == pytest.approx(1200, rel=0.001)


def test_a_line_that_goes_on_at_many_times_its_usual_rate_is_believed(line):
    line.run(3600, takt_s=60.0)
    line.run(3600, takt_s=2.0)
    assert line.played.said.value[-1] == pytest.approx(1800, rel=0.1)
    assert active(line.stand(600))


class Surrounded:
    """A counter with the line's product, state and stock beside it; a unit every 4 s, read every 10 s."""

    def __init__(self, calendar: Calendar | None = None) -> None:
        place = PERIODIC.equipment
        self.series = {
            0: PERIODIC,
            1: Series(place, "product", "1", Kind.STATE, ("slow", "fast")),
            2: Series(place, "state", "1", Kind.STATE, ("run", "changeover")),
            3: Series(place, "beads", "g", Kind.STOCK),
        }
        options = output_drop.Options(product_metric="product", state_metric="state")
        self.detector = output_drop.build(options, Context(self.series, calendar or Calendar(), "north/press"))
        self.second, self.count = 0, 0.0

    def tell(self, series: int, value: float) -> None:
        self._score(series, value)

    def run(self, for_s: int, takt_s: float = 4.0) -> list[float]:
        scores = []
        for _ in range(for_s // 10):
            self.second += 10
            self.count += 10 / takt_s if takt_s else 0
            scores += self._score(0, math.floor(self.count + 1e-9))
        return scores

    def _score(self, series: int, value: float) -> list[float]:
        builder, at_ns = BatchBuilder(), (START_S + self.second) * NS_PER_S + series
        builder.add(series, at_ns, value, Quality.GOOD, at_ns)
        return self.detector.score(builder.build()).score.tolist()


def test_each_product_has_a_band_of_its_own_and_finds_it_again():
    line = Surrounded()
    for product, takt_s in ((1, 4.0), (0, 8.0), (1, 4.0), (0, 8.0)):
        line.tell(1, product)
        assert not [score for score in line.run(3600, takt_s) if score >= 1.0]
    assert [score for score in line.run(1200, 16.0) if score >= 1.0]


def test_a_stop_right_after_another_product_began_is_explained_though_nothing_is_usual_of_it_yet():
    line = Surrounded()
    line.tell(1, 0)
    line.run(3600)
    line.tell(1, 1)
    assert max(line.run(300, 0)) >= 1.0
    said = line.detector.explain(0, (START_S + line.second) * NS_PER_S)
    assert said["product"] == "fast"
    assert "stopped_since_s" in said
    assert "usual_interval_s" not in said


def test_a_changeover_is_no_stop_and_the_start_after_it_has_its_time():
    line = Surrounded()
    line.run(3600)
    line.tell(2, 1)
    assert max(line.run(1800, 0)) < 1.0
    line.tell(2, 0)
    assert max(line.run(50, 0)) < 1.0
    assert max(line.run(300, 0)) >= 1.0


def test_a_stop_names_the_stock_it_starved_of():
    line = Surrounded()
    line.tell(3, 50.0)
    line.run(3600)
    line.tell(3, 0.0)
    assert max(line.run(300, 0)) >= 1.0
    said = line.detector.explain(0, (START_S + line.second) * NS_PER_S)
    assert said["starved_of"] == "north/press/cell:beads"
    assert said["starved_since_s"] == pytest.approx(START_S + 3600)


def test_a_lasting_drop_within_the_band_is_seen_in_the_end(line):
    line.run(7200)
    assert active(line.run(5400, takt_s=4.8))


CUT = Series(Equipment("acme", "north", "", "cut", "saw"), "good", "1", Kind.COUNTER)
FORM = Series(Equipment("acme", "north", "", "press", "form"), "good", "1", Kind.COUNTER)


class Fed:
    """The press with the cell before it and the line that feeds it; each makes a unit every 5 s, read every 10 s."""

    def __init__(
        self, cells_in_order: tuple[str, ...] = (), upstream: dict[str, tuple[str, ...]] | None = None
    ) -> None:
        self.series = {0: PERIODIC, 1: CUT, 2: FORM, 3: series("beads", Kind.STOCK)}
        flow = Flow({}, upstream or {"north/press": ("north/cut",)})
        context = Context(self.series, Calendar(), "north/press", flow=flow)
        self.detector = output_drop.build(output_drop.Options(cells_in_order=cells_in_order), context)

    def play(self, until_s: int, **stops: int) -> dict[str, float | str | bool]:
        """Runs up to an instant; what stops when is said by name. The evidence then."""
        self._give(3, 0, 10.0)
        for second in range(10, until_s, 10):
            for one, name in ((1, "cut"), (2, "form"), (0, "press")):
                self._give(one, second, min(second, stops.get(name, until_s)) // 5)
            if second == stops.get("beads", -1):
                self._give(3, second, 0.0)
        assert self.score >= 1.0
        return self.detector.explain(0, (START_S + until_s) * NS_PER_S)

    def cause(self, at_s: int) -> Cause | None:
        return self.detector.cause(0, (START_S + at_s) * NS_PER_S)

    def _give(self, one: int, second: int, value: float) -> None:
        builder, at_ns = BatchBuilder(), (START_S + second) * NS_PER_S + one
        builder.add(one, at_ns, value, Quality.GOOD, at_ns)
        if self.series[one] is CUT:
            self.detector.hear(builder.build())
            return
        scores = self.detector.score(builder.build())
        if len(scores) and scores.series[-1] == 0:
            self.score = float(scores.score[-1])


def test_a_stop_names_the_line_that_stopped_before_it() -> None:
    fed = Fed()
    said = fed.play(4400, cut=3600, press=4000)
    assert said["upstream_stopped"] == "north/cut/saw:good"
    assert said["upstream_stopped_since_s"] == pytest.approx(START_S + 3600, abs=11)
    cause = fed.cause(4400)
    assert cause is not None
    assert cause[:2] == ("output_drop", "north/cut/saw:good")
    assert float(said["stopped_since_s"]) == pytest.approx(START_S + 4000, abs=11)
    assert float(said["units_lost"]) == pytest.approx(80, rel=0.1)


@pytest.mark.parametrize(
    "stops",
    [
        {"cut": 4200, "press": 4000},  # it stopped after
        {"cut": 1500, "press": 4000},  # longer before than the buffer lasts
        {"beads": 1500, "press": 4000},
        {"press": 4000},
    ],
)
def test_what_began_later_or_long_before_is_no_cause(stops: dict[str, int]) -> None:
    fed = Fed()
    said = fed.play(4400, **stops)
    assert fed.cause(4400) is None
    assert "stopped_since_s" in said


def test_of_two_causes_the_first_is_the_cause_and_both_are_named() -> None:
    fed = Fed()
    said = fed.play(4400, cut=3600, beads=3900, press=4000)
    assert said["starved_of"] == "north/press/cell:beads"
    cause = fed.cause(4400)
    assert cause is not None
    assert cause.series == "north/cut/saw:good"


@pytest.mark.parametrize(("is_circular", "is_cause"), [(False, True), (True, False)])
def test_of_lines_that_feed_each_other_only_what_began_earlier_is_the_cause(is_circular, is_cause) -> None:
    upstream = {"north/press": ("north/cut",)} | ({"north/cut": ("north/press",)} if is_circular else {})
    fed = Fed(upstream=upstream)
    fed.play(4400, cut=4000, press=4000)
    assert (fed.cause(4400) is not None) == is_cause


def test_a_cell_before_it_on_its_own_line_is_named_where_the_order_is_said() -> None:
    assert "upstream_stopped" not in Fed().play(4400, form=3600, press=4000)
    said = Fed(cells_in_order=("form", "cell")).play(4400, form=3600, press=4000)
    assert said["upstream_stopped"] == "north/press/form:good"


def test_shifts_that_overlap_count_once() -> None:
    shifts = [
        Shift(name="long", start=dt.time(0), end=dt.time(23)),
        Shift(name="day", start=dt.time(6), end=dt.time(22)),
    ]
    lines = [Line(PERIODIC, Calendar("UTC", one)) for one in (shifts, shifts[:1])]
    scores = [one.run(3600) + one.stand(300) for one in lines]
    assert str(scores[0]) == str(scores[1])
    assert active(scores[0])


def test_an_hour_that_is_slow_every_day_is_usual_after_some_days() -> None:
    detector = output_drop.build(
        output_drop.Options(window_s=1200.0), Context({0: PERIODIC}, Calendar(), "north/press")
    )
    start_s, made, raised = START_S // 86_400 * 86_400, 0.0, []
    for day in range(8):
        builder = BatchBuilder()
        for minute in range(24 * 60):
            made += 6 if minute // 60 == 12 else 12
            builder.add(0, (start_s + day * 86_400 + minute * 60) * NS_PER_S, made, Quality.GOOD, 0)
        scores = detector.score(builder.build()).score
        raised.append(bool((scores[12 * 60 + 20 : 13 * 60] >= 1.0).any()))
    assert raised[1:3] == [True, True]
    assert raised[-2:] == [False, False]
