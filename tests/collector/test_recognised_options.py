"""What `andon detect-format` promises of dialects whose messages do not say all: names, marks, units, whose stock."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from collector.config import Site
from collector.readings import NS_PER_S, Kind
from collector.recognition.columns import Column
from collector.recognition.proposal import Asked
from collector.recognition.quantity import Guess, LeftOut, guess
from collector.recognition.recognise import recognise
from collector.recognition.trial import Trial, read_by, tried
from collector.recognition.units import unit_in
from collector.sources.source import Message

AT_S = 1_720_730_488
SITE = Site(enterprise="acme", name="works")


def message(topic: str, said: object, after_s: float = 0.0) -> Message:
    payload = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    return Message(topic, payload, round((AT_S + after_s + 1) * NS_PER_S))


def subscribed(messages: Sequence[Message]) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = tomllib.loads(recognise(messages, Asked(SITE)).text)["subscribe"]
    return own


def trial_of(messages: Sequence[Message]) -> Trial:
    return tried(recognise(messages, Asked(SITE)).text, SITE, messages)


def read_of(messages: Sequence[Message]) -> list[tuple[str, str, int, float]]:
    """Series, unit, seconds after the first message, value."""
    text = recognise(messages, Asked(SITE)).text
    return [
        (one.series.name, one.series.unit, one.at_ns // NS_PER_S - AT_S, one.value)
        for one, _ in read_by(text, SITE, messages).readings
    ]


def rows(header: str, row: str, time: str = "%Y-%m-%dT%H:%M:%S", count: int = 20) -> list[Message]:
    """Messages of two rows each, a second apart; `{t}` in a row is its time, `{i}` its number."""
    found = []
    for i in range(0, 2 * count, 2):
        lines = [row.format(t=dt.datetime.fromtimestamp(AT_S + n, dt.UTC).strftime(time), i=n) for n in (i, i + 1)]
        found.append(message("acme/works/press/rows", "\n".join(filter(None, [header, *lines])), i))
    return found


# ---- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Time", "TIMESTAMP", "Zeitstempel", "measured", "ts"])
def test_the_column_of_the_time_is_found_whatever_it_is_called(name: str) -> None:
    messages = rows(f"{name},temp", "{t},2{i}.5")
    assert subscribed(messages)[0]["time"] == name
    assert [after_s for _, _, after_s, _ in read_of(messages)] == list(range(40))


@pytest.mark.parametrize(
    "written", ["%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d.%m.%y %H:%M:%S"]
)
def test_dates_as_spreadsheets_write_them_are_read_the_receipt_tells_days_from_months(written: str) -> None:
    messages = rows("Zeit;temp", "{t};2{i}.5", written)
    assert subscribed(messages)[0]["time_format"] == written
    assert [after_s for _, _, after_s, _ in read_of(messages)] == list(range(40))


def test_a_decimal_comma_and_a_unit_over_the_column_are_understood() -> None:
    messages = rows("\ufeffZeit;Druck [bar];Temp (°C)", "{t};4,5;2{i},5")
    assert subscribed(messages)[0]["decimal"] == ","
    first, second, *_ = read_of(messages)
    assert (first[1:2], first[3], second[1:2], second[3]) == (("bar",), 4.5, ("Cel",), 20.5)


def test_points_that_are_decimal_are_never_taken_for_thousands() -> None:
    assert "decimal" not in subscribed(rows("time;a;b", '{t};"1,5";1.25'))[0]


def test_rows_without_names_get_columns_and_are_read() -> None:
    messages = rows("", "{t},20.5,{i}")
    assert subscribed(messages)[0]["columns"] == ["time", "value_1", "value_2"]
    assert (trial_of(messages).unread_messages, len(read_of(messages))) == (0, 80)


def test_names_and_values_of_a_long_table_without_names_are_told_apart() -> None:
    messages = rows("", "{t},temp,2{i}.5")
    assert subscribed(messages)[0]["columns"] == ["time", "name", "value"]
    assert {name for name, *_ in read_of(messages)} == {"works/press:temp"}


def test_rows_of_several_tags_or_machines_never_become_one_series() -> None:
    by_tag = rows("time,Tag,Value", "{t},temp,20.5\n{t},speed,3.5")
    assert {name.rsplit(":")[1] for name, *_ in read_of(by_tag)} == {"temp", "speed"}
    by_machine = rows("time,machine,temp", "{t},m1,20.5\n{t},m2,3.5")
    assert {name for name, *_ in read_of(by_machine)} == {"works/press/m1:temp", "works/press/m2:temp"}


# ---- single values ---------------------------------------------------------------------------------------------------


def test_single_values_under_other_names_are_read_with_their_units() -> None:
    messages = [message("acme/works/press/temp", {"v": 20.5 + i, "t": AT_S + i, "u": "°C"}, i) for i in range(20)]
    (own,) = subscribed(messages)
    assert (own["format"], own["value"], own["time"], own["units"]) == ("json_value", "v", "t", {"°C": "Cel"})
    assert read_of(messages)[3][1:] == ("Cel", 3, 23.5)


def test_two_values_that_are_called_like_value_and_time_stay_two_values() -> None:
    (own,) = subscribed([message("acme/works/press/plc", {"v": 230.5, "t": 41.5 + i}, i) for i in range(20)])
    assert own["format"] == "json_rules"


def test_a_value_that_is_an_object_is_no_single_value() -> None:
    (own,) = subscribed([message("acme/works/press/plc", {"timestamp": AT_S, "value": {"x": 1.5}})])
    assert own["format"] == "json_rules"


def test_a_nested_value_has_its_parents_name_and_the_unit_beside_it() -> None:
    said = {"ts": AT_S, "motor": {"temp": {"value": 20.5, "unit": "°C"}, "speed": {"value": 3.5, "unit": "m/s"}}}
    found = {(name, unit) for name, unit, *_ in read_of([message("acme/works/press/plc", said)])}
    assert found == {("works/press/plc:temp", "Cel"), ("works/press/plc:speed", "m/s")}


# ---- stocks and orders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "said", "signal"),
    [
        ("wms/counts", {"item": "igbt", "quantity": 120, "place": "store"}, "stock"),
        ("wms/moves", {"id": "GI-1", "item": "igbt", "quantity": 4}, "movement"),
        ("wms/x", {"id": "GI-1", "item": "igbt", "quantity": -4}, "movement"),
        ("wms/x", {"id": "GI-1", "item": "igbt", "quantity": 4, "from": "store", "to": "line"}, "movement"),
        ("erp/po", {"id": "PO-1", "item": "igbt", "quantity": 40, "promised": "2024-07-12T08:00:00Z"}, "receipt"),
        (
            "erp/parts",
            {
                "item": "inverter",
                "version": "B",
                "valid_from": "2024-07-01",
                "lines": [{"component": "igbt", "quantity_per": 6}],
            },
            "bom",
        ),
    ],
)
def test_stocks_and_orders_are_recognised_on_any_topic(topic: str, said: dict[str, Any], signal: str) -> None:
    messages = [message(topic, [said] if signal == "stock" else said)]
    (own,) = subscribed(messages)
    assert (own["format"], own["topic"], own["signal"]) == ("stock_signals", topic, signal)
    assert trial_of(messages).unread_messages == 0


def test_what_holds_more_than_a_stock_says_stays_an_object() -> None:
    (own,) = subscribed([message("acme/works/press/plc", {"item": "igbt", "quantity": 4, "temp": 20.5})])
    assert own["format"] == "json_rules"


def test_units_and_times_of_stocks_are_proposed_and_each_signal_has_its_topics() -> None:
    messages = [
        message(
            f"wms/{kind}/{store}", {"id": f"{store}{i}", "at": AT_S + i, "item": "igbt", "quantity": i, "unit": "pcs"}
        )
        for i in range(3)
        for kind in ("moves", "counts")
        for store in ("a", "b")
    ]
    own = {one["topic"]: (one["signal"], one["time_unit"], one["units"]) for one in subscribed(messages)}
    said = ("s", {"pcs": "{pcs}"})
    assert own == {"wms/moves/+": ("movement", *said), "wms/counts/+": ("stock", *said)}
    assert (trial_of(messages).unread_messages, trial_of(messages).signals) == (0, 12)


def test_the_places_of_epcis_events_are_proposed_as_the_sites() -> None:
    event = {
        "type": "ObjectEvent",
        "eventTime": "2024-07-11T20:41:28Z",
        "eventTimeZoneOffset": "+00:00",
        "bizStep": "receiving",
        "bizLocation": {"id": "urn:epc:id:sgln:0614141.07346.1"},
        "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"],
    }
    (own,) = subscribed([message("epcis/in", event)])
    assert own["location"] == {"urn:epc:id:sgln:0614141.07346.1": "works"}
    assert trial_of([message("epcis/in", event)]).signals == 1


# ---- places ----------------------------------------------------------------------------------------------------------


def test_levels_of_a_dialects_own_topics_are_no_places() -> None:
    room = {"ts": "2024-07-11T20:41:28Z", "t": 25.5}
    assert read_of([message("i/bme680", room)])[0][0] == "works/bme680:temperature"
    assert read_of([message("hall_2/i/bme680", room)])[0][0] == "works/hall_2/bme680:temperature"
    values = {"seq": 1, "vals": [{"id": "101", "ts": "2024-07-11T20:41:28Z", "val": 4.5}]}
    (own,) = subscribed([message("ie/d/j/simatic/v1/s7c1/dp/r/Press/default", values)])
    assert own.keys() == {"topic", "format", "time_unit"} and own["topic"] == "ie/+/j/simatic/v1/#"


def test_units_that_are_no_codes_do_not_hide_what_a_dialect_says_of_the_place() -> None:
    metric = {"name": "Temp", "dataType": "Float", "value": 20.5, "properties": {"engUnit": {"value": "°C"}}}
    said = {"timestamp": AT_S * 1_000, "metrics": [metric]}
    found = read_of([message("spBv1.0/works/DDATA/plc7/press", said)])
    assert found == [("works/plc7/press:Temp", "Cel", 0, 20.5)]


def test_rules_for_tags_fit_the_names_that_another_message_gives_them() -> None:
    topic = "ie/d/j/simatic/v1/s7c1/dp/r/Press/default"
    named = [{"name": "Good_count", "id": "102"}]
    metadata = {"connections": [{"dataPoints": [{"topic": topic, "dataPointDefinitions": named}]}]}
    values = [
        message(topic, {"seq": i, "vals": [{"id": "102", "ts": "2024-07-11T20:41:28Z", "val": i}]}, i) for i in range(9)
    ]
    messages = [message("ie/m/j/simatic/v1/s7c1/dp", metadata), *values]
    assert [(tag["name"], tag["kind"]) for tag in subscribed(messages)[0]["tag"]] == [("Good_count", "counter")]
    assert {one.kind for one in trial_of(messages).series} == {"counter"}


# ---- guesses ---------------------------------------------------------------------------------------------------------


def guessed(name: str, values: Iterable[object]) -> Guess | LeftOut:
    column = Column()
    for value in values:
        column.add("here", value)
    return guess(name, column)


@pytest.mark.parametrize("name", ["power", "motor_temp", "pressure_bar", "setpoint", "speed"])
def test_what_is_measured_of_a_thing_is_no_counter_though_it_rises(name: str) -> None:
    found = guessed(name, range(200, 240))
    assert isinstance(found, Guess) and found.kind is Kind.GAUGE


@pytest.mark.parametrize(("name", "kind"), [("tank_level", Kind.STOCK), ("noise_level", Kind.GAUGE)])
def test_a_level_is_a_stock_where_something_is_stored(name: str, kind: Kind) -> None:
    found = guessed(name, [60, 61, 59])
    assert isinstance(found, Guess) and found.kind is kind


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("guard_door", ("closed", "open")),
        ("pump_2", ("off", "on")),
        ("over_temp_alarm", ("normal", "alarm")),
        ("is_running", ("not running", "running")),
    ],
)
def test_truth_values_have_the_states_that_a_plant_calls_them(name: str, states: tuple[str, str]) -> None:
    found = guessed(name, [False, True])
    assert isinstance(found, Guess) and found.states == states


@pytest.mark.parametrize("text", ["2024-07-11", "11.07.2024 20:41", "20:41:28"])
def test_a_date_or_a_clock_alone_is_no_time_of_a_reading_and_it_is_told(text: str) -> None:
    messages = [message("acme/works/press/plc", {"date": text, "temp": 20.5 + i}, i) for i in range(20)]
    assert [after_s for _, _, after_s, _ in read_of(messages)] == list(range(1, 21))
    (left,) = recognise(messages, Asked(SITE)).left_out
    assert "looks like a time and is no whole one in ISO 8601" in left.why


@pytest.mark.parametrize(
    ("name", "plain", "unit"),
    [
        ("temp_c", "temp", "Cel"),
        ("current_a", "current", "A"),
        ("Druck [bar]", "Druck", "bar"),
        ("Temperatur (°C)", "Temperatur", "Cel"),
        ("bay_c", "bay_c", "1"),
        ("valve (left)", "valve (left)", "1"),
    ],
)
def test_units_in_brackets_and_in_small_letters_are_understood(name: str, plain: str, unit: str) -> None:
    assert unit_in(name)[:2] == (plain, unit)
