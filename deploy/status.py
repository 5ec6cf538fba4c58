"""What `andon status` says: whether Andon itself is well, from the spool alone.

Input: a site and its spool, with the last readings that its processes wrote of themselves (the line `_self`). Output:
a `Status`. It needs no process to run; what none says any more is shown as not known. Pure but for reading.
"""

from __future__ import annotations

import msgspec

from collector.clocks.gateway_clock import spoken
from collector.health.survey import line_behind, room, sink_behind
from collector.inventory.booking import REFUSED_NOTE
from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.sources.drop_folder import FILE
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from deploy.alerts import alerts_in, held_back
from deploy.own_readings import OwnReadings
from deploy.site import SiteFile
from detectors.budgets.keeping import needed_score

COMMANDS = {"collector": "andon collect", "detection": "andon detect", "chain": "andon chain run"}
_ALIVE_S = 95.0  # three reports of 30 s, and a little
_DAY_NS = 86_400 * NS_PER_S
_FULL_RATIO = 0.9
_LITTLE_DISK_BYTES = 100_000_000
_MOST_ENTRIES = 1_000


class Process(msgspec.Struct, frozen=True):
    """`age_s`: since its last report, None when there is none in the spool."""

    name: str
    command: str
    age_s: float | None

    @property
    def is_alive(self) -> bool:
        return self.age_s is not None and self.age_s < _ALIVE_S


class StoreStatus(msgspec.Struct, frozen=True):
    """One store: what waits for it, the age of the oldest of that, and when that will be gone (None: not known)."""

    name: str
    frames: int
    lag_s: float
    eta_s: float | None


class Missing(msgspec.Struct, frozen=True):
    """What the ledger of the last day holds of one cause."""

    cause: str
    entries: int
    missing: int
    last_asset: str
    last_note: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`wrong` holds a sentence for each thing that is, with the remedy; empty when Andon is well.

    `held_back`: alarms that the alarm budget told nobody of within the last day; `needed_score`: what one needs now, in
    times its threshold.
    """

    site: str
    at_ns: int
    wrong: list[str]
    processes: list[Process]
    broker_connected: bool | None
    received_per_s: float | None
    stored_per_s: float | None
    stores: list[StoreStatus]
    detection_lag_s: dict[str, float]
    dead_letters: int
    missing: list[Missing]
    spool_bytes: int
    spool_most_bytes: int
    disk_free_bytes: int
    clock_offset_s: dict[str, float]
    open_alerts: dict[str, int]
    held_back: int = 0
    needed_score: float = 1.0


def status_of(site: SiteFile, spool: Spool, now_ns: int) -> Status:
    """The state of a site as its spool tells it at `now_ns` (UTC, wall)."""
    own = OwnReadings(spool, site.site.name)
    taken = room(spool)
    gaps = [gap for gap in spool.ledger.read(_MOST_ENTRIES) if gap.to_ns >= now_ns - _DAY_NS]
    connected = own.value("broker_connected")
    found = Status(
        site=site.site.name,
        at_ns=now_ns,
        wrong=[],
        processes=_processes(site, own, now_ns),
        broker_connected=None if connected is None else bool(connected),
        received_per_s=own.per_s("messages_received"),
        stored_per_s=own.per_s("readings_stored"),
        stores=[_store(name, spool, own, now_ns) for name in site.store_names],
        detection_lag_s=_detection_lag_s(site, spool, now_ns),
        dead_letters=spool.dead.count(),
        missing=_missing(gaps),
        spool_bytes=taken.spool_bytes,
        spool_most_bytes=int(site.spool.max_mb * 1e6),
        disk_free_bytes=taken.disk_free_bytes,
        clock_offset_s={name: ms / 1000 for name, ms in own.about("clock_offset_ms").items()},
        open_alerts=_open_alerts(spool),
        held_back=len(held_back(alerts_in(spool), spool.log.clock_ns())),
        needed_score=needed_score(spool),
    )
    found.wrong.extend([*_wrong_processes(found, own), *_wrong_flow(found, site), *_wrong_room(found, gaps, site)])
    found.wrong.extend(_not_taken(gaps))
    return found


def _processes(site: SiteFile, own: OwnReadings, now_ns: int) -> list[Process]:
    """The processes that this site is meant to have, and any other that reported."""
    meant = {"collector": True, "detection": site.detects, "chain": site.network is not None}
    ages = {name: own.last_ns(name) for name in COMMANDS}
    return [
        Process(name, command, None if ages[name] is None else max(0.0, (now_ns - (ages[name] or 0)) / NS_PER_S))
        for name, command in COMMANDS.items()
        if meant[name] or ages[name] is not None
    ]


def _store(name: str, spool: Spool, own: OwnReadings, now_ns: int) -> StoreStatus:
    behind = sink_behind(spool, name)
    eta_s = own.value(f"sink_backlog_eta_s/{name}") or 0.0
    falls_per_s = -(own.change_per_s(f"sink_lag_frames/{name}") or 0.0)
    if not eta_s and falls_per_s > 0:
        eta_s = behind.frames / falls_per_s
    return StoreStatus(name, behind.frames, behind.lag_s(now_ns), eta_s if behind.frames and eta_s > 0 else None)


def _detection_lag_s(site: SiteFile, spool: Spool, now_ns: int) -> dict[str, float]:
    lines = spool.log.lines() if site.detects else []
    return {line: line_behind(spool, line).lag_s(now_ns) for line in lines}


def _missing(gaps: list[Gap]) -> list[Missing]:
    """By cause, most missing first; `gaps` come newest first."""
    found = []
    for cause in dict.fromkeys(gap.cause for gap in gaps):
        of = [gap for gap in gaps if gap.cause is cause]
        found.append(Missing(str(cause), len(of), sum(gap.missing for gap in of), of[0].asset, of[0].note))
    return sorted(found, key=lambda one: -one.missing)


def _open_alerts(spool: Spool) -> dict[str, int]:
    open_now = [alert for alert in alerts_in(spool) if alert.wants_attention]
    return {str(level): sum(alert.severity is level for alert in open_now) for level in AlertLevel}


def _wrong_processes(found: Status, own: OwnReadings) -> list[str]:
    wrong = []
    for process in found.processes:
        if not process.is_alive:
            heard = "has never reported" if process.age_s is None else f"last reported {spoken(process.age_s)} ago"
            wrong.append(f"{process.command} does not run: it {heard}; start it, or see its log")
    if found.processes[0].is_alive:
        if found.broker_connected is False:
            wrong.append(
                "the collector is not connected to its broker: look at broker, network and the collector's log"
            )
        if own.per_s("ingest_held_up"):
            wrong.append("the collector cannot write: free disk space or raise [spool] max_mb; nothing is acknowledged")
        if own.per_s("dead_lettered"):
            wrong.append("messages arrive that cannot be read: `andon dead list` says why")
    return wrong


def _wrong_flow(found: Status, site: SiteFile) -> list[str]:
    wrong = []
    for store in found.stores:
        if store.lag_s >= site.health.sink_down_s and store.eta_s is None:
            wrong.append(
                f"store {store.name!r} takes nothing: {store.frames} frames wait, the oldest for "
                f"{spoken(store.lag_s)}; the collector's log says why"
            )
    late = {line: lag_s for line, lag_s in found.detection_lag_s.items() if lag_s >= site.health.detection_lag_s}
    for line, lag_s in late.items():
        wrong.append(f"the detectors of {line} are {spoken(lag_s)} behind: see whether andon detect runs and keeps up")
    for gateway, offset_s in found.clock_offset_s.items():
        if abs(offset_s) > site.clock.offset_limit_s:
            side = "ahead" if offset_s > 0 else "behind"
            wrong.append(f"the clock of {gateway} is {spoken(abs(offset_s))} {side}: set it, have it follow NTP")
    return wrong


def _not_taken(gaps: list[Gap]) -> list[str]:
    """What came within the last day, is in no book or store, and somebody must mend; newest first."""
    wrong = []
    dead = [gap for gap in gaps if gap.cause is Cause.DEAD_LETTER and gap.missing > 0]
    files = [gap for gap in dead if gap.asset.startswith(FILE)]
    signals = sum(gap.missing for gap in dead if gap.note == REFUSED_NOTE)
    if files:
        times = sum(gap.missing for gap in files)
        wrong.append(f"dropped files could not be read {times}x, the last: {files[0].note}; it waits in failed/")
    if signals:
        wrong.append(f"{signals} counts, movements or orders were not booked: `andon dead list` says why")
    return wrong


def _wrong_room(found: Status, gaps: list[Gap], site: SiteFile) -> list[str]:
    wrong = []
    evicting = [gap for gap in gaps if gap.cause is Cause.EVICTED]
    if found.disk_free_bytes < _LITTLE_DISK_BYTES:
        wrong.append(f"the disk of the spool has {found.disk_free_bytes / 1e6:.0f} MB left: free space")
    if evicting and found.spool_bytes > _FULL_RATIO * found.spool_most_bytes:
        wrong.append(
            f"the spool is full and drops what is oldest ({evicting[0].note}): mend what holds up its readers, "
            "or raise [spool] max_mb"
        )
    return wrong
