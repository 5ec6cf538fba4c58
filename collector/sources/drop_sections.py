"""The [[drop]]s of site.toml: which folders are read, and whether their rows can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.clocks.clock import Clock
from collector.config import ConfigError, Document, DropSettings
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.sources.drop_folder import DONE, FAILED, DropFolder
from collector.sources.drop_globs import is_closed, overlap
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
    """The [[drop]]s. Raises ConfigError: one that could not be read as it says, or two of the same files."""
    drops = document.sections("drop", DropSettings)
    for i, drop in enumerate(drops):
        found = _faults(drop) or _topic_fault(drop, decoder)
        for earlier in drops[:i]:
            found = found or _collision(document.folder, drop, earlier)
        if found:
            key, sentence = found
            raise ConfigError(f"{document.path}: `drop[{i}].{key}`: {sentence}")
    return drops


def _faults(drop: DropSettings) -> tuple[str, str] | None:
    """The first key of a [[drop]] that cannot be, with the sentence."""
    is_csv, mark = drop.format == "csv", drop.delimiter
    if not is_closed(drop.glob):
        return "glob", f'{drop.glob!r} opens a [ that no ] closes: close it, or write "[[]" for the sign itself'
    if drop.glob.startswith("."):
        return "glob", f"{drop.glob!r} names hidden files, which are never read: name others"
    if is_csv and ((mark != "\t" and not mark.isprintable()) or mark.isalnum() or mark in "\"' +-"):
        return "delimiter", f'{mark!r} stands in names, numbers or texts: write ",", ";", "|" or "\\t"'
    if is_csv and mark == drop.decimal:
        return (
            "decimal",
            f'{mark!r} is the delimiter, too: write delimiter = ";", as spreadsheets with a decimal comma do',
        )
    if drop.together and not is_csv:
        return "together", f'it is for rows of csv, not for format "{drop.format}": remove it'
    if drop.needs and not is_csv:
        return "needs", f'it is for columns of csv, not for format "{drop.format}": remove it'
    return None


def _topic_fault(drop: DropSettings, decoder: Decoder) -> tuple[str, str] | None:
    if "+" in drop.topic or "#" in drop.topic:
        return "topic", f"{drop.topic!r} is a filter: rows are messages of one topic, without + and #; write it out"
    if not decoder.reads(drop.topic):
        return "topic", f"no [[subscribe]] reads {drop.topic!r}; add one, or correct the topic"
    return None


def _collision(root: Path, drop: DropSettings, earlier: DropSettings) -> tuple[str, str] | None:
    """Why two [[drop]]s cannot be side by side, None where they can."""
    own, other = ((root / one.folder).resolve() for one in (drop, earlier))
    for inner, outer in ((own, other), (other, own)):
        if inner in (outer / DONE, outer / FAILED):
            return "folder", f"{str(inner)!r} is where files go that were read from {str(outer)!r}; name another"
    if own != other or not overlap(drop.glob, earlier.glob):
        return None
    if drop.glob == earlier.glob:
        return "glob", f"{drop.glob!r} of {drop.folder!r} is read twice; remove one"
    return "glob", f"{drop.glob!r} and {earlier.glob!r} of {drop.folder!r} may match one file; make them differ"


def check_folders(document: Document) -> None:
    """Raises ConfigError where files could not be read and moved."""
    for i, drop in enumerate(document.sections("drop", DropSettings)):
        folder = document.folder / drop.folder
        where = f"{document.path}: `drop[{i}].folder`: {folder}"
        if not folder.is_dir():
            raise ConfigError(f"{where} is no folder; create it or correct the key")
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"{where} must be writable: what was read is moved to done/ in it; give this user access")
