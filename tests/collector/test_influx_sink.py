"""What the influx sink makes of every answer a store can give, against a strict store of our own over real HTTP."""

from __future__ import annotations

import json
import re
import socket
import struct
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
from collector.readings import NS_PER_S
from collector.schema import STORE_PROBE
from collector.sinks.influx import Options, build
from collector.sinks.influx.read_back import place_of
from collector.sinks.influx.store import Store
from collector.sinks.influx.writer import Influx
from collector.sinks.sink import SinkRejected, SinkUnavailable
from tests.collector.parcels import Point, frame, of_rows, parcel, point, points

ROWS = [b"reading,site=s,metric=m value=%d.0 %d" % (i, i) for i in range(40)]
TOKEN = "secret-token=="
D_NS = 86_400 * NS_PER_S
_ROW = re.compile(rb"[^ \n]+ [a-z_]+=[^ \n]+(,[a-z_]+=[^ \n]+)* \d+")
_TIME = re.compile(r"SELECT \* FROM \"[a-z]+\" WHERE time = (\d+)( AND \"[a-z]+\" = '[^']*')+ LIMIT 1")


class Answer(NamedTuple):
    status: int
    body: str = ""
    headers: dict[str, str] = {}


class HttpStore:
    """A store that checks every byte of a request, keeps the rows, and answers as it is told to."""

    def __init__(self, folder: Path) -> None:
        (folder / "token").write_text(f"{TOKEN}\n")
        self.rows: list[bytes] = []
        self.probes: list[bytes] = []
        self.bodies: list[bytes] = []
        self.questions: list[str] = []
        self.token = TOKEN
        self.answer: Callable[[list[bytes]], Answer] = self.keep
        self.show: Callable[[str], Answer] = self.find
        self.buckets = Answer(200, '{"buckets": [{"name": "floor", "retentionRules": []}]}')
        self.resets = False
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
        self.probes += [row for row in rows if row.startswith(STORE_PROBE.name.encode())]
        self.rows += [row for row in rows if row not in self.probes]
        return Answer(204)

    def find(self, statement: str) -> Answer:
        """What InfluxQL says of a point: a series when it is there, else none."""
        match = _TIME.fullmatch(statement)
        assert match, statement
        found = [row for row in self.rows if row.endswith(b" " + match[1].encode())]
        series = [{"name": "reading", "columns": ["time"], "values": [[int(match[1])]]}] if found else []
        return Answer(200, json.dumps({"results": [{"statement_id": 0} | ({"series": series} if series else {})]}))

    def stored(self) -> list[Point]:
        return [point(row) for row in self.rows if row.startswith(b"reading")]

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
        if self.store.resets:
            self._reset()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        rows = body.split(b"\n")
        assert asked.path == "/api/v2/write"
        assert dict(parse_qsl(asked.query)) == {"org": "plant", "bucket": "floor", "precision": "ns"}
        assert self.headers["Content-Type"] == "text/plain"
        assert "Content-Encoding" not in self.headers
        assert all(_ROW.fullmatch(row) for row in rows), "a row is not line protocol"
        self.store.bodies.append(body)
        self._say(lambda: self.store.answer(rows))

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = dict(parse_qsl(asked.query))
        self.store.questions.append(asked.path)
        if asked.path == "/api/v2/buckets":
            assert query == {"name": "floor", "org": "plant"}
            self._say(lambda: self.store.buckets)
        else:
            assert asked.path == "/query" and query["db"] == "floor" and query["epoch"] == "ns"
            self._say(lambda: self.store.show(query["q"]))

    def _reset(self) -> None:
        """Ends the connection in the middle of the body, with a reset."""
        self.rfile.read(10)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _say(self, allowed: Callable[[], Answer]) -> None:
        knows = self.headers["Authorization"] == f"Token {self.store.token}"
        answer = allowed() if knows else Answer(401, '{"message":"unauthorized access"}')
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body.encode("latin-1"))

    def finish(self) -> None:
        if not self.store.resets:
            super().finish()

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
    sink.write(of_rows(ROWS))
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
        sink.write(of_rows(ROWS))
    assert set(said.value.indices) == bad
    assert set(other_side.rows) == {row for i, row in enumerate(ROWS) if i not in bad}


def test_one_good_row_of_a_parcel_is_proof_enough_that_the_others_are_bad(sink, other_side):
    other_side.answer = refusing(other_side, set(ROWS[:39]), whole_body=True, status=400)
    with pytest.raises(SinkRejected) as said:
        sink.write(of_rows(ROWS))
    assert said.value.indices == tuple(range(39))


@pytest.mark.parametrize("known", [range(5), range(35, 40)])
def test_a_store_that_takes_no_new_series_proves_itself_by_those_it_has(sink, other_side, known):
    """At its limit of series it refuses a row of our own as well."""

    def only_the_known(rows: list[bytes]) -> Answer:
        is_known = set(rows) <= {ROWS[i] for i in known}
        return other_side.keep(rows) if is_known else Answer(400, "max-series limit exceeded")

    other_side.answer = only_the_known
    with pytest.raises(SinkRejected, match="max-series") as said:
        sink.write(of_rows(ROWS))
    assert set(said.value.indices) == set(range(40)) - set(known) and other_side.probes == []


def test_a_parcel_of_nothing_but_bad_rows_is_refused_once_the_store_has_taken_a_plain_one(sink, other_side):
    other_side.answer = refusing(other_side, set(ROWS), whole_body=True, status=400)
    for _ in range(3):
        with pytest.raises(SinkRejected, match="unable to parse") as said:
            sink.write(of_rows(ROWS))
        assert said.value.indices == tuple(range(40))
    now_ns = time.time_ns()
    probed = {int(row.split()[-1]) for row in other_side.probes}
    assert len(probed) <= 2 and all(0 <= now_ns - at_ns < 120 * NS_PER_S for at_ns in probed), "a point a minute"


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("options", [{}, {"retention_d": 0.0}, {"write_only": True, "retention_d": 0.0}])
def test_no_row_is_refused_on_the_word_of_a_peer_that_takes_nothing(other_side, tmp_path, options, status):
    """A proxy in maintenance: the backlog must not become dead letters, and is not sent row by row to find out."""
    sink = build(Options(**other_side.options, **options), tmp_path)
    other_side.answer = lambda rows: Answer(status, "maintenance")
    with pytest.raises(
        SinkUnavailable, match=rf"refuses every row, good ones too \({status}: maintenance\): is `url` .*"
    ):
        sink.write(of_rows(ROWS))
    assert len(other_side.bodies) < 40
    other_side.answer = other_side.keep
    sink.write(of_rows(ROWS))
    assert other_side.rows == ROWS
    sink.close()


def test_a_peer_that_begins_to_refuse_everything_in_the_middle_of_a_parcel_refuses_no_row_either(sink, other_side):
    rows = [b"reading,site=s,metric=m value=%d.0 %d" % (i, i) for i in range(1_000)]

    def the_first(rows: list[bytes]) -> Answer:
        return other_side.keep(rows) if len(rows) < 10 and not other_side.rows else Answer(400, "maintenance")

    other_side.answer = the_first
    with pytest.raises(SinkUnavailable, match="refuses every row, good ones too"):
        sink.write(of_rows(rows))
    assert len(other_side.bodies) < 300, "nor is it sent all of them one by one"
    other_side.answer = other_side.keep
    sink.write(of_rows(rows))
    assert set(other_side.rows) == set(rows)


def test_rows_refused_before_are_stored_or_refused_again_one_by_one(sink, other_side):
    """They come without their frames: dead letters are rows."""
    other_side.buckets = BUCKET_OF_A_DAY
    rows = [b"reading,site=s,metric=m value=%d.0 %d" % (i, time.time_ns() + i) for i in range(3)]
    other_side.answer = refusing(other_side, {rows[1]}, whole_body=True, status=400)
    with pytest.raises(SinkRejected, match=r"keeps points \(1 d\).*; 400: .*unable to parse") as said:
        sink.write_rows([ROWS[0], *rows])
    assert said.value.indices == (0, 2)
    assert other_side.rows == [rows[0], rows[2]]


def test_a_body_too_large_goes_in_halves(sink, other_side):
    other_side.answer = lambda rows: other_side.keep(rows) if len(rows) <= 10 else Answer(413, "too large")
    sink.write(of_rows(ROWS))
    assert other_side.rows == ROWS


def test_a_single_row_too_large_is_rejected(sink, other_side):
    other_side.answer = lambda rows: Answer(413, "too large") if ROWS[3] in rows else other_side.keep(rows)
    with pytest.raises(SinkRejected, match="413: too large") as said:
        sink.write(of_rows(ROWS))
    assert said.value.indices == (3,)


def test_a_store_that_fails_while_rows_are_sought_is_tried_again_whole(sink, other_side):
    other_side.answer = lambda rows: Answer(400, "bad") if len(rows) > 10 else Answer(503, "down")
    with pytest.raises(SinkUnavailable, match="503: down"):
        sink.write(of_rows(ROWS))
    other_side.answer = other_side.keep
    sink.write(of_rows(ROWS))
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
        sink.write(of_rows(ROWS))
    assert said.value.retry_after_s is None
    other_side.answer = other_side.keep
    sink.write(of_rows(ROWS))
    assert other_side.rows == ROWS


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "at_least", "at_most"), [("17", 17, 17), ("DATE", 50, 60), ("soon", None, None)])
def test_the_pause_a_store_asks_for_is_passed_on(sink, other_side, status, header, at_least, at_most):
    header = formatdate(time.time() + 60, usegmt=True) if header == "DATE" else header
    other_side.answer = lambda rows: Answer(status, "busy", {"Retry-After": header})
    with pytest.raises(SinkUnavailable, match="busy") as said:
        sink.write(of_rows(ROWS))
    asked = said.value.retry_after_s
    assert asked is None if at_least is None else at_least <= asked <= at_most


def test_a_store_that_does_not_answer_in_time_is_unavailable(other_side, tmp_path):
    waits = threading.Event()
    other_side.answer = lambda rows: Answer(204 if waits.wait(10) else 500)
    sink = build(Options(**{**other_side.options, "timeout_s": 0.2}), tmp_path)
    with pytest.raises(SinkUnavailable, match=r"does not answer .*timed out"):
        sink.write(of_rows(ROWS))
    waits.set()


def test_a_new_token_in_the_file_is_taken_up_without_a_restart(sink, other_side, tmp_path):
    other_side.token = "another"
    with pytest.raises(SinkUnavailable, match="token_file"):
        sink.write(of_rows(ROWS))
    (tmp_path / "token").write_text("another")
    sink.write(of_rows(ROWS))
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
        sink.write(of_rows(ROWS))


def test_a_connection_reset_in_the_middle_of_a_body_is_tried_again_whole(sink, other_side):
    other_side.resets = True
    with pytest.raises(SinkUnavailable, match="does not answer"):
        sink.write(of_rows([*ROWS, b"reading,site=s,metric=m value=1 %d" % 10**18] * 1_000))
    other_side.resets = False
    sink.write(of_rows(ROWS))
    assert other_side.rows == ROWS


# what 1.8 and 2.x say of a body of which they stored a part


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, {"error": 'partial write: field type conflict: input field "value" is type string dropped=1'}),
        (400, {"error": "partial write: points beyond retention policy dropped=1"}),
        (
            422,
            {"code": "unprocessable entity", "message": "failure writing points to database: partial write: dropped=1"},
        ),
        (400, {"error": "partial write of line protocol occurred", "data": [{"line_number": 8}]}),
    ],
)
def test_a_partial_write_stores_the_rest_and_names_the_row_in_the_stores_words(sink, other_side, status, words):
    def partial(rows: list[bytes]) -> Answer:
        other_side.keep([row for row in rows if row != ROWS[7]])
        return Answer(status, json.dumps(words)) if ROWS[7] in rows else Answer(204)

    other_side.answer = partial
    with pytest.raises(SinkRejected, match=f"{status}: .*partial write") as said:
        sink.write(of_rows(ROWS))
    assert said.value.indices == (7,)
    assert set(other_side.rows) == set(ROWS) - {ROWS[7]}


# reading back


def test_the_last_row_of_the_first_write_is_read_back_and_then_none_until_it_is_time(other_side, tmp_path):
    passed_s = [0.0]
    options = Options(**other_side.options, check_s=300.0)
    sink = Influx(options, Store(options, tmp_path / "token"), passed_s=lambda: passed_s[0])
    for passed_s[0], asked in ((0.0, 1), (1.0, 1), (299.0, 1), (300.0, 2), (301.0, 2), (600.0, 3)):
        sink.write(of_rows(ROWS))
        assert other_side.questions.count("/query") == asked
    sink.close()
    sink.write(of_rows(ROWS))
    assert other_side.questions.count("/query") == 4, "a new connection may be one to something else"


def test_a_204_of_what_is_no_store_is_found_out(sink, other_side):
    other_side.answer, other_side.show = lambda rows: Answer(204), lambda statement: Answer(204)
    other_side.buckets = Answer(404)
    with pytest.raises(SinkUnavailable, match=r"does not answer InfluxQL at /query .*correct `url` or `bucket`"):
        sink.write(of_rows(ROWS))
    assert other_side.bodies == [], "it was asked before it was given anything"


def test_a_204_without_the_point_behind_it_keeps_the_rows(sink, other_side):
    other_side.answer = lambda rows: Answer(204)
    for _ in range(2):
        with pytest.raises(SinkUnavailable, match=r"said 204 and does not show the point \(reading at 39\)"):
            sink.write(of_rows(ROWS))
    other_side.answer = other_side.keep
    sink.write(of_rows(ROWS))
    assert other_side.rows == ROWS


def test_a_row_that_was_refused_is_not_looked_for(sink, other_side):
    other_side.answer = refusing(other_side, {ROWS[39]}, whole_body=False, status=400)
    with pytest.raises(SinkRejected):
        sink.write(of_rows(ROWS))
    other_side.answer = refusing(other_side, set(ROWS), whole_body=True, status=400)
    sink.close()
    with pytest.raises(SinkRejected):
        sink.write(of_rows(ROWS))


def test_a_token_that_may_not_read_is_a_sentence_with_two_remedies(sink, other_side):
    other_side.show = lambda statement: Answer(403, '{"error": "read:bucket is unauthorized"}')
    with pytest.raises(
        SinkUnavailable, match=r"refuses to be read \(403: .*may read and write bucket 'floor'.*or set `write_only`"
    ):
        sink.write(of_rows(ROWS))


def test_a_write_only_store_is_asked_nothing(other_side, tmp_path):
    sink = build(Options(**other_side.options, write_only=True, retention_d=30.0), tmp_path)
    parcel_of_now = parcel([frame(1, start_ns=time.time_ns())])
    sink.write(parcel_of_now)
    assert other_side.questions == [] and other_side.stored() == points([parcel_of_now])


def test_a_write_only_store_says_itself_how_long_it_keeps_points():
    with pytest.raises(ConfigError, match=r"`write_only` needs `retention_d`: .*VictoriaMetrics: 30"):
        build(Options(write_only=True), Path())


@pytest.mark.parametrize(
    "row",
    [
        b"reading,site=s,metric=m value=1.0 -5",
        b'reading,site=teaching\\ factory,line=bottling\\,\\ old,cell=scale\\=1 value=1,text="a b \\"c\\" 9" 7',
        'alert_event,site=s,line=\u2216 title="Output low, \u240aline" 3'.encode(),
    ],
)
def test_a_row_is_found_by_its_names_as_people_wrote_them(row):
    place = place_of(row)
    assert place.at_ns in (-5, 7, 3)
    assert place.tags in (
        {"site": "s", "metric": "m"},
        {"site": "teaching factory", "line": "bottling, old", "cell": "scale=1"},
        {"site": "s", "line": "\u2216"},
    )


def test_quotes_in_names_stay_inside_their_quotes():
    statement = place_of(b"it's,site=o'hara value=1 7").statement()
    assert statement == "SELECT * FROM \"it's\" WHERE time = 7 AND \"site\" = 'o\\'hara' LIMIT 1"


# retention


BUCKET_OF_A_DAY = Answer(200, '{"buckets": [{"name": "floor", "retentionRules": [{"everySeconds": 86400}]}]}')
POLICIES = [["autogen", "0s", "168h0m0s", 1, False], ["week", "168h0m0s", "24h0m0s", 1, True]]


def policies(rows: list[list[Any]]) -> Callable[[str], Answer]:
    columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"]
    body = json.dumps({"results": [{"series": [{"columns": columns, "values": rows}]}]})
    return lambda statement: Answer(200, body)


def test_rows_older_than_the_bucket_keeps_are_refused_here_and_all_others_stored(sink, other_side):
    other_side.buckets = BUCKET_OF_A_DAY
    now_ns = time.time_ns()
    frames = [frame(1, start_ns=now_ns - 2 * D_NS), frame(2, start_ns=now_ns)]
    with pytest.raises(SinkRejected, match=r"older than bucket 'floor' keeps points \(1 d\), it would vanish") as said:
        sink.write(parcel(frames))
    assert said.value.indices == (0, 1)
    assert other_side.stored() == points([parcel(frames[1:])])


def test_a_parcel_of_nothing_but_old_rows_is_refused_without_asking_the_store_to_take_it(sink, other_side):
    other_side.buckets = BUCKET_OF_A_DAY
    with pytest.raises(SinkRejected) as said:
        sink.write(parcel([frame(1, 6)]))
    assert said.value.indices == tuple(range(6)) and other_side.bodies == []


def test_rows_refused_by_age_and_by_the_store_are_told_apart(sink, other_side):
    other_side.buckets = BUCKET_OF_A_DAY
    frames = [frame(1, 3), frame(2, 3, start_ns=time.time_ns())]
    bad = parcel(frames).rows[4]
    other_side.answer = refusing(other_side, {bad}, whole_body=True, status=400)
    with pytest.raises(SinkRejected, match=r"would vanish there: .*; 400: .*unable to parse") as said:
        sink.write(parcel(frames))
    assert said.value.indices == (0, 1, 2, 4)


def test_a_store_of_1x_or_3_is_asked_by_influxql(sink, other_side):
    other_side.buckets, other_side.show = Answer(404, "404 page not found"), policies(POLICIES)
    with pytest.raises(SinkRejected, match=r"keeps points \(7 d\)"):
        sink.write(parcel([frame(1)]))


def test_retention_d_goes_before_what_the_store_says(other_side, tmp_path):
    other_side.buckets = BUCKET_OF_A_DAY
    sink = build(Options(**other_side.options, retention_d=0.0), tmp_path)
    sink.write(parcel([frame(1)]))
    assert "/api/v2/buckets" not in other_side.questions and len(other_side.rows) == 2


@pytest.mark.parametrize("shown", [[], [["week", "168h0m0s", "24h0m0s", 1, False]], [["week", "a week", "", 1, True]]])
def test_a_store_that_does_not_tell_how_long_it_keeps_points_is_not_written_to(sink, other_side, shown):
    other_side.buckets, other_side.show = Answer(200, '{"buckets": []}'), policies(shown)
    with pytest.raises(SinkUnavailable, match=r"does not tell how long bucket 'floor' keeps points .*`retention_d`"):
        sink.write(parcel([frame(1)]))
    assert other_side.bodies == []


def test_a_retention_that_was_shortened_is_learned_in_time(other_side, tmp_path):
    passed_s = [0.0]
    options = Options(**other_side.options)
    sink = Influx(options, Store(options, tmp_path / "token"), passed_s=lambda: passed_s[0])
    sink.write(parcel([frame(1)]))
    other_side.buckets = BUCKET_OF_A_DAY
    sink.write(parcel([frame(2)]))
    passed_s[0] = options.check_s
    with pytest.raises(SinkRejected):
        sink.write(parcel([frame(3)]))


# logins


def test_1x_gets_user_and_password_as_its_token(other_side, tmp_path):
    other_side.token = f"collector:{TOKEN}"
    build(Options(**other_side.options, username="collector"), tmp_path).write(of_rows(ROWS))
    assert other_side.rows == ROWS


def test_a_user_without_a_password_ends_the_start():
    with pytest.raises(ConfigError, match="`username` needs `token_file`"):
        build(Options(username="collector"), Path())
