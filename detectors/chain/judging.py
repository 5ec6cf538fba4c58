"""The chain's judgement (Judge): alerts at once, and again when a tick has passed.

An alert is judged at its own instant as soon as it is heard, alone and on what the log has said until then. When a tick
has passed that instant and every line has come so far, it is settled: unless it was judged from the same facts, all
that is open is judged as of it, and what is not as it was said is said again. So nobody waits for a tick, and in the
end how far the collector was ahead, and how fast the log was read, changes no exposure. Settling steps back where an
alert is heard in the midst of it, and goes on where it was. Pure: `run` reads and writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from collector.spool.frames import Record
from detectors.alerts import Alert
from detectors.chain.disruption import place_of
from detectors.chain.exposure import Exposure, each_exposure
from detectors.chain.floor import Floor, Place
from detectors.chain.live import on_the_floor
from detectors.chain.network import Network
from detectors.chain.outputs import arc_records, exposure_record, node_records, stock_records
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import NOTHING, Unsolved
from detectors.chain.recovery_book import RecoveryBook, Spell
from detectors.chain.resuming import begun, followed
from detectors.chain.standing import Ahead, Due, Memory, Standing, note_outages, note_promises, take, turn


class Judged(NamedTuple):
    """What is to be said: records under their ids, and how the map stands, of which `run` says the news."""

    said: list[tuple[str, Record]]
    map: list[tuple[str, Record]]

    def then(self, later: Judged) -> Judged:
        """Both, in order."""
        return Judged([*self.said, *later.said], [*self.map, *later.map])


class _Begun(NamedTuple):
    """The exposures of one instant as far as they are judged, and the facts they are judged from."""

    at_ns: int
    judged_from: str
    judged: dict[Place, Exposure]


class Judge:
    """Judges one chain, with programmes that follow the floor from one judgement to the next."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._programmes = Programmes(network)
        self._book = RecoveryBook(network)
        self._moving = frozenset(stock.node for stock in network.stocks if stock.series or stock.in_transit)
        self._begun = _Begun(0, "", {})

    def warm_up(self) -> None:
        """Builds what the first judgement would have to wait for: the programmes, and where nodes stand on the map."""
        self._network.places  # noqa: B018 - reckoned once, kept by the network
        try:
            self._programmes.time_to_survive_d(NOTHING)
            self._programmes.lost_per_d(NOTHING)
        except Unsolved:
            pass  # told with the exposure that cannot be computed

    def at_once(self, memory: Memory) -> list[Judged]:
        """Judges the places of which fresh alerts speak, instant by instant; the tick will judge all, and correct what
        comes late."""
        if memory.fresh:
            note_promises(memory, max(h.alert.changed_at_ns for h in memory.fresh) + 1, memory.fresh[-1].offset)
        fresh = {_change(heard.alert) for heard in memory.fresh}
        memory.fresh = []
        judged, touched = list[Judged](), set[Place]()
        standing = Standing(memory.open, memory.recovered).copied()
        unsettled = [alert for due in (memory.passing.due if memory.passing else ()) for alert in due.turned]
        unsettled = sorted((*unsettled, *memory.waiting), key=turn)
        for at_ns, changed in groupby(unsettled, key=lambda alert: alert.changed_at_ns):
            turned = [alert for alert in changed if take(self._network, standing, alert)]
            places = (place_of(self._network, alert) for alert in turned if _change(alert) in fresh)
            touched |= {place for place in places if place is not None}
            if turned and touched:
                judged.append(self._ahead(memory, standing, at_ns, touched))
        return judged

    def settle(self, memory: Memory, is_urgent: Callable[[], bool] = lambda: False) -> Judged | None:
        """Judges the next instant that a tick has passed, at the last one also what follows from the tick itself.

        None where `is_urgent` said yes before all was judged; then the memory is as it was.
        """
        passing = memory.passing
        if passing is None:
            return Judged([], [])
        judged = self._settle_due(memory, passing.due[0], is_urgent) if passing.due else Judged([], [])
        if judged is None:
            return None
        del passing.due[:1]
        if not passing.due:
            judged = judged.then(Judged(followed(self._network, memory, passing.bands), []))
            memory.history.forget_before(passing.tick_ns, (*memory.open.values(), *memory.waiting))
            memory.passing = None
        return judged

    def _settle_due(self, memory: Memory, due: Due, is_urgent: Callable[[], bool]) -> Judged | None:
        standing = Standing(memory.open, memory.recovered).copied()
        turned = [alert for alert in due.turned if take(self._network, standing, alert)]
        judged = Judged([], [])
        if turned or (due.promised and standing.open):
            settled = self._settle(memory, standing, due.at_ns, is_urgent)
            if settled is None:
                return None
            judged = settled
        elif due.ahead:
            judged = self._withdraw(memory, due.at_ns)
        memory.open, memory.recovered = standing
        return Judged(begun(self._network, memory, turned, due.at_ns), []).then(judged)

    def _ahead(self, memory: Memory, standing: Standing, at_ns: int, only: Collection[Place]) -> Judged:
        """Exposures of these places and map as of an instant no tick has passed; the others stand as said last."""
        floor = self._floor(memory, standing, at_ns)
        judged_from, known = _digest(floor, standing.recovered), memory.ahead.get(at_ns)
        if known is not None and known.judged_from == judged_from:
            return Judged([], [])
        exposed = list(self._each(standing, floor, at_ns, only=only))
        memory.judged += 1
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

    def _settle(self, memory: Memory, standing: Standing, at_ns: int, is_urgent: Callable[[], bool]) -> Judged | None:
        """Exposures and map as of an instant that a tick has passed; nothing is said again that stands as it is."""
        before, floor = memory.exposed, self._floor(memory, standing, at_ns)
        known, judged_from = memory.ahead.get(at_ns), _digest(floor, standing.recovered)
        if known is not None and known.judged_from == judged_from:
            now, on_map = known.now, list[Record]()
        else:
            if not self._all_judged(standing, floor, at_ns, judged_from, is_urgent):
                return None
            now = {one.key: one for one in self._begun.judged.values()}
            on_map = self._map(floor, at_ns, before, now)
            _judge_later_ones_anew(memory, at_ns)
        memory.judged += 1
        memory.ahead.pop(at_ns, None)
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

    def _all_judged(
        self, standing: Standing, floor: Floor, at_ns: int, judged_from: str, is_urgent: Callable[[], bool]
    ) -> bool:
        """Goes on with the exposures of an instant (`_begun`), by one at least; whether all are judged."""
        if self._begun[:2] != (at_ns, judged_from):
            self._begun = _Begun(at_ns, judged_from, {})
        done = self._begun.judged
        for one in self._each(standing, floor, at_ns, but=frozenset(done)):
            done[one.node, one.material] = one
            if is_urgent():
                return False
        return True

    def _each(
        self,
        standing: Standing,
        floor: Floor,
        at_ns: int,
        *,
        only: Collection[Place] | None = None,
        but: Collection[Place] = (),
    ) -> Iterator[Exposure]:
        note_outages(self._network, self._book, standing)
        return each_exposure(self._network, floor, at_ns, self._programmes, self._book, only=only, but=but)

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


def _change(alert: Alert) -> tuple[str, int, str]:
    return (alert.alert_id, alert.changed_at_ns, str(alert.state))


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
