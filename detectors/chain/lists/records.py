"""The planners' lists as records, in the stored names of `collector.schema`: what boards show of them.

Input: Lists of a map. Output: one record a row, with an id made of what the row is about, so that the same finding is
the same row in every store and on every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from collector import schema
from collector.spool.frames import Field, Record
from detectors.chain.lists.lists import Lists
from detectors.chain.lists.row import Row

_MOST_NAMED = 6  # nodes in one cell; `detail` has all
_NS_PER_MS = 1_000_000


def list_records(found: Lists, at_ns: int) -> list[Record]:
    """Every row of the four lists, as they stand at `at_ns`."""
    return [_record(row, at_ns) for row in found.rows]


def _record(row: Row, at_ns: int) -> Record:
    key = "|".join((row.list, row.kind, row.material, *row.nodes))
    fields: dict[str, Field] = {
        "on_map": 1,
        "nodes": _names(row.nodes),
        "felt_by": _names(row.felt_by),
        "cause": row.cause,
        "clears": row.clears,
        "at_stake_per_d": row.at_stake_per_d,
        "confidence_ratio": row.confidence,
        "as_of": row.as_of_ns // _NS_PER_MS,
    }
    return Record(
        measurement=schema.CHAIN_LIST.name,
        tags={
            "list": str(row.list),
            "kind": str(row.kind),
            "material": row.material,
            "clusters": ", ".join(row.clusters),
            "id": hashlib.sha256(key.encode()).hexdigest()[:12],
        },
        fields=fields,
        at_ns=at_ns,
        key=key,
        detail=msgspec.to_builtins(row),
    )


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
