"""A whole site.toml, every section checked: what the commands of `deploy.cli` run on.

Input: the file and what it names. Output: `SiteFile`, which only exists when all of it is valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from collector import sinks
from collector.clock import Clock, MessageClock, WallClock
from collector.config import BrokerSettings, ClockSettings, Document, Name, Section, Site, SpoolSettings, read
from collector.config import SinkSettings as SinkSection
from collector.decoder import Decoder, decoder_of
from collector.folder import find
from collector.sinks.sink import Sink
from collector.spool.spool import Spool
from detectors.calendar import Calendar, calendar_of
from detectors.chain.folder import load as load_network
from detectors.chain.network import Network
from detectors.settings import BoundRule, DetectSettings, bound_rules, detect_settings


class ChainSettings(Section, frozen=True, kw_only=True):
    """The folder of the chain's CSV files, relative to site.toml."""

    folder: Name


class BoardSettings(Section, frozen=True, kw_only=True):
    """Where the local board listens: 127.0.0.1 unless told otherwise; port 0 takes a free one.

    `names`: further host names under which browsers may ask for it; all others are refused (DNS rebinding).
    """

    host: Name = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8470
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteFile:
    """A valid site. Opens nothing by itself; `spool_path` may be moved by a command's option."""

    document: Document
    site: Site
    clock: ClockSettings
    broker: BrokerSettings
    spool: SpoolSettings
    detect: DetectSettings
    rules: tuple[BoundRule, ...]
    calendar: Calendar
    board: BoardSettings
    network: Network | None
    spool_path: Path

    @property
    def folder(self) -> Path:
        return self.document.folder

    def open_spool(self) -> Spool:
        """One more connection to the site's spool, for one thread."""
        return Spool.open(self.spool_path, max_mb=self.spool.max_mb)

    def own_clock(self, at_ns: int) -> Clock:
        """The clock [clock] asks for; a recording's starts at `at_ns`."""
        return MessageClock(at_ns) if self.clock.source == "messages" else WallClock(self.clock.lateness_s)

    def decoder(self, clock: Clock) -> Decoder:
        return decoder_of(self.document, self.site, clock)

    def sinks(self) -> list[tuple[str, Sink]]:
        """The stores of the [[sink]]s by name. Raises ConfigError."""
        opened = []
        for i, section in enumerate(self.document.open_sections("sink", SinkSection)):
            module = find(sinks, section.kind, self.document, f"sink[{i}].kind")
            options = self.document.convert(section.options, module.Options, f"sink[{i}]")
            opened.append((section.name, module.build(options, self.folder)))
        return opened


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
        broker=document.section("broker", BrokerSettings),
        spool=spool,
        detect=detect_settings(document),
        rules=bound_rules(document),
        calendar=calendar,
        board=document.section("board", BoardSettings),
        network=network,
        spool_path=spool_path or document.folder / spool.path,
    )
    found.decoder(WallClock())
    for i, section in enumerate(document.open_sections("sink", SinkSection)):
        module = find(sinks, section.kind, document, f"sink[{i}].kind")
        document.convert(section.options, module.Options, f"sink[{i}]")
    return found
