"""The chain's judgement (Judge): alerts at once, and again when a tick has passed.

An alert is judged at its own instant as soon as it is heard, alone and on what the log has said until then. When a tick
has passed that instant and every line has come so far, it is settled: unless it was judged from the same facts, all
that is open is judged as of it, and what is not as it was said is said again. So nobody waits for a tick, and in the
end how far the collector was ahead, and how fast the log was read, changes no exposure. Pure: `run` reads and writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.spool.frames import Record
from detectors.alerts import Alert
from detectors.chain.disruption import disrupted_by, place_of
from detectors.chain.exposure import Exposure, exposures
from detectors.chain.floor import OUTPUT_DROP, Band, Floor, Place
from detectors.chain.live import on_the_floor
from detectors.chain.network import Network
from detectors.chain.outputs import arc_records, exposure_record, node_records, recovery_record, stock_records
from detectors.chain.programme.programmes import Programmes
from detectors.chain.recovery_book import RecoveryBook, Spell
from detectors.chain.resumption import Resumption
from detectors.chain.standing import CLEARED, Ahead, Memory, Standing, ended_ns, note_outages, take


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
                judged = judged.then(self._ahead(memory, standing, at_ns, touched))
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
        ahead = {at_ns for at_ns in memory.ahead if at_ns < tick_ns}
        for at_ns in sorted(turns.keys() | promised | ahead):
            turned = [alert for alert in turns.get(at_ns, ()) if take(self._network, standing, alert)]
            judged = judged.then(Judged(self._recoveries(memory, turned, at_ns), []))
            if turned or (at_ns in promised and memory.open):
                judged = judged.then(self._settle(memory, at_ns))
            elif at_ns in ahead:
                judged = judged.then(self._withdraw(memory, at_ns))
        judged = judged.then(Judged(self._resumed(memory, bands), []))
        memory.passed_ns = tick_ns
        memory.history.forget_before(tick_ns, (*memory.open.values(), *memory.waiting))
        return judged

    def _ahead(self, memory: Memory, standing: Standing, at_ns: int, only: Collection[Place]) -> Judged:
        """Exposures of these places and map as of an instant no tick has passed; the others stand as said last."""
        floor = self._floor(memory, standing, at_ns)
        judged_from, known = _digest(floor, standing.recovered), memory.ahead.get(at_ns)
        if known is not None and known.judged_from == judged_from:
            return Judged([], [])
        exposed = self._exposures(memory, standing, floor, at_ns, only)
        before = memory.exposed
        stand = {k: old for k, old in before.items() if (old.node, old.material) not in only}
        now = stand | {exposure.key: exposure for exposure in exposed}
        news = {one.key: one for one in (*exposed, *_ended(before, now, at_ns)) if before.get(one.key) != one}
        judged = {None, *only}
        is_whole = not stand and all(place_of(self._network, alert) in judged for alert in standing.open.values())
        _judge_later_ones_anew(memory, at_ns)
        said = (known.said if known else {}) | news
        memory.ahead[at_ns] = Ahead(judged_from, now, said) if is_whole else Ahead("", {}, said)
        memory.exposed = now
        on_map = self._map(floor, at_ns, before, now)
        return _judged(memory, [exposure_record(one, at_ns) for one in news.values()], on_map)

    def _settle(self, memory: Memory, at_ns: int) -> Judged:
        """Exposures and map as of an instant that a tick has passed; nothing is said again that stands as it is."""
        standing, before = Standing(memory.open, memory.recovered), memory.exposed
        floor = self._floor(memory, standing, at_ns)
        known = memory.ahead.pop(at_ns, None)
        if known is not None and known.judged_from == _digest(floor, standing.recovered):
            now, on_map = known.now, list[Record]()
            memory.judged += 1
        else:
            now = {one.key: one for one in self._exposures(memory, standing, floor, at_ns)}
            on_map = self._map(floor, at_ns, before, now)
            _judge_later_ones_anew(memory, at_ns)
        said = known.said if known else {}
        held = {key: one for key, one in said.items() if one.causes}
        ended = _ended({**held, **memory.settled}, now, at_ns)
        later = {key for ahead in memory.ahead.values() for key in ahead.said}
        memory.settled = now
        news = [one for one in (*now.values(), *ended) if said.get(one.key) != one or not _stands(before, one, later)]
        memory.exposed = _with(before, news)
        return _judged(memory, [exposure_record(one, at_ns) for one in news], on_map)

    def _withdraw(self, memory: Memory, at_ns: int) -> Judged:
        """Of an instant at which, as is known by now, nothing turned: what was said ends, and what stood is back."""
        said = memory.ahead.pop(at_ns).said
        memory.judged += 1
        news = [one.ended(at_ns) for one in said.values() if one.causes]
        news += [memory.settled[key] for key in said if key in memory.settled]
        memory.exposed = _with(memory.exposed, news)
        return _judged(memory, [exposure_record(one, one.at_ns) for one in news], [])

    def _floor(self, memory: Memory, standing: Standing, at_ns: int) -> Floor:
        alerts = tuple(standing.open[key] for key in sorted(standing.open))
        return memory.history.as_of(self._network, at_ns, alerts)

    def _exposures(
        self, memory: Memory, standing: Standing, floor: Floor, at_ns: int, only: Collection[Place] | None = None
    ) -> list[Exposure]:
        memory.judged += 1
        note_outages(self._network, self._book, standing)
        return exposures(self._network, floor, at_ns, self._programmes, self._book, only)

    def _map(
        self, floor: Floor, at_ns: int, before: Mapping[str, Exposure], now: Mapping[str, Exposure]
    ) -> list[Record]:
        names = _touched((*before.values(), *now.values())) | self._moving
        live, all_now = on_the_floor(self._network, floor, at_ns), [now[key] for key in sorted(now)]
        return [
            *node_records(live, all_now, at_ns, names),
            *arc_records(live, all_now, at_ns, sorted(names)),
            *stock_records(live, at_ns, names),
        ]

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
            if alert.state in CLEARED:
                began = Resumption(name, material, kind, alert.key, alert.active_at_ns, ended_ns(alert))
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


def _said(resumption: Resumption, at_ns: int) -> tuple[str, Record]:
    record = recovery_record(resumption, at_ns)
    return f"chain|{record.measurement}|{record.key}|{at_ns}|{resumption.over:d}", record


def _change(alert: Alert) -> tuple[str, int, str]:
    return (alert.alert_id, alert.changed_at_ns, str(alert.state))


def _turn(alert: Alert) -> tuple[int, str]:
    return (alert.changed_at_ns, alert.key)


def _ended(before: Mapping[str, Exposure], now: Mapping[str, Exposure], at_ns: int) -> list[Exposure]:
    return [old.ended(at_ns) for key, old in before.items() if key not in now]


def _with(exposed: Mapping[str, Exposure], news: Iterable[Exposure]) -> dict[str, Exposure]:
    """What is exposed once news has been said."""
    now = dict(exposed)
    for one in news:
        now.pop(one.key, None)
        if one.causes:
            now[one.key] = one
    return now


def _stands(said_last: Mapping[str, Exposure], one: Exposure, later: Collection[str]) -> bool:
    """Whether it is what was said last of its place, or what was said last is of a later instant."""
    return one.key in later or said_last.get(one.key) == (one if one.causes else None)


def _judge_later_ones_anew(memory: Memory, at_ns: int) -> None:
    """What was said of later instants is not what was said last any more."""
    for later_ns, ahead in memory.ahead.items():
        if later_ns > at_ns:
            memory.ahead[later_ns] = Ahead("", {}, ahead.said)


def _judged(memory: Memory, said: Sequence[Record], on_map: Sequence[Record]) -> Judged:
    return Judged(*([(_id(memory, one), one) for one in of] for of in (said, on_map)))


def _id(memory: Memory, record: Record) -> str:
    return f"chain|{memory.judged}|{record.at_ns}|{record.measurement}|{record.key}"


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
