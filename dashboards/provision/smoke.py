"""What a user with a live Grafana runs: reads everything back, asks data sources for their health, says what differs.

Nothing is changed. Output: Findings; those that are wrong make the command fail, the others are remarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dashboards.provision.client import Grafana, ProvisionError, Version
from dashboards.provision.difference import additions, differences
from dashboards.provision.wanted import Thing, data_source_uids, known_to

OLDEST_MAJOR, FULL_MAJOR = 11, 12
_ADDITIONS_TOLD = 5


class Finding(NamedTuple):
    """One sentence about the Grafana; `wrong` is None for a remark."""

    sentence: str
    wrong: bool | None


def smoke(grafana: Grafana, things: Sequence[Thing]) -> Iterator[Finding]:
    """Everything found, the server first. Raises ProvisionError where Grafana does not answer at all."""
    version = grafana.version()
    yield _server(version)
    for thing in known_to(things, version.major):
        yield from _thing(grafana, thing)
    for uid in data_source_uids(list(things)):
        yield _health(grafana, uid)


def _server(version: Version) -> Finding:
    if version.database != "ok":
        return Finding(f"Grafana {version.text}: its own database is {version.database}", True)
    if version.major is not None and version.major < OLDEST_MAJOR:
        return Finding(f"Grafana {version.text} is older than {OLDEST_MAJOR}: the boards are not made for it", True)
    if version.major is not None and version.major < FULL_MAJOR:
        what = "knows no keep_firing_for: an alert that comes and goes is told each time"
        return Finding(f"Grafana {version.text} answers, but {what}", None)
    return Finding(f"Grafana {version.text} answers", False)


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
