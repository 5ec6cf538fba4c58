"""The [[drop]]s of site.toml: which folders are read, and whether their rows can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from collector.clocks.clock import Clock
from collector.config import ConfigError, Document, DropSettings
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.sources.drop_folder import DropFolder
from collector.sources.several import Several
from collector.sources.source import Source


def with_drops(
    main: Source, document: Document, clock: Clock, counters: Counters, recall: Callable[[str], bytes]
) -> Source:
    """The site's source with its folders beside it. `recall`: what the spool remembers under a name."""
    sections = document.sections("drop", DropSettings)
    drops = [DropFolder(one, document.folder, clock, counters, recall) for one in sections]
    return Several(main, drops) if drops else main


def drops_of(document: Document, decoder: Decoder) -> Sequence[DropSettings]:
    """The [[drop]]s. Raises ConfigError: one of a topic nobody reads, two of the same files."""
    drops = document.sections("drop", DropSettings)
    for i, drop in enumerate(drops):
        where = f"{document.path}: `drop[{i}]"
        if not decoder.reads(drop.topic):
            raise ConfigError(f"{where}.topic`: no [[subscribe]] reads {drop.topic!r}; add one, or correct the topic")
        if any((drop.folder, drop.glob) == (earlier.folder, earlier.glob) for earlier in drops[:i]):
            raise ConfigError(f"{where}.glob`: {drop.glob!r} of {drop.folder!r} is read twice; remove one")
    return drops


def check_folders(document: Document) -> None:
    """Raises ConfigError where files could not be read and moved."""
    for i, drop in enumerate(document.sections("drop", DropSettings)):
        folder = document.folder / drop.folder
        where = f"{document.path}: `drop[{i}].folder`: {folder}"
        if not folder.is_dir():
            raise ConfigError(f"{where} is no folder; create it or correct the key")
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"{where} must be writable: what was read is moved to done/ in it; give this user access")
