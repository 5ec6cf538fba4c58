"""Prints R12: how many of the host assertions are checked on our own collector, each also by a case that must fail.

`python -m tests.sparkplug_host`; it says nothing of what others would find.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.bench.figure import NotMeasured
from tests.sparkplug_host.assertions import Outcome, assertions, outcome
from tests.sparkplug_host.recordings import recorded

MUST = 80


def main() -> int:
    began_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            recordings = recorded(Path(folder))
    except NotMeasured as missing:
        print(missing, file=sys.stderr)
        return 2
    outcomes = [outcome(one, recordings) for one in assertions()]
    print("\n".join(map(_line, outcomes)))
    print(*_summary(outcomes, time.monotonic() - began_s), sep="\n")
    return 0 if _count(outcomes) >= MUST else 1


def _line(one: Outcome) -> str:
    said = one.assertion
    if one.violations:
        return f"VIOLATED      {said.id}: {'; '.join(f'{name}: {why}' for name, why in one.violations.items())}"
    if said.not_checked:
        return f"not checked   {said.id}: {said.not_checked}"
    if not one.is_checked:
        return f"NOT EXERCISED {said.id}"
    return f"checked       {said.id}: satisfied in {', '.join(one.passes)}\n{'':14}altered: {one.spoilt.reason}"


def _summary(outcomes: Sequence[Outcome], took_s: float) -> list[str]:
    count = _count(outcomes)
    noted = [one for one in outcomes if one.is_checked and one.assertion.note]
    skipped = [one for one in outcomes if one.assertion.not_checked]
    verdict = "ok" if count >= MUST else "MISSED"
    return [
        "",
        f"R12  {count} of {len(outcomes)} ids checked on our own collector, each by a recording that satisfies it and "
        f"an altered one that violates it; must >= {MUST}: {verdict} ({took_s:.0f} s)",
        f"     of these {len(noted)} with a reservation:",
        *(f"       {one.assertion.id}: {one.assertion.note}" for one in noted),
        f"     {len(skipped)} not checked on it: Andon is no edge node",
    ]


def _count(outcomes: Sequence[Outcome]) -> int:
    return sum(one.is_checked for one in outcomes)


if __name__ == "__main__":
    sys.exit(main())
