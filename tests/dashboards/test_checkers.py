"""Grafana's own published parts find nothing wrong with what is rendered, and catch every fault that is put in."""

from __future__ import annotations

import pytest

from tests.dashboards.checkers import node
from tests.dashboards.checkers.seeded import FAULTS, FILES, MEANING, NAMES, SHAPE, TYPES
from tests.dashboards.checkers.verdicts import as_rendered, caught, judged, size

IN_PYTHON = [SHAPE, FILES, MEANING]
IN_NODE = [pytest.param(name, marks=pytest.mark.plant) for name in (TYPES, NAMES)]


@pytest.fixture(autouse=True)
def _packages(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("plant"):
        node.need_packages()


@pytest.mark.parametrize("checker", IN_PYTHON + IN_NODE)
def test_nothing_is_wrong_with_what_is_rendered(checker):
    verdict = judged(checker)
    assert verdict.faults == []
    assert verdict.checks > size(as_rendered())[0], "it looked at every panel at least"


@pytest.mark.parametrize("checker", IN_PYTHON + IN_NODE)
def test_every_seeded_fault_is_caught(checker):
    tried = caught(checker)
    assert [one.fault.name for one in tried if not one.said] == []
    assert len(tried) >= 6


def test_no_fault_is_counted_twice():
    assert len({(fault.checker, fault.name) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_missing_packages_are_never_a_quiet_green(monkeypatch, tmp_path, required, outcome):
    monkeypatch.setattr(node, "INSTALLED", tmp_path)
    monkeypatch.setenv("ANDON_REQUIRE_SERVERS", required)
    with pytest.raises(outcome, match="NOT TESTED against Grafana's own packages"):
        node.need_packages()


def test_the_lock_file_names_no_registry():
    lock = (node.HERE / "package-lock.json").read_text()
    assert '"resolved"' not in lock and "registry." not in lock
