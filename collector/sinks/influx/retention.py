"""How long a bucket keeps its points, so that what it would drop at once is refused here, with a reason.

Learned from the store: the buckets of the v2 API, else the retention policies of 1.x and 3 by InfluxQL; `retention_d`
goes before both. A store drops an old point behind a 204 (VictoriaMetrics), with a 400 for the whole body (1.x) or a
422 (2.x), so nothing of that can be relied on.
"""

from __future__ import annotations

import re

import msgspec

from collector.readings import NS_PER_S
from collector.sinks.influx.options import Options
from collector.sinks.influx.store import Store
from collector.sinks.sink import SinkUnavailable

D_NS = 86_400 * NS_PER_S
_UNITS_NS = {"ns": 1, "u": 10**3, "µ": 10**3, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": NS_PER_S}
_UNITS_NS |= {"m": 60 * NS_PER_S, "h": 3600 * NS_PER_S, "d": D_NS, "w": 7 * D_NS}
_DURATION = re.compile(r"(\d+)(ns|us|µs|ms|u|µ|s|m|h|d|w)")


class _Rule(msgspec.Struct, rename="camel"):
    every_seconds: int = 0


class _Bucket(msgspec.Struct, rename="camel"):
    name: str = ""
    retention_rules: list[_Rule] = []


class _Buckets(msgspec.Struct):
    buckets: list[_Bucket]


def keeps_ns(store: Store, options: Options) -> int:
    """How long the bucket keeps a point, 0 for ever. Raises SinkUnavailable when nobody can say."""
    if options.retention_d is not None:
        return int(options.retention_d * D_NS)
    found = _of_bucket(store, options)
    return _of_policy(store, options) if found is None else found


def sentence(options: Options, keeps: int) -> str:
    """Why a row is refused."""
    return (
        f"older than bucket {options.bucket!r} keeps points ({keeps / D_NS:g} d), it would vanish there: "
        "raise the bucket's retention, or correct the clock of who sent it"
    )


def _of_bucket(store: Store, options: Options) -> int | None:
    """By the v2 API; None where the store has none, or shows no such bucket."""
    status, text = store.ask("/api/v2/buckets", {"name": options.bucket, "org": options.org})
    if status != 200:
        return None
    try:
        found = msgspec.json.decode(text, type=_Buckets).buckets
    except msgspec.MsgspecError:
        return None
    if not found:
        return None
    return max((rule.every_seconds for rule in found[0].retention_rules), default=0) * NS_PER_S


def _of_policy(store: Store, options: Options) -> int:
    """By InfluxQL: the policy the bucket names, else the database's default one."""
    database = store.database.replace("\\", "\\\\").replace('"', '\\"')
    for series in store.select(f'SHOW RETENTION POLICIES ON "{database}"'):
        for row in series.get("values", []):
            policy = dict(zip(series.get("columns", []), row, strict=False))
            if policy.get("name") == store.policy if store.policy else policy.get("default"):
                return _ns(str(policy.get("duration", "")), options)
    raise _unknown(options, f"it shows no retention policy {store.policy!r}" if store.policy else "it shows none")


def _ns(duration: str, options: Options) -> int:
    """`168h0m0s` as nanoseconds; `0s` is for ever."""
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration or not parts:
        raise _unknown(options, f"it says {duration!r}")
    return sum(int(number) * _UNITS_NS[unit] for number, unit in parts)


def _unknown(options: Options, why: str) -> SinkUnavailable:
    return SinkUnavailable(
        f"{options.url} does not tell how long bucket {options.bucket!r} keeps points ({why}): create the bucket, give "
        "the token the right to read it, or set `retention_d` (0: for ever)"
    )
