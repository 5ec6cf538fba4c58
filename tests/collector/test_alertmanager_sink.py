"""What Alertmanager is told of the levels in the log, and what it means when it is away or refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from collector.config import ConfigError
from collector.readings import NS_PER_S
from collector.schema import ALERT_EVENT, ALERT_STATE
from collector.sinks.alertmanager import Options, build
from collector.sinks.alertmanager.teller import Alertmanager
from collector.sinks.sink import SinkRejected, SinkUnavailable
from collector.spool.frames import Frame, Record, record_frame, tick_frame
from tests.collector.parcels import frame as readings
from tests.collector.parcels import parcel

NOW_NS = 1_795_000_000 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S


class Other:
    """The other side: takes alerts unless away, refuses those of a subject it does not like; a clock both share."""

    def __init__(self) -> None:
        self.posts: list[list[dict[str, Any]]] = []
        self.away = self.refuses_all = False
        self.dislikes = ""
        self.now_ns = NOW_NS

    def post(self, alerts: list[dict[str, Any]]) -> str | None:
        if self.away:
            raise SinkUnavailable("alertmanager: away")
        if self.refuses_all or any(self.dislikes and one["labels"].get("subject") == self.dislikes for one in alerts):
            return "start time must be before end time"
        self.posts.append(alerts)
        return None

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS_PER_S)

    def told(self) -> list[tuple[str, str, str]]:
        """Of the last post but for the heartbeat: subject, severity, and whether it fires or ends."""
        alerts = [one for one in self.posts[-1] if "subject" in one["labels"]]
        return [(one["labels"]["subject"], one["labels"]["severity"], self._life(one)) for one in alerts]

    def _life(self, one: dict[str, Any]) -> str:
        starts, ends = (datetime.fromisoformat(one[key]).timestamp() for key in ("startsAt", "endsAt"))
        assert starts < ends
        return "fires" if ends > self.now_ns / NS_PER_S else "ended"


@pytest.fixture
def other() -> Other:
    return Other()


@pytest.fixture
def sink(other: Other) -> Alertmanager:
    return teller(other)


def teller(other: Other, **options: Any) -> Alertmanager:
    return Alertmanager(Options(**options), other, lambda: other.now_ns, lambda: other.now_ns / NS_PER_S)


def level(offset: int, state: float, subject: str = "press", *, stored_ns: int = NOW_NS, **fields: Any) -> Frame:
    key = f"output_drop:{subject}"
    tags = {"site": "rig", "line": "bottling", "kind": "output_drop", "subject": subject}
    since_ms = (NOW_NS - MINUTE_NS) // 1_000_000
    said = {"state": state, "since": since_ms, "alert_id": f"{key}@1", "acked": 0, "shelved": 0, **fields}
    record = Record(ALERT_STATE.name, tags, said, stored_ns, key=key)
    return record_frame("rig/bottling", record)._replace(offset=offset, stored_ns=stored_ns)


def words(offset: int, *, acked_by: str = "", subject: str = "press") -> Frame:
    key = f"output_drop:{subject}"
    detail = {"key": key, "response": "look at the line"}
    record = Record(
        ALERT_EVENT.name, {}, {"text": "it makes less", "acked_by": acked_by}, NOW_NS, key=f"{key}@1", detail=detail
    )
    return record_frame("rig/bottling", record)._replace(offset=offset, stored_ns=NOW_NS)


def test_a_level_fires_and_a_level_of_zero_ends_it_at_once(sink, other):
    sink.write(parcel([words(1), level(2, 2.0)]))
    assert other.told() == [("press", "critical", "fires")]
    (alert,) = (one for one in other.posts[-1] if "subject" in one["labels"])
    assert alert["labels"] == {
        "alertname": "output_drop",
        "product": "andon",
        "site": "rig",
        "line": "bottling",
        "subject": "press",
        "severity": "critical",
    }
    assert alert["annotations"]["response"] == "look at the line"
    other.pass_s(1)
    sink.write(parcel([level(3, 0.0)]))
    assert other.told() == [("press", "critical", "ended")]


def test_a_shelved_or_suppressed_alert_ends_there_and_fires_again_when_it_is_back(sink, other):
    for offset, state in enumerate((1.0, 0.0, 1.0), start=1):
        sink.write(parcel([level(offset, state, shelved=int(state == 0))]))
        assert other.told()[-1] == ("press", "warning", "fires" if state else "ended")


def test_the_same_level_again_is_told_once_until_the_resend(sink, other):
    for offset in range(1, 5):
        sink.write(parcel([level(offset, 2.0)]))
    assert len([one for one in other.posts if one]) == 1
    other.pass_s(31)
    sink.write(parcel([tick_frame(1)._replace(offset=9)]))
    assert other.told() == [("press", "critical", "fires")]


def test_what_stands_is_sent_again_though_its_detector_is_silent(sink, other):
    sink.write(parcel([level(1, 2.0)]))
    for offset in range(2, 400):
        other.pass_s(31)
        sink.write(parcel([tick_frame(1)._replace(offset=offset)]))
        assert other.told() == [("press", "critical", "fires")]


def test_the_heartbeat_fires_with_every_resend_and_ends_soon_after_the_last(sink, other):
    sink.write(parcel([readings(1)]))
    (heartbeat,) = other.posts[-1]
    assert heartbeat["labels"]["alertname"] == "andon_heartbeat"
    assert datetime.fromisoformat(heartbeat["endsAt"]).timestamp() == NOW_NS / NS_PER_S + 120
    teller(other, heartbeat="").write(parcel([readings(1), level(2, 1.0)]))
    assert other.posts[-1] != [heartbeat] and len(other.posts[-1]) == 1


def test_a_new_severity_ends_the_old_identity_before_the_new_one_fires(sink, other):
    sink.write(parcel([level(1, 1.0)]))
    other.pass_s(1)
    sink.write(parcel([level(2, 2.0)]))
    assert other.told() == [("press", "warning", "ended"), ("press", "critical", "fires")]


def test_a_backlog_beside_what_happens_now_changes_nothing_newer(sink, other):
    sink.write(parcel([level(100, 0.0)]))
    posts = len(other.posts)
    sink.write(parcel([level(7, 2.0)]))
    assert len(other.posts) == posts


def test_an_old_level_fires_nothing_and_an_old_end_still_ends(sink, other):
    old_ns = NOW_NS - 10 * MINUTE_NS
    sink.write(parcel([level(1, 2.0, stored_ns=old_ns), level(2, 0.0, "saw", stored_ns=old_ns)]))
    assert {(subject, life) for subject, _, life in other.told()} == {("saw", "ended")}


def test_after_a_restart_of_ours_an_end_that_was_never_told_is_told(other):
    teller(other).write(parcel([level(1, 2.0)]))
    teller(other).write(parcel([level(2, 0.0)]))
    assert ("press", "critical", "ended") in other.told()


def test_while_it_is_away_nothing_is_forgotten_and_then_all_is_told(sink, other):
    sink.write(parcel([level(1, 2.0)]))
    other.away = True
    for _ in range(2):
        with pytest.raises(SinkUnavailable, match="away"):
            sink.write(parcel([level(2, 0.0), level(3, 1.0, "saw")]))
    other.away = False
    sink.write(parcel([level(2, 0.0), level(3, 1.0, "saw")]))
    assert other.told() == [("press", "critical", "ended"), ("saw", "warning", "fires")]


def test_one_that_is_refused_for_good_is_a_dead_letter_and_the_others_are_told(sink, other):
    other.dislikes = "press"
    with pytest.raises(SinkRejected) as refused:
        sink.write(parcel([readings(1, 2), level(2, 2.0), level(3, 1.0, "saw")]))
    assert refused.value.indices == (2,)
    assert any(one["labels"].get("subject") == "saw" for post in other.posts for one in post)


def test_one_that_refuses_even_the_heartbeat_is_away(sink, other):
    other.refuses_all = True
    with pytest.raises(SinkUnavailable, match="start time"):
        sink.write(parcel([level(1, 2.0)]))


def test_an_owner_is_told_beside_the_alert(sink, other):
    sink.write(parcel([level(1, 2.0)]))
    sink.write(parcel([words(2, acked_by="kim")]))
    assert other.posts[-1][0]["annotations"]["acknowledged_by"] == "kim"


def test_an_event_clock_ahead_of_ours_starts_before_it_ends(sink, other):
    sink.write(parcel([level(1, 2.0, since=(NOW_NS + 9_000 * NS_PER_S) // 1_000_000)]))
    assert other.told() == [("press", "critical", "fires")]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"username": "kim"}, "secret_file"),
        ({"secret_file": "none"}, "secret_file"),
        ({"ca_file": "none.pem"}, "ca_file"),
    ],
)
def test_a_file_that_is_missing_is_named_before_the_start(tmp_path, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        build(Options(**options), tmp_path)


class _Answer(BaseHTTPRequestHandler):
    status, content_type, seen = 200, "", []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        self.send_response(self.status)
        for name, value in (("Content-Type", self.content_type), ("Location", "/login"), ("Content-Length", "0")):
            if value:
                self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def answering(status: int, content_type: str = "") -> Iterator[tuple[str, list[Any]]]:
    seen: list[Any] = []
    handler = type("Handler", (_Answer,), {"status": status, "content_type": content_type, "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "content_type", "sentence"),
    [
        (302, "", "answers 302"),
        (200, "text/html", "sign-in"),
        (401, "", "secret_file"),
        (404, "", "address of Alertmanager"),
        (503, "", "answers 503"),
    ],
)
def test_only_an_alertmanager_that_took_them_counts(tmp_path, status, content_type, sentence):
    with answering(status, content_type) as (url, _):
        with pytest.raises(SinkUnavailable, match=sentence) as said:
            build(Options(url=url), tmp_path).write(parcel([level(1, 2.0)]))
        assert "\n" not in str(said.value) and len(str(said.value)) < 500


def test_it_is_built_while_the_other_side_is_away_and_says_so_when_it_writes(tmp_path: Path) -> None:
    with answering(200) as (url, _):
        pass
    sink = build(Options(url=url), tmp_path)
    with pytest.raises(SinkUnavailable, match="is it up"):
        sink.write(parcel([level(1, 2.0)]))
    sink.write(parcel([]))


def test_a_secret_goes_as_bearer_token_or_as_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    with answering(200) as (url, seen):
        build(Options(url=f"{url}/am/", secret_file="secret"), tmp_path).write(parcel([level(1, 2.0)]))
        build(Options(url=url, secret_file="secret", username="kim"), tmp_path).write(parcel([level(1, 2.0)]))
    assert [(path, said) for path, said, _ in seen] == [
        ("/am/api/v2/alerts", "Bearer s3cret"),
        ("/api/v2/alerts", "Basic a2ltOnMzY3JldA=="),
    ]
