"""The list of `assertions.toml`, and what became of each on our recordings and on the spoilt ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tests.sparkplug_host.spoiling import Edit, spoilt
from tests.sparkplug_host.transcript import Standing, Transcript, Verdict

LIST = Path(__file__).with_name("assertions.toml")


class Assertion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One id of the public kit's host tests.

    `section` is the specification's anchor, `says` our own words; `check` is a function of `checks/`, by module and
    name, with its word; `fails` alters a recording so that it is violated; `note` says what the check does not show;
    `not_checked` why it is not judged on Andon. What `binds` another than a host no recording of ours can show.
    """

    id: str
    test: str
    section: str
    says: str
    check: str
    fails: Edit
    note: str = ""
    not_checked: str = ""
    binds: Literal["host", "edge node"] = "host"

    @property
    def judge(self) -> Callable[[Transcript], Verdict]:
        name, *words = self.check.split()
        module, _, function = name.partition(".")
        found: Callable[..., Verdict] = getattr(import_module(f"tests.sparkplug_host.checks.{module}"), function)
        return partial(_judge, found, tuple(words))


class Outcome(NamedTuple):
    """By recording, `ours` being those that can show our collector keeping it; `unspoilt` is of the one that `spoilt`
    was made of."""

    assertion: Assertion
    ours: Mapping[str, Verdict]
    unspoilt: Verdict
    spoilt: Verdict

    @property
    def passes(self) -> list[str]:
        return [name for name, one in self.ours.items() if one.standing is Standing.SATISFIED]

    @property
    def violations(self) -> dict[str, str]:
        return {name: one.reason for name, one in self.ours.items() if one.standing is Standing.VIOLATED}

    @property
    def fails_where_it_should(self) -> bool:
        return self.spoilt.standing is Standing.VIOLATED

    @property
    def is_checked(self) -> bool:
        """Kept by our collector wherever it applies, at least once, and missed by the spoilt one."""
        return bool(self.passes) and not self.violations and self.fails_where_it_should


def assertions() -> list[Assertion]:
    return msgspec.toml.decode(LIST.read_bytes(), type=dict[str, list[Assertion]])["assertion"]


def outcome(assertion: Assertion, recordings: Mapping[str, Transcript]) -> Outcome:
    judge = assertion.judge
    ours = {name: judge(wire) for name, wire in recordings.items() if assertion.binds == "host"}
    whole = recordings[assertion.fails.of]
    return Outcome(assertion, ours, judge(whole), judge(spoilt(whole, assertion.fails)))


def _judge(found: Callable[..., Verdict], words: tuple[str, ...], wire: Transcript) -> Verdict:
    return found(wire, *words)
