"""Brings a running Grafana up to date over its HTTP API; doing it again changes nothing.

For sites that cannot put files beside their Grafana. What a file on Grafana's own disk owns is left alone and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from dashboards.provision.client import Grafana
from dashboards.provision.difference import Difference, differences
from dashboards.provision.wanted import Thing, known_to


class Change(StrEnum):
    """What was, or would be, done to a thing."""

    NONE = "as it should be"
    CREATED = "created"
    UPDATED = "updated"
    FROM_FILE = "left alone: a file on Grafana's own disk owns it, change it there"
    LACKS = "left alone"


class Pushed(NamedTuple):
    """A thing, what was done to it, and why: where it differed, or the names that are missing."""

    thing: Thing
    change: Change
    why: tuple[Difference, ...] = ()

    @property
    def is_wrong_still(self) -> bool:
        return self.change in (Change.FROM_FILE, Change.LACKS)

    def __str__(self) -> str:
        missing = f": to send it, set {', '.join(self.thing.lacks)}" if self.change is Change.LACKS else ""
        return f"{self.thing.name} {self.change}{missing}"


def push(
    grafana: Grafana, things: Iterable[Thing], *, dry_run: bool = False, secrets: bool = False
) -> Iterator[Pushed]:
    """One Pushed a thing, in order; with `dry_run` nothing is sent. Raises ProvisionError.

    `secrets` sends a data source although it does not differ: a secret cannot be read back, so a new one goes this way.
    """
    for thing in known_to(things, grafana.version().major):
        stored = grafana.get(thing.at)
        why = () if stored is None else tuple(differences(thing.seen(stored), thing.content))
        change = _change(thing, stored, why, again=secrets and "secureJsonData" in thing.body)
        if not dry_run and change in (Change.CREATED, Change.UPDATED):
            _send(grafana, thing, stored)
        yield Pushed(thing, change, why)


def _change(thing: Thing, stored: dict[str, object] | None, why: tuple[Difference, ...], *, again: bool) -> Change:
    if stored is not None and not why and not again:
        return Change.NONE
    if stored is not None and thing.from_file(stored):
        return Change.FROM_FILE if why else Change.NONE
    if thing.lacks:
        return Change.LACKS if why or stored is None else Change.NONE
    return Change.CREATED if stored is None else Change.UPDATED


def _send(grafana: Grafana, thing: Thing, stored: dict[str, object] | None) -> None:
    body = thing.body if stored is None or thing.replacement is None else thing.replacement(stored)
    if thing.created_by_put or (stored is not None and not thing.replaced_by_post):
        grafana.put(thing.at, body)
    else:
        grafana.post(thing.into, body)
