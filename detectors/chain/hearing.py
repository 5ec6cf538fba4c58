"""What of the log concerns a chain: alerts and bands that detectors said, promises of the inventory, readings.

Called by `run`, frame by frame; what is noted goes into the FloorHistory. Pure.
"""

from __future__ import annotations

import numpy as np

from collector import schema
from collector.readings import Batch, Kind, Quality, Series
from collector.spool.frames import Record
from collector.spool.series import SeriesCatalog
from detectors.chain.floor import KINDS, Band, FloorHistory, Promise, Promises
from detectors.chain.network import Network


def tells_alert(body: object) -> bool:
    """Whether it says a change of an alert that may concern a chain."""
    if not isinstance(body, Record) or body.measurement != schema.ALERT_EVENT.name:
        return False
    return body.detail["kind"] in KINDS


def bands_of(network: Network, record: Record) -> list[Band]:
    """The band of a record, none when it is of no use to this chain."""
    tags, fields = record.tags, record.fields
    line, series = f"{tags['site']}/{tags['line']}", record.key.partition("|")[2]
    ours = series in network.by_series or line in network.by_equipment
    if tags["method"] not in KINDS or not ours or not {"value", "mid"} <= fields.keys():
        return []
    value, expected = float(fields["value"]), float(fields["mid"])
    return [Band(tags["method"], line, series, record.at_ns, value, expected)]


def promises_of(record: Record, offset: int) -> Promises:
    """What is on its way to the stock of a series, as `collector.inventory.statement` says it."""
    receipts = tuple(Promise(one["promised_ns"], one["quantity"]) for one in record.detail["receipts"])
    return Promises(record.detail["series"], record.at_ns, receipts, offset)


def note_readings(network: Network, history: FloorHistory, batch: Batch, series: SeriesCatalog) -> None:
    """Stocks of the map, and all counters of its lines: which of them is the output, bands will tell."""
    wanted = [i for i in np.unique(batch.series).tolist() if _is_wanted(network, series[i])]
    usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value) & np.isin(batch.series, wanted)
    names = {i: series[i].name for i in wanted}
    columns = (batch.series[usable].tolist(), batch.at_ns[usable].tolist(), batch.value[usable].tolist())
    for one, at_ns, value in zip(*columns, strict=True):
        if names[one] in network.by_series:
            history.note_stock(names[one], at_ns, value)
        else:
            history.note_count(names[one], at_ns, value)


def _is_wanted(network: Network, series: Series) -> bool:
    line = f"{series.equipment.site}/{series.equipment.line}"
    return series.name in network.by_series or (series.kind == Kind.COUNTER and line in network.by_equipment)
