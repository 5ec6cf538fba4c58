"""Columns come back bit by bit, in few bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.spool.columns import pack, unpack
from tests.collector.batches import Row, batch, rows, rows_of

_DECIMALS = st.integers(-(10**7), 10**7).map(lambda whole: whole / 100)
_ODD = st.sampled_from([0.0, -0.0, float("nan"), float("inf"), float(np.float32(0.1)), 1e300, 5e-324, 2.0**53, 1 / 3])


@given(rows())
def test_any_batch_comes_back(added: list[Row]) -> None:
    assert rows_of(unpack(pack(batch(*added)))) == added


@given(st.lists(_DECIMALS | _ODD, max_size=40))
def test_every_bit_of_a_value_comes_back(values: list[float]) -> None:
    sent = batch(*((1, i * 10**6, value, 0, 5) for i, value in enumerate(values)))
    assert unpack(pack(sent)).value.tobytes() == sent.value.tobytes()


@pytest.mark.parametrize(
    ("value", "most_bytes"),
    [
        (lambda i: 20.0 + i % 50 / 10, 5.6),  # a thermometer
        (lambda i: float(1000 + i), 5.6),  # a counter
        (lambda i: float(np.float32(i / 7)), 8.6),  # a REAL of a PLC
        (lambda i: i / 7, 12.6),  # nothing to be saved
    ],
)
def test_what_devices_send_takes_few_bytes(value: object, most_bytes: float) -> None:
    t0_ns = 1_700_000_000 * 10**9
    sent = batch(*((3, t0_ns + i * 100_000_000, value(i), 0, t0_ns + i * 100_000_000) for i in range(100)))  # type: ignore[operator]
    assert len(pack(sent)) / 100 < most_bytes
