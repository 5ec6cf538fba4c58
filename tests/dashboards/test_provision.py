"""What `push`, `smoke` and `provision` make of a Grafana: a small one of our own. No live Grafana has been seen."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from collector.errors import AndonError
from dashboards.provision.client import Grafana as Client
from dashboards.provision.client import ProvisionError, connect
from dashboards.provision.difference import additions, differences
from dashboards.provision.on_disk import put
from dashboards.provision.push import Change, push
from dashboards.provision.smoke import smoke
from dashboards.provision.wanted import Thing, wanted
from dashboards.render import Wishes, boards, files
from deploy.commands.dashboards import app
from detectors.calendar import Shift
from tests.dashboards.grafana_stub import TOKEN, Grafana, running
from tests.plant.servers import free_port

ENVIRONMENT = {"INFLUX_URL": "http://influx:8086", "INFLUX_BUCKET": "andon", "INFLUX_TOKEN": "t0ken"}
SOURCE = "/datasources/uid/andon-influxdb"
OVERVIEW = "/dashboards/uid/andon-plant-overview"
BOARD = f"board {boards()['plant_overview']['title']}"
RULES = "/v1/provisioning/folder/andon/rule-groups/andon"
OUR_RULES = ["andon-critical", "andon-warning", "andon-beat"]


@pytest.fixture(scope="module")
def things() -> list[Thing]:
    return wanted(files(), ENVIRONMENT)


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with running(prefix="/grafana") as server:
        yield server


@pytest.fixture
def client(grafana: Grafana) -> Client:
    return connect(grafana.url, TOKEN)


def pushed(client: Client, things: list[Thing], **how: bool) -> dict[str, Change]:
    return {one.thing.name: one.change for one in push(client, things, **how) if one.change is not Change.NONE}


def test_everything_is_created_once_and_again_changes_nothing(grafana, client, things):
    first = pushed(client, things)
    assert set(first.values()) == {Change.CREATED}
    titles = {f"board {board['title']}" for board in boards().values()}
    assert first.keys() == {"folder Andon", "data source Andon", "rule group andon"} | titles
    changes = grafana.changes
    assert pushed(client, things) == {} and grafana.changes == changes == len(things)


def test_a_dry_run_says_the_same_and_sends_nothing(grafana, client, things):
    assert pushed(client, things, dry_run=True).keys() == {thing.name for thing in things}
    assert grafana.changes == 0


def test_what_somebody_changed_is_told_and_set_right(grafana, client, things):
    pushed(client, things)
    grafana.kept[OVERVIEW]["dashboard"]["panels"][0]["title"] = "Mine"
    grafana.kept[RULES]["rules"][0]["noDataState"] = "OK"
    grafana.kept[SOURCE]["jsonData"]["dbName"] = "other"
    grafana.kept["/folders/andon"]["title"] = "Others"
    told = {str(why) for one in push(client, things, dry_run=True) for why in one.why}
    assert 'rules[0].noDataState: "OK" -> "KeepLast"' in told and 'jsonData.dbName: "other" -> "andon"' in told
    assert any(line.startswith('panels[0].title: "Mine" -> ') for line in told)
    assert set(pushed(client, things).values()) == {Change.UPDATED}
    assert pushed(client, things) == {}


def test_a_panel_somebody_took_away_comes_back(grafana, client, things):
    pushed(client, things)
    grafana.kept[OVERVIEW]["dashboard"]["panels"].pop()
    assert pushed(client, things) == {BOARD: Change.UPDATED}


def test_what_a_file_owns_is_left_alone(grafana, client, things):
    pushed(client, things)
    grafana.kept[SOURCE] |= {"readOnly": True, "url": "http://elsewhere"}
    grafana.kept[OVERVIEW]["meta"]["provisioned"] = True
    grafana.kept[OVERVIEW]["dashboard"]["title"] = "Mine"
    changes = grafana.changes
    assert pushed(client, things) == dict.fromkeys(["data source Andon", BOARD], Change.FROM_FILE)
    assert grafana.changes == changes


def test_a_secret_is_sent_once_and_again_only_when_asked(grafana, client, things):
    pushed(client, things)
    assert grafana.secrets[SOURCE] == {"httpHeaderValue1": "Token t0ken"}
    assert "t0ken" not in json.dumps(grafana.kept)
    assert pushed(client, things, secrets=True) == {"data source Andon": Change.UPDATED}


def test_without_the_stores_address_the_data_source_is_left_to_the_site(grafana, client):
    partly = wanted(files(), {"INFLUX_BUCKET": "andon"})
    left = [one for one in push(client, partly) if one.is_wrong_still]
    assert [str(one) for one in left] == ["data source Andon left alone: to send it, set INFLUX_TOKEN, INFLUX_URL"]
    assert SOURCE not in grafana.kept
    pushed(client, wanted(files(), ENVIRONMENT))
    assert pushed(client, partly) == {}, "one that is there already, as it should be, is no fault"


def test_mute_timings_are_there_before_the_rules_that_name_them(grafana, client):
    muted = wanted(files(Wishes(shifts=[a_shift()])), ENVIRONMENT)
    assert "mute timing andon-outside-shifts" in pushed(client, muted)
    assert pushed(client, muted) == {}


def a_shift() -> Shift:
    return Shift(name="early", start=dt.time(6), end=dt.time(14), days=("mon", "tue"))


def test_smoke_finds_all_well_after_a_push(client, things):
    pushed(client, things)
    found = list(smoke(client, things))
    assert not [one for one in found if one.wrong]
    assert found[-1].sentence == "data source andon-influxdb: datasource is working. 6 measurements found"


def test_smoke_finds_everything_missing_and_changes_nothing(grafana, client, things):
    wrong = [one.sentence for one in smoke(client, things) if one.wrong]
    assert {f"{thing.name} is missing" for thing in things} <= set(wrong) and grafana.changes == 0
    assert wrong[-1].endswith("Grafana does not know it")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda g: g.ill.add("andon-influxdb"), "connection refused"),
        (lambda g: g.kept["/health"].update(database="failing"), "its own database is failing"),
        (lambda g: g.kept["/health"].update(version="10.4.2"), "older than 11"),
        (lambda g: g.kept[RULES].update(interval=60), "rule group andon differs at interval: 60 -> 10"),
        (lambda g: g.kept[OVERVIEW]["dashboard"].update(title="Mine"), "differs at title"),
    ],
)
def test_smoke_tells_each_thing_that_is_not_well(grafana, client, things, spoil, sentence):
    pushed(client, things)
    spoil(grafana)
    (wrong,) = [one.sentence for one in smoke(client, things) if one.wrong]
    assert sentence in wrong


def test_a_board_that_was_moved_is_told_and_brought_back(grafana, client, things):
    pushed(client, things)
    grafana.kept[OVERVIEW]["meta"]["folderUid"] = "elsewhere"
    (wrong,) = [one.sentence for one in smoke(client, things) if one.wrong]
    assert wrong == f'{BOARD} differs at folderUid: "elsewhere" -> "andon"'
    assert pushed(client, things) == {BOARD: Change.UPDATED}
    assert grafana.kept[OVERVIEW]["meta"]["folderUid"] == "andon"


def test_a_rule_that_somebody_added_to_our_group_stays_and_is_named(grafana, client, things):
    pushed(client, things)
    rules = grafana.kept[RULES]["rules"]
    rules.insert(0, {**rules[0], "uid": "mine", "title": "Somebody's own"})
    assert pushed(client, things) == {}
    found = list(smoke(client, things))
    assert not [one for one in found if one.wrong]
    assert any('"Somebody\'s own", which is not ours' in one.sentence for one in found if one.wrong is None)
    rules[1]["noDataState"] = "OK"
    assert pushed(client, things) == {"rule group andon": Change.UPDATED}
    assert [rule["uid"] for rule in grafana.kept[RULES]["rules"]] == [*OUR_RULES, "mine"]


def test_a_rule_of_ours_that_somebody_took_away_comes_back(grafana, client, things):
    pushed(client, things)
    grafana.kept[RULES]["rules"].pop(1)
    assert pushed(client, things) == {"rule group andon": Change.UPDATED}
    assert [rule["uid"] for rule in grafana.kept[RULES]["rules"]] == OUR_RULES


def test_a_grafana_11_comes_to_rest_and_what_it_cannot_do_is_a_remark(things):
    with running(version="11.6.0") as server:
        client = connect(server.url, TOKEN)
        pushed(client, things)
        assert pushed(client, things) == {}
        first, *others = smoke(client, things)
        assert first.wrong is None and "knows no keep_firing_for" in first.sentence
        assert not [one for one in others if one.wrong]


@pytest.mark.parametrize("odd", [[], "ok", None, 7], ids=str)
def test_an_answer_that_grafana_would_not_give_is_a_sentence(grafana, client, things, odd):
    grafana.answers["/folders/andon"] = odd
    if odd is None:
        assert "folder Andon" in pushed(client, things)
        return
    with pytest.raises(ProvisionError, match="is no Grafana"):
        pushed(client, things)
    with pytest.raises(ProvisionError, match="is no Grafana"):
        list(smoke(client, things))


@pytest.mark.parametrize(
    ("path", "odd", "sentence"),
    [
        (OVERVIEW, {"meta": {}}, "differs at title: nothing"),
        (OVERVIEW, {"dashboard": [], "meta": None}, "differs at folderUid: null"),
        (RULES, {"title": "andon", "rules": None}, "differs at rules[0]: nothing"),
        (RULES, {"title": "andon", "rules": ["x"]}, "differs at rules[0]: nothing"),
        (f"{SOURCE}/health", ["x"], "is not well: what answers is no Grafana"),
    ],
)
def test_a_reading_without_its_parts_differs_and_is_no_accident(grafana, client, things, path, odd, sentence):
    pushed(client, things)
    grafana.answers[path] = odd
    wrong = [one.sentence for one in smoke(client, things) if one.wrong]
    assert any(sentence in one for one in wrong), wrong
    list(push(client, things))


def test_smoke_remarks_on_what_somebody_added(grafana, client, things):
    pushed(client, things)
    grafana.kept[OVERVIEW]["dashboard"]["panels"][0]["transparent"] = True
    remarks = [one.sentence for one in smoke(client, things) if one.wrong is None]
    assert any("panels[0].transparent" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("stored", "meant", "differ"),
    [
        ({"a": 1, "id": 7}, {"a": 1}, []),
        ({"a": [1, 2]}, {"a": [1]}, ["a[1]: 2 -> nothing"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a[1]: nothing -> 2"]),
        ({"for": "1m30s"}, {"for": "90s"}, []),
        ({"for": "1m"}, {"for": "90s"}, ['for: "1m" -> "90s"']),
        ({"schemaVersion": 42}, {"schemaVersion": 39}, []),
        ({"a": None}, {}, []),
        ({}, {"a": None}, ["a: nothing -> null"]),
        ({"a": 1}, {"a": True}, ["a: 1 -> true"]),
    ],
)
def test_what_counts_as_a_difference(stored, meant, differ):
    assert list(map(str, differences(stored, meant))) == differ


def test_additions_are_told_by_their_path():
    assert list(additions({"a": [{"b": 1, "c": 2}], "id": 3}, {"a": [{"b": 1}]})) == ["a[0].c", "id"]


def test_a_rule_is_spelled_as_the_api_spells_it(things):
    (group,) = [thing.body for thing in things if thing.name.startswith("rule group")]
    assert group["interval"] == 10 and group["folderUid"] == "andon"
    for rule in group["rules"]:
        assert rule["keep_firing_for"] == "2m" and rule["annotations"]["__dashboardUid__"].startswith("andon-")
        assert not {"keepFiringFor", "dashboardUid", "panelId"} & rule.keys()


def test_a_label_loses_the_second_dollar_of_its_file():
    contents = json.loads(files()["provisioning/alerting/andon.yaml"])
    contents["groups"][0]["rules"][0]["labels"]["team"] = "$$team"
    (group,) = [t.body for t in wanted({"provisioning/a.yaml": json.dumps(contents)}, {}) if "rules" in t.body]
    assert group["rules"][0]["labels"]["team"] == "$team"


def test_a_refused_token_is_a_sentence(grafana, things):
    with pytest.raises(ProvisionError, match=r"answered 401 .*: give a service account token with the role Admin"):
        pushed(connect(grafana.url, "wrong"), things)


def test_a_grafana_that_is_away_is_a_sentence(things):
    with pytest.raises(ProvisionError, match="does not answer"):
        pushed(connect(f"http://127.0.0.1:{free_port()}", TOKEN), things)


def test_an_answer_that_is_no_json_is_a_sentence(tmp_path, things):
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    folder = tmp_path / "api" / "folders" / "andon"
    folder.parent.mkdir(parents=True)
    folder.write_text("<html>sign in</html>")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        with pytest.raises(ProvisionError, match="is no Grafana"):
            pushed(connect(f"http://127.0.0.1:{server.server_address[1]}", TOKEN), things)
        server.shutdown()


@pytest.mark.parametrize("url", ["grafana", "ftp://grafana", ""])
def test_an_address_that_is_none_is_a_sentence(url):
    with pytest.raises(ProvisionError, match="not the address of a Grafana"):
        connect(url, TOKEN)


def test_files_are_put_where_grafana_reads_them_once(tmp_path):
    dry = [one.change for one in put(tmp_path, files(), dry_run=True)]
    assert set(dry) == {"created"} and not any(tmp_path.iterdir())
    written = {str(one.path.relative_to(tmp_path)) for one in put(tmp_path, files())}
    assert {"andon/dashboards/plant_overview.json", "provisioning/alerting/andon.yaml"} <= written
    assert not any(name.startswith("examples") for name in written)
    assert list(put(tmp_path, files())) == []


def test_a_changed_file_is_told_line_by_line_and_a_board_of_no_panel_file_goes(tmp_path):
    list(put(tmp_path, files()))
    source = tmp_path / "provisioning/datasources/andon.yaml"
    source.write_text(source.read_text().replace('"POST"', '"GET"'))
    (tmp_path / "andon/dashboards/old.json").write_text("{}")
    (tmp_path / "provisioning/alerting/others.yaml").write_text("{}")
    updated, removed = put(tmp_path, files())
    assert updated.lines == ('-        "httpMode": "GET",', '+        "httpMode": "POST",')
    assert removed.path.name == "old.json"
    assert (tmp_path / "provisioning/alerting/others.yaml").exists(), "what others put there stays"


def run(*arguments: Any, **environment: str) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"GRAFANA_TOKEN": TOKEN, **environment})


def test_the_commands_push_and_smoke_agree(grafana, tmp_path):
    dry = run("push", grafana.url, "--dry-run", **ENVIRONMENT)
    assert dry.exit_code == 0 and "nothing was sent" in dry.output and grafana.changes == 0
    assert run("smoke", grafana.url, **ENVIRONMENT).exit_code == 1
    assert f"{BOARD} created" in run("push", grafana.url, **ENVIRONMENT).output
    assert "Nothing to change." in run("push", grafana.url, **ENVIRONMENT).output
    well = run("smoke", grafana.url, **ENVIRONMENT)
    assert well.exit_code == 0 and "wrong" not in well.output
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    assert run("push", grafana.url, "--token-file", token, GRAFANA_TOKEN="").exit_code == 0


def test_the_command_without_the_stores_address_fails_but_pushes_the_rest(grafana):
    done = run("push", grafana.url)
    assert done.exit_code == 1 and "set INFLUX_BUCKET, INFLUX_TOKEN, INFLUX_URL" in done.output
    assert OVERVIEW in grafana.kept


def test_the_command_provision_puts_the_files(tmp_path):
    assert "would change" in run("provision", tmp_path, "--dry-run").output
    assert "restart Grafana" in run("provision", tmp_path).output
    assert run("provision", tmp_path).output == "Nothing to change.\n"


@pytest.mark.parametrize("command", ["provision", "render"])
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path, command):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", Path("/proc/nowhere")):
        done = run(command, folder)
        assert isinstance(done.exception, AndonError) and str(folder) in str(done.exception), done.output


def test_a_file_that_is_no_text_differs(tmp_path):
    assert run("render", tmp_path).exit_code == 0
    (tmp_path / "dashboards" / "line.json").write_bytes(b"\xff\xfe")
    done = run("check", tmp_path)
    assert done.exit_code == 2 and "line.json differs" in done.output
    list(put(tmp_path, files()))
    (tmp_path / "andon" / "dashboards" / "line.json").write_bytes(b"\xff\xfe")
    assert [one.change for one in put(tmp_path, files())] == ["updated"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "board.plant", "//board", "http://"])
def test_an_address_of_a_board_that_is_none_is_refused(tmp_path, url):
    done = run("render", tmp_path, "--board-url", url)
    assert isinstance(done.exception, AndonError) and "no address of a board" in str(done.exception)


def test_the_shifts_of_a_site_become_its_mute_timing(tmp_path, grafana):
    site = tmp_path / "site.toml"
    shift = '[[shift]]\nname = "early"\nline = "*"\nstart = 06:00:00\nend = 14:00:00\ndays = ["mon", "tue"]\n'
    site.write_text(f'[site]\nname = "nanjing"\nenterprise = "nev"\ntimezone = "Asia/Shanghai"\n\n{shift}')
    done = run("push", grafana.url, "--site", site, **ENVIRONMENT)
    assert done.exit_code == 0, done.output
    (timing,) = [kept for path, kept in grafana.kept.items() if path.endswith("/andon-outside-shifts")]
    assert {span["location"] for span in timing["time_intervals"]} == {"Asia/Shanghai"}
