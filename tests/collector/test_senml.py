"""What `collector.formats.senml` promises besides its cases: units are UCUM codes, times count as RFC 8428 says."""

from __future__ import annotations

import json

import pytest

from collector.formats.format import BadPayload
from collector.formats.senml import fits, tags_in
from collector.formats.tags import Tag
from collector.sources.source import Message
from collector.units.code import unit_of

RECEIVED_S = 1_720_730_490
REGISTRY = (
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s "
    "W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var "
    "vars J/m kg/m3 deg NTU ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA "
    "dBm ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm km km/h "
)


def pack(*records: dict[str, object]) -> list[Tag]:
    return tags_in(Message("senml/x", json.dumps(records).encode(), RECEIVED_S * 10**9))


@pytest.mark.parametrize("unit", REGISTRY.split())
def test_every_unit_of_the_registry_is_a_ucum_code_and_so_is_its_sum(unit: str) -> None:
    of_sum, of_value = pack({"n": "x", "u": unit, "v": 1, "s": 2})
    assert unit_of(of_value.unit)
    assert unit_of(of_sum.unit)


@pytest.mark.parametrize(
    ("base", "time", "at"),
    [
        (0, 0, None),
        (0, -10, RECEIVED_S - 10),
        (-60, 30, RECEIVED_S - 30),
        (0, 2**28 - 1, RECEIVED_S + 2**28 - 1),
        (0, 2**28, 2**28),
        (RECEIVED_S - 5, -1, RECEIVED_S - 6),
    ],
)
def test_a_time_below_2_to_28_counts_from_the_receipt(base: float, time: float, at: float | None) -> None:
    assert pack({"bt": base, "n": "x", "t": time, "v": 1})[0].at == at


def test_base_fields_hold_until_they_are_set_anew() -> None:
    tags = pack({"bn": "a.", "bv": 10, "bu": "V", "n": "x", "v": 1}, {"n": "y", "v": 2}, {"bn": "b.", "n": "x", "v": 3})
    assert [(tag.name, tag.value, tag.unit) for tag in tags] == [("a.x", 11, "V"), ("a.y", 12, "V"), ("b.x", 13, "V")]


def test_a_record_that_only_sets_what_follows_is_no_value() -> None:
    assert [tag.name for tag in pack({"bn": "a.", "bt": RECEIVED_S}, {"n": "x", "v": 1})] == ["a.x"]


def test_a_label_that_must_be_understood_and_is_not_is_refused() -> None:
    with pytest.raises(BadPayload, match='label "must_" must be understood'):
        pack({"n": "x", "v": 1, "must_": 2})


def test_other_lists_of_objects_are_no_senml() -> None:
    others = ([{"n": "x", "v": 1, "q": True}], [{"name": "x", "v": 1}], [{"v": 1}], [{"n": "x"}])
    assert [fits(Message("senml/x", json.dumps(other).encode(), 0)) for other in others] == [0.0] * 4
