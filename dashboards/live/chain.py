"""The board's memory of the chain: the latest word on every node, arc and exposure.

`nodes`, when given, are the names of the chain's nodes now: records about others (an older map) are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec

from collector import schema
from collector.spool.frames import Record
from dashboards.live.state import ArcView, ExposureView, NodeView

T = TypeVar("T", bound=msgspec.Struct)
MEASUREMENTS = frozenset({schema.CHAIN_NODE.name, schema.CHAIN_ARC.name, schema.EXPOSURE.name})


class ChainMemory:
    def __init__(self, nodes: Collection[str] | None) -> None:
        self._names = nodes
        self._nodes: dict[str, NodeView] = {}
        self._arcs: dict[str, ArcView] = {}
        self._exposures: dict[str, ExposureView] = {}

    def keep(self, record: Record) -> None:
        if record.fields.get("on_map") == 0:
            self._nodes.pop(record.key, None)
            self._arcs.pop(record.key, None)
            return
        if record.measurement == schema.CHAIN_NODE.name:
            self._nodes[record.key] = _view(record, NodeView)
        elif record.measurement == schema.CHAIN_ARC.name:
            self._arcs[record.key] = _view(record, ArcView)
        else:
            self._exposures[record.key] = _view(record, ExposureView)

    def nodes(self) -> tuple[NodeView, ...]:
        """Left to right, top to bottom."""
        shown = (node for node in self._nodes.values() if self._on_map(node.node))
        return tuple(sorted(shown, key=lambda node: (node.x, node.y, node.node)))

    def arcs(self) -> tuple[ArcView, ...]:
        """Those between shown nodes; the riskiest last, so that it is drawn on top."""
        known = {node.node for node in self.nodes()}
        shown = (arc for arc in self._arcs.values() if arc.source in known and arc.target in known)
        return tuple(sorted(shown, key=lambda arc: (arc.risk, arc.source, arc.target, arc.material)))

    def exposures(self) -> tuple[ExposureView, ...]:
        """Those an open alert causes, the first to stop first."""
        shown = (exposure for exposure in self._exposures.values() if exposure.causes and self._on_map(exposure.node))
        return tuple(sorted(shown, key=lambda one: (one.stops_at or 2**63, one.node, one.material)))

    def _on_map(self, node: str) -> bool:
        return self._names is None or node in self._names


def _view(record: Record, kind: type[T]) -> T:
    """The record's tags, fields and detail under the names `kind` knows."""
    names = {field.name for field in msgspec.structs.fields(kind)}
    given = {**record.detail, **record.fields, **record.tags}
    return msgspec.convert({name: value for name, value in given.items() if name in names}, kind, strict=False)
