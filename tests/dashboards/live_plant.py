"""A small plant written into a spool through its public seams, as collector, detectors and chain would write it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import msgspec

from collector import schema
from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Series
from collector.schema import AlertLevel
from collector.spool.frames import Record, batch_frame, tick_frame
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.chain.exposure import Exposure
from detectors.chain.outputs import exposure_record

T0_NS = 1_720_692_000 * NS_PER_S  # 2024-07-11 10:00:00 UTC
MINUTE_NS = 60 * NS_PER_S
LINE = "teaching_factory/bottling"


def series(cell: str, metric: str, **more: object) -> Series:
    place = Equipment("iot1", "teaching_factory", line="bottling", cell=cell)
    return Series(place, metric, **more)  # type: ignore[arg-type]


BOTTLES = series("scale", "bottles", kind=Kind.COUNTER, on_event=True)
RED, BLUE, GREEN = (series(cell, "fill_level", unit="g", kind=Kind.STOCK) for cell in ("red", "blue", "green"))
VIBRATION = series("red", "vibration")


class LivePlant:
    """Writes into a spool; `at_min` are minutes of site time since T0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = Spool.open(path)
        self._said = 0
        self._transaction: Callable[[], AbstractContextManager[None]] = self.spool.transaction

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """One durable write for all inside."""
        with self.spool.transaction():
            self._transaction = nullcontext
            yield
        self._transaction = self.spool.transaction

    def close(self) -> None:
        self.spool.close()

    def tick(self, at_min: float) -> None:
        with self._transaction():
            self.spool.log.append([tick_frame(ns(at_min))])

    def read(self, one: Series, points: Iterable[tuple[float, float]], quality: int = 0) -> None:
        with self._transaction():
            builder, given = BatchBuilder(), self.spool.series.id_of(one)
            for at_min, value in points:
                builder.add(given, ns(at_min), value, quality, ns(at_min))
            self.spool.log.append([batch_frame(one.equipment.shard, builder.build())])

    def say(self, record: Record, shard: str = LINE) -> None:
        self._said += 1
        with self._transaction():
            self.spool.log.say(shard, f"test|{self._said}", record)

    def output(self, at_min: float, value: float, score: float = 0.2, one: Series = BOTTLES) -> None:
        self.say(
            expected("output_drop", one, at_min, {"value": value, "low": 780, "mid": 880, "high": 980, "score": score})
        )

    def empty_in(self, at_min: float, one: Series, median_s: float) -> None:
        fields = {"value": median_s, "mid": median_s, "low": median_s * 0.8, "high": median_s * 1.4, "score": 0.5}
        self.say(expected("shortage", one, at_min, fields))

    def alert(self, alert: Alert) -> Alert:
        detail = msgspec.to_builtins(alert)
        tags = {"site": "teaching_factory", "line": "bottling", "kind": alert.kind, "subject": alert.subject}
        fields = {"severity": str(alert.severity), "alert_id": alert.alert_id}
        name = schema.ALERT_EVENT.name
        self.say(Record(name, tags, fields, alert.active_at_ns, key=alert.alert_id, detail=detail))
        return alert

    def beat(self, at_min: float) -> None:
        self.say(Record(schema.WATCH_BEAT.name, {}, {"alive": 1, "open_alerts": 1}, ns(at_min), key="beat"))

    def node(self, name: str, kind: str, x: int, y: int, **fields: float | str) -> None:
        tags = {"node": name, "kind": kind}
        told = {"title": name, "subtitle": "", "risk": 0.0, "stops_at": 0, "x": x, "y": y, **fields}
        self.say(Record(schema.CHAIN_NODE.name, tags, told, T0_NS, key=name))

    def arc(self, source: str, target: str, material: str, risk: float = 0.0) -> None:
        tags = {"source": source, "target": target, "material": material}
        fields = {"risk": risk, "share": 1.0, "lead_time_d": 1.0}
        self.say(Record(schema.CHAIN_ARC.name, tags, fields, T0_NS, key=f"{source}|{target}|{material}"))

    def exposure(self, exposure: Exposure) -> None:
        self.say(exposure_record(exposure, exposure.at_ns))


def ns(at_min: float) -> int:
    return T0_NS + int(at_min * MINUTE_NS)


def expected(method: str, one: Series, at_min: float, fields: Mapping[str, float]) -> Record:
    place = one.equipment
    tags = {"site": place.site, "area": place.area, "line": place.line, "cell": place.cell}
    tags |= {"metric": one.metric, "method": method}
    known = {name: value for name, value in fields.items() if not math.isnan(value)}
    return Record(schema.EXPECTED.name, tags, known, ns(at_min), key=f"{method}|{one.name}")


def shortage(at_min: float, one: Series = BLUE, **more: object) -> Alert:
    given: dict[str, object] = {
        "key": f"shortage:{one.name}",
        "kind": "shortage",
        "subject": one.name,
        "shard": one.equipment.shard,
        "series": one.name,
        "severity": AlertLevel.CRITICAL,
        "state": State.UNACKED,
        "active_at_ns": ns(at_min),
        "fired_at_ns": ns(at_min),
        "changed_at_ns": ns(at_min),
        "evidence": {"on_hand": 96.0, "use_per_h": 1440.0, "time_to_empty_s": 240.0, "early_time_to_empty_s": 192.0},
        "consequence": "The line starves.",
        "response": "Refill the dispenser.",
    }
    return Alert(**(given | more))  # type: ignore[arg-type]


def a_morning(plant: LivePlant, until_min: int = 100) -> None:
    """A line that runs, stops, falls silent, drops; three stocks, open alerts, and a chain at risk."""
    with plant.at_once():
        _hours(plant, until_min)


def _hours(plant: LivePlant, until_min: int) -> None:
    for minute in range(until_min):
        pieces = [minute + step / 15 for step in range(15)]
        silent, stopped, low = 58 <= minute < 63, 30 <= minute < 34, 70 <= minute < 78
        for one, cycle_min, start in ((RED, 41, 5), (BLUE, 23, 9), (GREEN, 17, 2)):
            if not silent:
                plant.read(
                    one, [(at, max(0.0, 800 - 800 * ((at + start) % cycle_min) / (cycle_min - 3))) for at in pieces]
                )
        if not (silent or stopped):
            plant.read(BOTTLES, [(at, minute * 15 + i) for i, at in enumerate(pieces)])
        if minute > 8 and not silent:
            for half in (0.0, 0.5):
                value = (
                    0.0 if stopped else 610 + 20 * math.sin(minute) if low else 880 + 45 * math.sin(minute / 3 + half)
                )
                plant.output(minute + half, value, 3.0 if stopped else 1.4 if low else 0.3)
        plant.tick(minute + 1)
    for one, median_s in ((RED, 1350.0), (BLUE, 250.0), (GREEN, 610.0)):
        plant.empty_in(until_min - 0.2, one, median_s)
    plant.beat(until_min - 0.2)
    blue = plant.alert(shortage(until_min - 3))
    plant.alert(
        shortage(
            until_min - 22,
            VIBRATION,
            key="stuck:vibration",
            kind="stuck",
            severity=AlertLevel.WARNING,
            state=State.ACKED,
            acked_by="Li Wei",
            acked_at_ns=ns(until_min - 20),
            evidence={"same_for_s": 1330.0, "usual_change_ratio": 0.07},
            consequence="Vibration is not known.",
            response="Check the sensor's cable.",
        )
    )
    plant.alert(
        shortage(
            30,
            BOTTLES,
            key="output_drop:bottling",
            kind="output_drop",
            subject=LINE,
            state=State.NORMAL,
            resolved_at_ns=ns(34),
            acked_by="Mei",
        )
    )
    a_chain(plant, blue, until_min)


def a_chain(plant: LivePlant, cause: Alert, at_min: float) -> None:
    stops_at = ns(at_min + 4) // 1_000_000
    plant.node("colour works", "supplier", 0, 0, subtitle="Hamburg, DE", risk=0.7, time_to_survive_d=0.01)
    plant.node("glass works", "supplier", 0, 1, subtitle="Most, CZ")
    plant.node("cap maker", "supplier", 0, 2, subtitle="Ningbo, CN")
    plant.node("rig store", "warehouse", 1, 0, subtitle="hall 2", days_of_supply_d=0.4)
    plant.node("bottling", "line", 2, 0, risk=0.95, stops_at=stops_at, time_to_survive_d=0.0029)
    plant.node("shop", "market", 3, 0, risk=0.8, stops_at=stops_at + 3_600_000, time_to_survive_d=0.045)
    plant.node("school", "market", 3, 1, subtitle="Aachen, DE")
    plant.arc("colour works", "bottling", "blue granulate", 0.9)
    plant.arc("glass works", "rig store", "bottles")
    plant.arc("cap maker", "rig store", "caps")
    plant.arc("rig store", "bottling", "bottle sets")
    plant.arc("bottling", "shop", "filled bottles", 0.8)
    plant.arc("bottling", "school", "filled bottles")
    plant.exposure(
        Exposure(
            node="bottling",
            material="blue granulate",
            at_ns=ns(at_min),
            days_of_supply_d=0.0029,
            time_to_survive_d=0.045,
            time_to_recover_d=0.5,
            gap_d=0.455,
            lost_per_d=20_600.0,
            stops_at_ns=ns(at_min + 4),
            stops=("shop",),
            stops_in_d=(0.045,),
            causes=(cause.key,),
            best_action="Refill blue from the rig store",
        )
    )
