"""Units are UCUM codes: known by their own table, converted only where both are said, never guessed."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.readings import Equipment, Series
from collector.units.agreement import agreed, check_words, meant
from collector.units.code import LONGEST, BadUnit, nearest, unit_of
from collector.units.scaling import Scaling, same, scaling
from collector.units.table import table

VALID = (
    "g kg Cel K [degF] mm/s m/s2 kW.h % 1 {pcs} /min 1/min L/min m3/h bar kPa [psi] [lb_av] m[H2O] 10*6 m.s-1 rad/s "
)
VALID += "Ohm.m mg/(8.h) g/(8.h){shift} {pallet}/h dB [pH] us uS/cm [iU]/L W/(m2.K) ug/m3 A.h V [in_i'H2O] [ppm] t/a"
USUAL = {
    "degC": "Cel",
    "°C": "Cel",
    "C": "Cel",
    "pcs": "{pcs}",
    "RPM": "/min",
    "psi": "[psi]",
    "KG": "kg",
    "Bar": "bar",
    "m³/h": "m3/h",
    "kWh": "kW.h",
    "inch": "[in_i]",
    "kelvin": "K",
    "mm/sec": "mm/s",
}
CONVERTED = [
    ("kg", "g", 2.5, 2500.0),
    ("g", "kg", 2500.0, 2.5),
    ("Cel", "K", 21.5, 294.65),
    ("[degF]", "Cel", 212.0, 100.0),
    ("Cel", "[degF]", -40.0, -40.0),
    ("K", "[degF]", 255.3722222222222, 0.0),
    ("mCel", "Cel", 21500.0, 21.5),
    ("bar", "kPa", 6.0, 600.0),
    ("[psi]", "bar", 100.0, 6.894757293168362),
    ("kW.h", "MJ", 10.0, 36.0),
    ("L/min", "m3/h", 1000.0, 60.0),
    ("[lb_av]", "kg", 10.0, 4.5359237),
    ("%", "1", 45.0, 0.45),
    ("Hz", "/min", 2.0, 120.0),
]


@pytest.mark.parametrize("code", VALID.split())
def test_codes_of_the_floor_are_known(code: str) -> None:
    unit_of(code)


def test_every_atom_of_the_table_is_a_code_of_its_own() -> None:
    assert len(table().atoms) > 300
    assert all(unit_of(code).factor > 0 for code in table().atoms)


@pytest.mark.parametrize(("word", "code"), USUAL.items())
def test_what_people_write_is_answered_with_the_nearest_code(word: str, code: str) -> None:
    assert nearest(word) == code
    unit_of(code)


@pytest.mark.parametrize(
    "code", ["", "degC", "m//s", "m.", "(m", "m)", "{x", "0", "m0", "10*999", "Cel/min", "Cel2", "é"]
)
def test_what_is_no_code_is_named_with_a_remedy(code: str) -> None:
    with pytest.raises(BadUnit, match=r": write|stands alone: write"):
        unit_of(code)


@settings(max_examples=300)
@given(st.text(max_size=LONGEST + 6) | st.text("mkgs0123456789./(){}[]*^-", max_size=LONGEST))
def test_any_text_is_a_unit_or_refused(word: str) -> None:
    try:
        assert unit_of(word).factor > 0
    except BadUnit as bad:
        assert len(str(bad)) < 400


@pytest.mark.parametrize(("source", "target", "sent", "kept"), CONVERTED)
def test_a_value_is_converted_by_factor_and_offset(source: str, target: str, sent: float, kept: float) -> None:
    assert scaling(source, target).of(sent) == pytest.approx(kept, rel=1e-12, abs=1e-9)


def test_scales_of_factors_of_ten_are_exact() -> None:
    assert (scaling("kg", "g").factor, scaling("mm", "m").factor, scaling("Cel", "K").offset) == (1000.0, 0.001, 273.15)


@pytest.mark.parametrize(("source", "target"), [("g", "m"), ("Cel", "W"), ("[iU]", "g"), ("1", "g")])
def test_what_measures_something_else_is_never_converted(source: str, target: str) -> None:
    with pytest.raises(BadUnit, match="which measures something else"):
        scaling(source, target)


def test_a_logarithm_is_not_converted() -> None:
    with pytest.raises(BadUnit, match="no scale with a factor: have the sender convert it"):
        scaling("B[W]", "W")


def test_the_same_unit_may_be_written_in_two_ways() -> None:
    assert same("m/s", "m.s-1")
    assert same("{pcs}", "1")
    assert same("N", "kg.m/s2")
    assert not same("kg", "g")


def test_nothing_is_converted_unless_both_units_are_said() -> None:
    assert agreed("", "", "") == ("1", msgspec.UNSET)
    assert agreed("", "", "kg") == ("kg", msgspec.UNSET)
    assert agreed("m/s", "", "m.s-1") == ("m/s", msgspec.UNSET)
    assert agreed("g", "kg", "kg") == ("g", Scaling("kg", 1000.0))
    with pytest.raises(BadUnit, match=r'sent in "kg", site.toml says "g": .* source_unit = "kg" to have it converted'):
        agreed("g", "", "kg")
    with pytest.raises(BadUnit, match=r'sent in "Cel", site.toml says "g": correct whichever is wrong$'):
        agreed("g", "", "Cel")


def test_a_code_that_is_another_unit_than_it_looks_is_explained() -> None:
    with pytest.raises(
        BadUnit, match=r'"C" is another unit in UCUM: if the sender means "Cel", write it under `units`'
    ):
        agreed("Cel", "", "C")


def test_a_sender_s_word_means_what_the_site_says_and_nothing_else() -> None:
    assert meant("Grad C", {"Grad C": "Cel"}) == "Cel"
    assert meant("", {}) == ""
    with pytest.raises(BadUnit, match=r'no UCUM code: if it means "Cel", write units = { "degC" = "Cel" }'):
        meant("degC", {})
    with pytest.raises(BadUnit, match='"Grad": "Grd" is no UCUM code'):
        check_words({"Grad": "Grd"})


def test_a_series_keeps_what_it_was_scaled_from_and_old_ones_are_stored_as_ever() -> None:
    plain = Series(Equipment("acme", "works"), "weight", "g")
    scaled = msgspec.structs.replace(plain, scaling=scaling("kg", "g"))
    assert b"scaling" not in msgspec.json.encode(plain)
    assert msgspec.json.decode(msgspec.json.encode(scaled), type=Series) == scaled
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(scaled), type=Series) == scaled
    assert sorted([scaled, plain]) == sorted([plain, scaled]) == [plain, scaled]
    assert (plain.unit_told, scaled.unit_told) == ("g", "g (sent in kg, times 1000)")


@given(st.floats(-1e6, 1e6), st.sampled_from([(one, other) for one, other, _, _ in CONVERTED]))
def test_there_and_back_is_the_same_value(value: float, pair: tuple[str, str]) -> None:
    one, other = pair
    back = scaling(other, one).of(scaling(one, other).of(value))
    assert math.isclose(back, value, rel_tol=1e-9, abs_tol=1e-6)
