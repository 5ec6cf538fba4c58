"""The five checkers over everything that is rendered, and over every seeded fault.

Judged are the files as they are by default and as a site may wish them: with the button that acknowledges and with mute
timings. The two checkers in Node compile and load once for all seeded faults.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from dashboards.render import Wishes, files
from detectors.calendar import Shift
from tests.dashboards import grafana_schemas
from tests.dashboards.checkers import meaning, node, provisioning
from tests.dashboards.checkers.seeded import FAULTS, FILES, MEANING, NAMES, SHAPE, TYPES, Seeded, only_changed, spoiled
from tests.dashboards.checkers.verdict import Rendered, Verdict, boards_of, panels_of, queries_of

IN_NODE = {TYPES: "types.mjs", NAMES: "names.mjs"}
_EARLY = Shift(name="early", start=dt.time(6), end=dt.time(14), days=("mon", "tue", "wed", "thu", "fri"))
_WISHED = Wishes(board_url="https://board.plant.example", acknowledges=True, timezone="Asia/Shanghai", shifts=[_EARLY])


class Caught(NamedTuple):
    """A seeded fault and what its checker said of it: new sentences, none where it was missed."""

    fault: Seeded
    said: Sequence[str]


def as_rendered() -> Rendered:
    return {name: json.loads(text) for name, text in files().items()}


def as_wished() -> Rendered:
    return {name: json.loads(text) for name, text in files(_WISHED).items()}


def size(rendered: Rendered) -> tuple[int, int]:
    """(panels, queries) of the boards and rules."""
    panels = [panel for board in boards_of(rendered).values() for panel in panels_of(board)]
    return len(panels), len(queries_of(rendered))


def judged(checker: str) -> Verdict:
    """What a checker says of all files, in both ways they are rendered."""
    ways = as_rendered(), as_wished()
    if checker in IN_NODE:
        return _sum(_in_node(checker)[f"{way} {name}"] for way, one in enumerate(ways) for name in boards_of(one))
    return _sum(_JUDGES[checker](rendered) for rendered in ways)


def caught(checker: str) -> list[Caught]:
    """Every seeded fault of a checker, and what it said of it that it did not say before."""
    faults = [fault for fault in FAULTS if fault.checker == checker]
    if checker in IN_NODE:
        said = _in_node(checker)
        return [Caught(one, _new(said[f"{one.name}, before"].faults, said[one.name].faults)) for one in faults]
    judge, rendered = _JUDGES[checker], as_rendered()
    before = judge(rendered).faults
    return [Caught(one, _new(before, judge(spoiled(rendered, one)).faults)) for one in faults]


@lru_cache
def _in_node(checker: str) -> dict[str, Verdict]:
    """All boards in both ways, and of each seeded fault its board before and after, cut down to what changed."""
    sent: Rendered = {}
    for way, rendered in enumerate((as_rendered(), as_wished())):
        sent |= {f"{way} {name}": board for name, board in boards_of(rendered).items()}
    before = as_rendered()
    for one in FAULTS:
        if one.checker == checker:
            sent[f"{one.name}, before"], sent[one.name] = only_changed(before, spoiled(before, one))
    return node.judged(IN_NODE[checker], sent)


def _shape(rendered: Rendered) -> Verdict:
    verdict = Verdict()
    for name, board in boards_of(rendered).items():
        verdict.found(f"{name}: {fault}" for fault in grafana_schemas.faults(board))
        verdict.checks += len(panels_of(board))
    return verdict


_JUDGES = {SHAPE: _shape, FILES: provisioning.check, MEANING: meaning.check}


def _sum(verdicts: Iterable[Verdict]) -> Verdict:
    both = list(verdicts)
    return Verdict(sum(one.checks for one in both), [fault for one in both for fault in one.faults])


def _new(before: Sequence[str], after: Sequence[str]) -> list[str]:
    return [one for one in after if one not in before]
