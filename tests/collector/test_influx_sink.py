"""What the influx sink makes of every answer a store can give, against a strict store of our own over real HTTP."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from collector.config import ConfigError
from collector.sinks.influx import Influx, Options, build
from collector.sinks.sink import SinkRejected, SinkUnavailable

ROWS = [b"reading,site=s,metric=m value=%d.0 %d" % (i, i) for i in range(40)]
TOKEN = "secret-token=="
_ROW = re.compile(rb"[^ \n]+ [a-z_]+=[^ \n]+(,[a-z_]+=[^ \n]+)* \d+")


class Answer(NamedTuple):
    status: int
    body: str = ""
    headers: dict[str, str] = {}


class HttpStore:
    """A store that checks every byte of a request, keeps the rows, and answers as it is told to."""

    def __init__(self, folder: Path) -> None:
        (folder / "token").write_text(f"{TOKEN}\n")
        self.rows: list[bytes] = []
        self.bodies: list[bytes] = []
        self.token = TOKEN
        self.answer: Callable[[list[bytes]], Answer] = self.keep
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()
        self.options: dict[str, Any] = {
            "url": f"http://127.0.0.1:{self._port}",
            "org": "plant",
            "bucket": "floor",
            "token_file": "token",
            "timeout_s": 2.0,
        }

    def keep(self, rows: list[bytes]) -> Answer:
        self.rows.extend(rows)
        return Answer(204)

    def stored(self) -> list[bytes]:
        return list(self.rows)

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"store": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    store: HttpStore

    def do_POST(self) -> None:
        asked = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        rows = body.split(b"\n")
        assert asked.path == "/api/v2/write"
        assert dict(parse_qsl(asked.query)) == {"org": "plant", "bucket": "floor", "precision": "ns"}
        assert self.headers["Content-Type"] == "text/plain"
        assert "Content-Encoding" not in self.headers
        assert all(_ROW.fullmatch(row) for row in rows), "a row is not line protocol"
        self.store.bodies.append(body)
        allowed = self.headers["Authorization"] == f"Token {self.store.token}"
        self._say(self.store.answer(rows) if allowed else Answer(401, '{"message":"unauthorized access"}'))

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body.encode("latin-1"))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def store(folder: Path) -> Iterator[HttpStore]:
    other_side = HttpStore(folder)
    try:
        yield other_side
    finally:
        other_side.stop()


@pytest.fixture
def other_side(tmp_path: Path) -> Iterator[HttpStore]:
    with store(tmp_path) as one:
        yield one


@pytest.fixture
def sink(other_side: HttpStore, tmp_path: Path) -> Iterator[Influx]:
    built = build(Options(**other_side.options), tmp_path)
    yield built
    built.close()


def test_rows_leave_as_one_body(sink, other_side):
    sink.write(ROWS)
    assert other_side.bodies == [b"\n".join(ROWS)]


def refusing(store: HttpStore, bad: set[bytes], *, whole_body: bool, status: int) -> Callable[[list[bytes]], Answer]:
    """2.x refuses the whole body for one bad row; 1.x and 3.x keep the good ones and answer 400 all the same."""

    def answer(rows: list[bytes]) -> Answer:
        found = [row for row in rows if row in bad]
        if not (found and whole_body):
            store.keep([row for row in rows if row not in bad])
        words = f"partial write: unable to parse '{found[0].decode()}': bad" if found else ""
        return Answer(status, json.dumps({"error": words})) if found else Answer(204)

    return answer


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("whole_body", [True, False])
@pytest.mark.parametrize("bad", [{0}, {39}, {7, 8, 30}, set(range(40))])
def test_rows_the_store_refuses_are_named_and_all_others_stored(sink, other_side, bad, whole_body, status):
    other_side.answer = refusing(other_side, {ROWS[i] for i in bad}, whole_body=whole_body, status=status)
    with pytest.raises(SinkRejected, match="unable to parse") as said:
        sink.write(ROWS)
    assert set(said.value.indices) == bad
    assert set(other_side.rows) == {row for i, row in enumerate(ROWS) if i not in bad}


def test_a_body_too_large_goes_in_halves(sink, other_side):
    other_side.answer = lambda rows: other_side.keep(rows) if len(rows) <= 10 else Answer(413, "too large")
    sink.write(ROWS)
    assert other_side.rows == ROWS


def test_a_single_row_too_large_is_rejected(sink, other_side):
    other_side.answer = lambda rows: Answer(413, "too large") if ROWS[3] in rows else other_side.keep(rows)
    with pytest.raises(SinkRejected, match="413: too large") as said:
        sink.write(ROWS)
    assert said.value.indices == (3,)


def test_a_store_that_fails_while_rows_are_sought_is_tried_again_whole(sink, other_side):
    other_side.answer = lambda rows: Answer(400, "bad") if len(rows) > 10 else Answer(503, "down")
    with pytest.raises(SinkUnavailable, match="503: down"):
        sink.write(ROWS)
    other_side.answer = other_side.keep
    sink.write(ROWS)
    assert other_side.rows == ROWS


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            Answer(401, '{"message":"unauthorized"}'),
            r"refuses the token \(401: unauthorized\): .*`token_file` \(.*token\)",
        ),
        (Answer(403, "forbidden"), r"refuses the token \(403: forbidden\): .*bucket 'floor' in `token_file`"),
        (Answer(404, '{"message":"bucket not found"}'), r"knows no bucket 'floor' in org 'plant' \(bucket not found\)"),
        (Answer(500, "panic"), r"takes nothing now \(500: panic\)"),
        (Answer(302, "", {"Location": "http://127.0.0.1:1/login"}), r"takes nothing now \(302: Found\)"),
        (Answer(200, "<html>Sign in</html>"), r"answers 200 instead of 204: `url` is not a store's write path"),
        (Answer(502, "caf\xe9"), r"answers what is not text"),
    ],
)
def test_an_answer_that_is_not_204_keeps_the_rows_and_says_why(sink, other_side, answer, sentence):
    other_side.answer = lambda rows: answer
    with pytest.raises(SinkUnavailable, match=sentence) as said:
        sink.write(ROWS)
    assert said.value.retry_after_s is None
    other_side.answer = other_side.keep
    sink.write(ROWS)
    assert other_side.rows == ROWS


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "at_least", "at_most"), [("17", 17, 17), ("DATE", 50, 60), ("soon", None, None)])
def test_the_pause_a_store_asks_for_is_passed_on(sink, other_side, status, header, at_least, at_most):
    header = formatdate(time.time() + 60, usegmt=True) if header == "DATE" else header
    other_side.answer = lambda rows: Answer(status, "busy", {"Retry-After": header})
    with pytest.raises(SinkUnavailable, match="busy") as said:
        sink.write(ROWS)
    asked = said.value.retry_after_s
    assert asked is None if at_least is None else at_least <= asked <= at_most


def test_a_store_that_does_not_answer_in_time_is_unavailable(other_side, tmp_path):
    waits = threading.Event()
    other_side.answer = lambda rows: Answer(204 if waits.wait(10) else 500)
    sink = build(Options(**{**other_side.options, "timeout_s": 0.2}), tmp_path)
    with pytest.raises(SinkUnavailable, match=r"does not answer .*timed out"):
        sink.write(ROWS)
    waits.set()


def test_a_new_token_in_the_file_is_taken_up_without_a_restart(sink, other_side, tmp_path):
    other_side.token = "another"
    with pytest.raises(SinkUnavailable, match="token_file"):
        sink.write(ROWS)
    (tmp_path / "token").write_text("another")
    sink.write(ROWS)
    assert other_side.rows == ROWS


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"`token_file`: .*missing cannot be read .*; write the store's token into it"),
        ("", "`token_file`: .*missing holds no token"),
        ("two words", "`token_file`: .*missing holds no token"),
    ],
)
def test_a_token_file_that_is_no_use_ends_the_start(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "missing").write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        build(Options(token_file="missing"), tmp_path)


def test_a_token_file_that_vanishes_later_is_a_store_that_is_away(sink, other_side, tmp_path):
    (tmp_path / "token").unlink()
    with pytest.raises(SinkUnavailable, match=r"`token_file`: .*token cannot be read"):
        sink.write(ROWS)
