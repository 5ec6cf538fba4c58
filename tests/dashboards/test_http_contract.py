"""`push` and `smoke` speak Grafana's HTTP contract: Prism stands between and refuses what is not in it.

Our small Grafana keeps what comes through, so its answers are held by the contract too. Both clients are tried.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboards.provision.client import ProvisionError, connect
from dashboards.provision.push import Change, push
from dashboards.provision.smoke import smoke
from dashboards.provision.wanted import Thing, wanted
from dashboards.render import Wishes, files
from tests.dashboards.checkers import node
from tests.dashboards.checkers.prism import judging
from tests.dashboards.grafana_stub import TOKEN, Grafana, running
from tests.dashboards.test_provision import ENVIRONMENT, a_shift

pytestmark = pytest.mark.plant
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Grafana, str]]:
    node.need_packages()
    with running() as grafana, judging(tmp_path_factory.mktemp("prism"), grafana.url) as prism:
        yield grafana, prism


@pytest.fixture
def grafana(between: tuple[Grafana, str]) -> Grafana:
    """One that holds nothing."""
    kept = between[0].kept
    for path in kept.keys() - {"/health"}:
        del kept[path]
    return between[0]


@pytest.fixture
def url(grafana: Grafana, between: tuple[Grafana, str]) -> str:
    """Prism's, in front of it."""
    return between[1]


def things() -> list[Thing]:
    return wanted(files(Wishes(shifts=[a_shift()])), ENVIRONMENT)


def test_push_twice_and_smoke_keep_to_the_contract(grafana, url):
    client = connect(url, TOKEN)
    assert {one.change for one in push(client, things())} == {Change.CREATED}
    assert {one.change for one in push(client, things())} == {Change.NONE}
    for kept in grafana.kept.values():
        kept.pop("interval", None)
        kept.get("dashboard", {}).pop("title", None)
    assert Change.UPDATED in {one.change for one in push(client, things())}
    assert not [finding for finding in smoke(client, things()) if finding.wrong]


def test_grafana_client_does_the_same_in_its_own_environment(url):
    done = subprocess.run(
        [str(node.PYTHON_OF_GRAFANA_CLIENT), "-m", "tests.dashboards.checkers.with_grafana_client", url, TOKEN],
        cwd=ROOT,
        input=json.dumps([files(), ENVIRONMENT]),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert set(said["rounds"][0]) == {"CREATED"} and set(said["rounds"][1]) == {"NONE"} and said["wrong"] == []


def _of(name: str) -> Callable[[list[Thing]], Any]:
    return lambda all_of: next(thing.body for thing in all_of if thing.name.startswith(name))


SEEDED: dict[str, Callable[[list[Thing]], object]] = {
    "a folder whose title is a number": lambda t: _of("folder")(t).update(title=7),
    "an unknown key of a folder": lambda t: _of("folder")(t).update(folderUid="x"),
    "a data source with the file's editable": lambda t: _of("data source")(t).update(editable=False),
    "a secret that is no text": lambda t: _of("data source")(t)["secureJsonData"].update(httpHeaderValue1=1),
    "a board that says overwrite in words": lambda t: _of("board")(t).update(overwrite="yes"),
    "a board into a folder by the rules' spelling": lambda t: _of("board")(t).update(folderUID="andon"),
    "an interval as a file says it": lambda t: _of("rule group")(t).update(interval="10s"),
    "keepFiringFor as a file says it": lambda t: _of("rule group")(t)["rules"][0].update(keepFiringFor="2m"),
    "a rule without its condition": lambda t: _of("rule group")(t)["rules"][0].pop("condition"),
    "a state there is not": lambda t: _of("rule group")(t)["rules"][0].update(noDataState="Quiet"),
    "a panel id that is a number": lambda t: _of("rule group")(t)["rules"][0]["annotations"].update(__panelId__=1),
    "a mute timing with the file's orgId": lambda t: _of("mute timing")(t).update(orgId=1),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_refused_by_prism(url, fault):
    broken = json_copied(things())
    SEEDED[fault](broken)
    with pytest.raises(ProvisionError, match=r"Invalid request.*\"location\":\[\"body\""):
        list(push(connect(url, TOKEN), broken))


def test_an_answer_of_our_own_grafana_outside_the_contract_is_refused_by_prism(grafana, url):
    grafana.kept["/folders/andon"] = {"uid": "andon", "titel": "Andon"}
    with pytest.raises(ProvisionError, match=r"found 'titel'"):
        list(push(connect(url, TOKEN), things()))


def json_copied(all_of: list[Thing]) -> list[Thing]:
    """Things whose bodies may be spoiled."""
    return [replace(thing, body=json.loads(json.dumps(thing.body))) for thing in all_of]
