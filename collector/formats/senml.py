"""senml: Sensor Measurement Lists as JSON (RFC 8428), resolved as its section 4.6 says.

    [{"bn": "urn:dev:ow:10e2073a01080063:", "bt": 1720730488, "bu": "Cel", "n": "temp", "v": 23.1},
     {"n": "hum", "u": "%RH", "t": -5, "v": 67}]

Base fields hold from their record on: a base name stands before names, a base time and a base value are added, a base
unit is that of records without one. Times are seconds; below 2**28 they are relative to the receipt (section 4.5.3). A
sum `s` is a tag of its own, NAME.sum. Texts (`vs`) and booleans (`vb`) are values, data (`vd`) is none. Units are of
the registry iana.org/assignments/senml (RFC 8428, 8798), here as UCUM codes. Options: `collector.formats.tags`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collector.config import Site
from collector.formats.event_time import TimeUnit, receipt_ns, shown
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions
from collector.readings import NS_PER_S
from collector.sources.source import Message
from collector.topics import TopicTemplate

_RELATIVE_BELOW = 2**28
_VERSIONS = (*range(11), 26)  # RFC 8428, and RFC 9100: with secondary units
_VALUES = ("v", "vs", "vb", "vd", "s")
_LABELS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "t", "ut", *_VALUES})

# Symbols of the registry whose UCUM code is another, each of the same size. The rest (m, kg, Pa, Cel, Ohm, m/s2,
# bit/s, kW, hPa, km/h ...) is written the same in both. `{...}` is UCUM's comment on a unit it has no code for.
_UCUM = dict(
    pair.split(" ", 1)
    for pair in (
        *(
            "/ 1",
            "count 1",
            "beats {beats}",
            "%RH %",
            "%EL %",
            "EL s",
            "/100 %",
            "/1000 10*-3",
            "ppm [ppm]",
            "ppb [ppb]",
        ),
        *("1/s /s", "1/min /min", "beat/min {beats}/min", "lat deg", "lon deg", "pH [pH]", "NTU {NTU}"),
        *("Bspl B[SPL]", "dBW dB[W]", "dBm dB{mW}", "B By", "KiB KiBy", "GB GBy", "B/s By/s", "MB/s MBy/s"),
        *(
            "VA V.A",
            "VAs V.A.s",
            "VAh V.A.h",
            "kVA kV.A",
            "kVAh kV.A.h",
            "Ah A.h",
            "Wh W.h",
            "kWh kW.h",
            "Wh/km W.h/km",
        ),
        *("var V.A{reactive}", "vars V.A{reactive}.s", "kvar kV.A{reactive}"),
        *("varh V.A{reactive}.h", "kvarh kV.A{reactive}.h"),
    )
)

_SCALES = frozenset({"Cel", "pH", "Bspl", "dB", "dBW", "dBm"})  # no ratios: UCUM multiplies them by nothing


class Options(TagOptions, frozen=True, kw_only=True):
    """What a senml subscription may say. RFC 8428 knows seconds alone; another unit is for senders that do not."""

    time_unit: TimeUnit = "s"


class Record(msgspec.Struct):
    """One record, its labels as section 4.3 names them."""

    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str = ""
    u: str = ""
    t: float = 0
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    ut: float | None = None


class _Base(msgspec.Struct):
    """What the records so far have set for those that follow."""

    bn: str = ""
    bt: float = 0
    bu: str = ""
    bv: float = 0
    bs: float = 0
    bver: int = 10


_objects = msgspec.json.Decoder(list[dict[str, Any]])


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic, time_field="t")


def tags_in(message: Message) -> list[Tag]:
    """The records of a pack as tags. Raises BadPayload."""
    tags: list[Tag] = []
    base = _Base()
    try:
        for record in _records(message.payload):
            base = _following(base, record)
            tags += _resolved(record, base, message)
    except (ValueError, RecursionError) as error:
        raise BadPayload(
            f"topic {message.topic}: no SenML pack ({error}): correct the sender, or the format in site.toml"
        ) from error
    return tags


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        objects = _objects.decode(message.payload)
        list(_records(message.payload))
    except (ValueError, RecursionError):
        return 0.0
    labels = frozenset().union(*objects)
    if not labels.intersection(_VALUES) or not labels.intersection(("n", "bn")) or not labels <= _LABELS:
        return 0.0
    return 1.0 if labels.intersection(("bn", "bt", "bu", "bver")) else 0.8


def _records(payload: bytes) -> list[Record]:
    """Raises ValueError, also for a label that must be understood and is not (section 4.4), or RecursionError."""
    objects = _objects.decode(payload)
    if not objects:
        raise ValueError("it holds no record")
    unknown = next((label for one in objects for label in one if label.endswith("_")), None)
    if unknown:
        raise ValueError(f"label {shown(unknown)} must be understood, and is not")
    return [msgspec.convert(one, Record) for one in objects]


def _following(base: _Base, record: Record) -> _Base:
    """What holds from this record on. Raises ValueError for a version not read here."""
    if record.bver is not None and record.bver not in _VERSIONS:
        raise ValueError(f"version {record.bver} is not known")
    set_here = {name: value for name in base.__struct_fields__ if (value := getattr(record, name)) is not None}
    return msgspec.structs.replace(base, **set_here) if set_here else base


def _resolved(record: Record, base: _Base, message: Message) -> list[Tag]:
    """The tags of one record; none where it only sets what follows. Raises ValueError, BadPayload."""
    given = [value for value in (record.v, record.vs, record.vb, record.vd) if value is not None]
    if not given and record.s is None and not record.n:
        return []
    if len(given) > 1 or (not given and record.s is None):
        raise ValueError(f"{shown(base.bn + record.n)} has {len(given) or 'no'} values, one is wanted")
    name, at = base.bn + record.n, _at(base.bt + record.t, message)
    unit = record.u or base.bu
    tags = [] if record.s is None else [Tag(f"{name}.sum", base.bs + record.s, at, unit=_ucum(unit, per="s"))]
    if record.v is not None:
        tags.append(Tag(name, base.bv + record.v, at, unit=_ucum(unit)))
    elif record.vb is not None or record.vs is not None:
        tags.append(Tag(name, record.vs if record.vb is None else record.vb, at))
    return tags


def _at(time: float, message: Message) -> float | None:
    """A time as seconds since 1970, None for the receipt's. Raises BadPayload where there is none to count from."""
    if time == 0:
        return None
    return time if time >= _RELATIVE_BELOW else receipt_ns(message) / NS_PER_S + time


def _ucum(unit: str, per: str = "") -> str:
    """The UCUM code, times `per`; `""` where no unit is said."""
    code = _UCUM.get(unit, unit)
    if not code or not per:
        return code
    if code == "1":
        return per
    return f"{{{unit}}}.{per}" if unit in _SCALES else f"{code}.{per}"
