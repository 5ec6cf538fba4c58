"""F4: hostile payloads for every format; `make fuzz ARGS="--count 1000000 --format kepware"`.

Prints one line a format, and writes every payload that did what none may do under build/fuzz, to be kept as a case
folder `fuzzed_*`. Ends with 1 where there was one. `--atheris` goes on for `--seconds` with libFuzzer's eyes on what
each payload reaches (`pip install andon[fuzz]`).
"""

from __future__ import annotations

import argparse
import base64
import faulthandler
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.contracts.format_cases import FORMATS, cases_of
from tests.fuzz.storing import stored
from tests.fuzz.trial import Outcome, Trial

_FOUND = Path("build/fuzz")
_STORED = 5_000  # payloads that go all the way into a spool
_STUCK_S = 3_600  # a payload that never ends is shown with its stack, and ends the run


def main() -> int:
    asked = _arguments()
    names = [name for name in asked.format or FORMATS if cases_of(name)]
    if asked.atheris:
        return _guided(names, asked.seconds)
    faulthandler.dump_traceback_later(_STUCK_S * len(names), exit=True)
    return max([_tried(name, asked.count, asked.seed) for name in names], default=0)


def _tried(name: str, count: int, seed: int) -> int:
    """Tries one format and says what came of it; 1 where something is wrong."""
    began_s = time.perf_counter()
    outcome = Trial(name, seed).run(count)
    per_s = count / (time.perf_counter() - began_s)
    _keep(name, outcome)
    with tempfile.TemporaryDirectory(prefix="andon-fuzz-") as folder:
        came = stored(name, min(count, _STORED), Path(folder), seed)
    is_exact = outcome.is_exact and came.is_exact
    print(
        f"{name}: {outcome.payloads:,} payloads: {outcome.read:,} read, {outcome.refused:,} dead letters, "
        f"{outcome.silent:,} said nothing, {outcome.waiting:,} wait, {outcome.left_out:,} values left out; "
        f"{outcome.crashes} crashes, {outcome.hangs} hangs, "
        f"{len(outcome.faults)} faults, balance {'exact' if is_exact else 'WRONG'} "
        f"({came.messages:,} went into a spool: {came.books.readings:,} readings, {came.letters:,} dead letters, "
        f"{came.silent:,} said nothing); "
        f"slowest {outcome.slowest_s * 1e3:.0f} ms, memory +{outcome.rss_growth_mb:.0f} MB in the second half, "
        f"{per_s:,.0f} payloads/s",
        flush=True,
    )
    return int(bool(outcome.faults) or not is_exact)


def _guided(names: Sequence[str], seconds: int) -> int:
    """libFuzzer on one format after the other, each in its own process, which it ends when it is done."""
    failed = []
    for name in names:
        found = _FOUND / name
        found.mkdir(parents=True, exist_ok=True)
        asked = [f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10", "-rss_limit_mb=1024"]
        with tempfile.TemporaryDirectory(prefix="andon-fuzz-") as corpus:
            for i, payload in enumerate(sorted({one.payload for case in cases_of(name) for one in case.messages()})):
                (Path(corpus) / str(i)).write_bytes(payload)
            command = [sys.executable, "-m", "tests.fuzz.guided", name, *asked, f"-artifact_prefix={found}/", corpus]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
    print(f"guided: {len(names)} formats, {seconds} s each: {', '.join(failed) or 'none'} failed")
    return int(bool(failed))


def _keep(name: str, outcome: Outcome) -> None:
    """Writes the first of each kind of fault, and says where it is."""
    seen: set[str] = set()
    for case, message, fault in outcome.faults:
        kind = fault[:60]
        if kind in seen:
            continue
        seen.add(kind)
        path = _FOUND / name / f"{len(seen)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {"topic": message.topic, "base64": base64.b64encode(message.payload).decode()}
        path.write_text(
            json.dumps({"case": case.name, "fault": fault[:500], **line, "received_ns": message.received_ns})
        )
        print(f"  {path}: {case.name}: {fault[:200]}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("--format", action="append", help="one of the formats; all when left out")
    parser.add_argument("--count", type=int, default=100_000, help="payloads for each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true", help="guided by coverage instead")
    parser.add_argument("--seconds", type=int, default=60, help="of each format, with --atheris")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
