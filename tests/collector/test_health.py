"""A process says how it is: counts that add up, one log line per change of state, metrics and a verdict over HTTP."""

from __future__ import annotations

import json
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clocks.clock import PlantClock
from collector.config import HealthSettings, Site
from collector.health.counters import Counters, report
from collector.health.exposition import CONTENT_TYPE, exposition
from collector.health.server import HealthError, HealthServer, verdict
from collector.health.survey import keep_surveying, sink_behind, survey_detection, survey_sinks
from collector.readings import NS_PER_S, Batch, Kind
from collector.spool.spool import Spool
from tests.collector.batches import batch
from tests.collector.prometheus_text import families
from tests.collector.spools import LINE, OTHER, append, readings

SITE = Site(enterprise="e", name="site")
T0_NS = 1_774_000_000 * NS_PER_S
SETTINGS = HealthSettings(broker_down_s=60.0, sink_down_s=300.0, detection_lag_s=60.0)


@dataclass
class Stopwatch:
    """A monotonic clock that a test moves."""

    at_s: float = 1000.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def counters(watch: Stopwatch) -> Counters:
    return Counters(monotonic_s=watch)


def what_is_wrong(counters: Counters) -> list[str]:
    return [trouble.what for trouble in verdict(counters, SETTINGS)]


# ---- counts ----


def test_every_process_reports_under_its_own_name() -> None:
    counters = Counters(process="detection")
    counters.add("frames_dealt_with", 3)
    counters.set("detection_lag_s/site/line", 1.5)
    count, gauge = counters.due(SITE, T0_NS)
    assert (count.series.name, count.value, count.series.kind) == (
        "site/_self/detection:frames_dealt_with",
        3.0,
        Kind.COUNTER,
    )
    assert (gauge.series.name, gauge.value, gauge.series.kind) == (
        "site/_self/detection:detection_lag_s/site/line",
        1.5,
        Kind.GAUGE,
    )


def test_a_process_that_appends_nothing_else_puts_its_own_readings_into_the_log(spool: Spool) -> None:
    counters = Counters(process="chain")
    counters.add("frames_dealt_with", 3)
    assert report(counters, SITE, spool, T0_NS) == 1
    assert report(counters, SITE, spool, T0_NS + NS_PER_S) == 0, "not due yet"
    (frame,) = spool.log.newest("site/_self", 5)
    assert isinstance(frame.body, Batch)
    assert spool.series[int(frame.body.series[0])].name == "site/_self/chain:frames_dealt_with"


def test_a_clock_set_back_does_not_silence_a_process_until_time_catches_up() -> None:
    counters = Counters()
    counters.add("messages_stored")
    year_ns = 365 * 86_400 * NS_PER_S
    assert counters.due(SITE, T0_NS + year_ns)
    assert counters.due(SITE, T0_NS)


def test_gauges_that_are_asked_for_are_in_the_report() -> None:
    counters = Counters()
    counters.ask(lambda: {"clock_offset_ms/site/line": 12})
    assert [reading.value for reading in counters.due(SITE, T0_NS)] == [12.0]


def test_what_is_replaced_is_forgotten(counters: Counters) -> None:
    counters.replace("sink_lag_s", {"sink_lag_s/old": 1.0})
    counters.replace("sink_lag_s", {"sink_lag_s/new": 2.0})
    assert counters.totals()[1] == {"sink_lag_s/new": 2.0}


def test_evicting_is_told_once_and_its_end_too(counters: Counters, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            counters.evicted("readings", 500)
        counters.due(SITE, T0_NS)
        counters.evicted("readings", 500)
        counters.due(SITE, T0_NS + 31 * NS_PER_S)
        assert what_is_wrong(counters) == ["readings evicted"]
        counters.due(SITE, T0_NS + 62 * NS_PER_S)
        assert what_is_wrong(counters) == []
        counters.evicted("readings", 500)
    said = [record.getMessage().split(";")[0] for record in caplog.records]
    assert said == [
        "spool.evicting what=readings",
        "spool.evicts_no_more what=readings",
        "spool.evicting what=readings",
    ]


# ---- the verdict ----


def test_a_sink_that_is_down_for_long_is_named_with_its_reason(counters: Counters, watch: Stopwatch) -> None:
    counters.sink_down("influx", "connection refused")
    watch.at_s += 299
    counters.sink_down("influx", "HTTP 503")
    assert what_is_wrong(counters) == [], "stores may be away for a while: the spool keeps it"
    watch.at_s += 2
    (trouble,) = verdict(counters, SETTINGS)
    assert (trouble.what, trouble.reason, trouble.for_s) == ("sink influx", "HTTP 503", 301)
    counters.sink_up("influx", 10)
    assert what_is_wrong(counters) == []


def test_a_held_up_ingest_is_wrong_at_once(counters: Counters) -> None:
    counters.held_up("ingest", "spool is full")
    assert [(one.what, one.reason) for one in verdict(counters, SETTINGS)] == [("ingest", "spool is full")]
    counters.goes_on("ingest")
    assert what_is_wrong(counters) == []


def test_a_broker_is_missed_after_a_while(counters: Counters, watch: Stopwatch) -> None:
    counters.set("broker_connected", 0)
    for _ in range(60):
        assert what_is_wrong(counters) == []
        watch.at_s += 1
        counters.set("broker_connected", 0)
    assert what_is_wrong(counters) == ["broker"]
    counters.set("broker_connected", 1)
    assert what_is_wrong(counters) == []


def test_an_ingest_loop_that_stands_still_is_wrong(counters: Counters, watch: Stopwatch) -> None:
    counters.set("broker_connected", 1)
    watch.at_s += 61
    assert what_is_wrong(counters) == ["ingest"]


def test_detectors_that_are_behind_are_named_by_line(counters: Counters) -> None:
    counters.replace("detection_lag_s", {"detection_lag_s/site/a": 61.0, "detection_lag_s/site/b": 2.0})
    assert what_is_wrong(counters) == ["detection site/a"]


# ---- the survey ----


def test_a_stores_lag_is_the_age_of_the_oldest_it_was_not_given(spool: Spool, counters: Counters) -> None:
    offset = append(spool, readings(T0_NS), readings(T0_NS + 10 * NS_PER_S), readings(T0_NS + 20 * NS_PER_S))
    with spool.transaction():
        spool.log.advance("sink:a", offset - 2)
        spool.log.advance("sink:b", offset)
    survey_sinks(spool, ["a", "b"], counters, T0_NS + 60 * NS_PER_S)
    _, gauges = counters.totals()
    assert (gauges["sink_lag_s/a"], gauges["sink_lag_frames/a"]) == (50.0, 2)
    assert (gauges["sink_lag_s/b"], gauges["sink_lag_frames/b"]) == (0.0, 0)
    assert (gauges["oldest_undelivered_s"], gauges["spool_depth"]) == (50.0, 2)
    assert gauges["spool_bytes"] > 0
    assert gauges["disk_free_bytes"] > 0


def test_a_lag_counts_from_the_receipt_whatever_a_device_says_the_time_was(spool: Spool) -> None:
    wrong = readings(T0_NS)._replace(body=batch((1, 0, 1.0, 0, T0_NS)))
    append(spool, wrong)
    assert sink_behind(spool, "a").lag_s(T0_NS + NS_PER_S) == 1.0


def test_detection_lags_line_by_line(spool: Spool, counters: Counters) -> None:
    offset = append(spool, readings(T0_NS), readings(T0_NS + 10 * NS_PER_S, OTHER))
    with spool.transaction():
        spool.states.commit(LINE, offset, 1, b"", 0)
    survey_detection(spool, counters, T0_NS + 60 * NS_PER_S)
    assert counters.totals()[1] == {f"detection_lag_s/{LINE}": 0.0, f"detection_lag_s/{OTHER}": 50.0}


def test_the_survey_ends_when_told_to(spool: Spool, counters: Counters) -> None:
    stop = Event()
    stop.set()
    keep_surveying(spool, ["a"], counters, PlantClock(), stop)
    assert counters.totals() == ({}, {})


# ---- Prometheus ----


def test_the_exposition_keeps_the_formats_rules() -> None:
    counters = Counters()
    counters.stored(1, 50, 2, 0)
    counters.sink_up("influx", 7)
    counters.sink_up('odd "name" \\', 8)
    counters.set("clock_offset_ms/site/line", -1500)
    counters.set("clock_drift_ms_per_h/site/line", 3600)
    counters.set("spool_bytes", 2**40)
    counters.set("broker_connected", 1)
    counters.set("broker_connected/main", 1)
    found = families(exposition(*counters.totals(), site="site", process="collector"))
    own = (("site", "site"), ("process", "collector"))
    assert found["andon_readings_stored_total"].kind == "counter"
    assert found["andon_readings_stored_total"].samples == {own: 50.0}
    assert found["andon_rows_delivered_total"].samples[(*own, ("sink", "influx"))] == 7.0
    assert found["andon_rows_delivered_total"].samples[(*own, ("sink", r"odd \"name\" \\"))] == 8.0
    assert found["andon_clock_offset_seconds"].samples == {(*own, ("gateway", "site/line")): -1.5}
    assert found["andon_clock_drift_ratio"].samples == {(*own, ("gateway", "site/line")): 0.001}
    assert found["andon_spool_bytes"].samples == {own: float(2**40)}
    assert set(found["andon_broker_connected"].samples) == {own, (*own, ("broker", "main"))}
    assert all(family.help for family in found.values())
    assert all(name.endswith("_total") == (family.kind == "counter") for name, family in found.items())


TEXT = st.text(st.sampled_from('ab_/\\"\n{}=, \u00e4\u4e2d'), min_size=1, max_size=8)


@given(st.dictionaries(st.just("rows_delivered/").flatmap(lambda head: TEXT.map(head.__add__)), st.integers()), TEXT)
def test_any_names_at_all_keep_the_formats_rules(counts: dict[str, int], site: str) -> None:
    found = families(exposition(counts, {}, site=site, process="collector"))
    assert sum(len(family.samples) for family in found.values()) == 1 + len(counts)


# ---- over HTTP ----


@pytest.fixture
def server(counters: Counters) -> Iterator[HealthServer]:
    running = HealthServer(counters, SETTINGS, site="site", port=0)
    yield running
    running.stop()


def asked(server: HealthServer, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    request = urllib.request.Request(server.address + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_metrics_over_http(server: HealthServer, counters: Counters) -> None:
    counters.add("messages_received", 12)
    status, kind, body = asked(server, "/metrics")
    assert (status, kind) == (200, CONTENT_TYPE)
    assert families(body)["andon_messages_received_total"].kind == "counter"


def test_healthz_over_http_names_what_is_wrong(server: HealthServer, counters: Counters, watch: Stopwatch) -> None:
    status, kind, body = asked(server, "/healthz")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {"status": "ok", "site": "site", "process": "collector", "wrong": []}
    counters.sink_down("influx", "HTTP 503")
    watch.at_s += 300
    status, _, body = asked(server, "/healthz")
    said: dict[str, Any] = json.loads(body)
    assert (status, said["status"]) == (503, "unhealthy")
    assert said["wrong"] == [{"what": "sink influx", "reason": "HTTP 503", "for_s": 300.0}]


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/metrics", "POST", 501)])
def test_nothing_else_is_there(server: HealthServer, path: str, method: str, status: int) -> None:
    assert asked(server, path, method)[0] == status


def test_a_head_request_has_no_body(server: HealthServer) -> None:
    assert asked(server, "/healthz", "HEAD")[::2] == (200, b"")


def test_a_client_that_says_nothing_holds_up_nobody(server: HealthServer) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(b"GET /metr")
        assert asked(server, "/healthz")[0] == 200


def test_a_port_in_use_is_refused_in_one_sentence(counters: Counters) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HealthError) as refused:
            HealthServer(counters, SETTINGS, site="site", port=port)
    assert f"health at 127.0.0.1:{port} cannot listen" in str(refused.value)
    assert "correct `host` and ports of [health]" in str(refused.value)


def test_a_host_that_is_not_this_machine_is_refused_in_one_sentence(counters: Counters) -> None:
    elsewhere = HealthSettings(host="192.0.2.1")
    with pytest.raises(HealthError, match=r"192\.0\.2\.1:0 cannot listen"):
        HealthServer(counters, elsewhere, site="site", port=0)


def test_a_spool_on_disk_is_all_the_survey_needs(tmp_path: Path, counters: Counters) -> None:
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        survey_sinks(spool, [], counters, T0_NS)
    assert counters.totals()[1]["spool_depth"] == 0
