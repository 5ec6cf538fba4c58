"""The economic systemic risk index (ESRI): what share of all production is lost when firms fail.

A generalised Leontief cascade runs down (from supplier to buyer) and up (from buyer to supplier) from each shock until
no firm falls by more than the tolerance in one step. The answer depends on that tolerance where losses hardly shrink
on their way: see `closed`, and `fixed_point` for the answer without one.

Source: Diem, Borsos, Reisch, Kertesz, Thurner, Sci Rep 12:7719, 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from detectors.chain.systemic.closed import warnings_of
from detectors.chain.systemic.firms import Floats, Ints
from detectors.chain.systemic.impact import Impact
from detectors.chain.systemic.outcome import Outcome
from detectors.chain.systemic.shocks import BadShock, Shocks

TOLERANCE = 1e-2  # the paper's
_AT_ONCE = 256  # shocks between two words of progress
_TASKS = 16  # for an executor, since each carries the matrices; enough that a slow one does not hold up the rest
_WAYS = {"numpy": "lanes", "numba": "compiled"}

Progress = Callable[[int, int], None]


class Remaining(NamedTuple):
    """The ratio of its production that remains to every firm at the end (shocks x firms): as buyer, and as supplier."""

    down: Floats
    up: Floats


@dataclass(frozen=True, eq=False)
class Shares:
    """For each of k shocks the ratio of all production (by weight) that is lost.

    `share` takes the worse direction of each firm, `down` and `up` one alone; `steps` until rest, `last_fall` the
    largest fall in the last of them, not above `tolerance`. `warnings` say where the tolerance may decide the result.
    """

    share: Floats
    down: Floats
    up: Floats
    steps: Ints
    last_fall: Floats
    tolerance: float
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remaining: Remaining | None = None


def systemic_shares(
    impact: Impact,
    shocks: Shocks,
    *,
    tolerance: float = TOLERANCE,
    keep_remaining: bool = False,
    executor: Executor | None = None,
    on_progress: Progress = lambda done, of: None,
    way: str | None = None,
) -> Shares:
    """The systemic share of every shock, in the order given.

    `tolerance`: a cascade ends after the first step in which no firm's production falls by more (a ratio above 0).
    `keep_remaining`: also what remains of every firm (k x n, twice). `executor`: a pool of processes, or with numba of
    threads. `on_progress(done, of)` is told the shocks done. `way`: "numpy" or "numba"; None: numba where it is
    installed. Raises BadShock when the shocks are on other firms, ValueError on a tolerance that is not above 0.
    """
    if shocks.lost.shape[1] != len(impact):
        raise BadShock(f"the shocks are on {shocks.lost.shape[1]} firms, the network has {len(impact)}")
    if not tolerance > 0:
        raise ValueError(f"the tolerance is {tolerance}; it must be above 0 (fixed_point needs none)")
    job = _Job(impact, tolerance, keep_remaining, way or fastest())
    found, done = Outcome.empty(len(shocks), len(impact) if keep_remaining else None), 0
    on_progress(done, len(shocks))
    for first, part in _parts(job, shocks, executor):
        found.take(first, part)
        done += len(part.share)
        on_progress(done, len(shocks))
    remaining = None
    if found.left_down is not None and found.left_up is not None:
        remaining = Remaining(found.left_down, found.left_up)
    return Shares(*found[:5], tolerance, shocks.names, warnings_of(impact), remaining)


def fastest() -> str:
    """How cascades run fastest here: "numba" where it is installed, else "numpy"."""
    return "numba" if find_spec("numba") else "numpy"


class _Job(NamedTuple):
    """All that the cascades of one call have in common."""

    impact: Impact
    tolerance: float
    keep: bool
    way: str

    def run(self, shocks: Shocks) -> Outcome:
        """These shocks (in a worker of the executor)."""
        module = import_module(f"detectors.chain.systemic.{_WAYS[self.way]}")
        outcome: Outcome = module.cascades(self.impact, shocks, self.tolerance, keep=self.keep)
        return outcome


def _parts(job: _Job, shocks: Shocks, executor: Executor | None) -> Iterator[tuple[int, Outcome]]:
    """Parts of the answer and the shock each begins with, in the order in which they come."""
    size = _AT_ONCE if executor is None else max(1, -(-len(shocks) // _TASKS))
    parts = {first: shocks.part(first, min(first + size, len(shocks))) for first in range(0, len(shocks), size)}
    if executor is None:
        for first, part in parts.items():
            yield first, job.run(part)
        return
    running = {executor.submit(job.run, part): first for first, part in parts.items()}
    for task in as_completed(running):
        yield running[task], task.result()
