"""Random tiered chains of any size, as tables, as a Network or as a folder. The same seed gives the same bytes.

`python -m tests.bench.chain_networks FOLDER --firms 100000 --links 800000` writes a folder, `andon bench chain_map`
reads one. Every firm has one site and makes one item of its tier, of some items of the tier before; the last sells.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S
from detectors.chain.map.codes import divisions
from detectors.chain.map.folder import network_of
from detectors.chain.map.reading import column_names
from detectors.chain.map.tables import BomLine, Capability, Demand, Held, Item, Row, Site, Sourcing, Tables
from detectors.chain.network import Network

SEED = 20261123
TIERS = 5
_FROM = ("generated", 1_772_323_200 * NS_PER_S, 0.5)  # source, as_of, confidence
_COUNTRIES = ("CN", "CN", "CN", "CN", "CN", "JP", "KR", "TW", "DE", "US")


class Firms(NamedTuple):
    """Who makes what: by firm its tier and item, by item its makers and children with quantities."""

    tier: NDArray[np.int64]
    item: NDArray[np.int64]
    makers: list[NDArray[np.int64]]
    children: list[NDArray[np.int64]]
    quantities: list[NDArray[np.float64]]


class Links(NamedTuple):
    """One element for each row of sourcing."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    item: NDArray[np.int64]
    share: NDArray[np.float64]
    quantity: NDArray[np.float64]


def random_tables(firms: int, links: int, seed: int = SEED, tiers: int = TIERS) -> Tables:
    """A chain of so many firms, each with one site, and so many rows of sourcing, without an error or a warning."""
    rng = np.random.default_rng(seed)
    tier = np.sort(rng.integers(0, tiers, firms))
    tier[:tiers] = np.arange(tiers)  # no tier is empty
    tier.sort()
    buyers = int((tier > 0).sum())
    inputs = max(1, round(links / buyers / 2.5))
    made = _who_makes_what(rng, tier, inputs, makers=-(-links // (buyers * inputs)) + 1)
    linked = _links(rng, made, links)
    return _tables(rng, made, linked, _planned_per_d(made, linked))


def random_network(firms: int, links: int, seed: int = SEED, tiers: int = TIERS) -> Network:
    network, faults = network_of(random_tables(firms, links, seed, tiers))
    if network is None:
        raise ValueError(f"the generated chain has errors: {faults[:3]}")
    return network


def write_folder(tables: Tables, folder: Path) -> None:
    """Writes the CSV files of a chain folder; tables without rows are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables._asdict().items():
        if rows:
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                written = csv.writer(file, lineterminator="\n")
                columns = column_names(type(rows[0]))
                written.writerow(columns)
                written.writerows(_cells(rows, columns))


def _cells(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[list[object]]:
    fields = {"as_of" if f.name == "as_of_ns" else f.encode_name: f for f in msgspec.structs.fields(type(rows[0]))}
    ordered = [fields[column] for column in columns]
    for row in rows:
        values = ((field, getattr(row, field.name)) for field in ordered)
        yield ["" if value in (field.default, inf) else _text(field.name, value) for field, value in values]


def _text(name: str, value: object) -> object:
    if name.endswith("_ns"):
        return dt.datetime.fromtimestamp(int(str(value)) / NS_PER_S, dt.UTC).isoformat()
    return str(value).lower() if isinstance(value, bool) else value


def _who_makes_what(rng: np.random.Generator, tier: NDArray[np.int64], inputs: int, makers: int) -> Firms:
    """Deals the firms of each tier among its items, at least `makers` for each, and each item its inputs."""
    item = np.empty(len(tier), np.int64)
    firms_of: list[NDArray[np.int64]] = []
    children: list[NDArray[np.int64]] = []
    before = np.empty(0, np.int64)
    for level in range(int(tier.max()) + 1):
        members = np.flatnonzero(tier == level)
        items = np.arange(max(1, len(members) // makers)) + len(firms_of)
        item[members] = items[np.arange(len(members)) % len(items)]
        firms_of += [members[item[members] == one] for one in items] if len(items) < 50 else _split(members, item)
        for _ in items:
            children.append(rng.choice(before, min(inputs, len(before)), replace=False) if level else before)
        before = items
    quantities = [rng.integers(1, 9, len(one)) / 4 for one in children]
    return Firms(tier, item, firms_of, children, quantities)


def _split(members: NDArray[np.int64], item: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = members[np.argsort(item[members], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(item[order])) + 1)


def _links(rng: np.random.Generator, made: Firms, links: int) -> Links:
    """For every input of every buyer as many of its makers, drawn in a row from a random one on, as come to `links`."""
    buyers = np.flatnonzero(made.tier > 0)
    needs = [(firm, place) for firm in buyers for place in range(len(made.children[made.item[firm]]))]
    counts = np.full(len(needs), links // len(needs))
    counts[rng.permutation(len(needs))[: links % len(needs)]] += 1
    starts = rng.integers(0, 1 << 30, len(needs))
    source, target, item, share, quantity = [], [], [], [], []
    for (firm, place), count, start in zip(needs, counts.tolist(), starts.tolist(), strict=True):
        child = made.children[made.item[firm]][place]
        makers = made.makers[child]
        count = max(1, min(count, len(makers)))
        source += [makers[(start + i) % len(makers)] for i in range(count)]
        target += [firm] * count
        item += [child] * count
        share += [1 / count] * count
        quantity += [made.quantities[made.item[firm]][place]] * count
    return Links(*(np.array(column) for column in (source, target, item, share, quantity)))


def _planned_per_d(made: Firms, links: Links) -> NDArray[np.float64]:
    """Units a day of every firm when each of the last tier sells 100."""
    planned = np.where(made.tier == made.tier.max(), 100.0, 0.0)
    for level in range(int(made.tier.max()), 0, -1):
        of_level = made.tier[links.target] == level
        used = planned[links.target[of_level]] * links.quantity[of_level] * links.share[of_level]
        np.add.at(planned, links.source[of_level], used)
    return planned


def _tables(rng: np.random.Generator, made: Firms, links: Links, planned: NDArray[np.float64]) -> Tables:
    firms = len(made.tier)
    codes, countries = sorted(divisions()), rng.integers(0, len(_COUNTRIES), firms)
    industries, regions = rng.integers(0, len(codes), firms), rng.integers(0, 60, firms)
    spare, recovers, cover = rng.uniform(1.1, 2.0, firms), rng.integers(2, 60, firms), rng.uniform(0, 20, firms)
    leads, prices = rng.integers(0, 60, len(links.source)), rng.integers(1, 10_000, len(links.source)) / 100
    site, item = [f"s{i:06}" for i in range(firms)], [f"i{i:06}" for i in range(len(made.makers))]
    last = made.tier.max()
    margin = {item[int(made.item[i])] for i in np.flatnonzero(made.tier == last)}
    row = range(2, 2 + max(firms, len(links.source), sum(map(len, made.children))))
    return Tables(
        sites=tuple(
            Site(
                row[i],
                *_FROM,
                id=site[i],
                firm=f"firm {i}",
                country=_COUNTRIES[countries[i]],
                region=f"region {regions[i]}",
                cluster=f"cluster {regions[i] // 4}",
                industry=codes[industries[i]],
            )
            for i in range(firms)
        ),
        items=tuple(
            Item(row[i], *_FROM, id=one, uom="{pcs}", unit_margin=10.0 if one in margin else 0.0)
            for i, one in enumerate(item)
        ),
        capabilities=tuple(
            Capability(
                row[i],
                *_FROM,
                site=site[i],
                item=item[made.item[i]],
                capacity_per_d=max(1.0, float(planned[i] * spare[i])),
                time_to_recover_d=float(recovers[i]),
            )
            for i in range(firms)
        ),
        bom=tuple(
            BomLine(row[n], *_FROM, parent=item[parent], child=item[child], qty_per=float(quantity))
            for n, (parent, child, quantity) in enumerate(
                (parent, child, quantity)
                for parent, children in enumerate(made.children)
                for child, quantity in zip(children, made.quantities[parent], strict=True)
            )
        ),
        sourcing=tuple(
            Sourcing(
                row[n], *_FROM, from_site=site[a], to_site=site[b], item=item[c], share=s, price=p, lead_time_d=float(d)
            )
            for n, (a, b, c, s, p, d) in enumerate(
                zip(
                    links.source.tolist(),
                    links.target.tolist(),
                    links.item.tolist(),
                    links.share.tolist(),
                    prices.tolist(),
                    leads.tolist(),
                    strict=True,
                )
            )
        ),
        stock=tuple(
            Held(row[i], *_FROM, site=site[i], item=item[made.item[i]], on_hand=float(planned[i] * cover[i]))
            for i in range(firms)
        ),
        demand=tuple(
            Demand(row[n], *_FROM, site=site[i], item=item[made.item[i]], per_d=100.0)
            for n, i in enumerate(np.flatnonzero(made.tier == last).tolist())
        ),
    )


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--firms", type=int, default=10_000)
    asked.add_argument("--links", type=int, default=80_000)
    asked.add_argument("--seed", type=int, default=SEED)
    given = asked.parse_args()
    write_folder(random_tables(given.firms, given.links, given.seed), given.folder)
