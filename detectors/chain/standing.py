"""What the chain knows of its causes (Standing), and what it must remember from one step to the next (Memory).

Alerts open and close causes (`take`); what has cleared is an outage that was seen, what is open is one that still runs.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

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
