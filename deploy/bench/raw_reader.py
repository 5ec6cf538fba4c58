"""How fast a message can reach a process at all: a bare socket that subscribes at QoS 0 and looks for times.

Runs as a process beside what is measured (`python -m deploy.bench.raw_reader PORT FILTER`) until its stdin closes, then
prints the delays from the time inside each payload (`"ts"`, UTC us) to its arrival, in us, as one line of JSON.
"""

from __future__ import annotations

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from deploy.bench.load import connect_packet

_TIME = re.compile(rb'"ts":(\d{16})')
_TIME_BYTES = 21
_SUBSCRIBE = 0x82


class RawReader:
    """The process, started; `delays_s` ends it."""

    def __init__(self, port: int, topic_filter: str) -> None:
        command = [sys.executable, "-m", "deploy.bench.raw_reader", str(port), topic_filter]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def delays_s(self) -> Sequence[float]:
        said, _ = self._process.communicate(timeout=60)
        return [us / 1e6 for us in json.loads(said)]


def read_delays_us(port: int, topic_filter: str) -> list[int]:
    """Reads until stdin closes."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    said = topic_filter.encode()
    body = b"\x00\x01" + len(said).to_bytes(2, "big") + said + b"\x00"
    connection.sendall(connect_packet("raw-reader") + bytes([_SUBSCRIBE, len(body)]) + body)
    delays_us: list[int] = []
    kept = b""
    while True:
        ready, _, _ = select.select([connection, sys.stdin], [], [])
        if sys.stdin in ready:
            return delays_us
        read = kept + connection.recv(1 << 18)
        now_us, end = time.time_ns() // 1000, 0
        for found in _TIME.finditer(read):
            delays_us.append(now_us - int(found[1]))
            end = found.end()
        kept = read[max(end, len(read) - _TIME_BYTES) :]  # a time may be cut in two


if __name__ == "__main__":
    print(json.dumps(read_delays_us(int(sys.argv[1]), sys.argv[2])))
