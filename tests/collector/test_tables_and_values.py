"""What the formats `csv`, `json_value` and `fischertechnik` promise besides their cases."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import Site
from collector.formats import csv, fischertechnik, json_value
from collector.formats.format import BadPayload
from collector.formats.tags import TagRule
from collector.readings import Equipment, Kind
from collector.sources.source import Message
from collector.topics import TopicTemplate

SITE = Site(enterprise="acme", name="works")
AT_NS = 1_720_730_488_000_000_000


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("1720730488,41.5,1718\n1720730489,41.6,1719", True),
        ("2024-07-11T20:41:28Z;press;41,5", True),
        ("2024-07-11;a;1;b;2", True),
        ("1720730488,41.5", False),
        ("1720730488,press,41.5,idle", False),
        ("1720730488,41.5,1718\n1720730489,41.6", False),
        ("17,41.5,1718", False),
        ("1720730488,a,b", False),
    ],
)
def test_rows_without_names_are_recognised_by_their_times_and_numbers(text: str, is_table: bool) -> None:
    assert csv.fits(Message("tables/press", text.encode(), 0)) == (0.6 if is_table else 0.0)


@pytest.mark.parametrize(
    ("columns", "why"),
    [(("time", "temp", "temp"), 'column "temp" stands twice'), (("at", "temp"), 'there is no column "time"')],
)
def test_columns_that_could_never_be_read_are_refused_before_any_message(columns: tuple[str, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        csv.build(csv.Options(columns=columns), SITE, TopicTemplate("#"))


@given(number=st.integers(-(10**9), 10**9), places=st.integers(0, 3))
def test_a_decimal_comma_says_the_same_number_with_dots_between_thousands_or_without(number: int, places: int) -> None:
    value = number / 10**places
    plain = f"{value:.{places}f}".replace(".", ",")
    grouped = f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))
    for text in (plain, grouped):
        assert read_csv(f'time;x\n{AT_NS};"{text}"\n', decimal=",") == [value]


def test_fields_with_delimiters_quotes_and_line_breaks_stay_whole() -> None:
    assert read_csv(f'time,"a ""b"", c\n d"\n{AT_NS},1\n') == []  # a line break is no name's
    assert read_csv(f'time,"a ""b"", c"\n{AT_NS},1\n') == [1.0]


def read_csv(text: str, decimal: str = ".") -> list[float]:
    options = csv.Options(time_unit="ns", decimal="," if decimal == "," else ".")
    form = csv.build(options, SITE, TopicTemplate("#"))
    try:
        return list(form.decode(Message("x", text.encode(), AT_NS)).readings.value)
    except BadPayload:
        return []


@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.integers(-(2**53), 2**53))
def test_a_bare_value_is_worth_what_it_says_as_json_and_as_text(value: float) -> None:
    form = json_value.build(json_value.Options(), SITE, TopicTemplate("plant/{line}/{metric}"))
    for payload in (json.dumps(value), json.dumps(json.dumps(value)) if not isinstance(value, bool) else "true"):
        (reading,) = form.decode(Message("plant/press/x", payload.encode(), AT_NS)).readings
        assert reading.series.name == "works/press:x"
        assert reading.value == (float(value) if payload != "true" else 1.0)


def test_a_topic_of_the_training_factory_says_the_cell() -> None:
    form = fischertechnik.build(fischertechnik.Options(), SITE, TopicTemplate("{line}/#"))
    assert form.place("ft1/f/i/state/mpo") == Equipment("acme", "works", line="ft1", cell="mpo")
    assert form.place("ft1/f/i/order") == Equipment("acme", "works", line="ft1")


def test_what_the_site_describes_comes_before_what_the_factory_is_known_for() -> None:
    rule = TagRule(name="order_state", kind=Kind.STATE, states=("IN_PROCESS", "DONE"))
    form = fischertechnik.build(fischertechnik.Options(tag=(rule,)), SITE, TopicTemplate("#"))
    (reading,) = form.decode(Message("f/i/order", b'{"ts": "2024-07-11T20:41:28Z", "state": "DONE"}', AT_NS)).readings
    assert reading.value == 1.0
