"""Bundles as Parquet files, one for each site and hour of event time they hold. Needs pyarrow.

A file's name says the log and the offset of the bundles' first frame, so making files of the same bundles again, after
a crash, replaces them by the same. Rows are sorted by series and time. A reading that came twice in the bundles is
there once, the later one: the same series and time is the same reading, as in every store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from collector.disk import put_in_place
from collector.forwarding.bundle import Bundle
from collector.readings import NS_PER_S, Batch, Kind, Series

_HOUR_NS = 3_600 * NS_PER_S
_ROWS_PER_GROUP = 131_072
_NAMES = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", tz="UTC")
_TIMES = ("at", "received_at")
SCHEMA = pa.schema(
    [
        *((name, _NAMES) for name in ("site", "area", "line", "cell", "metric", "unit", "kind")),
        *((name, _TIME) for name in _TIMES),
        ("value", pa.float64()),
        ("text", _NAMES),  # the state's name, null for what is no state
        ("quality", pa.uint8()),  # collector.readings.Quality
    ]
)
_ENCODED: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": [name for name in SCHEMA.names if name not in _TIMES],
    "column_encoding": dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED"),
}


class _Hour(NamedTuple):
    """The readings of one site in one hour (hours since 1970 UTC), sorted by series and time."""

    site: str
    number: int
    batch: Batch


class Files:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, bundles: Sequence[Bundle]) -> None:
        """All their readings as files, durable on return. Raises OSError, and then some files may be there."""
        held = [bundle for bundle in bundles if len(bundle.batch)]
        if not held:
            return
        series, batch = _joined(held)
        tail = f"{held[0].log or 'log'}-{held[0].entries[0].offset:d}.parquet"
        draft = self.root / "_journal" / "draft.parquet"
        draft.parent.mkdir(parents=True, exist_ok=True)
        for hour in _hours(series, batch):
            with pq.ParquetWriter(draft, SCHEMA, **_ENCODED) as writer:
                for at in range(0, len(hour.batch), _ROWS_PER_GROUP):  # one row group of the table in memory at a time
                    writer.write_table(_table(series, hour.batch.take(slice(at, at + _ROWS_PER_GROUP))))
            put_in_place(draft, self._path(hour, tail))

    def _path(self, hour: _Hour, tail: str) -> Path:
        day, hour_of_day = str(np.datetime64(hour.number, "h")).split("T")
        site = quote(hour.site, safe=" ").replace(".", "%2E")
        return self.root / site / day / f"{hour_of_day}-{tail}"


def _joined(bundles: Sequence[Bundle]) -> tuple[list[Series], Batch]:
    """The bundles' readings in order, with one catalogue of their series, sorted by name."""
    catalog = sorted({series for bundle in bundles for series in bundle.series})
    numbers = {series: number for number, series in enumerate(catalog)}
    batches = []
    for bundle in bundles:
        renumbered = np.array([numbers[series] for series in bundle.series], np.int32)
        batches.append(bundle.batch.with_series(renumbered[bundle.batch.series]))
    columns = zip(*(batch.columns for batch in batches), strict=True)
    return catalog, Batch(*(np.concatenate(parts) for parts in columns))


def _hours(series: Sequence[Series], batch: Batch) -> Iterator[_Hour]:
    sites = sorted({one.equipment.site for one in series})
    site_of = np.array([sites.index(one.equipment.site) for one in series])[batch.series]
    hour_of = batch.at_ns // _HOUR_NS
    order = np.lexsort((batch.at_ns, batch.series, hour_of, site_of))
    site_of, hour_of, ordered = site_of[order], hour_of[order], batch.take(order)
    cuts = np.flatnonzero((np.diff(site_of) != 0) | (np.diff(hour_of) != 0)) + 1
    edges = [0, *cuts.tolist(), len(order)]
    for begin, end in pairwise(edges):
        own = ordered.take(slice(begin, end))
        yield _Hour(sites[site_of[begin]], int(hour_of[begin]), own.take(_is_last_of_its_time(own)))


def _is_last_of_its_time(batch: Batch) -> NDArray[np.bool_]:
    """True for each reading that no later one of the same series and time follows; the batch is sorted by both."""
    is_same_as_next = (np.diff(batch.series) == 0) & (np.diff(batch.at_ns) == 0)
    return np.append(~is_same_as_next, True)


def _table(series: Sequence[Series], batch: Batch) -> pa.Table:
    places = [one.equipment for one in series]
    named = {
        "site": [place.site for place in places],
        "area": [place.area for place in places],
        "line": [place.line for place in places],
        "cell": [place.cell for place in places],
        "metric": [one.metric for one in series],
        "unit": [one.unit for one in series],
        "kind": [str(one.kind) for one in series],
    }
    columns = [
        *(_named(names, batch.series) for names in named.values()),
        pa.array(batch.at_ns, _TIME),
        pa.array(batch.received_ns, _TIME),
        pa.array(batch.value),
        _texts(series, batch),
        pa.array(batch.quality),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _named(names: Sequence[str], series: NDArray[np.int32]) -> pa.DictionaryArray:
    words, numbers = np.unique(np.array(names, object), return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)[series]), pa.array(words.tolist()))


def _texts(series: Sequence[Series], batch: Batch) -> pa.DictionaryArray:
    """The state's name of each reading of a STATE series whose value names one."""
    words = sorted({state for one in series for state in one.states})
    numbers = np.full(len(batch), -1, np.int32)
    for i, one in enumerate(series):
        if one.kind is Kind.STATE:
            of_value = {float(at): words.index(state) for at, state in enumerate(one.states)}
            own = np.flatnonzero(batch.series == i)
            numbers[own] = [of_value.get(value, -1) for value in batch.value[own].tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), pa.array(words, pa.string()))
