"""A whole site.toml, every section checked: what the commands of `deploy.cli` run on.

Input: the file and what it names. Output: `SiteFile`, which only exists when all of it is valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import msgspec

from collector import sinks
from collector.clocks.clock import Clock, MessageClock, WallClock
from collector.config import (
    BrokerSettings,
    ClockSettings,
    ConfigError,
    Document,
    HealthSettings,
    Name,
    Section,
    Site,
    SpoolSettings,
    read,
)
from collector.config import SinkSettings as SinkSection
from collector.decoder import Decoder, decoder_of
from collector.folder import find
from collector.health.counters import Counters
from collector.lanes import Pace
from collector.sinks.sink import Sink
from collector.sources.brokers import brokers_of, presences_of, readings_of, source_of
from collector.sources.drop_sections import check_folders, drops_of, with_drops
from collector.sources.mqtt import client_for
from collector.sources.source import Source
from collector.spool.spool import Spool
from detectors.calendar import Calendar, calendar_of
from detectors.chain.map.faults import STALE_AFTER_D
from detectors.chain.map.folder import check as check_chain
from detectors.chain.map.folder import load as load_network
from detectors.chain.network import Network
from detectors.flow import Flow, flow_of
from detectors.settings import (
    AlertSettings,
    BoundRule,
    DetectSettings,
    TrainSettings,
    bound_rules,
    detect_settings,
    own_rules,
)

_BROKER_FILES = {
    "password_file": "the password and nothing else",
    "ca_file": "the PEM file of the broker's authority",
    "cert_file": "the PEM file of this collector's certificate",
    "key_file": "the PEM file of its key",
}


class ChainSettings(Section, frozen=True, kw_only=True):
    """The folder of the chain's CSV files, relative to site.toml; facts older than `stale_after_d` are a warning."""

    folder: Name
    stale_after_d: Annotated[float, msgspec.Meta(gt=0)] = STALE_AFTER_D


class BoardSettings(Section, frozen=True, kw_only=True):
    """Where the local board listens: 127.0.0.1 unless told otherwise; port 0 takes a free one.

    `names`: further host names under which browsers may ask for it; all others are refused (DNS rebinding).
    `grafana_url`: the Grafana whose Acknowledge button the board takes (off when empty), by tokens signed with the key
    in `grafana_key_file` (relative to site.toml, 32 random bytes or more) and good for `grafana_token_s`.
    """

    host: Name = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8470
    names: tuple[str, ...] = ()
    grafana_url: str = ""
    grafana_key_file: str = ""
    grafana_token_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 900.0


class Store(NamedTuple):
    """One [[sink]]: the name under which it keeps its place in the spool, and how it catches up."""

    name: str
    sink: Sink
    pace: Pace = Pace()


@dataclass(frozen=True)
class SiteFile:
    """A valid site. Opens nothing by itself; `spool_path` may be moved by a command's option;
    `detects`: it has rules of its own, so detectors are meant to run on its spool."""

    document: Document
    site: Site
    clock: ClockSettings
    brokers: tuple[BrokerSettings, ...]
    spool: SpoolSettings
    detect: DetectSettings
    alerts: AlertSettings
    train: TrainSettings
    rules: tuple[BoundRule, ...]
    detects: bool
    calendar: Calendar
    board: BoardSettings
    health: HealthSettings
    network: Network | None
    spool_path: Path

    @cached_property
    def flow(self) -> Flow:
        """How its lines hang together, as far as its chain says."""
        return flow_of(self.network)

    @property
    def folder(self) -> Path:
        return self.document.folder

    @property
    def broker(self) -> BrokerSettings:
        """The first broker: the one that `andon replay` and `andon tail` use."""
        return self.brokers[0]

    def source(
        self,
        clock: Clock,
        counters: Counters,
        *,
        since_ns: int = 0,
        recall: Callable[[str], bytes] = lambda name: b"",
    ) -> Source:
        """The messages of all brokers, connected at once, and of dropped files; `since_ns` as in MqttSource, `recall`
        what the spool remembers under a name. Raises ConfigError."""
        brokers = source_of(self.document, self.site, self.brokers, clock, counters, since_ns=since_ns)
        return with_drops(brokers, self.document, clock, counters, recall)

    def open_spool(self) -> Spool:
        """One more connection to the site's spool, for one thread."""
        return Spool.open(self.spool_path, max_mb=self.spool.max_mb)

    def own_clock(self, at_ns: int) -> Clock:
        """The clock [clock] asks for; a recording's starts at `at_ns`."""
        return MessageClock(at_ns) if self.clock.source == "messages" else WallClock(self.clock.lateness_s)

    def decoder(self, clock: Clock) -> Decoder:
        return decoder_of(self.document, self.site, clock)

    @property
    def store_names(self) -> list[str]:
        """The names of the [[sink]]s, in order, without opening them."""
        return [section.name for section, _, _ in _sink_sections(self.document)]

    def stores(self) -> list[Store]:
        """The stores of the [[sink]]s. Raises ConfigError."""
        opened = []
        for i, (section, module, options) in enumerate(_sink_sections(self.document)):
            try:
                sink = module.build(options, self.folder)
                opened.append(Store(section.name, sink, Pace(section.live_first, section.backlog_rows_per_s)))
            except ConfigError as error:
                raise ConfigError(f"{self.document.path}: `sink[{i}]`: {error}") from error
        return opened

    def check_files(self) -> None:
        """Reads every file that a key names: password, certificates, tokens. Raises ConfigError."""
        for broker in self.brokers:
            self._check_broker_files(broker)
        for store in self.stores():
            store.sink.close()
        check_folders(self.document)

    def _check_broker_files(self, broker: BrokerSettings) -> None:
        where = f"{self.document.path}: [[broker]] {broker.name!r}" if broker.name else f"{self.document.path}"
        for key, holds in _BROKER_FILES.items():
            named = getattr(broker, key)
            if named and not (self.folder / named).is_file():
                raise ConfigError(
                    f"{where}: `broker.{key}`: {self.folder / named} is no file; put {holds} there or correct the key"
                )
        try:
            client_for(broker, self.folder, broker.client_id)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    def warnings(self) -> list[str]:
        """What is allowed and probably not meant."""
        told = []
        if self.clock.source == "messages":
            told.append(
                f'{self.document.path}: `clock.source` is "messages", a recording; '
                'a live plant wants source = "wall", else a silent site is never noticed'
            )
        if self.document.has("chain"):
            chain = self.document.section("chain", ChainSettings)
            told += check_chain(self.folder / chain.folder, WallClock().now_ns(), chain.stale_after_d).warnings
        presences = presences_of(self.document, self.brokers)
        for broker in self.brokers:
            if broker.name in presences and broker.session_expiry_s:
                told.append(
                    f"{self.document.path}: {presences[broker.name].topic} is announced in a session that the broker "
                    "keeps, and Sparkplug 3.0 wants a host's to end with its connection; give it a [[broker]] of its "
                    "own with session_expiry_s = 0"
                )
        return told


def load_site(path: Path, *, spool_path: Path | None = None) -> SiteFile:
    """Reads and checks a site.toml and the chain it names. Raises AndonError with the first fault."""
    document = read(path)
    site = document.section("site", Site)
    spool = document.section("spool", SpoolSettings)
    calendar = calendar_of(document, site.timezone)
    network = None
    if document.has("chain"):
        network = load_network(document.folder / document.section("chain", ChainSettings).folder)
    found = SiteFile(
        document=document,
        site=site,
        clock=document.section("clock", ClockSettings),
        brokers=brokers_of(document),
        spool=spool,
        detect=detect_settings(document),
        train=document.section("train", TrainSettings),
        rules=(*bound_rules(document), *own_rules()),
        detects=document.has("rule"),
        calendar=calendar,
        board=document.section("board", BoardSettings),
        health=document.section("health", HealthSettings),
        network=network,
        spool_path=spool_path or document.folder / spool.path,
        alerts=document.section("alerts", AlertSettings),
    )
    drops_of(document, found.decoder(WallClock()))
    readings_of(document, site, found.brokers)
    list(_sink_sections(document))
    return found


def _sink_sections(document: Document) -> Iterator[tuple[SinkSection, ModuleType, Any]]:
    """Every [[sink]] with its module and options. Raises ConfigError."""
    places: dict[str, int] = {}
    for i, section in enumerate(document.open_sections("sink", SinkSection)):
        if section.name in places:
            raise ConfigError(
                f"{document.path}: `sink[{i}].name`: sink[{places[section.name]}] is named {section.name!r} too; give "
                "each [[sink]] a name of its own, under which it keeps its place in the spool"
            )
        places[section.name] = i
        module = find(sinks, section.kind, document, f"sink[{i}].kind")
        yield section, module, document.convert(section.options, module.Options, f"sink[{i}]")
