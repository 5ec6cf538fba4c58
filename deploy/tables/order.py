"""Rows as they came, put in order of time: sorted, each instant once, and what was odd about them in sentences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collector.formats.event_time import instant
from collector.readings import NS_PER_S
from deploy.tables.instants import UNREAD, Instants
from detectors.offline.table import Floats, Table

_CROWDED_RATIO = 0.2  # of the rows share their instant with the row before: it was written too coarsely


def in_order(
    at_ns: Instants, names: tuple[str, ...], value: Floats, notices: list[str]
) -> tuple[Table, NDArray[np.intp]]:
    """The table, and the number in it of each row of the file."""
    known = np.flatnonzero(at_ns != UNREAD)
    if len(known) < len(at_ns):
        notices.append(f"rows without a time that can be read: {len(at_ns) - len(known)}; they get no score")
    order = known[np.argsort(at_ns[known], kind="stable")]
    if (np.diff(at_ns[known]) < 0).any():
        notices.append("rows were not in order of time: they are judged in that order")
    own_ns, own = at_ns[order], value[order]
    if len(own_ns) > 1 and _crowded(own_ns, own).mean() > _CROWDED_RATIO:
        own_ns = _spread(own_ns)
        notices.append("many rows share an instant, which is written too coarsely: they are spread evenly")
    row = np.full(len(at_ns), -1, np.intp)
    instants, first, inverse = np.unique(own_ns, return_index=True, return_inverse=True)
    row[order] = inverse
    merged = own[first]
    again = np.setdiff1d(np.arange(len(own)), first)
    if len(again):
        notices.append(f"rows that repeat an instant: {len(again)}; the first that says something of a column counts")
    for i in again.tolist():
        at = merged[inverse[i]]
        merged[inverse[i]] = np.where(np.isnan(at), own[i], at)
    _note_pauses(instants, notices)
    return Table(instants, names, merged), row


def _crowded(at_ns: Instants, value: Floats) -> NDArray[np.bool_]:
    """Of each row after the first, whether it shares the instant of that before and says something else."""
    at_same: NDArray[np.bool_] = np.equal(np.diff(at_ns), 0)
    before, after = value[:-1][at_same], value[1:][at_same]
    at_same[at_same] = ~((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=1)
    return at_same


def _spread(at_ns: Instants) -> Instants:
    """Rows of one instant evenly up to the next one, as far as that is in the usual distance."""
    instants, first, count = np.unique(at_ns, return_index=True, return_counts=True)
    distance_ns = int(np.median(np.diff(instants))) if len(instants) > 1 else int(count[0])
    until_ns = np.minimum(np.append(instants[1:], instants[-1] + distance_ns), instants + distance_ns)
    rank = np.arange(len(at_ns)) - np.repeat(first, count)
    return at_ns + (np.repeat(until_ns - instants, count) * rank) // np.repeat(count, count)


def _note_pauses(instants: Instants, notices: list[str]) -> None:
    steps = np.diff(instants)
    if not len(steps):
        return
    usual_ns = float(np.median(steps))
    longest = int(np.argmax(steps))
    pauses = int((steps > 3 * usual_ns).sum())
    said = f"{len(instants)} rows, {usual_ns / NS_PER_S:g} s apart"
    if pauses:
        since = instant(int(instants[longest]))
        said += f"; pauses: {pauses}, the longest {steps[longest] / NS_PER_S:g} s from {since}"
    notices.append(said)
