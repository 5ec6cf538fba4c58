"""`andon chain export`: all that is computed of a chain as files for other programs, with or without firm names.

    exposure.csv   what each node's failure costs     systemic.csv   shares lost, by what fails together
    lists.csv      the planners' lists                chain.json     all of it, with structure and settings
    network.svg    the chain with its risk

Without names the map itself is anonymous before anything is computed, so that no result can carry one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.errors import AndonError
from deploy.chain_drawing import write
from deploy.chain_exposure import facts, failures, risks
from deploy.chain_lists import Found, settings_of
from deploy.chain_network_picture import network_picture
from deploy.chain_systemic import BadShare, Together, shares
from detectors.chain.lists.anonymous import anonymous
from detectors.chain.map.folder import load
from detectors.chain.network import Network

Progress = Callable[[int, int], None]


class BadExport(AndonError):
    """The files cannot be written where they are asked for."""


def export(folder: Path, out: Path, *, without_names: bool, on_progress: Progress) -> list[Path]:
    """The files written. Raises ChainError, NoDemand, BadFirms and BadExport."""
    stated = load(folder)
    network = anonymous(stated) if without_names else stated
    found = failures(network, on_progress)
    told: dict[str, Any] = {
        "anonymous": without_names,
        "nodes": [_node(network, i) for i in range(len(network.nodes))],
        "exposure": facts(found),
        "systemic": _systemic(network),
        "lists": Found(stated, settings_of(None), without_names=without_names).facts(),
    }
    title = "A chain and what each node's failure costs" if without_names else f"{folder.resolve().parent.name} chain"
    try:
        out.mkdir(parents=True, exist_ok=True)
        picture = network_picture(network, risks(found), title, "Each node shut alone for its own time to recover.")
        write(picture, out / "network.svg")
        _json(out / "chain.json", told)
        _csv(out / "exposure.csv", told["exposure"])
        _csv(out / "systemic.csv", [{"by": one["by"], **share} for one in told["systemic"] for share in one["shares"]])
        _csv(out / "lists.csv", [_flat(row) for row in told["lists"]["rows"]])
    except OSError as error:
        raise BadExport(f"--out {out}: cannot be written: {error.strerror}") from error
    return sorted(out / name for name in ("network.svg", "chain.json", "exposure.csv", "systemic.csv", "lists.csv"))


def _node(network: Network, i: int) -> dict[str, Any]:
    node = network.nodes[i]
    keys = ("name", "kind", "item", "firm", "role", "country", "region", "cluster", "division", "qualified")
    return {key: getattr(node, key) for key in keys}


def _systemic(network: Network) -> list[dict[str, Any]]:
    """By everything that the map says of its nodes."""
    told = []
    for by in Together:
        try:
            told.append(shares(network, by).facts())
        except BadShare:  # nobody states that column
            continue
    return told


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the lists in one line: evidence as `name=value`, sequences joined."""
    evidence = "; ".join(f"{name}={_cell(value)}" for name, value in row.get("evidence", {}).items())
    return {key: evidence if key == "evidence" else _cell(value) for key, value in row.items() if key != "as_of_ns"}


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _json(file: Path, told: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(told, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def _csv(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(opened, names)
        writer.writeheader()
        writer.writerows({key: _guarded(value) for key, value in row.items()} for row in rows)


def _guarded(value: Any) -> Any:
    """A spreadsheet must not take a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
