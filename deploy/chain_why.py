"""What `andon chain why` answers: the facts about one node of a folder, or of a site as its spool has it now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from collector.clocks.clock import WallClock
from collector.errors import AndonError
from collector.spool.spool import Spool
from deploy.instants import utc_of_ns
from deploy.site import load_site
from detectors.alerts import Alert
from detectors.chain.arrivals import as_counted
from detectors.chain.disruption import Disruption, causes_of, disruption_of
from detectors.chain.exposure import Asked, asked_of
from detectors.chain.facts import span
from detectors.chain.floor import Floor
from detectors.chain.map.folder import load
from detectors.chain.network import Network
from detectors.chain.programme.binding import Binding, Limit
from detectors.chain.programme.scenario import Scenario
from detectors.chain.recovery_book import RecoveryBook
from detectors.chain.run import READER
from detectors.chain.standing import Memory, Standing, note_outages, take
from detectors.chain.state import DEFAULT, Colour, Thresholds
from detectors.chain.why import Signal, Turn, Why, signals_of_failures, why

_MOST_NAMED = 3  # other signals; --json has all


class Answer(msgspec.Struct, frozen=True):
    """`what_if`: no open alert reaches the node, so that the worst failure of one node is told."""

    why: Why
    what_if: bool
    open_alerts: int

    def facts(self) -> dict[str, Any]:
        return {**msgspec.to_builtins(self.why), "what_if": self.what_if, "open_alerts": self.open_alerts}

    def sentences(self) -> Iterator[str]:
        """The same for people, from the signal to the counterfactual."""
        found = self.why
        if self.what_if:
            yield f"{found.node}: {self.open_alerts or 'no'} open alerts, none reaches it. What if a single node stops?"
        if found.fails_in_d is None:
            yield f"{found.node} is green: nothing upstream stops it."
            return
        would = "would be" if self.what_if else "is"
        yield f"{found.node} {would} {found.colour}: it fails with a chance of {found.chance_ratio:.2f}."
        yield f"  signal: {found.signal}"
        if found.days_of_supply_d is not None:
            what = f" of {found.material}" if found.material else ""
            yield f"  stock: {span(found.days_of_supply_d)}{what} at {found.hit}"
        p50, p80, p95 = (span(days) for days in found.recovers_d)
        stated = f"; stated, and reckoned with by `exposure`: {span(found.stated_d)}" if found.stated_d else ""
        yield f"  lasts: {found.recovers} is back in {p50} (P80 {p80}, P95 {p95}){stated}"
        yield f"  path: {' -> '.join(found.path)}, which fails in {span(found.fails_in_d)}"
        if found.binding:
            yield f"  binds: {', '.join(_bound(one) for one in found.binding)}"
        yield from (f"  {_turn(one, found.colour)}" for one in found.turns)
        if found.colour is not Colour.GREEN and all(one.kept_by for one in found.turns):
            yield "  no stock alone turns it"
        if found.recovery_turns_d is not None:
            alone = f", against this alone; still {found.colour}: {_named(found.also)}" if found.also else ""
            yield f"  or {found.recovers} back before {span(found.recovery_turns_d)}{alone}"


def answer_of(where: Path, name: str, thresholds: Thresholds = DEFAULT) -> Answer:
    """Of a chain folder or a site.toml. Raises AndonError, UnknownNode among it."""
    asked = _of_folder(as_counted(load(where))) if where.is_dir() else _of_site(where)
    alerts = list(_signals(asked))
    found = why(asked, name, alerts, thresholds)
    if found.fails_in_d is not None:
        return Answer(found, what_if=False, open_alerts=len(asked.floor.alerts))
    worst = why(asked, name, list(signals_of_failures(asked, name)), thresholds)
    return Answer(worst, what_if=True, open_alerts=len(asked.floor.alerts))


def thresholds_of(file: Path | None) -> Thresholds:
    """Thresholds of a TOML file, names as in `Thresholds`. Raises AndonError naming file and key."""
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Thresholds) if file else DEFAULT
    except (OSError, msgspec.DecodeError) as error:
        raise AndonError(f"{file}: {error}; settings are {', '.join(Thresholds.__struct_fields__)}") from error


def _of_folder(network: Network) -> Asked:
    return asked_of(network, Floor(), WallClock().now_ns())


def _of_site(site: Path) -> Asked:
    loaded = load_site(site)
    if loaded.network is None:
        raise AndonError(f'{site}: no [chain]: add `[chain]` with `folder = "chain"`')
    if not loaded.spool_path.exists():
        return _of_folder(as_counted(loaded.network))
    with Spool.open(loaded.spool_path) as spool:
        body, at_ns = spool.recall(READER), spool.log.clock_ns()
    memory = msgspec.msgpack.decode(body, type=Memory) if body else Memory()
    standing = Standing(memory.open, memory.recovered)
    for alert in sorted(memory.waiting, key=lambda one: (one.changed_at_ns, one.key)):
        take(loaded.network, standing, alert)
    at_ns = max(at_ns, *(alert.changed_at_ns for alert in standing.open.values()), 0)
    book = RecoveryBook(loaded.network)
    note_outages(loaded.network, book, standing)
    alerts = tuple(standing.open[key] for key in sorted(standing.open))
    return asked_of(loaded.network, memory.history.as_of(loaded.network, at_ns, alerts), at_ns, book=book)


def _signals(asked: Asked) -> Iterator[Signal]:
    """The open alerts that disrupt something; one whose recovery nobody knows is left to the exposures to tell."""
    alerts = {alert.key: alert for alert in asked.floor.alerts}
    for what, causes in causes_of(asked.live, asked.floor).items():
        try:
            disruption = disruption_of(asked.live, asked.book, asked.floor, what, asked.at_ns)
        except AndonError:
            continue
        yield Signal("; ".join(_alert(alerts[key]) for key in causes), disruption)
    for outage in asked.live.outages:
        if outage.ended_ns is None and outage.began_ns <= asked.at_ns:
            lasting = asked.book.time_to_recover(outage.node, asked.at_ns)
            shut = Disruption(outage.node, "", Scenario({outage.node: 0.0}), outage.node, lasting)
            says = f"outage of {outage.node} since {utc_of_ns(outage.began_ns)}, not ended in outages.csv"
            yield Signal(says, shut)


def _alert(alert: Alert) -> str:
    return f"{alert.kind} of {alert.subject} since {utc_of_ns(alert.active_at_ns or alert.changed_at_ns)}"


def _bound(one: Binding) -> str:
    if one.limit is Limit.SUPPLY:
        return f"supply of {one.what} from {one.source} to {one.node}"
    return f"{one.limit} of {f'{one.what} at ' if one.what else ''}{one.node}"


def _turn(one: Turn, colour: Colour) -> str:
    what = f"stock of {one.material} at" if one.material else "finished stock at"
    said = f"{span(one.stock_d)} more {what} {one.node} turns it {one.to} (chance {one.chance_ratio:.2f}"
    told = f"{said}, {'recomputed' if one.verified else 'NOT confirmed on recomputation'})"
    return f"{told}, against this alone; still {colour}: {_named(one.kept_by)}" if one.kept_by else told


def _named(signals: Sequence[str]) -> str:
    """`ntc_maker stops`, or with how many more there are."""
    more = len(signals) - _MOST_NAMED
    return ", ".join(signals[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
