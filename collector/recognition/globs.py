"""One rule for many names: those that share their first word and mean the same become one glob, `stock_*`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from collector.recognition.quantity import Guess, words_of


def gathered(wanted: Mapping[str, Guess], all_names: Collection[str]) -> dict[str, list[str]]:
    """The names of `wanted` by the glob that stands for them, by themselves where none does.

    A glob may fit no name that is not wanted, for the first rule that fits a name decides.
    """
    found: dict[str, list[str]] = {}
    for name in wanted:
        start = _start(name)
        alike = [other for other in all_names if start and other.startswith(start)]
        if len(alike) > 1 and all(other in wanted for other in alike) and _mean_the_same(wanted, alike):
            found.setdefault(f"{start}*", []).append(name)
        else:
            found[name] = [name]
    return found


def _start(name: str) -> str:
    """`stock_` of `stock_rotor`, `""` where a name has no first word that ends so."""
    first = next(iter(words_of(name)), "")
    start = f"{name[: len(first)]}_"
    return start if first and name.startswith(start) and start[:-1].isalnum() else ""


def _mean_the_same(wanted: Mapping[str, Guess], names: Collection[str]) -> bool:
    return len({wanted[name]._replace(metric="", why="") for name in names}) == 1
