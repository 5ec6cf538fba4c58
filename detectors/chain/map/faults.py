"""What is wrong within the tables of a chain: duplicates, unknown names and codes, units, cycles, ages, missing facts.

Pure: Tables in, faults out, each with its table, row and remedy. `wiring` finds what only shows when rows are joined.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from math import inf

from collector.readings import NS_PER_S
from collector.units.code import BadUnit, unit_of
from collector.units.scaling import scaling
from detectors.chain import graph
from detectors.chain.map.codes import divisions, wrong_country, wrong_gln, wrong_hs_code, wrong_industry
from detectors.chain.map.names import Meant
from detectors.chain.map.tables import Capability, Coming, Does, Fault, Held, Item, Row, Scope, Site, Tables

STALE_AFTER_D = 365.0

_NS_PER_D = 86_400 * NS_PER_S


def faults_within(tables: Tables) -> list[Fault]:
    """Every error of the rows by themselves and of the names by which they refer to each other."""
    return [
        *_twice(tables),
        *_sites(tables.sites),
        *_items(tables),
        *_unsound(tables),
        *_unknown(tables),
        *_arrived(tables),
    ]


def faults_of_age(tables: Tables, at_ns: int, stale_after_d: float) -> Iterator[Fault]:
    """A warning for each table with facts older than the setting, or dated after `at_ns` (UTC)."""
    for name, rows in tables._asdict().items():
        old = [row for row in rows if row.as_of_ns < at_ns - stale_after_d * _NS_PER_D]
        if old:
            oldest = min(old, key=lambda row: row.as_of_ns)
            age_d = (at_ns - oldest.as_of_ns) / _NS_PER_D
            says = f"`as_of` {_day(oldest.as_of_ns)} is {age_d:.0f} days old, stale after {stale_after_d:g}"
            yield Fault(name, oldest.row, f"{says}{_others(len(old))}; look again and date it", warning=True)
        early = [row for row in rows if row.as_of_ns > at_ns + _NS_PER_D]
        if early:
            says = f"`as_of` {_day(early[0].as_of_ns)} lies in the future{_others(len(early))}; correct the date"
            yield Fault(name, early[0].row, says, warning=True)


def faults_of_dates(tables: Tables, at_ns: int) -> Iterator[Fault]:
    """A warning where deliveries were due before `at_ns` (UTC): whoever asks live counts them no more."""
    counted = _counted(tables)
    passed = [row for row in tables.in_transit if _counted_ns(row, counted) < row.due_ns < at_ns]
    if passed:
        first = min(passed, key=lambda row: row.due_ns)
        says = f"`due` {_day(first.due_ns)} passed {(at_ns - first.due_ns) / _NS_PER_D:.0f} days ago"
        remedy = "count the stock anew and remove it, or correct the date; live it counts no more"
        yield Fault("in_transit", first.row, f"{says}{_others(len(passed))}; {remedy}", warning=True)


def _arrived(tables: Tables) -> Iterator[Fault]:
    """A warning for each delivery that was due when the stock it is for was counted."""
    counted = _counted(tables)
    for row in tables.in_transit:
        if row.due_ns <= _counted_ns(row, counted):
            stock = counted[row.site, row.item]
            says = f"`due` {_day(row.due_ns)} is not after the count of its stock, {_day(stock.as_of_ns)}"
            remedy = f"remove it if it is in stock.csv row {stock.row}, else correct one of the dates"
            yield Fault("in_transit", row.row, f"{says}, so that it does not count; {remedy}", warning=True)


def _counted(tables: Tables) -> dict[tuple[str, str], Held]:
    return {(row.site, row.item): row for row in tables.stock}


def _counted_ns(row: Coming, counted: dict[tuple[str, str], Held]) -> int:
    stock = counted.get((row.site, row.item))
    return stock.as_of_ns if stock else 0


def cycle_in_bom(tables: Tables) -> Iterator[Fault]:
    """The error of an item that, over any number of steps, is made of itself."""
    pairs = [(line.child, line.parent) for line in tables.bom]
    way = graph.cycle([item.id for item in tables.items], pairs)
    if way:
        row = next(line.row for line in tables.bom if (line.child, line.parent) == (way[0], way[1]))
        says = f"the bill of materials runs in a cycle, {' -> '.join(way)}; remove one of these lines"
        yield Fault("bom", row, says)


def _twice(tables: Tables) -> Iterator[Fault]:
    keys: list[tuple[Sequence[Row], Iterable[tuple[Hashable, ...]]]] = [
        (tables.sites, ((site.id,) for site in tables.sites)),
        (tables.sites, (("GLN", site.gln) if site.gln else () for site in tables.sites)),
        (tables.items, ((item.id,) for item in tables.items)),
        (tables.capabilities, ((one.site, one.item) for one in tables.capabilities)),
        (tables.capabilities, ((one.node,) for one in tables.capabilities)),
        (tables.capabilities, (("line", one.line) if one.line else () for one in tables.capabilities)),
        (tables.bom, ((line.parent, line.child) for line in tables.bom)),
        (tables.sourcing, ((one.from_site, one.to_site, one.item) for one in tables.sourcing)),
        (tables.stock, ((one.site, one.item) for one in tables.stock)),
        (tables.stock, (("series", one.series) if one.series else () for one in tables.stock)),
        (tables.demand, ((one.site, one.item) for one in tables.demand)),
        (tables.scenarios, ((one.name, str(one.scope), one.target) for one in tables.scenarios)),
    ]
    for rows, of_rows in keys:
        yield from _repeated(rows, of_rows)


def _repeated(rows: Sequence[Row], keys: Iterable[tuple[Hashable, ...]]) -> Iterator[Fault]:
    seen: dict[tuple[Hashable, ...], int] = {}
    for row, key in zip(rows, keys, strict=True):
        first = seen.setdefault(key, row.row) if key else row.row
        if first != row.row:
            what = " ".join(str(part) for part in key)
            yield Fault(row.table, row.row, f"{what} is a duplicate of row {first}; keep one of them")


def _sites(sites: Sequence[Site]) -> Iterator[Fault]:
    for site in sites:
        codes = (("industry", site.industry, wrong_industry), ("gln", site.gln, wrong_gln))
        for column, code, wrong in (*codes, ("country", site.country, wrong_country)):
            if code and wrong(code):
                yield Fault("sites", site.row, f"`{column}`: {wrong(code)}")
        for column in ("firm", "country", "industry"):
            if not getattr(site, column):
                says = f"`{column}` of {site.id} is empty; fill it in, else the figures by {column} leave it out"
                yield Fault("sites", site.row, says, warning=True)
        if site.energy_cap_kwh_per_d < inf and not site.energy_kwh_per_unit:
            says = f"{site.id} has an energy cap and no energy_kwh_per_unit: it limits nothing; say what a unit takes"
            yield Fault("sites", site.row, says, warning=True)


def _items(tables: Tables) -> Iterator[Fault]:
    sold = {one.item for one in tables.demand}
    for item in tables.items:
        if item.hs_code and wrong_hs_code(item.hs_code):
            yield Fault("items", item.row, f"`hs_code`: {wrong_hs_code(item.hs_code)}")
        if item.id in sold and not item.unit_margin:
            says = f"{item.id} is sold and has no unit_margin, so a lost sale of it costs nothing; say what one earns"
            yield Fault("items", item.row, says, warning=True)
        try:
            unit_of(item.uom)
        except BadUnit as bad:
            yield Fault("items", item.row, f"`uom`: {bad}")
    yield from _units(tables, {item.id: item for item in tables.items})


def _units(tables: Tables, items: dict[str, Item]) -> Iterator[Fault]:
    said: list[tuple[Row, str, str]] = [(line, line.child, line.uom) for line in tables.bom]
    said += [(one, one.item, one.uom) for one in tables.stock]
    said += [(one, one.item, one.uom) for one in tables.demand]
    said += [(one, one.item, one.uom) for one in tables.in_transit]
    for row, name, uom in said:
        if uom and name in items and uom != items[name].uom:
            try:
                scaling(uom, items[name].uom)
            except BadUnit as bad:
                says = f"`uom`: {name} is counted in {items[name].uom!r} (items.csv row {items[name].row}): {bad}"
                yield Fault(row.table, row.row, f"{says}; correct one of the two")


def _unsound(tables: Tables) -> Iterator[Fault]:
    """Rows that are numbers and make no sense."""
    recovered = {one.site for one in tables.outages}
    for one in tables.capabilities:
        yield from _unsound_capability(one, known=one.site in recovered)
    for line in tables.bom:
        if not line.qty_per:
            yield Fault("bom", line.row, f"`qty_per` is 0; say how much {line.child} one unit of {line.parent} takes")
        if line.scrap == 1:
            yield Fault(
                "bom", line.row, f"`scrap` is 1, so no {line.child} would be left; write the ratio that is lost"
            )
    for sold in tables.demand:
        if not sold.per_d:
            says = f"`per_d` is 0: {sold.item} at {sold.site} has no demand; say what is sold a day or remove the row"
            yield Fault("demand", sold.row, says)
    if not tables.demand:
        yield Fault("demand", 0, "nothing is sold, so nothing can be lost; add a row for each item that is sold")
    for ended in tables.outages:
        if ended.ended_ns and ended.ended_ns < ended.began_ns:
            yield Fault("outages", ended.row, "`ended` lies before `began`; correct one of the two")


def _unsound_capability(one: Capability, *, known: bool) -> Iterator[Fault]:
    if not one.capacity_per_d:
        says = f"`capacity_per_d` of {one.node} is 0; correct it, leave it empty if unlimited, or remove the row"
        yield Fault("capabilities", one.row, says)
    if one.does is Does.MAKE and not one.time_to_recover_d and not known:
        says = f"`time_to_recover_d` of {one.node} is missing; say how many days an outage lasts, or list past outages"
        yield Fault("capabilities", one.row, says)
    if one.line and one.line.count("/") != 1:
        says = f"`line` is {one.line!r}; write site/line as the telemetry names them, such as nanjing/inverter_1"
        yield Fault("capabilities", one.row, says)


def _unknown(tables: Tables) -> Iterator[Fault]:
    sites, items = Meant("site", tables.sites), Meant("item", tables.items)
    yield from sites.unknown(tables.sourcing, "from", (one.from_site for one in tables.sourcing))
    yield from sites.unknown(tables.sourcing, "to", (one.to_site for one in tables.sourcing))
    yield from items.unknown(tables.sourcing, "item", (one.item for one in tables.sourcing))
    yield from items.unknown(tables.bom, "parent", (line.parent for line in tables.bom))
    yield from items.unknown(tables.bom, "child", (line.child for line in tables.bom))
    for rows in (tables.capabilities, tables.stock, tables.demand, tables.in_transit, tables.outages, tables.actions):
        yield from sites.unknown(rows, "site", (one.site for one in rows))
        named = [one for one in rows if one.item]
        yield from items.unknown(named, "item", (one.item for one in named))
    yield from _unknown_targets(tables, sites, items)


def _unknown_targets(tables: Tables, sites: Meant, items: Meant) -> Iterator[Fault]:
    for one in tables.scenarios:
        if one.scope in (Scope.SITE, Scope.ITEM):
            yield from (sites if one.scope is Scope.SITE else items).unknown([one], "target", [one.target])
        elif one.target not in _targets(tables.sites, one.scope):
            says = f"`target`: no site has the {one.scope} {one.target!r}; correct the name or the sites"
            yield Fault("scenarios", one.row, says)


def _targets(sites: Iterable[Site], scope: Scope) -> Collection[str]:
    if scope is Scope.DIVISION:
        return divisions()
    return {getattr(site, scope) for site in sites}


def _others(count: int) -> str:
    if count == 1:
        return ""
    return f" (and {count - 1:,} other {'row' if count == 2 else 'rows'} of this table)"


def _day(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // NS_PER_S, dt.UTC).date().isoformat()
