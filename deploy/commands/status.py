"""`andon status`: one screen that says whether Andon itself is well."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import typer

from collector.clocks.gateway_clock import spoken
from deploy.alerts import budget_line
from deploy.commands.console import Json, SitePath, SpoolOption, out, say
from deploy.instants import utc_of_ns
from deploy.status import Process, Status, StoreStatus, status_of

UNHEALTHY = 1


def status(site: SitePath, spool: SpoolOption = None, as_json: Json = False) -> None:
    """Says whether Andon itself is well, from the spool alone: exit code 0 when it is, 1 when something is wrong.

    2: there is no such site or spool.
    """
    from deploy.alerts import existing_spool
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with existing_spool(loaded) as opened:
        found = status_of(loaded, opened, time.time_ns())
    if as_json:
        out.print_json(msgspec.json.encode(found).decode())
    else:
        for line in screen(found):
            say(line)
    if found.wrong:
        raise typer.Exit(UNHEALTHY)


def screen(found: Status) -> Iterator[str]:
    """The status as one screen of text."""
    verdict = "all is well" if not found.wrong else "something is wrong"
    yield f"{found.site} at {utc_of_ns(found.at_ns)} UTC: {verdict}"
    yield from (f"  ! {sentence}" for sentence in found.wrong)
    yield ""
    yield _row("processes", "; ".join(map(_process, found.processes)))
    yield _row("broker", {None: "not known", True: "connected", False: "not connected"}[found.broker_connected])
    yield _row("arriving", f"{_rate(found.received_per_s)} messages/s, {_rate(found.stored_per_s)} readings/s stored")
    for store in found.stores or ():
        yield _row("store", f"{store.name}: {_store(store)}")
    for line, lag_s in found.detection_lag_s.items():
        yield _row("detection", f"{line} {'is up to date' if lag_s < 1 else f'is {spoken(lag_s)} behind'}")
    alerts = ", ".join(f"{count} {level}" for level, count in found.open_alerts.items() if count)
    yield _row("open alerts", f"{alerts} (andon alerts list)" if alerts else "none")
    yield _row("alarm budget", budget_line(found.held_back, found.needed_score) or "room for all")
    yield _row("dead letters", f"{found.dead_letters} (andon dead list)" if found.dead_letters else "none")
    yield _row("missing, last 24 h", "nothing known" if not found.missing else "(andon ledger)")
    for one in found.missing:
        yield f"    {one.cause}: {one.missing} in {one.entries} entries, lately {one.last_asset} ({one.last_note})"
    most, free = found.spool_most_bytes / 1e6, found.disk_free_bytes / 1e6
    yield _row("spool", f"{found.spool_bytes / 1e6:.1f} of {most:.0f} MB; {free:.0f} MB free on its disk")
    yield _row("clocks", _clocks(found))


def _row(name: str, text: str) -> str:
    return f"{name:<22}{text}"


def _process(process: Process) -> str:
    if process.age_s is None:
        return f"{process.command}: no word of it"
    return f"{process.command}: {'runs' if process.is_alive else 'silent'}, last word {spoken(process.age_s)} ago"


def _store(store: StoreStatus) -> str:
    if not store.frames:
        return "up to date"
    eta = f", done in about {spoken(store.eta_s)}" if store.eta_s is not None else ""
    return f"{store.frames} frames wait, the oldest for {spoken(store.lag_s)}{eta}"


def _rate(per_s: float | None) -> str:
    return "?" if per_s is None else f"{per_s:,.1f}"


def _clocks(found: Status) -> str:
    if not found.clock_offset_s:
        return "not known"
    worst = max(found.clock_offset_s.items(), key=lambda one: abs(one[1]))
    return f"{len(found.clock_offset_s)} gateways, furthest off {worst[0]} by {worst[1]:+.1f} s"
