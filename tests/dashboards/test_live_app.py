"""The board as browsers and attackers meet it: over a real socket, on a real spool."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.spool.frames import Action, Control, FrameKind
from collector.spool.spool import Spool
from dashboards.live.allowed_hosts import AllowedHosts
from dashboards.live.app import board_app
from dashboards.live.server import BoardUnavailable, RunningBoard, serve
from detectors.alerts import State
from tests.dashboards.live_plant import LINE, LivePlant, a_morning, ns, shortage

JSON = {"content-type": "application/json"}


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[LivePlant]:
    plant = LivePlant(tmp_path / "spool.sqlite")
    a_morning(plant, until_min=40)
    yield plant
    plant.close()


@pytest.fixture
def board(plant: LivePlant) -> Iterator[RunningBoard]:
    with serve(board_app(plant.path, title="Teaching factory")) as board:
        yield board


def ask(board: RunningBoard, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(board.host, board.port, timeout=20)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def act(board: RunningBoard, alert_id: str, action: str, body: Any, **headers: str) -> tuple[int, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = f"/alerts/{alert_id.replace('/', '%2F')}/{action}"
    return ask(board, "POST", path, raw, **({"content_type": "application/json"} | headers))


def controls(plant: LivePlant) -> list[Control]:
    with Spool.open(plant.path) as spool:
        frames = spool.log.read(0, 10_000, kinds=(FrameKind.CONTROL,))
    assert all(frame.shard == LINE for frame in frames)
    return [frame.body for frame in frames if isinstance(frame.body, Control)]


class Events:
    """A browser's event stream."""

    def __init__(self, board: RunningBoard) -> None:
        self._connection = http.client.HTTPConnection(board.host, board.port, timeout=20)
        self._connection.request("GET", "/events")
        self._answer = self._connection.getresponse()
        assert self._answer.headers["content-type"].startswith("text/event-stream")

    def parts(self) -> dict[str, str]:
        """The parts of the next event that carries any."""
        while True:
            line = self._answer.readline()
            assert line, "the stream has ended"
            if line.startswith(b"data: {") and b'"parts"' in line:
                parts: dict[str, str] = json.loads(line[6:])["parts"]
                return parts

    def rest(self) -> bytes:
        return self._answer.read()

    def close(self) -> None:
        self._connection.close()


def test_the_page_carries_its_first_state_and_careful_headers(board):
    connection = http.client.HTTPConnection(board.host, board.port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 200
    assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = answer.read().decode()
    assert "Refill the dispenser." in text
    assert 'id="charts"' in text
    connection.close()


def test_it_listens_to_this_machine_only_unless_told_otherwise(board):
    assert board.host == "127.0.0.1"
    assert board.address == f"http://127.0.0.1:{board.port}/"


def test_the_state_is_there_for_programs(board):
    status, text = ask(board, "GET", "/state.json")
    assert status == 200
    state = json.loads(text)
    assert state["alerts"][0]["alert"]["kind"] == "shortage"
    assert state["lines"][0]["line"] == LINE


def test_static_files_stay_in_their_folder(board):
    assert ask(board, "GET", "/static/board.css")[0] == 200
    assert ask(board, "GET", "/static/../app.py")[0] == 404
    assert ask(board, "GET", "/static/%2e%2e/app.py")[0] == 404


def test_events_bring_everything_first_and_then_only_what_changed(board, plant):
    events = Events(board)
    assert {"part-alerts", "part-lines", "part-stocks", "part-chain"} <= set(events.parts())
    plant.alert(shortage(39, key="shortage:new one", subject="new one"))
    changed = events.parts()
    assert "new one" in changed["part-alerts"]
    assert "part-chain" not in changed
    events.close()


@pytest.mark.parametrize(
    ("action", "body", "written"),
    [
        ("ack", {"who": "Mei"}, Control(Action.ACK, "", "Mei", ns(40))),
        ("comment", {"who": "Mei", "text": "on it"}, Control(Action.COMMENT, "", "Mei", ns(40), "on it")),
        (
            "shelve",
            {"who": "Mei", "text": "sensor swap", "minutes": 15},
            Control(Action.SHELVE, "", "Mei", ns(40), "sensor swap", ns(55)),
        ),
    ],
)
def test_an_action_is_in_the_log_when_it_is_answered(board, plant, action, body, written):
    alert = plant.alert(shortage(39))
    status, _ = act(board, alert.alert_id, action, body)
    assert status == 202
    assert controls(plant) == [msgspec.structs.replace(written, alert_id=alert.alert_id)]


def test_an_acknowledgement_comes_back_to_every_browser(board, plant):
    alert = plant.alert(shortage(39, state=State.UNACKED, key="shortage:mine"))
    events = Events(board)
    while "shortage:mine" not in events.parts().get("part-alerts", ""):
        pass
    assert act(board, alert.alert_id, "ack", {"who": "Mei"})[0] == 202
    while "Acknowledgement by Mei is on its way" not in events.parts().get("part-alerts", ""):
        pass
    plant.alert(msgspec.structs.replace(alert, state=State.ACKED, acked_by="Mei"))
    while "Owner: Mei" not in events.parts().get("part-alerts", ""):
        pass
    events.close()


@pytest.mark.parametrize(
    ("action", "body", "status", "said"),
    [
        ("ack", {}, 422, "who"),
        ("ack", {"who": "   "}, 422, "who"),
        ("ack", {"who": 7}, 422, "Expected `str`"),
        ("ack", {"who": "Mei", "boss": True}, 422, "unknown field"),
        ("ack", b"{", 422, "truncated"),
        ("ack", b"\xff\xfe", 422, "cannot be taken"),
        ("shelve", {"who": "Mei", "minutes": 0}, 422, "minutes"),
        ("shelve", {"who": "Mei", "minutes": "ten"}, 422, "minutes"),
        ("comment", {"who": "Mei", "text": "x" * 501}, 422, "text"),
        ("comment", b'"' + b"x" * 5000 + b'"', 413, "longer than 4096 bytes"),
        ("delete", {"who": "Mei"}, 404, "no action 'delete'; there is ack, shelve, unshelve, comment"),
    ],
)
def test_a_bad_action_is_answered_with_a_sentence_and_writes_nothing(board, plant, action, body, status, said):
    alert = plant.alert(shortage(39))
    answered, text = act(board, alert.alert_id, action, body)
    assert (answered, said in json.loads(text)["error"]) == (status, True), text
    assert controls(plant) == []


def test_an_unknown_alert_is_told(board, plant):
    status, text = act(board, "shortage:nothing@1", "ack", {"who": "Mei"})
    assert status == 404
    assert "no alert 'shortage:nothing@1'" in text
    assert "reload the board" in text
    assert controls(plant) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"host": "evil.example"}, 421),
    ],
)
def test_pages_of_others_cannot_act(board, plant, headers, status):
    alert = plant.alert(shortage(39))
    assert act(board, alert.alert_id, "ack", {"who": "Mei"}, **headers)[0] == status
    assert controls(plant) == []


def test_the_boards_own_page_may_act(board, plant):
    alert = plant.alert(shortage(39))
    own = f"http://127.0.0.1:{board.port}"
    assert act(board, alert.alert_id, "ack", {"who": "Mei"}, origin=own, sec_fetch_site="same-origin")[0] == 202


def test_names_that_are_not_the_boards_see_nothing(board):
    """DNS rebinding: a foreign name that resolves to 127.0.0.1."""
    for path in ("/", "/state.json", "/events", "/static/board.js"):
        status, text = ask(board, "GET", path, host=f"evil.example:{board.port}")
        assert status == 421
        assert "[board] names" in text
        assert "shortage" not in text


@pytest.mark.parametrize(
    ("allowed", "host", "admitted"),
    [
        (AllowedHosts(), "localhost:80", True),
        (AllowedHosts(), "LOCALHOST", True),
        (AllowedHosts(), "[::1]:8470", True),
        (AllowedHosts(), "192.168.1.7:8470", False),
        (AllowedHosts(), "", False),
        (AllowedHosts.of_host("127.0.0.1"), "192.168.1.7", False),
        (AllowedHosts.of_host("0.0.0.0"), "192.168.1.7:8470", True),
        (AllowedHosts.of_host("0.0.0.0"), "[fe80::1]:8470", True),
        (AllowedHosts.of_host("0.0.0.0"), "evil.example", False),
        (AllowedHosts.of_host("0.0.0.0"), socket.gethostname(), True),
        (AllowedHosts.of_host("0.0.0.0", ["andon.plant.example"]), "andon.plant.example", True),
    ],
)
def test_the_door_knows_its_names(allowed, host, admitted):
    assert allowed.admits(host) is admitted


def test_health_is_doubt_made_public(board, plant, tmp_path):
    assert ask(board, "GET", "/healthz") == (200, "ok")
    with serve(board_app(tmp_path / "new.sqlite", title="New")) as fresh:
        status, text = ask(fresh, "GET", "/healthz")
    assert status == 503
    assert "Nothing has arrived yet" in text


def test_a_spool_that_cannot_be_read_is_told_on_the_board(tmp_path):
    (tmp_path / "spool.sqlite").write_bytes(b"this is not a database, and never was one" * 200)
    with serve(board_app(tmp_path / "spool.sqlite", title="Broken")) as board:
        _, page = ask(board, "GET", "/")
        assert "The board cannot read on, what it shows is old" in page
        assert "spool.sqlite" in page


def test_a_port_in_use_is_a_sentence(board, plant):
    with pytest.raises(BoardUnavailable, match=rf"port {board.port} is in use; .*choose another \[board\] port"):
        serve(board_app(plant.path, title="Second"), port=board.port)


def test_an_address_of_another_machine_is_a_sentence(plant):
    with pytest.raises(
        BoardUnavailable, match=r"192\.0\.2\.1:0: .*choose an address of this machine in \[board\] host"
    ):
        serve(board_app(plant.path, title="Elsewhere"), host="192.0.2.1")


def test_stopping_ends_every_stream_and_thread(plant):
    before = threading.active_count()
    board = serve(board_app(plant.path, title="Short"))
    events = Events(board)
    events.parts()
    board.stop()
    assert b'"parts"' not in events.rest()
    events.close()
    assert threading.active_count() == before
    with pytest.raises(OSError):
        socket.create_connection((board.host, board.port), timeout=1).close()
