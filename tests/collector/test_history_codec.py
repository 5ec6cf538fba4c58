"""What history packs comes back bit for bit, and bytes that were changed are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.readings import NS_PER_S, Quality
from collector.spool.history import chunks, integers, rollup
from collector.spool.history.chunks import DamagedChunk, Samples, in_order
from collector.spool.history.rollup import MINUTE_NS, coarser
from collector.spool.history.rollup import rollup as rolled

T0_NS = 1_720_692_000 * NS_PER_S
INT64 = st.integers(-(2**63), 2**63 - 1)
SMALL = st.integers(-20, 20)
ODD_FLOATS = st.sampled_from([float("nan"), -float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 5e-324, 1.7e308])
DECIMALS = st.builds(lambda number, scale: number / 10**scale, st.integers(-(10**6), 10**6), st.integers(0, 6))
FLOATS = st.one_of(DECIMALS, ODD_FLOATS, st.floats(width=64), st.floats(width=32).map(float))


def of(times: list[int], values: list[float], qualities: list[int]) -> Samples:
    return in_order(Samples(np.array(times, np.int64), np.array(values, np.float64), np.array(qualities, np.uint8)))


@st.composite
def readings(draw: st.DrawFn) -> Samples:
    n = draw(st.integers(1, 60))
    rhythm = st.builds(
        lambda unit, steps: [T0_NS + unit * s for s in np.cumsum(steps).tolist()],
        st.sampled_from([1, 1_000, 1_000_000, NS_PER_S]),
        st.lists(st.integers(0, 3000), min_size=n, max_size=n),
    )
    times = draw(st.one_of(rhythm, st.lists(INT64, min_size=n, max_size=n)))
    values = draw(st.one_of(*(st.lists(kind, min_size=n, max_size=n) for kind in (FLOATS, DECIMALS, st.just(21.4)))))
    qualities = draw(st.one_of(st.just([0] * n), st.lists(st.integers(0, 255), min_size=n, max_size=n)))
    return of(times, values, qualities)


def same(a: Samples, b: Samples) -> bool:
    """Bit for bit: NaN with its payload, -0.0 apart from 0.0."""
    return (
        a.at_ns.tolist() == b.at_ns.tolist()
        and a.value.view(np.int64).tolist() == b.value.view(np.int64).tolist()
        and a.quality.tolist() == b.quality.tolist()
    )


@given(st.one_of(st.lists(INT64, max_size=80), st.lists(SMALL, max_size=300), st.lists(st.just(7), max_size=9)))
def test_whole_numbers_come_back(numbers):
    column = np.array(numbers, np.int64)
    assert integers.unpack(integers.pack(column), len(column)).tolist() == numbers


@given(readings())
def test_readings_come_back_bit_for_bit(given_readings):
    assert same(chunks.unpack(chunks.pack(given_readings)), given_readings)


SERIES = {
    "gauge on the second": lambda rng, n: np.round(20 + np.cumsum(rng.normal(0, 0.01, n)), 2),
    "counter": lambda rng, n: np.cumsum(rng.random(n) < 0.3).astype(float),
    "state": lambda rng, n: np.repeat(rng.integers(0, 5, n // 100), 100).astype(float),
    "full precision": lambda rng, n: rng.normal(5, 0.1, n),
    "single precision": lambda rng, n: rng.normal(5, 0.1, n).astype(np.float32).astype(float),
    "steps of a converter": lambda rng, n: np.round(rng.normal(2000, 4, n)) * 0.0061035,
    "decimals with holes": lambda rng, n: np.where(rng.random(n) < 0.02, np.nan, np.round(rng.normal(5, 0.1, n), 2)),
    "any bits": lambda rng, n: rng.integers(-(2**63), 2**63 - 1, n).view(np.float64),
}


@pytest.mark.parametrize("times", ["exact", "jitter", "drift"])
@pytest.mark.parametrize("make", SERIES.values(), ids=SERIES)
def test_long_series_come_back_bit_for_bit(make, times):
    rng, n = np.random.default_rng(3), 6000
    at_ns = T0_NS + np.arange(n) * NS_PER_S
    if times == "jitter":
        at_ns = at_ns + rng.normal(0, 8, n).round().astype(np.int64) * 1_000_000
        at_ns[n // 2 :] += 17 * NS_PER_S  # readings are missing
    elif times == "drift":
        at_ns = T0_NS + np.cumsum(NS_PER_S + rng.normal(0, 300_000, n).round().astype(np.int64))
    whole = in_order(Samples(at_ns, make(rng, n), np.zeros(n, np.uint8)))
    assert same(chunks.unpack(chunks.pack(whole)), whole)


@pytest.mark.parametrize(
    ("name", "most_bytes"),
    [("gauge on the second", 0.7), ("counter", 0.3), ("state", 0.1), ("steps of a converter", 0.8)],
)
def test_what_plants_send_takes_little_room(name, most_bytes):
    rng, n = np.random.default_rng(3), 6000
    whole = Samples(T0_NS + np.arange(n) * NS_PER_S, SERIES[name](rng, n), np.zeros(n, np.uint8))
    assert len(chunks.pack(whole)) / n < most_bytes


@given(readings(), readings())
def test_chunks_one_behind_the_other_are_one_chunk(first, second):
    later = Samples(second.at_ns, second.value, second.quality)
    both = chunks.unpack(chunks.pack(first) + chunks.pack(later))
    assert same(both, chunks.in_a_row([first, later]))


@given(readings(), st.data())
def test_a_changed_byte_is_told(given_readings, data):
    blob = bytearray(chunks.pack(given_readings))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedChunk):
        chunks.unpack(bytes(blob))


@given(readings(), st.data())
def test_a_cut_chunk_is_told(given_readings, data):
    blob = chunks.pack(given_readings)
    with pytest.raises(DamagedChunk):
        chunks.unpack(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(readings())
def test_of_a_repeat_the_last_stays_and_times_rise(given_readings):
    later = Samples(given_readings.at_ns, given_readings.value + 1, given_readings.quality)
    assert same(chunks.joined([given_readings, later]), later)


def plain_rollup(whole: Samples, every_ns: int) -> list[tuple[float, ...]]:
    """The same, one reading after the other."""
    found: dict[int, list[float]] = {}
    for at_ns, value, quality in zip(whole.at_ns.tolist(), whole.value.tolist(), whole.quality.tolist(), strict=True):
        if quality & 0x7F == Quality.GOOD and np.isfinite(value):
            found.setdefault(at_ns // every_ns * every_ns, []).append(value)
    return [(at, len(v), sum(v), min(v), max(v), v[-1]) for at, v in sorted(found.items())]


def as_rows(found: rollup.Rollup) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in found.columns), strict=True))


NEAR = st.lists(
    st.tuples(st.integers(0, 400), st.one_of(DECIMALS, ODD_FLOATS), st.sampled_from([0, 0, 0, 1, 2, 0x80, 0x81])),
    min_size=1,
    max_size=80,
)


def near(rows: list[tuple[int, float, int]]) -> Samples:
    at_s, values, qualities = zip(*rows, strict=True)
    finite = [min(max(value, -1e12), 1e12) if np.isfinite(value) else value for value in values]
    return of([T0_NS + s * NS_PER_S for s in at_s], finite, list(qualities))


@given(NEAR, st.sampled_from([MINUTE_NS, 7 * NS_PER_S, 3 * MINUTE_NS]))
def test_a_rollup_is_what_a_plain_sum_says(rows, every_ns):
    whole = near(rows)
    plain = plain_rollup(whole, every_ns)
    found = as_rows(rolled(whole, every_ns))
    assert [row[:2] + row[3:] for row in found] == [row[:2] + row[3:] for row in plain]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in plain], rel=1e-9, abs=1e-3)


@given(NEAR, st.integers(0, 80))
def test_rollups_add_up(rows, cut):
    whole = near(rows)
    parts = [rolled(whole.take(slice(None, cut))), rolled(whole.take(slice(cut, None)))]
    together, at_once = coarser(parts, 2 * MINUTE_NS), rolled(whole, 2 * MINUTE_NS)
    assert [row[:2] + row[3:] for row in as_rows(together)] == [row[:2] + row[3:] for row in as_rows(at_once)]
    assert together.total.tolist() == pytest.approx(at_once.total.tolist(), rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("pack", [rollup.pack, rollup.pack_plain])
@given(rows=NEAR)
def test_rollups_come_back(pack, rows):
    minutes = rolled(near(rows))
    blob = pack(minutes)
    assert as_rows(rollup.unpack(blob)) == as_rows(minutes)
    with pytest.raises(DamagedChunk):
        rollup.unpack(blob[:-1])
