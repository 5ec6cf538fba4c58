"""Acknowledging from Grafana: the page a row leads to, and the button that is off unless site.toml asks for it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.config import ConfigError
from collector.spool.frames import Action, Control, FrameKind
from collector.spool.spool import Spool
from dashboards.live.app import board_app
from dashboards.live.from_grafana import Grafana, grafana_of
from dashboards.live.grafana_token import BadToken, signed, who_says
from dashboards.live.server import RunningBoard, serve
from tests.dashboards.live_plant import LivePlant, a_morning

KEY = b"0123456789abcdef0123456789abcdef"
ORIGIN = "https://grafana.plant:3000"
NOW_S = 1_800_000_000.0


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[LivePlant]:
    plant = LivePlant(tmp_path / "spool.sqlite")
    a_morning(plant, until_min=40)
    yield plant
    plant.close()


@pytest.fixture
def board(plant: LivePlant) -> Iterator[RunningBoard]:
    grafana = Grafana(f"{ORIGIN}/plant", KEY, now_s=lambda: NOW_S)
    with serve(board_app(plant.path, title="Teaching factory", grafana=grafana)) as board:
        yield board


class Answer(dict[str, str]):
    status: int
    text: str


def ask(board: RunningBoard, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection(board.host, board.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = json.dumps(body) if body is not None else None
    connection.request(method, path, raw, {"content-type": "application/json", **sent} if raw else sent)
    got = connection.getresponse()
    answer = Answer({name.lower(): value for name, value in got.getheaders()})
    answer.status, answer.text = got.status, got.read().decode()
    connection.close()
    return answer


def open_alert(board: RunningBoard) -> str:
    return str(json.loads(ask(board, "GET", "/state.json").text)["alerts"][0]["alert"]["key"])


def alert_id(plant: LivePlant, board: RunningBoard) -> str:
    key = open_alert(board)
    with Spool.open(plant.path) as spool:
        (record,) = [one for one in spool.log.latest("alert_event") if one.key.startswith(key)]
    return record.key


def controls(plant: LivePlant) -> list[Control]:
    with Spool.open(plant.path) as spool:
        frames = spool.log.read(0, 10_000, kinds=(FrameKind.CONTROL,))
    return [frame.body for frame in frames if isinstance(frame.body, Control)]


def acknowledge(board: RunningBoard, alert: str, token: str, origin: str = ORIGIN) -> Answer:
    body = {"alert": alert, "token": token}
    return ask(
        board, "POST", "/grafana/acknowledge", body, origin=origin, x_grafana_action="1", sec_fetch_site="cross-site"
    )


# ---- the page of one alert -------------------------------------------------------------------------------------------


def test_a_row_in_grafana_leads_to_the_page_of_its_alert(board, plant):
    wanted = alert_id(plant, board)
    answer = ask(board, "GET", "/alerts/" + wanted.replace("/", "%2F").replace(":", "%3A").replace("@", "%40"))
    assert answer.status == 200 and 'data-action="ack"' in answer.text and "Refill the dispenser." in answer.text
    assert answer.text.count("data-key=") == 1, "this alert and no other"
    assert "default-src 'none'" in answer["content-security-policy"]


def test_an_alert_that_is_not_open_is_said_to_be_not(board):
    answer = ask(board, "GET", "/alerts/%3Cscript%3E")
    assert answer.status == 200 and "not open on this board" in answer.text
    assert "<script>" not in answer.text.partition("</head>")[2]


# ---- the button ------------------------------------------------------------------------------------------------------


def test_a_board_that_is_told_of_no_grafana_has_no_such_way_in(plant):
    with serve(board_app(plant.path, title="Teaching factory")) as board:
        assert ask(board, "POST", "/grafana/acknowledge", {}, origin=ORIGIN).status == 404
        assert ask(board, "GET", "/grafana").status == 404


def test_the_button_acknowledges_in_the_name_grafana_was_opened_with(board, plant):
    opened = ask(board, "POST", "/grafana/open", {"who": " Kim "})
    url = json.loads(opened.text)["url"]
    assert url.startswith(f"{ORIGIN}/plant/d/andon-plant-overview?var-ack=")
    answer = acknowledge(board, alert_id(plant, board), url.partition("var-ack=")[2])
    assert answer.status == 202 and answer["access-control-allow-origin"] == ORIGIN
    (control,) = controls(plant)
    assert (control.action, control.who, control.text) == (Action.ACK, "Kim", "from Grafana")


def test_a_browser_that_asks_first_is_told_what_it_may_send(board):
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type,x-grafana-action"}
    answer = ask(board, "OPTIONS", "/grafana/acknowledge", origin=ORIGIN, **asked)
    assert answer.status == 204 and answer["access-control-allow-origin"] == ORIGIN
    assert answer["access-control-allow-methods"] == "POST" and answer["vary"] == "origin"
    assert {"content-type", "x-grafana-action"} <= set(answer["access-control-allow-headers"].split(", "))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://grafana.plant:3000", "https://grafana.plant", "null"]
)
def test_no_other_origin_may(board, plant, origin):
    token = signed("Kim", int(NOW_S) + 60, KEY)
    for answer in (
        acknowledge(board, alert_id(plant, board), token, origin),
        ask(board, "OPTIONS", "/grafana/acknowledge", origin=origin),
    ):
        assert answer.status == 403 and "access-control-allow-origin" not in answer
    assert controls(plant) == []


BAD = {
    "of another key": signed("Kim", int(NOW_S) + 60, KEY[::-1]),
    "whose time is over": signed("Kim", int(NOW_S), KEY),
    "with another name": "WyJMZWUiLDE4MDAwMDAwNjBd." + signed("Kim", int(NOW_S) + 60, KEY).partition(".")[2],
    "that is empty": "",
    "that is no token": "ä.ö",
    "without its half": signed("Kim", int(NOW_S) + 60, KEY).partition(".")[0],
}


@pytest.mark.parametrize("token", BAD)
def test_a_token_is_refused(board, plant, token):
    answer = acknowledge(board, alert_id(plant, board), BAD[token])
    assert answer.status == 401 and "open Grafana from the board again" in answer.text
    assert controls(plant) == []


@pytest.mark.parametrize(
    ("body", "status"), [({"alert": "x"}, 422), ({"alert": "no such", "token": "GOOD"}, 404), (["x" * 5_000], 422)]
)
def test_what_cannot_be_done_is_said(board, plant, body, status):
    if isinstance(body, dict) and "token" in body:
        body["token"] = signed("Kim", int(NOW_S) + 60, KEY)
    assert ask(board, "POST", "/grafana/acknowledge", body, origin=ORIGIN).status == status
    assert controls(plant) == []


def test_only_the_board_itself_gives_tokens(board):
    assert ask(board, "POST", "/grafana/open", {"who": "Kim"}, origin=ORIGIN).status == 403
    assert ask(board, "POST", "/grafana/open", {"who": " "}).status == 422
    assert 'src="/static/grafana.js"' in ask(board, "GET", "/grafana").text


def test_a_token_says_who_until_its_time_is_over():
    token = signed("Łukasz 😀", 100, KEY)
    assert who_says(token, 99.9, KEY) == "Łukasz 😀"
    with pytest.raises(BadToken, match="time is over"):
        who_says(token, 100.0, KEY)


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("grafana.plant", KEY, "grafana_url.*is no address"),
        ("https://grafana.plant:port", KEY, "grafana_url.*is no address"),
        ("https://[::1", KEY, "grafana_url.*is no address"),
        ("ftp://grafana.plant", KEY, "grafana_url.*is no address"),
        (ORIGIN, None, "grafana_key_file.*missing"),
        (ORIGIN, b"short", "holds 5 bytes"),
    ],
)
def test_a_grafana_that_cannot_be_trusted_is_refused(tmp_path, url, key, sentence):
    file = tmp_path / "key"
    file.write_bytes(key or b"")
    with pytest.raises(ConfigError, match=sentence):
        grafana_of(url, file if key else None, 900.0)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Grafana.Plant:443/sub", "https://grafana.plant"),
        ("HTTP://grafana.plant:80", "http://grafana.plant"),
        ("https://grafana.plant:80/", "https://grafana.plant:80"),
        ("http://user@[2001:DB8::1]:3000", "http://[2001:db8::1]:3000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(tmp_path, url, origin):
    (tmp_path / "key").write_bytes(KEY)
    grafana = grafana_of(url, tmp_path / "key", 900.0)
    assert grafana is not None and grafana.origin == origin


def test_no_grafana_is_named_by_default():
    assert grafana_of("", None, 900.0) is None
