"""Which id in a batch means which series. Ids are given once and never used again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from collector.readings import Series
from collector.spool.connection import SpoolConnection
from collector.spool.mark import Standing
from collector.spool.tables import TABLES

_INSERT = TABLES["series"].insert("")
_decoder = msgspec.json.Decoder(Series)


class SeriesCatalog(Mapping[int, Series]):
    """A mapping id -> Series that follows what other processes register."""

    def __init__(self, connection: SpoolConnection, standing: Standing) -> None:
        self._connection = connection
        self._standing = standing
        self._by_id: dict[int, Series] = {}
        self._ids: dict[Series, int] = {}
        self._unsaved: list[Series] = []
        self._seen_to = 0  # every series up to this id is known

    def id_of(self, series: Series) -> int:
        """The id of a series, registering it when new; a new one belongs inside a transaction."""
        known = self._ids.get(series)
        if known is not None:
            return known
        body = msgspec.json.encode(series)
        row = self._connection.execute("SELECT id FROM series WHERE body = ?", (body,)).fetchone()
        given = int(row[0]) if row else self._register(body)
        self._keep(given, series)
        self._unsaved.append(series)
        return given

    def saved(self) -> None:
        """The transaction that registered new series is durable."""
        self._unsaved.clear()

    def forget_unsaved(self) -> None:
        """The transaction that registered new series was rolled back: their ids are void."""
        for series in self._unsaved:
            self._by_id.pop(self._ids.pop(series), None)
        self._unsaved.clear()
        self._seen_to = 0

    def refresh(self) -> None:
        """Takes in what others have registered since."""
        for given, body in self._standing.rows("series", "id > ? ORDER BY id", (self._seen_to,)):
            self._keep(given, _decoder.decode(body))
            self._seen_to = given

    def __getitem__(self, given: int) -> Series:
        if given not in self._by_id:
            rows = self._standing.rows("series", "id = ?", (given,))
            if not rows:
                raise KeyError(given)
            self._keep(given, _decoder.decode(rows[0][1]))
        return self._by_id[given]

    def __iter__(self) -> Iterator[int]:
        self.refresh()
        return iter(sorted(self._by_id))

    def __len__(self) -> int:
        self.refresh()
        return len(self._by_id)

    def _register(self, body: bytes) -> int:
        given = self._standing.mark.series_end + 1
        self._connection.execute(_INSERT, self._standing.sealed("series", given, body))
        self._standing.move(series_end=given)
        return given

    def _keep(self, given: int, series: Series) -> None:
        self._by_id[given] = series
        self._ids[series] = given
