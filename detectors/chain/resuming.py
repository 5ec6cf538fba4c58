"""The nodes that come back after an alert (`begun`, `followed`): each change of a resumption as its record.

Called by `judging` with the memory, whose `resuming` they keep; the curve itself is `resumption`'s. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from collector.spool.frames import Record
from detectors.alerts import Alert
from detectors.chain.disruption import disrupted_by
from detectors.chain.floor import OUTPUT_DROP, Band
from detectors.chain.network import Network
from detectors.chain.outputs import recovery_record
from detectors.chain.resumption import Resumption
from detectors.chain.standing import CLEARED, Memory, ended_ns

Said = tuple[str, Record]


def begun(network: Network, memory: Memory, turned: Iterable[Alert], at_ns: int) -> list[Said]:
    """Begins a resumption for each cause that has cleared; the next alert of a node ends the one before."""
    said = []
    for alert in turned:
        what = disrupted_by(network, alert)
        if what is None:
            continue
        kind, name, material = what
        before = memory.resuming.pop(name, None)
        if before is not None:
            before.over = True
            said.append(_said(before, at_ns))
        if alert.state in CLEARED:
            new = Resumption(name, material, kind, alert.key, alert.active_at_ns, ended_ns(alert))
            memory.resuming[name] = new
            said.append(_said(new, at_ns))
    return said


def followed(network: Network, memory: Memory, bands: Sequence[Band]) -> list[Said]:
    """Follows the output of the nodes that come back; says when a level is reached or lost, and the end."""
    said = []
    nodes = network.by_equipment
    drops = [band for band in bands if band.method == OUTPUT_DROP and band.line in nodes]
    drops.sort(key=lambda band: (band.at_ns, band.line))
    for (at_ns, line), of_line in groupby(drops, key=lambda band: (band.at_ns, band.line)):
        resumption = memory.resuming.get(nodes[line].name)
        if resumption is None:
            continue
        before = resumption.reached_in_d
        resumption.note(at_ns, min(band.value / band.expected if band.expected else 0.0 for band in of_line))
        if resumption.over:
            del memory.resuming[resumption.node]
        if resumption.over or resumption.reached_in_d != before:
            said.append(_said(resumption, at_ns))
    return said


def _said(resumption: Resumption, at_ns: int) -> Said:
    record = recovery_record(resumption, at_ns)
    return f"chain|{record.measurement}|{record.key}|{at_ns}|{resumption.over:d}", record
