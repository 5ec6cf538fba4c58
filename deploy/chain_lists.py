"""What `andon chain lists` answers of a folder: sentences for people, facts for programs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from collector.errors import AndonError
from deploy.chain_structure import structure_of
from deploy.instants import utc_of_ns
from detectors.chain.dependence import persistences
from detectors.chain.lists.anonymous import anonymous
from detectors.chain.lists.lists import By, grouped, lists
from detectors.chain.lists.row import HomeKind, Leader, ListName, Number, Row, Settings
from detectors.chain.map.codes import divisions
from detectors.chain.map.folder import load
from detectors.chain.network import Network

_MOST_NAMED = 6  # nodes in one sentence; --json has all
_UNITS = (("_per_d", " a day"), ("_kwh_per_unit", " kWh per unit"), ("_ratio", ""), ("_d", " days"))


class BadSettings(AndonError):
    """The settings of the lists cannot be used; the sentence names file and key."""


def settings_of(file: Path | None, home: str = "") -> Settings:
    """Thresholds of a TOML file (names as in `Settings`), `home` as `CN` or `cluster:Hefei`. Raises BadSettings."""
    try:
        stated: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")) if file else {}
        kind, _, place = home.rpartition(":")
        stated |= {"home": place, "home_kind": kind or HomeKind.COUNTRY} if home else {}
        return msgspec.convert(stated, Settings)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        where = f"{file}: " if file else ""
        raise BadSettings(f"{where}{error}; settings are {', '.join(Settings.__struct_fields__)}") from error


def found_in(
    folder: Path,
    *,
    by: str = "",
    home: str = "",
    settings: Path | None = None,
    earlier: Sequence[Path] = (),
    without_names: bool = False,
) -> Found:
    """The lists as the command asks for them. Raises ChainError and BadSettings."""
    if by and by not in set(By):
        raise BadSettings(f"--by {by}: group by {', '.join(By)}")
    group = By(by) if by else None
    before = [load(each) for each in earlier]
    return Found(load(folder), settings_of(settings, home), by=group, earlier=before, without_names=without_names)


class Found:
    """The lists of one map, ready to be said; `earlier` states of it tell how long it has depended on imports.

    Raises BadSettings for a home that is on no node.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        by: By | None = None,
        earlier: Sequence[Network] = (),
        without_names: bool = False,
    ) -> None:
        if settings.home and all(getattr(node, settings.home_kind) != settings.home for node in network.nodes):
            raise BadSettings(f"no node lies in the {settings.home_kind} {settings.home!r}; name one of the map's")
        self._network = anonymous(network) if without_names else network
        self._settings = settings
        self._by = by
        self._earlier = earlier
        self._lists = lists(self._network, settings)

    def sentences(self) -> Iterator[str]:
        """All of it for people, line by line."""
        if self._by is None:
            yield from _part(self._lists.rows, self._lists.leaders)
            yield from self._lasting()
            return
        groups = self._groups(self._by)
        for key, (rows, leaders) in groups.items():
            if rows or leaders:
                yield f"=== {_title(self._by, key)}"
                yield from _part(rows, leaders)
        empty = [key for key, (rows, leaders) in groups.items() if not (rows or leaders)]
        if empty:
            yield f"Nothing in {', '.join(empty)}."
        yield from self._lasting()

    def facts(self) -> dict[str, Any]:
        """The same for programs, with the structure of the chain; with `by` also grouped."""
        told = {
            "home": self._lists.home,
            "settings": msgspec.to_builtins(self._settings),
            **_facts(self._lists.rows, self._lists.leaders),
            **structure_of(self._network, self._country, self._earlier),
        }
        if self._by is not None:
            told["by"] = str(self._by)
            told["groups"] = {key: _facts(*part) for key, part in self._groups(self._by).items()}
        return told

    @property
    def _country(self) -> str:
        """Home, where it is a country: a region or cluster has no imports."""
        return self._lists.home if self._settings.home_kind is HomeKind.COUNTRY else ""

    def _lasting(self) -> Iterator[str]:
        """For how long materials have been dependent on imports, where there are earlier states of the map."""
        if not (self._earlier and self._country):
            return
        lasting = persistences((*self._earlier, self._network), self._country)
        dependent = {material: one for material, one in lasting.items() if one.dependent_in}
        yield f"dependent on imports ({len(dependent)})"
        for material, one in dependent.items():
            since = f", since {_day(one.since)}" if one.since is not None else ", not in the last"
            yield f"  {material}: in {one.dependent_in} of {one.of} states of the map{since}"

    def _groups(self, by: By) -> Mapping[str, tuple[Sequence[Row], Sequence[Leader]]]:
        rows = grouped(self._lists.rows, by, self._network)
        leaders = grouped(self._lists.leaders, by, self._network)
        return {key: (rows.get(key, ()), leaders.get(key, ())) for key in {**rows, **leaders}}


def _part(rows: Sequence[Row], leaders: Sequence[Leader]) -> Iterator[str]:
    for name in ListName:
        listed = [row for row in rows if row.list is name]
        yield f"{name} ({len(listed)})"
        for row in listed:
            yield from _row(row)
    yield f"chain leaders ({len(leaders)})"
    for leader in leaders:
        yield from _leader(leader)


def _row(row: Row) -> Iterator[str]:
    yield f"  {row.material or ', '.join(row.nodes)}: {row.cause}"
    yield f"      {'; '.join(_said(name, value) for name, value in row.evidence.items())}"
    stake = f", {row.at_stake_per_d:,.0f} a day at stake" if row.at_stake_per_d else ""
    yield f"      {row.kind}, as of {_day(row.as_of_ns)}, confidence {row.confidence:.2g}{stake}"
    yield f"      clears when {row.clears}"


def _leader(leader: Leader) -> Iterator[str]:
    yield f"  {leader.firm}: {_names(leader.nodes)} (as of {_day(leader.as_of_ns)})"
    for sme, stopped in leader.stopped_by.items():
        yield f"      stopped by {sme} alone: {_names(stopped)}"
    small = [f"{one.node} {one.ratio:.0%}" for one in leader.stops_with_it]
    yield f"      small firms that stop with it, by what ends there of all they make: {_names(small) or 'none'}"


def _said(name: str, value: Number) -> str:
    """`lead_time_d`, 182 -> `lead time 182 days`."""
    end, unit = next(((end, unit) for end, unit in _UNITS if name.endswith(end)), ("", ""))
    words = name.removesuffix(end).replace("_", " ")
    if isinstance(value, tuple):
        return f"{words} {_names(value)}"
    return f"{words} {value if isinstance(value, str) else _number(value)}{unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _title(by: By, key: str) -> str:
    if by is By.DIVISION and key in divisions():
        return f"{key} {divisions()[key]}"
    return key or f"in no {by}"


def _facts(rows: Sequence[Row], leaders: Sequence[Leader]) -> dict[str, Any]:
    return {"rows": [_dated(row) for row in rows], "leaders": [_dated(leader) for leader in leaders]}


def _dated(one: Row | Leader) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(one)
    return told | {"as_of": _day(one.as_of_ns)}


def _day(at_ns: int) -> str:
    return utc_of_ns(at_ns)[:10] if at_ns else "unknown"
