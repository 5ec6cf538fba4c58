"""Demo sites as a store and Grafana see them: played through decoder, detectors and chain, written by the real sink."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from collector import schema
from collector.health.counters import Counters, report
from collector.health.survey import survey_detection, survey_sinks
from collector.readings import NS_PER_S
from collector.sinks.influx import Options, build
from collector.sinks.sink import Parcel
from collector.spool.spool import Spool
from deploy.backtest.replaying import replay_messages
from deploy.demo import SITES, playback_of
from deploy.site import SiteFile, load_site
from detectors.alerts import Alert
from detectors.chain.run import ChainRun
from tests.plant.servers import Running, V2WriteShim, influxql

_FRAMES_AT_ONCE = 500
_REPORTS = 3


class DemoStore(NamedTuple):
    """A demo in a database of its own: from where to where it was played (UTC s), and the alerts it ended with."""

    store: Running
    database: str
    from_s: int
    to_s: int
    alerts: tuple[Alert, ...]


def filled(store: Running, shim: V2WriteShim, folder: Path, name: str, plant_s: float) -> DemoStore:
    """The first `plant_s` seconds of a demo site in the database of its name."""
    site = load_site(SITES / name / "site.toml", spool_path=folder / f"{name}.sqlite")
    messages = playback_of(SITES / name).messages
    first = next(messages)
    until_ns = first.at_ns + int(plant_s * NS_PER_S)
    with site.open_spool() as spool:
        played = replay_messages(itertools.chain([first], messages), until_ns, site, spool, lambda _n, _at: None)
        _judge_chain(site, spool)
        _report_on_itself(site, spool, played.to_ns)
        influxql(store, f'CREATE DATABASE "{name}"')
        _deliver(spool, shim, name, folder)
        alerts = tuple(msgspec.convert(one.detail, Alert) for one in spool.log.latest(schema.ALERT_EVENT.name))
    return DemoStore(store, name, played.from_ns // NS_PER_S, played.to_ns // NS_PER_S + 1, alerts)


def asked(
    demo: DemoStore, query: str, choice: dict[str, str], *, last_s: int | None = None, to_s: int | None = None
) -> list[dict[str, Any]]:
    """The query as Grafana would send it at `to_s`, the end of the demo unless told otherwise."""
    end_s = to_s or demo.to_s
    from_s = end_s - last_s if last_s else demo.from_s
    sent = query.replace("$timeFilter", f"time >= {from_s}s AND time < {end_s}s").replace("$__interval", "30s")
    sent = sent.replace("time > now()", f"time < {end_s}s AND time > {end_s}s")
    for name, value in choice.items():
        sent = sent.replace(f"${name}", value)
    assert "$" not in sent.replace("$/", "")
    return influxql(demo.store, sent, demo.database)


def _judge_chain(site: SiteFile, spool: Spool) -> None:
    assert site.network is not None
    run = ChainRun(site.network)
    while run.step(spool):
        pass


def _report_on_itself(site: SiteFile, spool: Spool, at_ns: int) -> None:
    """What collector and detectors say of themselves in their last minutes: two gaps, otherwise well."""
    collector, detectors = Counters(), Counters(process="detectors")
    collector.stored(messages=1, readings=1, dead=0, gaps=2)
    for back in reversed(range(_REPORTS)):
        then_ns = at_ns - back * 60 * NS_PER_S
        survey_sinks(spool, ["influx"], collector, then_ns)
        survey_detection(spool, detectors, then_ns)
        for counters in (collector, detectors):
            report(counters, site.site, spool, then_ns)


def _deliver(spool: Spool, shim: V2WriteShim, name: str, folder: Path) -> None:
    sink, after = build(Options(url=shim.url, bucket=name), folder), 0
    while frames := spool.log.read(after, _FRAMES_AT_ONCE):
        after = frames[-1].offset
        sink.write(Parcel(frames, spool.series))
    sink.close()
