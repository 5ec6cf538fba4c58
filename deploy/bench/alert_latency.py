"""From an output drop to the point that Grafana's rule reads: `alert_state` by the rule's own query, real processes.

A hundred lines report every 10 s, as the demo's plant does, and stop one after another, each at its own place between
two ticks. `andon collect` and `andon detect` run on the rules and settings of the demo site nev_drive (its shift made
the whole day), Mosquitto before and the store behind them; the query of the rule `critical` is asked all the time.

What the rule itself is told to wait for (five usual intervals without a count, then `for_s`) is no delay. So the clock
starts when the report that decides was published and `for_s` had passed after it. What remains, with the settings as
shipped: up to `[detect] tick_s` until somebody looks, `[clock] lateness_s` for what is late, up to 0.2 s until the
collector writes the tick, then judging, storing and answering. Grafana's own evaluation (every 10 s) comes on top.
"""

from __future__ import annotations

import json
import math
import time
import urllib.request
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.spool import Spool
from dashboards.alerting import BETWEEN_WARNING_AND_CRITICAL, critical_rule
from deploy.bench import store
from deploy.bench.figure import Figure, NotMeasured, quantile
from deploy.bench.load import Wire
from deploy.bench.meter import Meter
from deploy.bench.rig import Rig, rig
from deploy.bench.servers import free_port
from deploy.bench.store import Store
from deploy.site import load_site

FIGURES = (
    Figure("drop evident -> alert_state readable, p95, demo settings", "s", must=5.0),
    Figure("the same, median", "s"),
    Figure("the same, worst", "s"),
    Figure("alert due at its tick -> readable, p95", "s"),
    Figure("alerts that were readable, of 100", "alerts", must=100.0, at_most=False),
    Figure("CPU of andon collect, 100 lines", "% of a core"),
    Figure("CPU of andon detect, 100 lines", "% of a core"),
)
RUNS = 1

_DEMO = Path(__file__).parents[1] / "sites" / "nev_drive" / "site.toml"
_LINES, _REPORT_S, _LEARNED_S = 100, 10.0, 600
_FIRST_STOP_S, _STOP_EVERY_S, _AFTERWARDS_S = 10.0, 0.53, 150.0
_FOR_S = 20.0
_SETTLED_S = 5.0  # the ten minutes that were learned are dealt with
_ASK_EVERY_S = 0.1
_READY_S = 60.0


def conditions() -> str:
    site = load_site(_DEMO)
    pace = f"tick_s {site.detect.tick_s:g}, lateness_s {site.clock.lateness_s:g}"
    return f"{_LINES} lines, nev_drive's site.toml ({pace}), mosquitto, {store.name()}"


def once() -> Sequence[float]:
    with rig() as one:
        if not one.store.is_readable:
            raise NotMeasured("there is no InfluxDB to ask the rule's query; install influxdb")
        health_port = free_port()
        one.site_path.write_text(_site(one, health_port))
        with one.andon("collect") as collect, one.andon("detect") as detect:
            _await_subscription(health_port)
            plant = _Plant(one.port)
            time.sleep(_SETTLED_S)
            costs = [_Cost(bridge.meter) for bridge in (collect, detect)]
            readable_ns = _follow(one.store, plant)
            cpu_percent = [cost.percent() for cost in costs]
            plant.stop()
            with Spool.open(one.spool_path) as spool:
                raised = _raised(spool)
    evident_s, due_s = [], []
    for line, seen_ns in readable_ns.items():
        active_ns, fired_ns = raised[line]
        evident_s.append((seen_ns - plant.report_before(line, active_ns)) / NS_PER_S - _FOR_S)
        due_s.append((seen_ns - fired_ns) / NS_PER_S)
    found = [quantile(evident_s, 0.95), quantile(evident_s, 0.5), max(evident_s, default=math.nan)]
    return [*found, quantile(due_s, 0.95), len(readable_ns), *cpu_percent]


class _Cost:
    """CPU time of a process since now, as a share of the time passed."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._began = meter.cpu_s(), time.monotonic()

    def percent(self) -> float:
        cpu_s, began_s = self._began
        return 100.0 * (self._meter.cpu_s() - cpu_s) / (time.monotonic() - began_s)


def _site(one: Rig, health_port: int) -> str:
    """The demo's own site.toml on this rig's broker and store; its shift lasts the whole day."""
    head, _, rest = _DEMO.read_text(encoding="utf-8").partition("[[shift]]")
    rules, _, _ = f"[[rule]]{rest.partition('[[rule]]')[2]}".partition("[chain]")
    return f"""{head}
[[shift]]
name = "always"
start = 00:00:00
end = 00:00:00

{rules}
[broker]
port = {one.port}

[health]
collect_port = {health_port}

[[sink]]
name = "influx"
kind = "influx"
url = "{one.store.url}"
bucket = "{store.DATABASE}"
"""


def _await_subscription(port: int) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                if b"andon_broker_subscriptions_total{" in answer.read():
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise NotMeasured("the collector does not subscribe; see its log")


class _Plant:
    """Lines that made a unit a report for ten minutes, go on so, and stop one after another."""

    def __init__(self, port: int) -> None:
        self._wire = Wire(port, "lines")
        self._began_ns = time.time_ns()
        self._reports_ns: dict[str, list[int]] = {f"line_{n:03d}": [] for n in range(_LINES)}
        self._made = dict.fromkeys(self._reports_ns, 0)
        self._stopped = Event()
        for n, line in enumerate(self._reports_ns):
            self._learned(line, n)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def report_before(self, line: str, at_ns: int) -> int:
        """When the last report of a line up to an instant was published."""
        reports = self._reports_ns[line]
        return reports[bisect_right(reports, at_ns) - 1]

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._wire.close()

    def _learned(self, line: str, n: int) -> None:
        """What the line did before: its reports of the last ten minutes, at its own phase."""
        phase_ns = int(n * _REPORT_S / _LINES * NS_PER_S)
        first_ns = self._began_ns - int(_LEARNED_S * NS_PER_S) + phase_ns
        times = range(first_ns, self._began_ns, int(_REPORT_S * NS_PER_S))
        self._wire.send([self._message(line, at_ns, runs=True) for at_ns in times])

    def _run(self) -> None:
        due_ns = {line: reports[-1] + int(_REPORT_S * NS_PER_S) for line, reports in self._reports_ns.items()}
        stops_s = {line: _FIRST_STOP_S + n * _STOP_EVERY_S for n, line in enumerate(self._reports_ns)}
        while not self._stopped.wait(0.01):
            now_ns = time.time_ns()
            for line in [line for line, at_ns in due_ns.items() if at_ns <= now_ns]:
                runs = now_ns - self._began_ns < stops_s[line] * NS_PER_S
                self._wire.send([self._message(line, now_ns, runs=runs)])
                due_ns[line] += int(_REPORT_S * NS_PER_S)

    def _message(self, line: str, at_ns: int, *, runs: bool) -> tuple[bytes, bytes]:
        self._reports_ns[line].append(at_ns)
        self._made[line] += runs
        payload = {"ts": at_ns // 1_000_000, "good": self._made[line]}
        return f"nev/plant/{line}/cell".encode(), json.dumps(payload).encode()


def _follow(answering: Store, plant: _Plant) -> dict[str, int]:
    """When the rule's query first gave a critical level of each line, as long as anybody would wait."""
    data = critical_rule("board", 1)["data"][0]
    query, window_s = data["model"]["query"], data["relativeTimeRange"]["from"]
    seen_ns: dict[str, int] = {}
    deadline = time.monotonic() + _FIRST_STOP_S + _LINES * _STOP_EVERY_S + _AFTERWARDS_S
    while len(seen_ns) < _LINES and time.monotonic() < deadline:
        statement = query.replace("$timeFilter", f"time >= now() - {window_s}s").replace("$__interval", "1s")
        answer = answering.ask(statement)
        now_ns = time.time_ns()
        for series in answer:
            tags, (*_, level) = series["tags"], [row[1] for row in series["values"] if row[1] is not None]
            if tags["kind"] == "output_drop" and level > BETWEEN_WARNING_AND_CRITICAL:
                seen_ns.setdefault(tags["line"], now_ns)
        time.sleep(_ASK_EVERY_S)
    return seen_ns


def _raised(spool: Spool) -> dict[str, tuple[int, int]]:
    """Of each line with an output drop: the ticks at which it was first seen and at which it was raised."""
    said = (record for record in spool.log.latest(schema.ALERT_EVENT.name) if record.tags["kind"] == "output_drop")
    return {one.tags["line"]: (one.detail["active_at_ns"], one.detail["fired_at_ns"]) for one in said}
