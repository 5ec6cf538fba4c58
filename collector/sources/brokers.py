"""Which brokers a site reads, what it asks each for, and the one source over all of them.

Input: [broker] or the [[broker]]s, and the [[subscribe]]s of site.toml. A [[subscribe]] that names no broker is asked
of all: a forgotten name then brings a reading twice, which every store takes as one, and loses none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from collector import formats
from collector.clocks.clock import Clock
from collector.config import BrokerSettings, ConfigError, Document, Site, Subscription
from collector.folder import find
from collector.formats.format import Stateless
from collector.health.counters import Counters
from collector.sources.mqtt import MqttSource
from collector.sources.source import Presence, Source
from collector.topics import TopicTemplate

_NAME = re.compile(r"[a-z0-9_]+")


class BrokerReading(NamedTuple):
    """A broker and the filters it is asked for."""

    broker: BrokerSettings
    filters: Sequence[str]


def source_of(
    document: Document,
    site: Site,
    brokers: Sequence[BrokerSettings],
    clock: Clock,
    counters: Counters,
    *,
    since_ns: int = 0,
) -> Source:
    """The site's messages, from all its brokers. `since_ns`: as in MqttSource. Raises ConfigError."""
    (first, filters), *beside = readings_of(document, site, brokers)
    presences = presences_of(document, brokers)
    return MqttSource(
        first, filters, document.folder, clock, counters, since_ns=since_ns, beside=beside, presences=presences
    )


def brokers_of(document: Document) -> tuple[BrokerSettings, ...]:
    """The brokers of site.toml, one at least. Raises ConfigError."""
    if not document.is_list("broker"):
        return (document.section("broker", BrokerSettings),)
    brokers = document.sections("broker", BrokerSettings)
    if not brokers:
        raise ConfigError(f"{document.path}: `broker` is an empty list; write [broker]")
    for i, broker in enumerate(brokers):
        where = f"broker[{i}]"
        if not _NAME.fullmatch(broker.name):
            raise ConfigError(
                f"{document.path}: `{where}.name` is {broker.name!r}; each of several [[broker]]s needs a name of its "
                "own, of a-z, 0-9 and _, which its counters and [[subscribe]] broker use"
            )
        for earlier in brokers[:i]:
            if broker.name == earlier.name:
                raise ConfigError(f"{document.path}: `{where}.name`: two brokers are named {broker.name!r}; rename one")
            if (broker.host, broker.port, broker.client_id) == (earlier.host, earlier.port, earlier.client_id):
                raise ConfigError(
                    f"{document.path}: `{where}`: {earlier.name!r} has the same host, port and client_id, so each "
                    "would end the other's connection; remove one or give it another client_id"
                )
    return brokers


def readings_of(document: Document, site: Site, brokers: Sequence[BrokerSettings]) -> list[BrokerReading]:
    """What each broker is asked for. Raises ConfigError: an unknown broker, one that nobody reads, a [[subscribe]]
    that cannot be shared, two presences on one connection."""
    filters: dict[str, list[str]] = {broker.name: [] for broker in brokers}
    for i, subscription in enumerate(document.open_sections("subscribe", Subscription)):
        wanted = _filter(document, site, i, subscription)
        if subscription.broker and subscription.broker not in filters:
            known = ", ".join(repr(name) for name in filters if name) or "none has a name"
            raise ConfigError(
                f"{document.path}: `subscribe[{i}].broker`: no [[broker]] is named {subscription.broker!r} ({known}); "
                "correct it, or leave it out to read all brokers"
            )
        for name, own in filters.items():
            if subscription.broker in ("", name) and wanted not in own:
                own.append(wanted)
    for broker in brokers:
        if not filters[broker.name]:
            raise ConfigError(
                f"{document.path}: no [[subscribe]] reads the broker {broker.name!r}; add one or remove the broker"
            )
    presences_of(document, brokers)
    return [BrokerReading(broker, filters[broker.name]) for broker in brokers]


def presences_of(document: Document, brokers: Sequence[BrokerSettings]) -> dict[str, Presence]:
    """Who is announced on each broker, by its name: what a format offers as `presence`. Raises ConfigError where two
    would be: a connection has one will."""
    found: dict[str, Presence] = {}
    for i, subscription in enumerate(document.open_sections("subscribe", Subscription)):
        module = find(formats, subscription.format, document, f"subscribe[{i}].format")
        offers: Any = getattr(module, "presence", None)
        options = document.convert(subscription.options, module.Options, f"subscribe[{i}]")
        own: Presence | None = offers(options) if offers else None
        if own is None:
            continue
        for broker in brokers:
            if subscription.broker in ("", broker.name) and found.setdefault(broker.name, own).topic != own.topic:
                raise ConfigError(
                    f"{document.path}: `subscribe[{i}]`: {own.topic} and {found[broker.name].topic} cannot both be "
                    "announced by one connection; give all [[subscribe]]s of a broker the same host_id"
                )
    return found


def _filter(document: Document, site: Site, i: int, subscription: Subscription) -> str:
    try:
        template = TopicTemplate(subscription.topic)
    except ValueError as error:
        raise ConfigError(f"{document.path}: `subscribe[{i}]`: {error}; correct it") from error
    if not subscription.shared_group:
        return template.filter
    if not _can_share(document, site, i, subscription, template):
        raise ConfigError(
            f"{document.path}: `subscribe[{i}].shared_group`: what a message of format {subscription.format!r} says "
            "depends on those before it, and a shared subscription gives each collector only some of them; remove it"
        )
    return template.shared_filter(subscription.shared_group)


def _can_share(document: Document, site: Site, i: int, subscription: Subscription, template: TopicTemplate) -> bool:
    """Formats that remember nothing can; of the others those that say so."""
    module = find(formats, subscription.format, document, f"subscribe[{i}].format")
    options = document.convert(subscription.options, module.Options, f"subscribe[{i}]")
    says: Any = getattr(module, "can_share", None)
    if says is not None:
        return bool(says(options))
    try:
        return isinstance(module.build(options, site, template), Stateless)
    except (ValueError, re.error) as error:
        raise ConfigError(f"{document.path}: `subscribe[{i}]`: {error}; correct it") from error
