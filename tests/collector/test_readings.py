"""The nouns of the floor cannot be built wrong, and a batch keeps what was put into it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.readings import Batch, BatchBuilder, Equipment, Kind, Series
from tests.collector.batches import rows, rows_of

PRESS = Equipment("nev", "suzhou", "hall_2", "motor", "press")


def test_a_path_leaves_out_absent_levels() -> None:
    assert PRESS.path == "suzhou/hall_2/motor/press"
    assert Equipment("nev", "suzhou", line="motor").path == "suzhou/motor"


def test_the_shard_is_the_line_or_the_site_where_there_is_none() -> None:
    assert PRESS.shard == "suzhou/motor"
    assert Equipment("nev", "suzhou", "hall_2").shard == "suzhou"


def test_equipment_needs_enterprise_and_site() -> None:
    for enterprise, site in (("", "suzhou"), ("nev", "")):
        with pytest.raises(ValueError, match="needs an enterprise and a site"):
            Equipment(enterprise, site)


@pytest.mark.parametrize("character", [*'/+#:"', "\n", "\0", "\x07", "\x7f", "\x85", "\ud800"])
def test_names_hold_no_separator_and_no_control_character(character: str) -> None:
    with pytest.raises(ValueError, match="holds one of"):
        Equipment("nev", "suzhou", cell=f"a{character}b")
    if character != "/":  # metric folders are allowed
        with pytest.raises(ValueError, match="is empty or holds one of"):
            Series(PRESS, f"a{character}b")


@given(st.text(min_size=1))
def test_a_name_that_is_taken_can_be_stored(name: str) -> None:
    try:
        series = Series(Equipment("nev", "suzhou", cell=name), name)
    except ValueError:
        return
    assert msgspec.json.decode(msgspec.json.encode(series), type=Series) == series


def test_a_series_is_known_by_path_and_metric() -> None:
    assert Series(PRESS, "drive/vibration", "mm/s").name == "suzhou/hall_2/motor/press:drive/vibration"


def test_a_state_series_needs_its_states() -> None:
    with pytest.raises(ValueError, match="state series 'mode' needs its states"):
        Series(PRESS, "mode", kind=Kind.STATE)


@given(rows())
def test_a_builder_hands_over_what_was_added_and_is_empty_again(added: list[tuple[int, int, float, int, int]]) -> None:
    builder = BatchBuilder()
    for row in added:
        builder.add(*row)
    assert len(builder) == len(added)
    assert rows_of(builder.build()) == added
    assert len(builder) == 0
    assert len(builder.build()) == 0


def test_take_keeps_all_columns_together() -> None:
    builder = BatchBuilder()
    for i in range(4):
        builder.add(i, 10 * i, float(i), 0, 100 * i)
    taken = builder.build().take(np.array([False, True, False, True]))
    assert rows_of(taken) == [(1, 10, 1.0, 0, 100), (3, 30, 3.0, 0, 300)]


def test_columns_of_different_length_are_no_batch() -> None:
    with pytest.raises(ValueError, match=r"columns of a batch differ in length: \[1, 2\]"):
        Batch(np.zeros(2, np.int32), np.zeros(1, np.int64), np.zeros(2), np.zeros(2, np.uint8), np.zeros(2, np.int64))


def test_columns_of_other_types_are_no_batch() -> None:
    wide = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="wrong types: int64"):
        Batch(wide, wide, np.zeros(2), np.zeros(2, np.uint8), wide)  # type: ignore[arg-type]
