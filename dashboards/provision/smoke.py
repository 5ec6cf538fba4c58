"""What a user with a live Grafana runs: reads everything back, asks data sources for their health, says what differs.

Nothing is changed. Output: Findings; those that are wrong make the command fail, the others are remarks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dashboards.provision.client import Grafana, ProvisionError
from dashboards.provision.difference import additions, differences
from dashboards.provision.wanted import Thing, data_source_uids

OLDEST_MAJOR = 11
_ADDITIONS_TOLD = 5


class Finding(NamedTuple):
    """One sentence about the Grafana; `wrong` is None for a remark."""

    sentence: str
    wrong: bool | None


def smoke(grafana: Grafana, things: Sequence[Thing]) -> Iterator[Finding]:
    """Everything found, the server first. Raises ProvisionError where Grafana does not answer at all."""
    yield _server(grafana)
    for thing in things:
        yield from _thing(grafana, thing)
    for uid in data_source_uids(list(things)):
        yield _health(grafana, uid)


def _server(grafana: Grafana) -> Finding:
    health = grafana.get("/health") or {}
    version, database = str(health.get("version", "not told")), health.get("database", "ok")
    major = re.match(r"\d+", version)
    if database != "ok":
        return Finding(f"Grafana {version}: its own database is {database}", True)
    if major and int(major[0]) < OLDEST_MAJOR:
        return Finding(f"Grafana {version} is older than {OLDEST_MAJOR}: the boards are not made for it", True)
    return Finding(f"Grafana {version} answers", False)


def _thing(grafana: Grafana, thing: Thing) -> Iterator[Finding]:
    stored = grafana.get(thing.at)
    if stored is None:
        yield Finding(f"{thing.name} is missing", True)
        return
    seen = thing.seen(stored)
    found = list(differences(seen, thing.content))
    if not found:
        yield Finding(f"{thing.name} is as it should be", False)
    for one in found:
        yield Finding(f"{thing.name} differs at {one}", True)
    own = list(additions(seen, thing.content))
    if own:
        more = f" and {len(own) - _ADDITIONS_TOLD} more" if len(own) > _ADDITIONS_TOLD else ""
        yield Finding(f"{thing.name} also says {', '.join(own[:_ADDITIONS_TOLD])}{more}", None)


def _health(grafana: Grafana, uid: str) -> Finding:
    """Grafana answers 400 with the store's own words where the store does not answer."""
    try:
        health = grafana.get(f"/datasources/uid/{uid}/health")
    except ProvisionError as error:
        return Finding(f"data source {uid} is not well: {error}", True)
    if health is None:
        return Finding(f"data source {uid} is not well: Grafana does not know it", True)
    said = health.get("message", "")
    return Finding(f"data source {uid}: {said or 'answers'}", health.get("status", "OK") != "OK")
