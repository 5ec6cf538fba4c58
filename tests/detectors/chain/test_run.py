"""The chain on a real spool: alerts move exposures, at once; nothing else does - not the batching, not a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import msgspec
import pytest

from collector import schema
from collector.health.counters import Counters
from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Series
from collector.spool.frames import Frame, FrameKind, Record, batch_frame, record_frame, tick_frame
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.chain.exposure import exposures
from detectors.chain.floor import Floor
from detectors.chain.run import FLOOR_READER, ChainRun
from tests.detectors.chain.test_exposure import DAY_NS, NETWORK, NOW_NS, OUTPUT, PARTS, alert

LINE = Equipment("firm", "plant", "", "line", "store")
SERIES = Series(LINE, "stock_part", kind=Kind.STOCK)


class Plant:
    """Writes a line's log as the collector and the line's detectors do."""

    def __init__(self, path: Path) -> None:
        self.spool = Spool.open(path)
        self._rev = 0

    def stocks(self, *readings: tuple[int, float]) -> None:
        builder = BatchBuilder()
        with self.spool.transaction():
            for second, value in readings:
                builder.add(self.spool.series.id_of(SERIES), NOW_NS + second * NS_PER_S, value, 0, 0)
            self.spool.log.append([batch_frame("plant/line", builder.build())])

    def tick(self, second: int) -> None:
        with self.spool.transaction():
            self.spool.log.append([tick_frame(NOW_NS + second * NS_PER_S)])

    def detectors_say(self, *alerts: Alert, up_to: int | None = None) -> None:
        """Says alerts, and that the line's detectors have dealt with the log up to an offset (now: its end)."""
        with self.spool.transaction():
            offset = self.spool.log.end() if up_to is None else up_to
            for one in alerts:
                record = Record(
                    measurement=schema.ALERT_EVENT.name,
                    tags={},
                    fields={},
                    at_ns=one.active_at_ns,
                    key=one.alert_id,
                    detail=msgspec.to_builtins(one),
                )
                self.spool.log.say("plant/line", f"{one.alert_id}|{one.changed_at_ns}|{one.state}", record)
            self._rev = self.spool.states.commit("plant/line", offset, 1, b"", self._rev)

    def said(self, measurement: str) -> list[Record]:
        frames = self.spool.log.read(0, 10_000, kinds=(FrameKind.RECORD,))
        records = [frame.body for frame in frames if isinstance(frame.body, Record)]
        return [record for record in records if record.measurement == measurement]

    def latest(self, measurement: str, key: str) -> Record:
        return next(record for record in self.spool.log.latest(measurement) if record.key == key)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path / "spool.sqlite")
    with closing(made.spool):
        yield made


def short(second: int, state: State = State.UNACKED) -> Alert:
    at_ns = NOW_NS + second * NS_PER_S
    return alert("shortage", state=state, active_at_ns=NOW_NS, changed_at_ns=at_ns)


def settle(plant: Plant, chain: ChainRun) -> None:
    while chain.step(plant.spool):
        pass


def exposures_said(plant: Plant) -> list[dict[str, object]]:
    return [record.detail for record in plant.said(schema.EXPOSURE.name)]


def test_the_map_is_said_before_any_alert(plant: Plant) -> None:
    plant.stocks((0, 480.0))
    plant.tick(5)
    plant.detectors_say()
    settle(plant, ChainRun(NETWORK))
    assert {r.key for r in plant.said(schema.CHAIN_NODE.name)} == {"maker", "line", "shop"}
    assert all(r.fields["risk"] == 0.0 for r in plant.said(schema.CHAIN_ARC.name))
    assert exposures_said(plant) == []


def test_an_alert_becomes_an_exposure_and_its_end_is_said(plant: Plant) -> None:
    chain = ChainRun(NETWORK)
    plant.stocks((0, 80.0))
    plant.tick(5)
    plant.detectors_say(short(2))
    settle(plant, chain)
    exposure = plant.latest(schema.EXPOSURE.name, "line|part")
    assert exposure.at_ns == NOW_NS + 2 * NS_PER_S
    assert exposure.fields["time_to_survive_d"] == pytest.approx(3.5)
    assert exposure.fields["cause"] == f"shortage:{PARTS}"
    assert plant.latest(schema.CHAIN_NODE.name, "shop").fields["risk"] == pytest.approx(0.65)

    plant.tick(65)
    plant.detectors_say(short(60, State.NORMAL))
    settle(plant, chain)
    ended = plant.latest(schema.EXPOSURE.name, "line|part")
    assert (ended.fields["gap_d"], ended.fields["cause"], ended.detail["causes"]) == (0.0, "", [])
    assert plant.latest(schema.CHAIN_NODE.name, "shop").fields["risk"] == 0.0


def test_an_acknowledgement_changes_no_exposure(plant: Plant) -> None:
    plant.stocks((0, 80.0))
    plant.tick(5)
    plant.detectors_say(short(2), short(4, State.ACKED))
    settle(plant, ChainRun(NETWORK))
    assert len(exposures_said(plant)) == 1


def test_a_suppressed_alert_exposes_nothing(plant: Plant) -> None:
    plant.tick(5)
    plant.detectors_say(short(2, State.SUPPRESSED))
    settle(plant, ChainRun(NETWORK))
    assert exposures_said(plant) == []


def test_an_alert_is_judged_at_once_and_not_again_when_its_tick_passes(plant: Plant) -> None:
    chain = ChainRun(NETWORK)
    plant.stocks((0, 80.0), (9, 60.0))
    plant.tick(5)
    plant.detectors_say(short(7))
    settle(plant, chain)
    assert [e["days_of_supply_d"] for e in exposures_said(plant)] == pytest.approx([2.0])
    plant.tick(10)
    plant.detectors_say()
    settle(plant, chain)
    assert [e["days_of_supply_d"] for e in exposures_said(plant)] == pytest.approx([2.0])


def test_an_alert_waits_for_no_other_detectors_and_the_readings_before_it_are_seen(plant: Plant) -> None:
    chain = ChainRun(NETWORK)
    plant.stocks((0, 80.0))
    before = plant.spool.log.end()
    plant.stocks((6, 60.0))
    plant.detectors_say(short(7), up_to=before)
    settle(plant, chain)
    assert [e["days_of_supply_d"] for e in exposures_said(plant)] == pytest.approx([1.5])
    plant.tick(10)
    plant.detectors_say()
    settle(plant, chain)
    assert [e["days_of_supply_d"] for e in exposures_said(plant)] == pytest.approx([1.5])


def test_a_reading_that_comes_late_corrects_what_was_judged_at_once(plant: Plant) -> None:
    chain = ChainRun(NETWORK)
    plant.stocks((0, 80.0))
    plant.detectors_say(short(7))
    settle(plant, chain)
    plant.stocks((6, 60.0))
    plant.tick(10)
    plant.detectors_say()
    settle(plant, chain)
    assert [e["days_of_supply_d"] for e in exposures_said(plant)] == pytest.approx([2.0, 1.5])
    assert {e["at_ns"] for e in exposures_said(plant)} == {NOW_NS + 7 * NS_PER_S}


def test_all_is_dealt_with_once_the_detectors_are_done(plant: Plant) -> None:
    plant.tick(5)
    plant.stocks((6, 80.0))
    plant.detectors_say()
    with plant.spool.transaction():
        counters = BatchBuilder()
        counters.add(plant.spool.series.id_of(SERIES), NOW_NS, 1.0, 0, 0)
        plant.spool.log.append([batch_frame(f"plant/{schema.SELF_LINE}", counters.build())])
    last = plant.spool.log.end()
    settle(plant, ChainRun(NETWORK))
    assert plant.spool.log.cursor(FLOOR_READER) == last


READINGS = [(second, 500.0 - second) for second in range(0, 480, 4)]
CHANGES = [short(401), short(422, State.NORMAL), short(443, State.UNACKED)]


def write_as_it_happens(plant: Plant, chain: ChainRun) -> None:
    """Readings, tick and alerts of every ten seconds, the chain at their heels."""
    for start in range(0, 500, 10):
        due = [reading for reading in READINGS if start <= reading[0] < start + 10]
        if due:
            plant.stocks(*due)
        plant.tick(start + 10)
        plant.detectors_say(*(c for c in CHANGES if start <= (c.changed_at_ns - NOW_NS) // NS_PER_S < start + 10))
        settle(plant, chain)


def write_all_ahead(plant: Plant, chain: ChainRun) -> None:
    """All readings long before the first alert, the chain last."""
    for cut in range(0, len(READINGS), 50):
        plant.stocks(*READINGS[cut : cut + 50])
    plant.tick(500)
    plant.detectors_say(*CHANGES)
    settle(plant, chain)


def test_how_far_readings_are_ahead_of_the_alerts_changes_nothing(tmp_path: Path) -> None:
    said = []
    for i, write in enumerate((write_as_it_happens, write_all_ahead)):
        plant = Plant(tmp_path / f"{i}.sqlite")
        with closing(plant.spool):
            write(plant, ChainRun(NETWORK))
            said.append(exposures_said(plant))
    assert said[0] == said[1]
    assert [exposure["days_of_supply_d"] for exposure in said[0]] == [2.5, None, 1.5]


def copied(frames: Sequence[Frame], plant: Plant) -> None:
    for frame in frames:
        with plant.spool.transaction():
            plant.spool.log.append([frame])
    with plant.spool.transaction():
        plant.spool.states.commit("plant/line", plant.spool.log.end(), 1, b"", 0)


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_a_chain_restarted_after_every_step_says_the_same(tmp_path: Path, limit: int) -> None:
    first = Plant(tmp_path / "straight.sqlite")
    second = Plant(tmp_path / "restarted.sqlite")
    with closing(first.spool), closing(second.spool):
        write_as_it_happens(first, ChainRun(NETWORK))
        inputs = [f for f in first.spool.log.read(0, 10_000) if f.shard != "chain"]
        with second.spool.transaction():
            second.spool.series.id_of(SERIES)
        copied(inputs, second)
        while ChainRun(NETWORK).step(second.spool, limit=limit):
            pass
        for measurement in (schema.EXPOSURE, schema.CHAIN_NODE, schema.CHAIN_ARC):
            assert second.said(measurement.name) == first.said(measurement.name)


def test_a_step_that_fails_leaves_no_trace(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.stocks((0, 80.0))
    plant.tick(5)
    plant.detectors_say(short(2))
    with monkeypatch.context() as patched:
        patched.setattr(plant.spool, "remember", lambda name, body: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ChainRun(NETWORK).step(plant.spool)
    assert exposures_said(plant) == []
    settle(plant, ChainRun(NETWORK))
    assert len(exposures_said(plant)) == 1


def test_a_changed_chain_says_its_map_anew(plant: Plant) -> None:
    plant.tick(5)
    plant.stocks((0, 80.0))
    plant.detectors_say()
    settle(plant, ChainRun(NETWORK))
    plant.tick(10)
    plant.detectors_say()
    renamed = msgspec.structs.replace(NETWORK.nodes[0], title="The maker")
    settle(plant, ChainRun(type(NETWORK)((renamed, *NETWORK.nodes[1:]), NETWORK.arcs, NETWORK.stocks)))
    assert plant.latest(schema.CHAIN_NODE.name, "maker").fields["title"] == "The maker"


def test_the_use_per_day_comes_from_the_band_the_shortage_method_said(plant: Plant) -> None:
    expected = Record(
        measurement=schema.EXPECTED.name,
        tags={"site": "plant", "line": "line", "method": "shortage"},
        fields={"value": 86_400.0, "mid": 86_400.0},
        at_ns=NOW_NS + 100 * NS_PER_S,
        key=f"shortage|{PARTS}",
    )
    plant.stocks((100, 80.0), (199, 40.0))
    with plant.spool.transaction():
        plant.spool.log.append([record_frame("plant/line", expected)])
    plant.tick(205)
    plant.detectors_say(short(200))
    settle(plant, ChainRun(NETWORK))
    assert exposures_said(plant)[0]["days_of_supply_d"] == pytest.approx(0.5)  # 40 left, 80 a day
    assert exposures_said(plant)[0]["stops_at_ns"] == NOW_NS + 200 * NS_PER_S + DAY_NS // 2


def dropped(second: int, state: State = State.UNACKED) -> Alert:
    at_ns = NOW_NS + second * NS_PER_S
    cleared = {"clear_since_ns": at_ns - 60 * NS_PER_S, "resolved_at_ns": at_ns} if state is State.NORMAL else {}
    return alert(
        "output_drop", state=state, active_at_ns=NOW_NS, changed_at_ns=at_ns, value=10.0, expected=60.0, **cleared
    )


def band(second: int, ratio: float) -> Record:
    return Record(
        measurement=schema.EXPECTED.name,
        tags={"site": "plant", "line": "line", "method": "output_drop"},
        fields={"value": 60.0 * ratio, "mid": 60.0},
        at_ns=NOW_NS + second * NS_PER_S,
        key=f"output_drop|{OUTPUT}",
    )


def test_an_alert_that_clears_leaves_a_recovery_and_the_days_until_the_line_was_back(plant: Plant) -> None:
    chain = ChainRun(NETWORK)
    plant.stocks((0, 480.0))
    plant.tick(5)
    plant.detectors_say(dropped(2), dropped(3600, State.NORMAL))
    for second, ratio in ((3700, 0.5), (7200, 0.85), (10_800, 0.97), (14_400, 1.0), (18_000, 1.0)):
        with plant.spool.transaction():
            plant.spool.log.append([record_frame("plant/line", band(second, ratio))])
        plant.tick(second + 5)
        plant.detectors_say()
        settle(plant, chain)
    said = plant.said(schema.RECOVERY.name)
    assert {record.key for record in said} == {f"line|output_drop:{OUTPUT}|{NOW_NS}"}
    assert said[0].fields["lasted_d"] == pytest.approx(3540 / 86_400)  # the off-delay is no outage
    assert "days_to_80_d" not in said[0].fields
    assert said[-1].fields["over"] == 1
    assert said[-1].fields["days_to_80_d"] == pytest.approx((7200 - 3540) / 86_400)
    assert said[-1].fields["days_to_95_d"] == pytest.approx((10_800 - 3540) / 86_400)


def test_the_recoveries_of_a_line_teach_how_long_its_next_outage_lasts(plant: Plant) -> None:
    """Stated are 4 days; five outages that lasted an hour say an hour."""
    chain = ChainRun(NETWORK)
    plant.stocks((0, 480.0))
    for turn in range(6):
        began = turn * 10_000
        raised = msgspec.structs.replace(dropped(began), active_at_ns=NOW_NS + began * NS_PER_S)
        ended = msgspec.structs.replace(dropped(began + 3660, State.NORMAL), active_at_ns=raised.active_at_ns)
        plant.detectors_say(raised, ended)
        plant.tick(began + 3700)
        plant.detectors_say()
        settle(plant, chain)
    lasts_d = [e["time_to_recover_d"] for e in exposures_said(plant) if e["causes"]]
    assert lasts_d[0] == 4
    assert lasts_d[-1] == pytest.approx(1 / 24)
    assert len(plant.spool.log.latest(schema.RECOVERY.name)) == 6


def test_a_line_that_is_on_no_map_is_said_once_and_counted(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters(report_every_s=None, process="chain")
    stranger = Series(Equipment("firm", "harbour", "", "crane", ""), "lifts", kind=Kind.COUNTER)
    for turn in range(2):
        with plant.spool.transaction():
            builder = BatchBuilder()
            builder.add(plant.spool.series.id_of(stranger), NOW_NS + turn, 1.0, 0, 0)
            plant.spool.log.append([batch_frame("harbour/crane", builder.build())])
            plant.spool.states.commit("harbour/crane", plant.spool.log.end(), 1, b"", turn)
        plant.stocks((turn, 480.0))
        plant.detectors_say()
        settle(plant, ChainRun(NETWORK, counters))
    said = [record.getMessage() for record in caplog.records if "chain.unknown_line" in record.getMessage()]
    assert len(said) == 1
    assert "harbour/crane sends telemetry and the chain has no line of a site 'harbour'" in said[0]
    assert "capabilities.csv" in said[0]
    assert counters.gauges["chain_unknown_lines"] == 1


def test_of_the_map_only_what_changed_is_said_again(plant: Plant) -> None:
    chain = ChainRun(NETWORK)
    plant.stocks((0, 80.0))
    plant.tick(5)
    plant.detectors_say(short(2))
    settle(plant, chain)
    stocks = sorted(r.key for r in plant.said(schema.CHAIN_STOCK.name))
    assert stocks == ["line|", "line|part", "line|part", "shop|thing"]
    said = {(r.measurement, r.at_ns, r.tags.get("node")) for r in plant.said(schema.CHAIN_NODE.name)}
    for arc in plant.said(schema.CHAIN_ARC.name):
        ends = {(schema.CHAIN_NODE.name, arc.at_ns, arc.tags[end]) for end in ("source", "target")}
        assert ends <= said, "an arc is said with both its ends"


def test_what_is_said_incrementally_equals_a_cold_recomputation(plant: Plant) -> None:
    """Every exposure that was said, against programmes built anew for its instant alone."""
    write_as_it_happens(plant, ChainRun(NETWORK))
    stocks = dict(READINGS)
    for said in exposures_said(plant):
        second = (cast(int, said["at_ns"]) - NOW_NS) // NS_PER_S
        on_hand = stocks[max(at for at in stocks if at <= second)]
        alerts = (short(second),) if said["causes"] else ()
        seen_ns = {("line", "part"): NOW_NS}
        floor = Floor(stock={("line", "part"): on_hand}, alerts=alerts, seen_ns=seen_ns)
        for cold in exposures(NETWORK, floor, cast(int, said["at_ns"])):
            for name in ("time_to_survive_d", "lost", "lost_p80", "lost_p95", "lost_per_d", "gap_p95_d"):
                assert said[name] == pytest.approx(getattr(cold, name), rel=1e-9, abs=1e-9)
