"""How every command and report writes an instant: UTC, to the second."""

from __future__ import annotations

import datetime as dt

from collector.readings import NS_PER_S


def utc(at: float) -> str:
    """`at`: epoch seconds."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def utc_of_ns(at_ns: int) -> str:
    return utc(at_ns / NS_PER_S)
