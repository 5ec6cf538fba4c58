"""plant.toml as frozen structs: the sites, lines and parts of a simulated plant, its calendar and its faults.

`read` takes the file; every error is a sentence naming file, key and remedy.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from collector.config import ConfigError, Document, Name, NotNegative, Positive, Section
from collector.readings import NS_PER_S, Equipment
from collector.sources.plant_model.faults import FAULTS, Fault

_SECTIONS = ("plant", "shift", "planned_stop", "site", "fault")

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)  # in the order of `date.weekday()`


class ScenarioError(ConfigError):
    """The scenario cannot be played; the sentence names file, key and remedy."""


class PlantSettings(Section, frozen=True, kw_only=True):
    """[plant]: when the run starts (local time), how long it is, and the seed that fixes all chance."""

    enterprise: Name
    start: dt.datetime
    duration_s: Positive
    timezone: Name = "UTC"
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class ShiftTime(Section, frozen=True, kw_only=True):
    """[[shift]]: a weekly stretch of planned production, the keys of site.toml."""

    name: Name
    start: dt.time
    end: dt.time
    days: tuple[Day, ...] = DAYS
    line: str = "*"


class PlannedStopTime(Section, frozen=True, kw_only=True):
    """[[planned_stop]]: one stretch without planned production, the keys of site.toml."""

    reason: Name
    start: dt.datetime
    end: dt.datetime
    line: str = "*"


class Item(Section, frozen=True, kw_only=True):
    """A component of a line's bill of materials and how it is ordered: at `reorder_point` (on hand and on order)
    `order_quantity` is ordered; it arrives after a lead time that varies around `lead_time_s`."""

    name: Name
    per_unit: Annotated[int, msgspec.Meta(ge=1)]
    stock: Annotated[int, msgspec.Meta(ge=0)]
    reorder_point: Annotated[int, msgspec.Meta(ge=0)]
    order_quantity: Annotated[int, msgspec.Meta(ge=1)]
    lead_time_s: Positive
    lead_time_spread_ratio: Ratio = 0.1


class LineModel(Section, frozen=True, kw_only=True):
    """A line: one unit every `takt_s`, a micro-stop now and then, a report every `report_s`."""

    name: Name
    takt_s: Positive
    takt_spread_ratio: Ratio = 0.03
    report_s: Positive = 10.0
    scrap_ratio: Ratio = 0.01
    micro_stop_every_s: NotNegative = 0.0  # mean time of work between two; 0: never
    micro_stop_from_s: NotNegative = 15.0
    micro_stop_to_s: NotNegative = 50.0
    item: tuple[Item, ...] = ()


class SiteModel(Section, frozen=True, kw_only=True):
    """A site and the dialect its lines publish in."""

    name: Name
    publishes: Literal["sparkplug_b", "json"]
    line: Annotated[tuple[LineModel, ...], msgspec.Meta(min_length=1)]


class Scenario(NamedTuple):
    """A whole plant.toml, checked."""

    plant: PlantSettings
    sites: tuple[SiteModel, ...]
    shifts: tuple[ShiftTime, ...]
    planned_stops: tuple[PlannedStopTime, ...]
    faults: tuple[Fault, ...]

    @property
    def start_ns(self) -> int:
        return self.utc_ns(self.plant.start)

    @property
    def end_ns(self) -> int:
        return self.start_ns + int(self.plant.duration_s * NS_PER_S)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.plant.timezone)

    def utc_ns(self, moment: dt.datetime) -> int:
        """A local time of the plant (or one with its own zone) in UTC ns, to 1 us."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        since = aware - dt.datetime.fromtimestamp(0, dt.UTC)
        return (since // dt.timedelta(microseconds=1)) * 1000


def read(path: Path) -> Scenario:
    """The scenario in a file. Raises ScenarioError."""
    document = Document(path, _tables(path))
    try:
        scenario = Scenario(
            document.section("plant", PlantSettings),
            document.sections("site", SiteModel),
            document.sections("shift", ShiftTime),
            document.sections("planned_stop", PlannedStopTime),
            tuple(_faults(document)),
        )
    except ConfigError as error:
        raise ScenarioError(str(error)) from error
    for key, wrong in _wrongs(scenario):
        raise ScenarioError(f"{path}: `{key}`: {wrong}")
    return scenario


def _tables(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such file; name a plant.toml (sample: deploy/sites/nev_drive)") from error
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}; check the file's permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not valid TOML: {error}") from error
    for name in tables:
        if name not in _SECTIONS:
            raise ScenarioError(f"{path}: unknown section `{name}`; there are {', '.join(_SECTIONS)}")
    for name in ("plant", "site"):
        if name not in tables:
            raise ScenarioError(f"{path}: the section `{name}` is missing; add it")
    return tables


def _faults(document: Document) -> Iterable[Fault]:
    for i, table in enumerate(document.sections("fault", dict)):
        name = table.pop("name", "")
        kind = FAULTS.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(FAULTS)
            raise ScenarioError(f"{document.path}: `fault[{i}].name`: no fault {name!r}; there are {known}")
        yield document.convert(table, kind, f"fault[{i}]")


def _wrongs(scenario: Scenario) -> Iterable[tuple[str, str]]:
    """What the types cannot refuse, as (key, sentence)."""
    try:
        zone = scenario.zone
    except (ZoneInfoNotFoundError, ValueError):
        zone = None
    if zone is None:
        name = scenario.plant.timezone
        yield "plant.timezone", f"no time zone {name!r}; write an IANA name such as Asia/Shanghai"
        return
    yield from _wrong_lines(scenario)
    for i, stop in enumerate(scenario.planned_stops):
        if scenario.utc_ns(stop.end) <= scenario.utc_ns(stop.start):
            yield f"planned_stop[{i}].end", "is not after its start; correct one of them"
    for i, fault in enumerate(scenario.faults):
        yield from _wrong_fault(scenario, fault, f"fault[{i}]")


def _wrong_lines(scenario: Scenario) -> Iterable[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    for i, site in enumerate(scenario.sites):
        for j, line in enumerate(site.line):
            key = f"site[{i}].line[{j}]"
            try:
                Equipment(scenario.plant.enterprise, site.name, line=line.name)
            except ValueError as error:
                yield key, f"{error}; choose another name"
            if (site.name, line.name) in seen:
                yield key, f"line {line.name!r} stands twice in site {site.name!r}; rename one"
            seen.add((site.name, line.name))
            if line.micro_stop_to_s < line.micro_stop_from_s:
                yield f"{key}.micro_stop_to_s", "is below micro_stop_from_s; correct one of them"
            if len({item.name for item in line.item}) != len(line.item):
                yield f"{key}.item", "an item stands twice; add up its per_unit in one"


def _wrong_fault(scenario: Scenario, fault: Fault, key: str) -> Iterable[tuple[str, str]]:
    lines = {(site.name, line.name): line for site in scenario.sites for line in site.line}
    line = lines.get((fault.site, fault.line))
    if line is None:
        known = ", ".join("/".join(name) for name in lines)
        yield f"{key}.line", f"no line {fault.site}/{fault.line}; there are {known}"
        return
    if not scenario.start_ns <= scenario.utc_ns(fault.start) < scenario.end_ns:
        yield f"{key}.start", f"{fault.start} is outside the run that [plant] start and duration_s span; move it inside"
    items = [item.name for item in line.item]
    item = getattr(fault, "item", None)
    if item is not None and item not in items:
        yield f"{key}.item", f"no item {item!r} on line {line.name}; there are {', '.join(items) or 'none'}"
    metric = getattr(fault, "metric", None)
    metrics = ["vibration", "temperature", *(f"stock_{name}" for name in items)]
    if metric is not None and metric not in metrics:
        yield f"{key}.metric", f"no sensor {metric!r} on line {line.name}; there are {', '.join(metrics)}"
