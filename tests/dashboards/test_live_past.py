"""The past of a series as the board asks for it: drawn from history, every wrong question answered with a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.historian import Historian
from collector.readings import NS_PER_S, Kind
from collector.spool.history.chunks import Samples
from collector.spool.history.rollup import rollup
from dashboards.live.app import board_app
from dashboards.live.past import PastQuery, UnknownSeries, past, per_hour
from dashboards.live.server import RunningBoard, serve
from tests.dashboards.live_plant import BOTTLES, T0_NS, LivePlant, series
from tests.dashboards.test_live_app import ask

TEMPERATURE = series("oven", "temperature", unit="Cel")
COUNT = series("oven", "parts", kind=Kind.COUNTER)
T0_S = T0_NS // NS_PER_S


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[LivePlant]:
    """Two hours: a temperature every 20 s with a hole from 30 to 40 min, and a counter that restarts after an hour."""
    plant = LivePlant(tmp_path / "spool.sqlite")
    with plant.at_once():
        times = [step / 3 for step in range(360)]
        plant.read(TEMPERATURE, [(at_min, 20.0 + at_min) for at_min in times if not 30 <= at_min < 40])
        plant.read(COUNT, [(at_min, (at_min * 10) % 600) for at_min in times])
        plant.tick(120)
    historian = Historian(SpoolSettings(), Counters())
    while historian.step(plant.spool):
        pass
    yield plant
    plant.close()


@pytest.fixture
def board(plant: LivePlant) -> Iterator[RunningBoard]:
    with serve(board_app(plant.path, title="Teaching factory")) as board:
        yield board


def asked(board: RunningBoard, **query: object) -> tuple[int, dict[str, object]]:
    status, text = ask(board, "GET", f"/history?{urlencode(query)}")
    return status, json.loads(text)


def test_a_window_is_answered_stretch_by_stretch_with_holes_where_nothing_was_heard(plant):
    found = past(plant.spool, PastQuery(TEMPERATURE.name, T0_S, T0_S + 7200))
    assert (found.unit, found.every_s, len(found.at_s), found.at_s[0]) == ("Cel", 60, 120, T0_S)
    assert found.mean[0] == pytest.approx(20 + 1 / 3)
    assert (found.low[50], found.high[50]) == (pytest.approx(70.0), pytest.approx(70 + 2 / 3))
    assert found.mean[30:40] == (None,) * 10
    assert None not in (*found.mean[:30], *found.mean[40:])
    assert found.per_h == ()


def test_a_counter_tells_its_rate_past_a_restart(plant):
    found = past(plant.spool, PastQuery(COUNT.name, T0_S, T0_S + 7200))
    assert found.per_h[0] is None
    assert [rate for rate in found.per_h[1:60] if rate != pytest.approx(600.0)] == []
    assert found.per_h[60] is not None
    assert found.per_h[60] >= 0


def test_a_fall_of_a_counter_is_a_restart_at_zero():
    at_ns = np.array([0, 60, 120], np.int64) * NS_PER_S
    rows = rollup(Samples(at_ns, np.array([100.0, 110.0, 4.0]), np.zeros(3, np.uint8)))
    assert per_hour(rows, 180 * NS_PER_S, 60 * NS_PER_S).tolist()[1:] == [600.0, 240.0]
    assert np.isnan(per_hour(rows, 170 * NS_PER_S, 60 * NS_PER_S)[-1]), "the last stretch is not over"


def test_a_week_comes_in_few_stretches_ending_now_by_the_sites_clock(plant):
    found = past(plant.spool, PastQuery(TEMPERATURE.name, span_s=604_800))
    assert found.window_s == (T0_S + 7200 - 604_800, T0_S + 7200)
    assert len(found.at_s) <= 482
    assert found.at_s[-1] + found.every_s >= T0_S + 7200
    assert found.mean[-1] is not None


def test_a_name_that_was_never_heard_is_told(plant):
    with pytest.raises(UnknownSeries, match="no series 'nobody:nothing' has sent"):
        past(plant.spool, PastQuery("nobody:nothing"))


def test_it_is_there_for_browsers(board):
    status, answer = asked(board, series=TEMPERATURE.name, span_s=3600)
    assert (status, answer["every_s"], len(answer["at_s"])) == (200, 60, 60)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({}, 422, "series"),
        ({"series": "a", "form": 1}, 422, "unknown field"),
        ({"series": "a", "from": "soon"}, 422, "from"),
        ({"series": "a", "span_s": 1}, 422, "span_s"),
        ({"series": "nobody:nothing"}, 404, "no series 'nobody:nothing'"),
        ({"series": TEMPERATURE.name, "from": T0_S, "to": T0_S}, 422, "not before"),
        ({"series": TEMPERATURE.name, "from": "nan", "to": "inf"}, 422, "UTC seconds"),
        ({"series": TEMPERATURE.name, "from": 0, "to": T0_S}, 422, "more than a year"),
    ],
)
def test_a_wrong_question_is_answered_with_a_sentence(board, query, status, said):
    answered, answer = asked(board, **query)
    assert (answered, said in str(answer["error"])) == (status, True), answer


def test_foreign_names_see_no_past_either(board):
    assert ask(board, "GET", f"/history?series={TEMPERATURE.name}", host="evil.example")[0] == 421


def test_a_chart_knows_which_series_to_ask_for(tmp_path):
    plant = LivePlant(tmp_path / "spool.sqlite")
    plant.read(BOTTLES, [(1, 1.0), (2, 9.0)])
    plant.output(2, 880.0)
    plant.tick(3)
    with serve(board_app(plant.path, title="Rig")) as board:
        page = ask(board, "GET", "/")[1]
    assert f'data-series="{BOTTLES.name}"' in page
    assert 'data-span="604800"' in page
    plant.close()
