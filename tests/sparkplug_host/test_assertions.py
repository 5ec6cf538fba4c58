"""Every host assertion that we say is checked: kept by our collector, missed by a spoilt recording."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.plant.servers import need
from tests.sparkplug_host.__main__ import MUST
from tests.sparkplug_host.assertions import Assertion, assertions, outcome
from tests.sparkplug_host.recordings import recorded
from tests.sparkplug_host.transcript import Standing, Transcript

LISTED = assertions()
OF_TEST = {
    "SessionEstablishment": 41,
    "SessionTermination": 8,
    "EdgeSessionTermination": 6,
    "SendCommand": 27,
    "MessageOrdering": 4,
    "MultipleBroker": 3,
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Transcript]:
    need("mosquitto")
    return recorded(tmp_path_factory.mktemp("sparkplug_host"))


def test_the_list_has_each_id_of_the_public_kit_once() -> None:
    assert len({one.id for one in LISTED}) == len(LISTED) == 89
    assert {test: sum(one.test == test for one in LISTED) for test in OF_TEST} == OF_TEST


def test_r12_at_least_80_are_checked() -> None:
    assert sum(not one.not_checked for one in LISTED) >= MUST


def test_all_are_checked_but_the_one_that_binds_edge_nodes() -> None:
    never = [one.id for one in LISTED if one.not_checked]
    assert never == ["message-flow-edge-node-birth-publish-will-message-topic"]
    assert {one.binds for one in LISTED if one.not_checked} == {"edge node"}


@pytest.mark.plant
@pytest.mark.parametrize("assertion", LISTED, ids=lambda one: one.id)
def test_assertion(assertion: Assertion, recordings: Mapping[str, Transcript]) -> None:
    found = outcome(assertion, recordings)
    assert found.violations == {}
    assert found.fails_where_it_should, f"the spoilt recording is {found.spoilt.standing}"
    if assertion.not_checked:
        assert found.passes == []
        assert found.unspoilt.standing is Standing.SATISFIED, found.unspoilt.reason
    else:
        assert found.passes
