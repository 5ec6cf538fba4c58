"""What a session must not forget, as parts: a message rewrites the numbers of few edge nodes, a birth one table.

500 edge nodes with 50 metrics each are some 700 kB; written whole with every append they would wear out a gateway's
disk. So the numbers stand in parts of `_TOGETHER` edge nodes, each table and each waiting message in a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from collector.formats.sparkplug_b.edge_node import EdgeNode, Held, Life, Table
from collector.spool.ledger import Gap

_TOGETHER = 16
_GAPS, _LIVES, _TABLE, _HELD = "gaps", "lives", "table", "held"


class _Lives(msgspec.Struct, array_like=True):
    nodes: list[tuple[str, int, Life]]


class SessionMemory:
    """Encodes anew what was named since the last call of `parts`, and nothing else."""

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}
        self._chunk_of: dict[str, int] = {}  # edge node -> which part its numbers are in
        self._chunks: list[list[str]] = []
        self._changed_lives: set[int] = set()
        self._changed_tables: dict[str, tuple[str, str]] = {}
        self._changed_held: set[str] = set()
        self._held: dict[str, set[str]] = {}

    def lives_of(self, node: EdgeNode) -> None:
        """The node's numbers moved."""
        chunk = self._chunk_of.get(node.name)
        self._changed_lives.add(self._placed(node.name) if chunk is None else chunk)

    def table_of(self, node: EdgeNode, device: str) -> None:
        """The table of the node's device changed or went."""
        self._changed_tables[f"{_TABLE} {node.name}/{device}"] = (node.name, device)

    def held_by(self, node: EdgeNode) -> None:
        """What the node holds may have changed."""
        if node.held or node.name in self._held:
            self._changed_held.add(node.name)

    def parts(self, nodes: Mapping[str, EdgeNode], gaps: Iterable[Gap]) -> dict[str, bytes]:
        """All parts by name; those that nothing changed are the same objects as before."""
        for chunk in self._changed_lives:
            own = [nodes[name] for name in self._chunks[chunk]]
            lives = _Lives([(node.name, node.seq_numbers, node.life) for node in own])
            self._parts[f"{_LIVES} {chunk}"] = msgspec.msgpack.encode(lives)
        for part, (name, device) in self._changed_tables.items():
            self._put(part, nodes[name].tables.get(device))
        for name in self._changed_held:
            self._put_held(nodes[name])
        self._put(_GAPS, list(gaps) or None)
        self._changed_lives, self._changed_tables, self._changed_held = set(), {}, set()
        return dict(self._parts)

    def restored(self, parts: Mapping[str, bytes]) -> tuple[dict[str, EdgeNode], list[Gap]]:
        """The edge nodes and the gaps still to be told. Raises msgspec.MsgspecError."""
        self._parts = {part: body for part, body in parts.items() if part}
        nodes: dict[str, EdgeNode] = {}
        for part in sorted(parts, key=_number_of):
            if part.startswith(f"{_LIVES} "):
                self._take_up_lives(parts[part], nodes)
        for part, body in sorted(parts.items()):
            kind, _, name = part.partition(" ")
            if kind == _TABLE:
                owner, _, device = name.rpartition("/")
                if owner in nodes:
                    nodes[owner].tables[device] = msgspec.msgpack.decode(body, type=Table)
            elif kind == _HELD:
                self._take_up_held(part, body, nodes)
        for node in nodes.values():
            node.held.sort(key=lambda held: held.received_ns)
        gaps = msgspec.msgpack.decode(parts[_GAPS], type=list[Gap]) if _GAPS in parts else []
        return nodes, gaps

    def _placed(self, name: str) -> int:
        if not self._chunks or len(self._chunks[-1]) >= _TOGETHER:
            self._chunks.append([])
        self._chunks[-1].append(name)
        self._chunk_of[name] = len(self._chunks) - 1
        return self._chunk_of[name]

    def _put(self, part: str, value: object) -> None:
        if value is None:
            self._parts.pop(part, None)
        else:
            self._parts[part] = msgspec.msgpack.encode(value)

    def _put_held(self, node: EdgeNode) -> None:
        now = {_part_of(node.name, held): held for held in node.held}
        before = self._held.get(node.name, set())
        for gone in before - now.keys():
            self._parts.pop(gone, None)
        for part in now.keys() - before:
            self._put(part, now[part])
        if now:
            self._held[node.name] = set(now)
        else:
            self._held.pop(node.name, None)

    def _take_up_lives(self, body: bytes, nodes: dict[str, EdgeNode]) -> None:
        self._chunks.append([])
        for name, seq_numbers, life in msgspec.msgpack.decode(body, type=_Lives).nodes:
            nodes[name] = EdgeNode(name, seq_numbers, life)
            self._chunks[-1].append(name)
            self._chunk_of[name] = len(self._chunks) - 1

    def _take_up_held(self, part: str, body: bytes, nodes: Mapping[str, EdgeNode]) -> None:
        name = part.removeprefix(f"{_HELD} ").rpartition("/")[0]
        if name in nodes:
            nodes[name].held.append(msgspec.msgpack.decode(body, type=Held))
            self._held.setdefault(name, set()).add(part)


def _part_of(name: str, held: Held) -> str:
    return f"{_HELD} {name}/{held.received_ns} {held.seq}"


def _number_of(part: str) -> tuple[int, str]:
    number = part.rpartition(" ")[2]
    return (int(number) if part.startswith(f"{_LIVES} ") else 0, part)
