"""Puts the rendered files where a Grafana on this machine reads them from; doing it again changes nothing.

The folder is Grafana's own (/etc/grafana): boards go to `andon/dashboards`, which is ours alone, provisioning files to
`provisioning/`, beside those of others. Grafana reads boards by itself; data sources and rules when it starts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dashboards.provision.client import ProvisionError

_BOARDS = "andon/dashboards"


class Written(NamedTuple):
    """A file, what was (or would be) done to it, and the lines that differ."""

    path: Path
    change: str
    lines: tuple[str, ...] = ()


def put(folder: Path, contents: Mapping[str, str], *, dry_run: bool = False) -> Iterator[Written]:
    """One Written for every file that is not as it should be; with `dry_run` none is touched. Raises ProvisionError."""
    try:
        yield from _put(folder, contents, dry_run=dry_run)
    except OSError as error:
        where = error.filename or folder
        raise ProvisionError(
            f"{where}: {error.strerror}; give Grafana's own folder of settings, as a user who may write there"
        ) from error


def _put(folder: Path, contents: Mapping[str, str], *, dry_run: bool) -> Iterator[Written]:
    places = {folder / name: text for name, text in _placed(contents).items()}
    for path, text in places.items():
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if before == text:
            continue
        if not dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        yield Written(path, "created" if before is None else "updated", _changed(before or "", text))
    for path in sorted((folder / _BOARDS).glob("*.json")):
        if path not in places:
            if not dry_run:
                path.unlink()
            yield Written(path, "removed: no board of ours any more")


def _placed(contents: Mapping[str, str]) -> dict[str, str]:
    placed = {}
    for name, text in contents.items():
        part, _, rest = name.partition("/")
        if part != "examples":
            placed[f"{_BOARDS}/{rest}" if part == "dashboards" else name] = text
    return placed


def _changed(before: str, after: str) -> tuple[str, ...]:
    if not before:
        return ()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
