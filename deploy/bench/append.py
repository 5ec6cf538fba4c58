"""P6: appending to the spool, fsynced, against a bare file; and how soon a large spool is ready after a kill.

All sides make the same readings durable, group by group, on the disk of the temporary folder. The bar's bare side packs
and writes the same bytes with one `write` and one `fdatasync` a group: what a log costs at least. Beside it the bare
side without the packing, and SQLite with one blob a row. Groups alternate between the sides, so that a busy disk slows
them alike.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from collector.readings import NS_PER_S, Batch
from collector.spool.frames import batch_frame, pack
from collector.spool.spool import Spool
from deploy.bench.figure import Figure

_T0_NS = 1_700_000_000 * NS_PER_S
_LINE = "bench/line"
_SERIES = 200
_GROUPS = {1000: 150, 100: 300}
BACKLOG_BYTES = 1_000_000_000

FIGURES = (
    Figure("P6 spool: append in groups of 1,000", "readings/s", at_most=False),
    Figure("P6 spool / bare append, both packing, groups of 1,000", "ratio", must=0.5, aim=0.8, at_most=False),
    Figure("P6 spool / bare append of packed bytes, groups of 1,000", "ratio", at_most=False),
    Figure("P6 spool / SQLite blob of packed bytes, groups of 1,000", "ratio", at_most=False),
    Figure("P6 spool: append in groups of 100", "readings/s", must=250_000, at_most=False),
    Figure("P6 spool / bare append, both packing, groups of 100", "ratio", at_most=False),
    Figure("P6 spool: packed", "bytes/reading"),
    Figure("spool of 1 GB: ready for the first append after kill -9", "s", must=5.0),
    Figure("spool of 1 GB: growth of memory until then", "MB", must=50.0),
)


def once() -> Sequence[float]:
    """One run in a temporary folder; needs about 1.1 GB of disk."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        thousand_s, packed_bytes = _race(Path(folder) / "thousand", 1000)
        hundred_s, _ = _race(Path(folder) / "hundred", 100)
        ready_s, growth_mb = ready_after_kill(Path(folder) / "large" / "spool.sqlite", BACKLOG_BYTES)
    return (
        1000 / thousand_s["spool"],
        thousand_s["bare, packing"] / thousand_s["spool"],
        thousand_s["bare"] / thousand_s["spool"],
        thousand_s["blob"] / thousand_s["spool"],
        100 / hundred_s["spool"],
        hundred_s["bare, packing"] / hundred_s["spool"],
        packed_bytes,
        ready_s,
        growth_mb,
    )


def batches(readings: int, groups: int) -> Iterator[Batch]:
    """Groups as they come from devices: some two hundred series at 1 s, values of two decimals, times in ms."""
    rng = np.random.default_rng(7)
    for group in range(groups):
        at_ns = _T0_NS + group * NS_PER_S + np.sort(rng.integers(0, 1000, readings)) * 1_000_000
        series = rng.integers(1, _SERIES, readings).astype(np.int32)
        value = np.round(rng.normal(50, 5, readings), 2)
        received_ns = at_ns + rng.integers(1_000_000, 20_000_000, readings)
        yield Batch(series, at_ns, value, np.zeros(readings, np.uint8), received_ns)


def ready_after_kill(path: Path, size_bytes: int) -> tuple[float, float]:
    """How long after a kill -9 a spool of that size takes to be opened and appended to (s), and by how much that makes
    a process grow (MB)."""
    _kill_writer(path, size_bytes)
    program = [sys.executable, "-m", "deploy.bench.append", "open", str(path)]
    answer = subprocess.run(program, capture_output=True, text=True, check=True)
    ready_s, growth_mb = map(float, answer.stdout.split())
    return ready_s, growth_mb


def _race(folder: Path, readings: int) -> tuple[dict[str, float], float]:
    """Seconds per group of each side, and bytes per reading."""
    groups = list(batches(readings, _GROUPS[readings]))
    packed = [pack(batch) for batch in groups]
    folder.mkdir()
    with ExitStack() as open_:
        sides = dict(_sides(folder, groups, packed, open_))
        spent_s = dict.fromkeys(sides, 0.0)
        for i in range(len(groups)):
            for name, store in sides.items():
                began = time.perf_counter()
                store(i)
                spent_s[name] += time.perf_counter() - began
    per_group_s = {name: spent / len(groups) for name, spent in spent_s.items()}
    return per_group_s, sum(map(len, packed)) / readings / len(groups)


def _sides(
    folder: Path, groups: Sequence[Batch], packed: Sequence[bytes], open_: ExitStack
) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Each side's way of making group i durable."""
    spool = open_.enter_context(Spool.open(folder / "spool.sqlite"))
    blob = open_.enter_context(closing(sqlite3.connect(folder / "blob.sqlite", isolation_level=None)))
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        blob.execute(f"PRAGMA {pragma}")
    blob.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY, body BLOB)")
    files = [open_.enter_context((folder / name).open("ab", buffering=0)) for name in ("bare", "bare, packing")]

    def to_spool(i: int) -> None:
        with spool.transaction():
            spool.log.append([batch_frame(_LINE, groups[i])])

    def to_bare(i: int) -> None:
        files[0].write(packed[i])
        os.fdatasync(files[0].fileno())

    def to_bare_packing(i: int) -> None:
        files[1].write(pack(groups[i]))
        os.fdatasync(files[1].fileno())

    def to_blob(i: int) -> None:
        blob.execute("BEGIN IMMEDIATE")
        blob.execute("INSERT INTO log (body) VALUES (?)", (packed[i],))
        blob.execute("COMMIT")

    yield from (("spool", to_spool), ("bare", to_bare), ("bare, packing", to_bare_packing), ("blob", to_blob))


def _kill_writer(path: Path, size_bytes: int) -> None:
    """Lets another process fill a spool, and kills it in the midst of appending."""
    program = [sys.executable, "-m", "deploy.bench.append", "fill", str(path), str(size_bytes)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)


def _fill(path: Path, size_bytes: int) -> None:
    """Appends in large transactions up to the size, then small ones for ever."""
    frames = [batch_frame(_LINE, batch) for batch in batches(5000, 20)]
    with Spool.open(path) as spool:
        with spool.transaction():
            spool.log.enrol(["sink:store"], among="sink:")
        while spool.size_bytes() < size_bytes:
            with spool.transaction():
                for _ in range(10):
                    spool.log.append(frames)
        print("full", flush=True)
        while True:
            with spool.transaction():
                spool.log.append(frames[:1])


def _open(path: Path) -> None:
    """Prints how long opening, one append and one read take (s), and how much memory they take (MB)."""
    frame = batch_frame(_LINE, next(batches(1000, 1)))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with Spool.open(path) as spool:
        with spool.transaction():
            spool.log.append([frame])
        spool.log.read(spool.log.cursor("sink:store"), 10)
        ready_s = time.perf_counter() - began
        print(ready_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1000)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", path, size]:
            _fill(Path(path), int(size))
        case ["open", path]:
            _open(Path(path))
