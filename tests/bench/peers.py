"""`make bench-peers`: the whole bridge beside others, one after another on this machine, same load, broker and store.

Bars are ratios of CPU per reading within one round (issue: P1, P2). A round measures every bridge on a fresh rig, after
a warm-up of the same shape; told is the median of the rounds. See README.md for what is compared and what differs.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from deploy.bench import store
from deploy.bench.figure import Figure, NotMeasured, machine, readable
from deploy.bench.load import Load, published
from deploy.bench.rig import Carried, Rig, rig
from tests.bench import mqtt2influxdb, node_red
from tests.bench.install import HERE, INSTALLED, install_npm, install_pypi

_console, _progress = Console(width=120, soft_wrap=True), Console(stderr=True)

Command = Callable[[Rig], Sequence[str]]
Found = dict[tuple[str, str], list[Carried]]

_BARS = {
    "signal": Figure("P1 CPU per reading, 120 B one reading a message: Andon / Node-RED", "x", must=0.20, aim=0.12),
    "station": Figure("P2 CPU per reading, 4 KB 50 readings a message: Andon / Node-RED", "x", must=0.10, aim=0.06),
}
_KILL_PER_S, _KILL_S = 2_000, 10
_COLUMNS = ("CPU us/reading", "readings/s", "peak RSS MB", "not stored", "Andon / it")


class Peer(NamedTuple):
    """A bridge: what runs it, and how many messages of each shape it gets (slow ones fewer).

    `stations_wide`: it stores the 50 readings of a message as one row.
    """

    name: str
    command: Command
    signals: int = 60_000
    stations: int = 5_000
    install: Callable[[], None] = lambda: None
    stations_wide: bool = False

    def load(self, shape: str) -> Load:
        return Load(shape, self.signals if shape == "signal" else self.stations)

    def rows(self, load: Load) -> int:
        return load.messages if self.stations_wide else load.readings


def _andon(one: Rig) -> Sequence[str]:
    return [sys.executable, "-m", "deploy.cli", "collect", str(one.site_path)]


def _straight(one: Rig) -> Sequence[str]:
    python = INSTALLED / "venv" / "bin" / "python"
    return [str(python), str(HERE / "straight.py"), str(one.port), one.store.url, store.DATABASE]


ANDON = Peer("Andon", _andon)
NODE_RED = Peer("Node-RED", partial(node_red.command, installed=INSTALLED, wide=False), install=install_npm)
PEERS = (
    ANDON,
    NODE_RED,
    Peer(
        "Node-RED, one wide row a message",
        partial(node_red.command, installed=INSTALLED, wide=True),
        signals=0,
        install=install_npm,
        stations_wide=True,
    ),
    Peer("paho + influxdb-client batching", _straight, signals=30_000, stations=600, install=install_pypi),
    Peer(
        "mqtt2influxdb",
        partial(mqtt2influxdb.command, installed=INSTALLED),
        signals=400,
        stations=10,
        install=install_pypi,
        stations_wide=True,
    ),
)


def measure(peer: Peer, shape: str) -> Carried:
    """One bridge, one shape, on a fresh rig, warmed up with a tenth of the load."""
    load = peer.load(shape)
    warm_up = load._replace(messages=max(load.messages // 10, 1))
    with rig() as one, one.bridge("bridge", peer.command(one)) as bridge:
        bridge.wait_ready()
        bridge.carry(warm_up, rows=peer.rows(warm_up))
        return bridge.carry(load, rows=peer.rows(load))


def lost_at_kill(peer: Peer, moment: float) -> int:
    """Readings that a kill -9 at `moment` (0 to 1 of the publishing) costs, the bridge started again at once."""
    load = Load("signal", _KILL_PER_S * _KILL_S, _KILL_PER_S)
    with rig() as one:
        with one.bridge("bridge", peer.command(one)) as bridge:
            bridge.wait_ready()
            before = one.store.distinct()
            if before is None:
                raise NotMeasured("without influxd nobody knows which readings are stored")
            publisher = load.start(one.port)
            time.sleep(1.0 + moment * (_KILL_S - 2.0))
            bridge.kill()
        with one.bridge("bridge", peer.command(one)) as again:
            again.wait_ready()
            sent = published(publisher).messages
            return sent - (_at_rest(one) - before)


def _at_rest(one: Rig) -> int:
    """How many different readings are in the store once no more have come for ten seconds."""
    seen, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < 10.0:
        if (now := one.store.distinct() or 0) != seen:
            seen, since_s = now, time.monotonic()
        time.sleep(0.5)
    return seen


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="append", help="only peers whose name holds this (Andon always)")
    parser.add_argument("--kills", type=int, default=3, help="kill -9 of Andon and Node-RED, so often each")
    words = parser.parse_args()
    _console.print(f"{machine()}; mosquitto, {store.name()}; {words.rounds} rounds", highlight=False)
    try:
        peers = [peer for peer in PEERS if peer is ANDON or _is_asked(peer, words.peer)]
        found = _rounds([peer for peer in peers if _installed(peer)], words.rounds)
        _tell(found)
        _tell_kills([peer for peer in (ANDON, NODE_RED) if peer in peers and _installed(peer)], words.kills)
    except NotMeasured as error:
        _console.print(f"NOT MEASURED: {error}", highlight=False)


def _is_asked(peer: Peer, names: Sequence[str] | None) -> bool:
    return not names or any(name.lower() in peer.name.lower() for name in names)


def _installed(peer: Peer) -> bool:
    try:
        with _progress.status(f"installing {peer.name} into {INSTALLED.relative_to(Path.cwd())} ..."):
            peer.install()
    except NotMeasured as error:
        _console.print(f"{peer.name}: NOT MEASURED: {error}", highlight=False)
        return False
    return True


def _rounds(peers: Sequence[Peer], rounds: int) -> Found:
    found: Found = {}
    for number in range(rounds):
        for shape in _BARS:
            for peer in peers:
                if peer.load(shape).messages:
                    with _progress.status(f"round {number + 1} of {rounds}: {shape}, {peer.name}"):
                        carried = measure(peer, shape)
                    found.setdefault((shape, peer.name), []).append(carried)
                    said = f"round {number + 1}: {shape}, {peer.name}: {readable(carried.cpu_us)} us/reading"
                    _progress.print(said, highlight=False)
    return found


def _tell(found: Found) -> None:
    for shape, bar in _BARS.items():
        table = Table("peer", *_COLUMNS, box=None, padding=(0, 2))
        ours = [one.cpu_us for one in found[shape, ANDON.name]]
        for (of, name), runs in found.items():
            if of == shape:
                ratios = [mine / one.cpu_us for mine, one in zip(ours, runs, strict=True)]
                table.add_row(name, *(readable(statistics.median(column)) for column in _columns(runs, ratios)))
        _console.print(f"\n{shape}, medians:")
        _console.print(table)
        theirs = found.get((shape, NODE_RED.name))
        if theirs:
            ratios = [mine / one.cpu_us for mine, one in zip(ours, theirs, strict=True)]
            _console.print(bar.line(ratios), highlight=False)


def _columns(runs: Sequence[Carried], ratios: Sequence[float]) -> Sequence[Sequence[float]]:
    return (
        [one.cpu_us for one in runs],
        [one.per_s for one in runs],
        [one.peak_rss_mb for one in runs],
        [one.missing for one in runs],
        ratios,
    )


def _tell_kills(peers: Sequence[Peer], kills: int) -> None:
    moments = random.Random(3)
    for peer in peers if kills else ():
        with _progress.status(f"kill -9 of {peer.name}"):
            lost = [lost_at_kill(peer, moments.random()) for _ in range(kills)]
        _console.print(f"readings lost at a kill -9 of {peer.name}, {_KILL_PER_S:,}/s: {lost}", highlight=False)


if __name__ == "__main__":
    _main()
