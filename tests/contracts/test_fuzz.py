"""Every format of the folder under hostile payloads (tests/fuzz): a short run here, a million each by `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.formats.format import Decoded, Stateless
from collector.sources.source import Message
from tests.contracts.format_cases import FORMATS, cases_of
from tests.fuzz.storing import stored
from tests.fuzz.trial import Outcome, Trial

FUZZED = [name for name in FORMATS if cases_of(name)]
every_format = pytest.mark.parametrize("name", FUZZED)


@every_format
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_a_hostile_payload_is_readings_or_a_dead_letter_or_nothing(name: str, seed: int) -> None:
    outcome = Trial(name, seed).run(30)
    assert not outcome.faults
    assert outcome.is_exact


@every_format
def test_what_came_of_hostile_payloads_is_in_the_books_to_the_message(name: str, tmp_path: Path) -> None:
    came = stored(name, 300, tmp_path)
    assert came.is_exact, came
    assert came.sent == 300


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_brings_the_same_payloads(seed: int) -> None:
    one, other = ([message for _, message in Trial("kepware", seed).messages(50)] for _ in range(2))
    assert one == other


def test_a_format_that_breaks_its_promise_is_found() -> None:
    trial, outcome = Trial("kepware"), Outcome()
    (case, message), *_ = trial.messages(1)
    trial.forms[case] = Breaking()
    trial.send(case, message, outcome)
    assert (outcome.crashes, outcome.is_exact) == (1, True)
    assert [fault for _, _, fault in outcome.faults] == ["KeyError: 'line'"]


class Breaking(Stateless):
    """A format as none may be."""

    def decode(self, message: Message) -> Decoded:
        raise KeyError("line")
