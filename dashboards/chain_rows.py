"""What panels of the chain have in common: rows that are still on its map, as of its newest judgement.

The chain is judged when an alert opens or closes and when its map changes, which may be weeks ago. So these panels look
back over a fixed window instead of the time picker's: an arc to a node that is not among the rows blanks a whole graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.schema import Measurement
from dashboards import query
from dashboards.query import Kept, Linear

_WINDOW = "400d"
_ON_MAP = Kept("on_map", "> 0")


def rows_on_map(
    stored: Measurement,
    columns: Mapping[str, str | Linear],
    by: Sequence[str],
    *,
    clusters: Sequence[str] = ("cluster",),
    kept: Sequence[Kept] = (),
) -> str:
    """The newest row of each; `clusters` are the tags that must be among the chosen clusters.

    `by` are all tags of the measurement: what moved to another cluster is another row, and the old one has gone.
    """
    where = [query.chosen(tag, "cluster") for tag in clusters]
    return query.rows(stored, columns, by=by, newest="on_map", kept=[_ON_MAP, *kept], where=where, within=_WINDOW)
