"""InfluxDB through influxdb-client's synchronous writer: one body of line protocol a write, times in ns.

Rows come from `collector.rows`. Only 204 means stored, and from time to time the last point is read back, so that a 204
of something that is no store is found out. A refused body is halved until the rows at fault stand alone: servers tell
of them in different words, and 2.x stores nothing of a body it refuses. Writing a row twice is harmless, it is the same
point. A row older than the bucket's retention is refused here: servers drop it, some behind a 204.

Rows are refused only on a store that takes some: where it took none of a parcel it is given a row of our own, in the
measurement `store_probe`, at most one point a minute (`sieve.py`). A peer that refuses that, too, is a store that is
away.

What differs between stores (of which only 1.6.7 was run live, behind a shim for the v2 write path):
- InfluxDB 2: a token in `token_file` that may read and write the bucket; reading goes through its InfluxQL `/query`,
  which needs a DBRP mapping of the bucket's name (2.x has one by itself unless mappings were made by hand).
- InfluxDB 1.8: `bucket` is database/retention-policy; `username`, and its password in `token_file`; or no login.
- InfluxDB 3: `bucket` is the database; a token as in 2. What it keeps is not always told: then set `retention_d`.
- VictoriaMetrics: `write_only` with `retention_d`: it cannot be asked, and answers 204 to points it does not keep.
"""

from __future__ import annotations

from pathlib import Path

from collector.config import ConfigError
from collector.sinks.influx.options import Options, token_in
from collector.sinks.sink import Sink

__all__ = ["Options", "build"]


def build(options: Options, folder: Path) -> Sink:
    """Raises ConfigError where the token cannot be read. Does not need the store to be up."""
    token_file = folder / options.token_file if options.token_file else None
    if token_file:
        token_in(token_file)
    if options.username and not token_file:
        raise ConfigError("`username` needs `token_file`: write that user's password into a file and name it there")
    if not (options.username.isascii() and options.username.isprintable()):
        raise ConfigError("`username` holds what HTTP cannot carry: write plain letters, digits and signs")
    if options.write_only and options.retention_d is None:
        raise ConfigError(
            "`write_only` needs `retention_d`: a store that is not read cannot be asked how long it keeps points; "
            "set what it keeps (VictoriaMetrics: 30 unless told otherwise), 0 for ever"
        )
    from collector.sinks.influx.store import Store  # influxdb-client takes 15 MB, which only who writes should pay
    from collector.sinks.influx.writer import Influx

    return Influx(options, Store(options, token_file))
