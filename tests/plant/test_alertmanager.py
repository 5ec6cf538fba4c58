"""The output for Alertmanager on the real one (Debian's), asked by its API and by amtool."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.schema import ALERT_STATE
from collector.sinks.alertmanager import Options, build
from collector.sinks.sink import Sink, SinkUnavailable
from collector.spool.frames import Frame, Record, record_frame, tick_frame
from deploy.bench.servers import Running, free_port
from tests.collector.parcels import parcel
from tests.plant.alertmanagers import Receiver, alertmanager, alerts, amtool
from tests.plant.servers import need
from tests.plant.teaching_factory import wait

pytestmark = pytest.mark.plant

SAMPLE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
MANY = 2_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture
def manager(tmp_path: Path, receiver: Receiver) -> Iterator[Running]:
    with alertmanager(tmp_path / "am", receiver.url) as running:
        yield running


def sink_to(url: str, folder: Path, **options: float) -> Sink:
    return build(Options(url=url, heartbeat="", **options), folder)


def level(offset: int, state: float, subject: str, line: str = "press") -> Frame:
    now_ns = time.time_ns()
    tags = {"site": "rig", "line": line, "kind": "output_drop", "subject": subject}
    fields = {"state": state, "since": now_ns // 1_000_000, "alert_id": f"output_drop:{subject}@1"}
    record = Record(ALERT_STATE.name, tags, fields, now_ns, key=f"output_drop:{subject}")
    return record_frame(f"rig/{line}", record)._replace(offset=offset, stored_ns=now_ns)


def firing(at: Running) -> set[str]:
    return {one["labels"]["subject"] for one in alerts(at) if one["status"]["state"] == "active"}


def test_it_fires_once_and_resolves_when_our_level_is_zero(tmp_path, manager, receiver):
    sink = sink_to(manager.url, tmp_path, resend_s=0.001)
    for offset in range(1, 20):  # the same alert again and again, all that stands resent each time
        sink.write(parcel([level(offset, 2.0, "p1")]))
    wait(lambda: receiver.told("firing") == ["p1"], "not told", 20.0)
    assert firing(manager) == {"p1"} and len(alerts(manager)) == 1
    assert "output_drop" in amtool(manager, "alert", "query", "subject=p1")
    sink.write(parcel([level(20, 0.0, "p1")]))
    wait(lambda: receiver.told("resolved") == ["p1"], "not resolved", 20.0)
    assert not firing(manager) and receiver.told("firing").count("p1") <= 2


def test_a_critical_alert_inhibits_the_warnings_of_its_line_alone(tmp_path, manager, receiver):
    said = [level(1, 2.0, "p1"), level(2, 1.0, "p2"), level(3, 1.0, "p3", line="saw")]
    sink_to(manager.url, tmp_path).write(parcel(said))
    wait(lambda: {"p1", "p3"} <= set(receiver.told("firing")), "not told", 20.0)
    states = {one["labels"]["subject"]: one["status"]["state"] for one in alerts(manager)}
    assert states == {"p1": "active", "p2": "suppressed", "p3": "active"}
    assert "p2" not in receiver.told("firing")


def test_a_silence_keeps_it_quiet_over_a_restart_of_alertmanager(tmp_path, receiver):
    port = free_port()
    with alertmanager(tmp_path / "am", receiver.url, port=port) as first:
        amtool(first, "silence", "add", "--author=kim", "--comment=known", "--duration=1h", "subject=p1")
        sink = sink_to(first.url, tmp_path)
        sink.write(parcel([level(1, 1.0, "p1"), level(2, 1.0, "p2")]))
        wait(lambda: receiver.told("firing") == ["p2"], "not told", 20.0)
    with pytest.raises(SinkUnavailable, match="is it up"):
        sink.write(parcel([level(3, 0.0, "p2")]))
    with alertmanager(tmp_path / "am", receiver.url, port=port) as again:
        assert not alerts(again), "it keeps no alert over a restart"
        sink.write(parcel([level(3, 1.0, "p3")]))
        states = {one["labels"]["subject"]: one["status"]["state"] for one in alerts(again)}
        assert states.keys() >= {"p1", "p3"}
        wait(lambda: "p3" in receiver.told("firing"), "not told", 20.0)
        assert "p1" not in receiver.told("firing")


def test_what_ended_while_we_were_restarted_resolves(tmp_path, manager, receiver):
    sink_to(manager.url, tmp_path).write(parcel([level(1, 2.0, "p1")]))
    wait(lambda: receiver.told("firing") == ["p1"], "not told", 20.0)
    sink_to(manager.url, tmp_path).write(parcel([level(2, 0.0, "p1")]))
    wait(lambda: "p1" in receiver.told("resolved"), "not resolved", 20.0)
    assert not firing(manager)


def test_an_alert_ends_there_when_nobody_resends_it_for_hold_s(tmp_path, manager):
    sink_to(manager.url, tmp_path, hold_s=1.0).write(parcel([level(1, 2.0, "p1")]))
    assert firing(manager) == {"p1"}
    wait(lambda: not firing(manager), "still there", 20.0)


def test_the_heartbeat_is_there_and_goes_when_we_do(tmp_path, manager):
    build(Options(url=manager.url, resend_s=0.25), tmp_path).write(parcel([tick_frame(1)._replace(offset=1)]))
    assert [one["labels"]["alertname"] for one in alerts(manager)] == ["andon_heartbeat"]
    wait(lambda: not alerts(manager), "still there", 20.0)


def test_two_thousand_alerts_at_once_fire_and_resolve(tmp_path, manager, receiver):
    subjects = [f"p{n:04d}" for n in range(MANY)]
    sink = sink_to(manager.url, tmp_path)
    began_s = time.monotonic()
    sink.write(parcel([level(n, 2.0, one, line=f"l{n % 40}") for n, one in enumerate(subjects, start=1)]))
    assert firing(manager) == set(subjects)
    assert time.monotonic() - began_s < 30
    wait(lambda: set(receiver.told("firing")) == set(subjects), "not all told", 60.0)
    sink.write(parcel([level(MANY + n, 0.0, one, line=f"l{n % 40}") for n, one in enumerate(subjects, start=1)]))
    assert not firing(manager)
    wait(lambda: set(receiver.told("resolved")) == set(subjects), "not all resolved", 60.0)


def test_the_sample_configuration_is_sound_and_routes_the_heartbeat_to_the_watchman():
    tool = str(need("amtool"))
    subprocess.run([tool, "check-config", str(SAMPLE)], check=True, capture_output=True)
    route = [tool, "config", "routes", "test", f"--config.file={SAMPLE}"]
    assert (
        subprocess.run([*route, "alertname=andon_heartbeat"], capture_output=True, text=True).stdout.strip()
        == "watchman"
    )
    assert subprocess.run([*route, "alertname=shortage"], capture_output=True, text=True).stdout.strip() == "plant"


def test_it_is_no_json_that_alertmanager_misreads(tmp_path, manager):
    """Names of the floor hold anything: what comes back is what was sent."""
    subject = 'rig/press:"q" {x} \\ é漢 =,~'
    sink_to(manager.url, tmp_path).write(parcel([level(1, 2.0, subject)]))
    assert firing(manager) == {subject}
    assert json.loads(amtool(manager, "alert", "query", "-o", "json"))[0]["labels"]["subject"] == subject
