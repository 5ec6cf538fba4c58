"""An archive of Parquet files: `PATH/SITE/2026-11-22/14-....parquet`, one or a few for each hour of event time.

A write goes to a journal first and is durable there on return: a row group for every parcel would be far too small.
When the hour turns or the journal has grown to `max_mb`, its readings become Parquet files, each whole from the moment
it has its name. So the archive is up to an hour behind; what is not yet in a file is in the journal, and what came
again after a crash is in it once.

All readings are kept, of every quality. What detectors say is not: it is made again from the readings.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from collector.config import ConfigError, Name, Positive, Section
from collector.forwarding.bundle import bundles
from collector.readings import NS_PER_S, Batch
from collector.sinks.parquet.journal import Journal
from collector.sinks.sink import Parcel, SinkUnavailable

if TYPE_CHECKING:
    from collector.sinks.parquet.files import Files

log = logging.getLogger(__name__)

__all__ = ["Options", "Parquet", "build"]

_HOUR_NS = 3_600 * NS_PER_S
_READINGS_PER_BUNDLE = 20_000


class Options(Section, frozen=True, kw_only=True):
    """`path` is a folder, relative to the one of site.toml. `max_mb` is the size at which the journal becomes files."""

    path: Name = "var/archive"
    max_mb: Positive = 4.0


def build(options: Options, folder: Path) -> Parquet:
    """Raises ConfigError where pyarrow is not installed."""
    try:
        from collector.sinks.parquet.files import Files
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'`kind`: "parquet" needs the package pyarrow ({error}): pip install "andon[archive]"'
        ) from error
    root = folder / options.path
    return Parquet(Journal(root / "_journal"), Files(root), int(options.max_mb * 1e6))


class Parquet:
    """A Sink. What could not be made into files stays in the journal and is tried again before the next write."""

    def __init__(self, journal: Journal, files: Files, max_bytes: int) -> None:
        self._journal = journal
        self._files = files
        self._max_bytes = max_bytes

    def write(self, parcel: Parcel) -> None:
        """Keeps all readings, down to the disk. Raises SinkUnavailable, and then all of it may come again."""
        if not parcel.frames:
            return
        received_ns = max(
            (int(frame.body.received_ns.max()) for frame in parcel.frames if isinstance(frame.body, Batch)), default=0
        )
        try:
            self._journal.open()
            if self._is_full(received_ns):
                self._journal.begin_next()
            self._archive()
            self._journal.append(list(bundles(parcel, "", _READINGS_PER_BUNDLE)), received_ns)
        except OSError as error:
            self.close()
            raise SinkUnavailable(
                f"archive {self._files.root} cannot be written ({error.strerror or error}): "
                "free space on that disk, or give this user write access to the folder"
            ) from error

    def close(self) -> None:
        self._journal.close()

    def _is_full(self, received_ns: int) -> bool:
        began = self._journal.received_ns
        return self._journal.size_bytes >= self._max_bytes or (0 < began // _HOUR_NS < received_ns // _HOUR_NS)

    def _archive(self) -> None:
        """Makes files of the journal's finished parts; a part goes once all its files are on disk."""
        for part in self._journal.finished():
            self._files.write(part.bundles())
            if part.damaged_from is None:
                part.remove()
            else:
                aside = part.set_aside()
                log.error("archive.damaged file=%s from_byte=%d; check the disk", aside, part.damaged_from)
