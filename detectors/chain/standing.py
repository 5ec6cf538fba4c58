"""What the chain knows of its causes (Standing), and what it must remember from one step to the next (Memory).

Alerts open and close causes (`take`); what has cleared is an outage that was seen, what is open is one that still runs.
Both wait for a tick (`pass_tick`).
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from detectors.alerts import Alert, State
from detectors.chain.disruption import disrupted_by
from detectors.chain.exposure import Exposure
from detectors.chain.floor import OUTPUT_DROP, Band, FloorHistory, Promises
from detectors.chain.network import Network
from detectors.chain.recovery_book import KEPT_PER_NODE, RecoveryBook, Spell
from detectors.chain.resumption import Resumption

# Suppressed alerts are not among them: their cause is open itself, or production is not planned.
CAUSING = frozenset({State.UNACKED, State.ACKED, State.SHELVED})
CLEARED = frozenset({State.NORMAL, State.RTN_UNACKED})


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """An alert's change and where in the log it stands."""

    offset: int
    alert: Alert


class Ahead(msgspec.Struct, frozen=True):
    """What was said of an instant before a tick had passed it: `said` by key, and all that was exposed then.

    `judged_from` names the facts; it is empty where not every open cause was judged, or where it is to be judged anew.
    """

    judged_from: str
    now: dict[str, Exposure]
    said: dict[str, Exposure]


class Due(msgspec.Struct, frozen=True, array_like=True):
    """An instant to be settled: the alerts that changed then, whether a promise did, whether it was judged ahead."""

    at_ns: int
    turned: list[Alert]
    promised: bool
    ahead: bool


class Passing(msgspec.Struct):
    """A tick, and what it has passed that is still to be settled, in order of time."""

    tick_ns: int
    due: list[Due]
    bands: list[Band]


class Memory(msgspec.Struct):
    """What a restart needs; committed with both cursors and the records that were said."""

    network: str = ""
    judged: int = 0  # how often exposures were computed
    history: FloorHistory = msgspec.field(default_factory=FloorHistory)
    fresh: list[Heard] = []  # changes to be judged at once
    waiting: list[Alert] = []  # changes no tick has passed yet
    bands: list[Band] = []  # likewise
    promised: list[Promises] = []  # likewise
    promised_at_ns: list[int] = []  # instants of promises that are noted and that no tick has passed yet
    passed_ns: int = 0  # the latest tick
    passing: Passing | None = None  # that tick, while not all that it passed is settled
    open: dict[str, Alert] = {}
    exposed: dict[str, Exposure] = {}  # as said last
    settled: dict[str, Exposure] = {}  # as of the last instant that was settled
    ahead: dict[int, Ahead] = {}  # what was judged at once, by instants no tick has passed yet
    recovered: dict[str, list[Spell]] = {}  # outages seen here, by node
    resuming: dict[str, Resumption] = {}  # by node
    strangers: list[str] = []  # lines that send and are not on the map


class Standing(NamedTuple):
    """The causes that are open, and the outages seen so far."""

    open: dict[str, Alert]
    recovered: dict[str, list[Spell]]

    def copied(self) -> Standing:
        return Standing(dict(self.open), {name: list(seen) for name, seen in self.recovered.items()})


def take(network: Network, standing: Standing, alert: Alert) -> bool:
    """Whether an alert's change opens or closes a cause; an acknowledgement does neither.

    A line whose output drop has cleared has recovered. A shortage that ends tells nothing of its maker.
    """
    known = standing.open.get(alert.key)
    if alert.state in CAUSING and known is None:
        standing.open[alert.key] = alert
        return True
    if alert.state in CAUSING or known is None or known.alert_id != alert.alert_id:
        return False
    del standing.open[alert.key]
    what = disrupted_by(network, alert)
    if what is not None and what[0] == OUTPUT_DROP and alert.state in CLEARED:
        seen = standing.recovered.setdefault(what[1], [])
        seen.append(Spell(alert.active_at_ns, ended_ns(alert)))
        del seen[:-KEPT_PER_NODE]
    return True


def note_outages(network: Network, book: RecoveryBook, standing: Standing) -> None:
    """Tells the book of the recoveries that were seen, and of the output drops that still run."""
    running: dict[str, list[Spell]] = {}
    for alert in standing.open.values():
        what = disrupted_by(network, alert)
        if what is not None and what[0] == OUTPUT_DROP:
            running.setdefault(what[1], []).append(Spell(alert.active_at_ns))
    for name in network.by_name.keys() & (standing.recovered.keys() | running.keys() | book.seen):
        book.note(name, (*standing.recovered.get(name, ()), *running.get(name, ())))


def ended_ns(alert: Alert) -> int:
    """When it was over: before the off-delay."""
    return max(alert.active_at_ns, alert.clear_since_ns or alert.resolved_at_ns or alert.changed_at_ns)


def pass_tick(memory: Memory, tick_ns: int, offset: int) -> None:
    """Notes what the tick at `offset` has passed; the judge settles it before anything else is followed."""
    bands = [band for band in memory.bands if band.at_ns < tick_ns]
    for band in bands:
        memory.history.note_band(band)
    memory.bands = [band for band in memory.bands if band.at_ns >= tick_ns]
    passed = sorted((alert for alert in memory.waiting if alert.changed_at_ns < tick_ns), key=turn)
    memory.waiting = [alert for alert in memory.waiting if alert.changed_at_ns >= tick_ns]
    turns = {at_ns: list(changed) for at_ns, changed in groupby(passed, key=lambda alert: alert.changed_at_ns)}
    promised = _promises_changed(memory, tick_ns, offset)
    ahead = {at_ns for at_ns in memory.ahead if at_ns < tick_ns}
    due = [
        Due(at_ns, turns.get(at_ns, []), at_ns in promised, at_ns in ahead)
        for at_ns in sorted(turns.keys() | promised | ahead)
    ]
    memory.passing = Passing(tick_ns, due, bands)
    memory.passed_ns = tick_ns


def turn(alert: Alert) -> tuple[int, str]:
    """The order in which changes are taken."""
    return (alert.changed_at_ns, alert.key)


def _promises_changed(memory: Memory, tick_ns: int, offset: int) -> set[int]:
    """Notes the promises that a tick has passed; the instants at which one was made, moved, kept or broken."""
    note_promises(memory, tick_ns, offset)
    changed = {at_ns for at_ns in memory.promised_at_ns if at_ns < tick_ns}
    memory.promised_at_ns = [at_ns for at_ns in memory.promised_at_ns if at_ns >= tick_ns]
    return changed | memory.history.promises_passed(memory.passed_ns or tick_ns, tick_ns)


def note_promises(memory: Memory, before_ns: int, offset: int) -> None:
    """Notes the promises made before an instant and an offset; one said late changes nothing judged before it came."""
    due = [one for one in memory.promised if one.at_ns < before_ns and one.offset < offset]
    memory.promised = [one for one in memory.promised if one not in due]
    for one in due:
        noted = replace(one, at_ns=max(one.at_ns, memory.passed_ns))
        memory.history.note_promises(noted)
        memory.promised_at_ns.append(noted.at_ns)
