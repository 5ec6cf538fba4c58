"""Which texts are numbers, which a person reads as one, and which are names."""

from __future__ import annotations

import pytest

from collector.formats.numeral import is_numeral, looks_like_number

_AMOUNTS = (
    "1,5;-20,5;,5;1,5e3;23.5 °C;12kg;5%;3 m3;41.5 bar;0x1F;16#FF;NaN;-inf;1e999;1_000;1.234.567,8;1,234,567.8;1,234.5;"
    "1 234,5;1'234;1.234.567;1\u202f234,5"
)
_NAMES = (
    "hot;A-17;4711B;0815-A;12/345;2024-07-11;2024-07-11T20:41:28Z;11.07.2024;10:30;1.2.3;192.168.0.1;192.168.100.123;"
    "1,2,3;3 apples;°C"
)


@pytest.mark.parametrize("value", [1, 41.5, True, "41.5", " 17 ", "-3e5"])
def test_a_number_as_json_writes_it_is_a_numeral(value: object) -> None:
    assert is_numeral(value)


@pytest.mark.parametrize("value", ["1,5", "NaN", "1e999", "1_000", "0x1F", "hot", "", None, [1]])
def test_everything_else_is_none(value: object) -> None:
    assert not is_numeral(value)


@pytest.mark.parametrize("text", _AMOUNTS.split(";"))
def test_a_person_reads_it_as_a_number(text: str) -> None:
    assert looks_like_number(text)


@pytest.mark.parametrize("text", [*_NAMES.split(";"), "", "9" * 100 + ",5"])
def test_a_name_a_date_or_an_address_is_no_number(text: str) -> None:
    assert not looks_like_number(text)
