"""The chain's judgement (Judge) and what it must remember (Memory): alerts at once, and again when a tick has passed.

An alert is judged at its own instant as soon as it is heard, alone and on what the log has said until then. When a tick
has passed that instant and every line has come so far, it is settled: unless it was judged from the same facts, all
that is open is judged as of it, and what is not as it was said is said again. So nobody waits for a tick, and in the
end how far the collector was ahead, and how fast the log was read, changes no exposure. Pure: `run` reads and writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.spool.frames import Record
from detectors.alerts import Alert, State
from detectors.chain.disruption import disrupted_by, place_of
from detectors.chain.exposure import Exposure, exposures
from detectors.chain.floor import OUTPUT_DROP, Band, Floor, FloorHistory, Place, Promises
from detectors.chain.live import on_the_floor
from detectors.chain.network import Network
from detectors.chain.outputs import arc_records, exposure_record, node_records, recovery_record, stock_records
from detectors.chain.programme.programmes import Programmes
from detectors.chain.recovery_book import KEPT_PER_NODE, RecoveryBook, Spell
from detectors.chain.resumption import Resumption

# Suppressed alerts are not among them: their cause is open itself, or production is not planned.
CAUSING = frozenset({State.UNACKED, State.ACKED, State.SHELVED})
_CLEARED = frozenset({State.NORMAL, State.RTN_UNACKED})


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """An alert's change and where in the log it stands."""

    offset: int
    alert: Alert


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
    exposed: dict[str, Exposure] = {}
    judged_from: dict[int, str] = {}  # instants judged at once and wholly that no tick has passed, and from what
    recovered: dict[str, list[Spell]] = {}  # outages seen here, by node
    resuming: dict[str, Resumption] = {}  # by node
    strangers: list[str] = []  # lines that send and are not on the map


class Standing(NamedTuple):
    """The causes that are open, and the outages seen so far."""

    open: dict[str, Alert]
    recovered: dict[str, list[Spell]]


class Judged(NamedTuple):
    """What is to be said: records under their ids, and the map as it stands now, of which `run` says the news."""

    said: list[tuple[str, Record]]
    map: list[tuple[str, Record]]

    def then(self, later: Judged) -> Judged:
        """Both, in order; of the map the newer."""
        return Judged([*self.said, *later.said], later.map or self.map)


class Judge:
    """Judges one chain, with programmes that follow the floor from one judgement to the next."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._programmes = Programmes(network)
        self._book = RecoveryBook(network)
        self._moving = frozenset(stock.node for stock in network.stocks if stock.series or stock.in_transit)

    def at_once(self, memory: Memory) -> Judged:
        """Judges the places of which fresh alerts speak; the tick will judge all, and correct what comes late."""
        if memory.fresh:
            _note_promises(memory, max(h.alert.changed_at_ns for h in memory.fresh) + 1, memory.fresh[-1].offset)
        fresh = {_change(heard.alert) for heard in memory.fresh}
        memory.fresh = []
        judged, touched = Judged([], []), set[Place]()
        standing = Standing(dict(memory.open), {name: list(seen) for name, seen in memory.recovered.items()})
        for at_ns, changed in groupby(sorted(memory.waiting, key=_turn), key=lambda alert: alert.changed_at_ns):
            turned = [alert for alert in changed if take(self._network, standing, alert)]
            places = (place_of(self._network, alert) for alert in turned if _change(alert) in fresh)
            touched |= {place for place in places if place is not None}
            if turned and touched:
                judged = judged.then(self._judge(memory, standing, at_ns, touched))
        return judged

    def settle(self, memory: Memory, tick_ns: int, offset: int) -> Judged:
        """Judges, instant by instant, the changes that the tick at `offset` has passed."""
        bands = [band for band in memory.bands if band.at_ns < tick_ns]
        for band in bands:
            memory.history.note_band(band)
        memory.bands = [band for band in memory.bands if band.at_ns >= tick_ns]
        due = sorted((alert for alert in memory.waiting if alert.changed_at_ns < tick_ns), key=_turn)
        memory.waiting = [alert for alert in memory.waiting if alert.changed_at_ns >= tick_ns]
        turns = {at_ns: list(changed) for at_ns, changed in groupby(due, key=lambda alert: alert.changed_at_ns)}
        promised = _promises_changed(memory, tick_ns, offset)
        judged, standing = Judged([], []), Standing(memory.open, memory.recovered)
        for at_ns in sorted(turns.keys() | promised):
            turned = [alert for alert in turns.get(at_ns, ()) if take(self._network, standing, alert)]
            judged = judged.then(Judged(self._recoveries(memory, turned, at_ns), []))
            if turned or (at_ns in promised and memory.open):
                judged = judged.then(self._judge(memory, standing, at_ns))
        judged = judged.then(Judged(self._resumed(memory, bands), []))
        memory.judged_from = {at_ns: of for at_ns, of in memory.judged_from.items() if at_ns >= tick_ns}
        memory.passed_ns = tick_ns
        memory.history.forget_before(tick_ns, (*memory.open.values(), *memory.waiting))
        return judged

    def _judge(self, memory: Memory, standing: Standing, at_ns: int, only: Collection[Place] | None = None) -> Judged:
        """Exposures (with `only`, of these places) and map as of an instant; what has ended is said as ended.

        One that is as it was said already is not said again.
        """
        alerts = tuple(standing.open[key] for key in sorted(standing.open))
        floor = memory.history.as_of(self._network, at_ns, alerts)
        judged_from = _digest(floor, standing.recovered)
        if memory.judged_from.get(at_ns) == judged_from:
            return Judged([], [])
        memory.judged += 1
        note_outages(self._network, self._book, standing)
        exposed = exposures(self._network, floor, at_ns, self._programmes, self._book, only)
        before = memory.exposed
        stand = {k: old for k, old in before.items() if only is not None and (old.node, old.material) not in only}
        now = stand | {exposure.key: exposure for exposure in exposed}
        ended = [old.ended(at_ns) for key, old in before.items() if key not in now]
        memory.exposed = now
        is_whole = only is None or all((one.node, one.material) in only for one in now.values())
        earlier = {instant_ns: of for instant_ns, of in memory.judged_from.items() if instant_ns < at_ns}
        memory.judged_from = {**earlier, at_ns: judged_from} if is_whole else earlier
        said = [exposure_record(one, at_ns) for one in (*exposed, *ended) if before.get(one.key) != one]
        names = _touched((*before.values(), *now.values())) | self._moving
        live, all_now = on_the_floor(self._network, floor, at_ns), [now[key] for key in sorted(now)]
        on_map = [
            *node_records(live, all_now, at_ns, names),
            *arc_records(live, all_now, at_ns, sorted(names)),
            *stock_records(live, at_ns, names),
        ]
        return Judged(*([(_id(memory, at_ns, one), one) for one in of] for of in (said, on_map)))

    def _recoveries(self, memory: Memory, turned: Iterable[Alert], at_ns: int) -> list[tuple[str, Record]]:
        """Begins a resumption for each cause that has cleared; the next alert of a node ends the one before."""
        said = []
        for alert in turned:
            what = disrupted_by(self._network, alert)
            if what is None:
                continue
            kind, name, material = what
            before = memory.resuming.pop(name, None)
            if before is not None:
                before.over = True
                said.append(_said(before, at_ns))
            if alert.state in _CLEARED:
                began = Resumption(name, material, kind, alert.key, alert.active_at_ns, _ended_ns(alert))
                memory.resuming[name] = began
                said.append(_said(began, at_ns))
        return said

    def _resumed(self, memory: Memory, bands: Sequence[Band]) -> list[tuple[str, Record]]:
        """Follows the output of the nodes that come back; says when a level is reached or lost, and the end."""
        said = []
        nodes = self._network.by_equipment
        drops = [band for band in bands if band.method == OUTPUT_DROP and band.line in nodes]
        drops.sort(key=lambda band: (band.at_ns, band.line))
        for (at_ns, line), of_line in groupby(drops, key=lambda band: (band.at_ns, band.line)):
            resumption = memory.resuming.get(nodes[line].name)
            if resumption is None:
                continue
            before = resumption.reached_in_d
            resumption.note(at_ns, min(band.value / band.expected if band.expected else 0.0 for band in of_line))
            if resumption.over:
                del memory.resuming[resumption.node]
            if resumption.over or resumption.reached_in_d != before:
                said.append(_said(resumption, at_ns))
        return said


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
    if what is not None and what[0] == OUTPUT_DROP and alert.state in _CLEARED:
        seen = standing.recovered.setdefault(what[1], [])
        seen.append(Spell(alert.active_at_ns, _ended_ns(alert)))
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


def _said(resumption: Resumption, at_ns: int) -> tuple[str, Record]:
    record = recovery_record(resumption, at_ns)
    return f"chain|{record.measurement}|{record.key}|{at_ns}|{resumption.over:d}", record


def _change(alert: Alert) -> tuple[str, int, str]:
    return (alert.alert_id, alert.changed_at_ns, str(alert.state))


def _turn(alert: Alert) -> tuple[int, str]:
    return (alert.changed_at_ns, alert.key)


def _ended_ns(alert: Alert) -> int:
    """When it was over: before the off-delay."""
    return max(alert.active_at_ns, alert.clear_since_ns or alert.resolved_at_ns or alert.changed_at_ns)


def _id(memory: Memory, at_ns: int, record: Record) -> str:
    return f"chain|{memory.judged}|{at_ns}|{record.measurement}|{record.key}"


def _digest(floor: Floor, recovered: dict[str, list[Spell]]) -> str:
    """Everything that a judgement hangs on, besides its instant."""
    told = (floor.stock, floor.use_per_d, floor.in_transit, floor.alerts, floor.output, floor.seen_ns, recovered)
    return hashlib.sha256(msgspec.msgpack.encode(told)).hexdigest()[:32]


def _touched(exposed: Iterable[Exposure]) -> set[str]:
    """The nodes of which any of these exposures speaks."""
    return {name for one in exposed for name in (one.node, *one.stops, *one.may_stop)}


def _promises_changed(memory: Memory, tick_ns: int, offset: int) -> set[int]:
    """Notes the promises that a tick has passed; the instants at which one was made, moved, kept or broken."""
    _note_promises(memory, tick_ns, offset)
    changed = {at_ns for at_ns in memory.promised_at_ns if at_ns < tick_ns}
    memory.promised_at_ns = [at_ns for at_ns in memory.promised_at_ns if at_ns >= tick_ns]
    return changed | memory.history.promises_passed(memory.passed_ns or tick_ns, tick_ns)


def _note_promises(memory: Memory, before_ns: int, offset: int) -> None:
    """Notes the promises made before an instant and an offset; one said late changes nothing judged before it came."""
    due = [one for one in memory.promised if one.at_ns < before_ns and one.offset < offset]
    memory.promised = [one for one in memory.promised if one not in due]
    for one in due:
        noted = replace(one, at_ns=max(one.at_ns, memory.passed_ns))
        memory.history.note_promises(noted)
        memory.promised_at_ns.append(noted.at_ns)
