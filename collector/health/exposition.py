"""A process's counters as Prometheus reads them: the text exposition format 0.0.4.

Input: counts and gauges under the names of `collector.health.counters`. Output: families named `andon_...` in base
units, counts with `_total`; labels `site` and `process`, and whom a `name/subject` is about. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# What a family is about: the label of its subjects, and its help. A count without an entry is its own name.
_FAMILIES: dict[str, tuple[str, str]] = {
    "messages_received": ("", "Messages taken from the broker, repeats included."),
    "messages_stored": ("", "Messages whose readings, dead letters and gaps are on disk."),
    "readings_stored": ("", "Readings put into the log of the spool."),
    "messages_silent": ("", "Messages that were read and said nothing: no reading, gap or signal."),
    "values_left_out": ("", "Values that are no numbers and that no [[subscribe.tag]] describes."),
    "readings_clock": ("", "Readings flagged for a source time that cannot be right."),
    "dead_lettered": ("", "Messages that could not be read and were kept as dead letters."),
    "gaps_found": ("", "Entries written into the ledger."),
    "readings_evicted": ("", "Readings dropped from a full spool before every reader had them."),
    "records_evicted": ("", "Detector records dropped from a full spool before every reader had them."),
    "dead_letters_evicted": ("", "Dead letters dropped beyond their share of the spool."),
    "rows_delivered": ("sink", "Rows that a store took."),
    "sink_unavailable": ("sink", "Writes that a store could not take and that are tried again."),
    "broker_connected": ("broker", "1 while connected to the broker (all of them, without a label)."),
    "sink_lag_s": ("sink", "Age of the oldest entry a store has not been given."),
    "sink_lag_frames": ("sink", "Frames a store has not been given."),
    "sink_backlog_frames": ("sink", "Frames of a store's backlog that still go beside the live lane."),
    "sink_backlog_eta_s": ("sink", "Time until a store's backlog is delivered at the pace so far."),
    "oldest_undelivered_s": ("", "Age of the oldest entry that some store has not been given."),
    "spool_depth": ("", "Frames that the store furthest behind has not been given."),
    "spool_bytes": ("", "Bytes in use inside the spool file."),
    "disk_free_bytes": ("", "Bytes free on the spool's disk."),
    "dead_letters": ("", "Different dead letters kept."),
    "queue_depth": ("", "Messages received and not yet taken up."),
    "detection_lag_s": ("line", "Age of the oldest entry that the detectors of a line have not dealt with."),
    "clock_offset_ms": ("gateway", "How far a gateway's clock is ahead of the site's."),
    "clock_drift_ms_per_h": ("gateway", "Seconds that a gateway's clock gains on the site's per second."),
    "clocks_wrong": ("", "Gateways whose clock is further off than the limit."),
}
_BASE_UNITS = (("_ms_per_h", "_ratio", 1 / 3_600_000), ("_ms", "_seconds", 1e-3), ("_s", "_seconds", 1.0))
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


class _Sample(NamedTuple):
    labels: str
    value: float


def exposition(counts: Mapping[str, int], gauges: Mapping[str, float], *, site: str, process: str) -> bytes:
    """All counters and gauges of a process, families in order of their names."""
    own = f'site="{_escaped(site)}",process="{_escaped(process)}"'
    families = [("counter", name, samples) for name, samples in _families(counts, own).items()]
    families += [("gauge", name, samples) for name, samples in _families(gauges, own).items()]
    lines = [f"# HELP andon_up This process answers.\n# TYPE andon_up gauge\nandon_up{{{own}}} 1\n"]
    for kind, name, samples in sorted(families, key=lambda family: (family[1], family[0])):
        lines.append(_written(kind, name, samples))
    return "".join(lines).encode()


def _families(values: Mapping[str, float], own: str) -> dict[str, list[_Sample]]:
    """The values by the family of their name, each with its labels."""
    found: dict[str, list[_Sample]] = {}
    for name, value in sorted(values.items()):
        family, _, subject = name.partition("/")
        label = _FAMILIES.get(family, ("subject", ""))[0] or "subject"
        about = f',{label}="{_escaped(subject)}"' if subject else ""
        found.setdefault(family, []).append(_Sample(f"{{{own}{about}}}", value))
    return found


def _written(kind: str, family: str, samples: list[_Sample]) -> str:
    name, scale = _in_base_unit(family)
    full = f"andon_{_NOT_IN_A_NAME.sub('_', name)}" + ("_total" if kind == "counter" else "")
    told = _FAMILIES.get(family, ("", ""))[1] or f"{family.replace('_', ' ').capitalize()}."
    head = f"# HELP {full} {_escaped_help(told)}\n# TYPE {full} {kind}\n"
    return head + "".join(f"{full}{labels} {_number(value * scale)}\n" for labels, value in samples)


def _in_base_unit(family: str) -> tuple[str, float]:
    for ending, unit, scale in _BASE_UNITS:
        if family.endswith(ending):
            return family.removesuffix(ending) + unit, scale
    return family, 1.0


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def _escaped(text: str) -> str:
    """A label's value: backslash, quote and line feed are the three that the format escapes."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
