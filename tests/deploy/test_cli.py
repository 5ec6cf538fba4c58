"""What a person reads when something is wrong: one sentence that names file, key or place and the remedy."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collector.errors import AndonError
from deploy.cli import app
from deploy.site import load_site

SITES = Path(__file__).parents[2] / "deploy" / "sites"


def andon(*words: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def started(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deploy.cli", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the teaching factory's site.toml and chain, to break."""
    shutil.copy(SITES / "teaching_factory" / "site.toml", tmp_path)
    shutil.copytree(SITES / "teaching_factory" / "chain", tmp_path / "chain")
    return tmp_path / "site.toml"


def changed(site: Path, *, old: str = "", new: str = "", more: str = "") -> Path:
    text = site.read_text()
    assert old in text
    site.write_text(text.replace(old, new, 1) + more)
    return site


def refusal(answer: subprocess.CompletedProcess[str]) -> str:
    """The sentence of a command that refuses: exit 2, no traceback, one line on stderr."""
    assert answer.returncode == 2, answer
    assert "Traceback" not in answer.stderr
    (line,) = answer.stderr.strip().splitlines()
    return line


def test_it_says_its_version() -> None:
    declared = tomllib.loads((SITES.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    expected = f"andon {declared}" if list(distributions(name="andon")) else "andon, run from its source"
    assert andon("--version").stdout.startswith(expected)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["backtest"], "[[rule]] sections"),
        (["backtest"], "than [spool] path"),
        (["dead", "replay"], "[[sink]]"),
        (["board"], "[board] port"),
        (["score"], "event is 1 in the first row"),
    ],
)
def test_help_names_sections_as_the_file_does(command: list[str], said: str) -> None:
    told = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).output
    assert said in " ".join(told.replace("`", "").replace("│", " ").split())


def test_the_samples_are_sound() -> None:
    for name in ("teaching_factory", "nev_drive"):
        answer = andon("check", SITES / name / "site.toml")
        assert answer.returncode == 0, answer.stderr
        assert "is sound" in answer.stdout


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"old": "port = 1883", "new": "prot = 1883"},
            "`broker`: object contains unknown field `prot`; remove or rename",
        ),
        ({"old": "port = 1883", "new": 'port = "mqtt"'}, "`broker.port`: expected `int`, got `str`; correct the value"),
        ({"old": "[spool]", "new": "[spoool]"}, "unknown section `spoool` (did you mean `spool`?)"),
        ({"old": 'timezone = "UTC"', "new": 'timezone = "Mars/Base"'}, "no time zone 'Mars/Base'; write an IANA name"),
        ({"old": 'method = "stuck"', "new": 'method = "magic"'}, "`rule[3].method`: no method 'magic'; there is"),
        ({"old": "response_s = 120.0", "new": "response_s = -1.0"}, "`rule[0].response_s`: expected `float` > 0"),
        (
            {"old": "response_s = 120.0", "new": "respond_s = 1.0"},
            "`rule[0]`: object contains unknown field `respond_s`",
        ),
        (
            {"old": 'kind = "stock"', "new": 'kind = "pile"'},
            "`subscribe[0].rule[0].reading[0].kind`: invalid enum value",
        ),
        ({"old": 'format = "json_rules"', "new": 'format = "xml"'}, "`subscribe[0].format`: no format 'xml'; there is"),
        ({"old": 'kind = "lines_file"', "new": 'kind = "tape"'}, "`sink[0].kind`: no sink 'tape'; there is"),
        (
            {"old": '\nsuppressed_by = ["output_drop", "silent"]', "new": '\nsuppressed_by = ["outage"]'},
            "no rule is called 'outage' or uses such a method",
        ),
        (
            {"more": '[[sink]]\nname = "lines"\nkind = "lines_file"\npath = "var/more.lp"\n'},
            "`sink[1].name`: sink[0] is named 'lines' too; give each [[sink]] a name of its own",
        ),
        ({"old": 'folder = "chain"', "new": 'folder = "map"'}, "map"),
        ({"old": "\n[broker]\n", "new": "\n[broker\n"}, "not valid TOML"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_site_toml_is_named_by_key(site: Path, change: dict[str, str], sentence: str) -> None:
    with pytest.raises(AndonError) as refused:
        load_site(changed(site, **change))
    assert str(site.parent) in str(refused.value)
    assert sentence in str(refused.value)


def test_a_refusal_is_one_sentence_and_no_traceback(site: Path) -> None:
    line = refusal(andon("check", changed(site, old="port = 1883", new="prot = 1883")))
    assert line.startswith(f"andon: {site}: `broker`")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"old": 'password_file = ""', "new": 'password_file = "secrets/mqtt"'},
            "`broker.password_file`: {folder}/secrets/mqtt is no file; put the password and nothing else there",
        ),
        (
            {"old": 'ca_file = ""', "new": 'ca_file = "ca.pem"'},
            "`broker.ca_file`: {folder}/ca.pem is no file; put the PEM file of the broker's authority there",
        ),
        (
            {"more": '[[sink]]\nname = "influx"\nkind = "influx"\ntoken_file = "secrets/influx"\n'},
            "`sink[1]`: `token_file`: {folder}/secrets/influx cannot be read",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_check_looks_for_the_files_a_key_names(site: Path, change: dict[str, str], sentence: str) -> None:
    line = refusal(andon("check", changed(site, **change)))
    assert line.startswith(f"andon: {site}: {sentence.format(folder=site.parent)}")


def test_check_reads_the_certificates_it_finds(site: Path) -> None:
    (site.parent / "ca.pem").write_text("no certificate")
    changed(site, old="tls = false", new="tls = true")
    line = refusal(andon("check", changed(site, old='ca_file = ""', new='ca_file = "ca.pem"')))
    assert line.startswith(f"andon: {site}: `broker.ca_file` {site.parent}/ca.pem: ")


def test_check_warns_of_a_recordings_clock(site: Path) -> None:
    warned = andon("check", site)
    assert warned.returncode == 0
    assert f'warning: {site}: `clock.source` is "messages", a recording; a live plant wants source = "wall"' in (
        warned.stdout
    )
    live = andon("check", changed(site, old='source = "messages"', new='source = "wall"'))
    assert live.returncode == 0
    assert "warning" not in live.stdout


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file; name a site.toml" in refusal(andon("check", tmp_path / "none.toml"))


def test_a_spool_folder_that_cannot_be_written_is_named(site: Path) -> None:
    changed(site, old='path = "var/spool.sqlite"', new='path = "/proc/andon/spool.sqlite"')
    line = refusal(andon("collect", site))
    assert "/proc/andon" in line
    assert "[spool] path" in line


def test_a_file_that_is_no_spool_is_named(site: Path) -> None:
    (site.parent / "var").mkdir()
    (site.parent / "var" / "spool.sqlite").write_bytes(b"not a database, but long enough to look like one" * 50)
    line = refusal(andon("detect", site))
    assert "not a sound spool file" in line
    assert "move it away" in line


def test_a_port_in_use_is_named_with_the_remedy(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(andon("board", site, "--port", str(port)))
    assert f"port {port} is in use" in line


def test_the_demo_names_a_port_in_use(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = andon("demo", "--until-end", "--port", str(port))
    assert answer.returncode == 2
    assert f"cannot use port {port}" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_broker_that_is_down_is_waited_for_and_named_once(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    running = started("collect", changed(site, old="port = 1883", new=f"port = {port}"))
    unreachable = f"broker.unreachable broker=127.0.0.1:{port}"
    assert running.stderr is not None
    said = ""
    while unreachable not in said and running.poll() is None:
        said += running.stderr.readline()
    time.sleep(3.5)  # the client tries again after 1 s and 2 s
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 0
    said += running.stderr.read()
    assert said.count(unreachable) == 1
    assert "Traceback" not in said


def test_replay_to_a_broker_that_is_down_says_so(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    changed(site, old="port = 1883", new=f"port = {port}")
    answer = andon("replay", site, SITES / "teaching_factory" / "capture.jsonl")
    assert answer.returncode == 2
    assert f"broker 127.0.0.1:{port}" in answer.stderr
    assert "start it or correct [broker]" in answer.stderr


def test_a_recording_with_a_bad_line_is_named_by_line(site: Path) -> None:
    bad = site.parent / "bad.jsonl"
    bad.write_text('{"at": 1, "topic": "a", "payload": {}}\nnonsense\n')
    answer = andon("replay", site, bad)
    assert answer.returncode == 2
    assert f"{bad} line 2" in answer.stderr


def test_alerts_of_a_spool_that_is_not_there(site: Path) -> None:
    assert "start `andon collect`, or name it with --spool" in refusal(andon("alerts", "list", site))


def test_a_chain_with_a_cycle_is_named_by_file_and_row(site: Path) -> None:
    bom = site.parent / "chain" / "bom.csv"
    bom.write_text(bom.read_text() + "red_beads,bottle,1,,a whim,2026-03-01,1\n")
    answer = andon("chain", "check", site.parent / "chain")
    assert answer.returncode == 2
    assert f"{bom} row 2: the bill of materials runs in a cycle, red_beads -> bottle -> red_beads" in answer.stderr
    told = json.loads(andon("chain", "check", site.parent / "chain", "--json").stdout)
    assert (told["sound"], told["errors"][0]["file"], told["errors"][0]["row"]) == (False, "bom.csv", 2)


def test_a_sound_chain_is_counted_and_stale_facts_are_a_warning(site: Path) -> None:
    answer = andon("chain", "check", site.parent / "chain", "--stale-after-d", "0")
    assert answer.returncode == 0
    assert "is sound, 8 warnings: 5 sites, 4 items, 5 nodes, 4 arcs, 4 stocks." in answer.stdout
    assert "warning: " in answer.stderr and "sites.csv row 2: `as_of` 2026-03-01 is" in answer.stderr


def test_collecting_needs_no_more_than_a_gateway_has() -> None:
    """`collect` loads with the base dependencies alone: neither solver, nor models, nor the board's server."""
    blocked = ("scipy", "sklearn", "starlette", "uvicorn", "grafana_api", "iotcore")
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from pathlib import Path\n"
        "import deploy.cli\n"
        "from deploy.running import start_collector, start_detection\n"
        "from detectors.worker import Detection\n"
        "from deploy.site import load_site\n"
        f"print(len(load_site(Path({str(SITES / 'teaching_factory' / 'site.toml')!r})).rules))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) >= 4


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk needs root and mount")
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    from collector.spool.spool import Spool, SpoolFull
    from tests.detectors.plain import frames_of

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        with Spool.open(disk / "spool.sqlite") as spool:
            stored = 0
            with pytest.raises(SpoolFull, match=r"is full.*free space or raise max_mb"):
                for i in range(100_000):
                    points = [(i + j / 1000, float(hash((i, j)) % 10_000)) for j in range(500)]
                    with spool.transaction():
                        spool.log.append(frames_of(1, points, cut=500))
                    stored += 1
            assert len(spool.log.read(0, 1_000_000)) == stored > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_gateway_without_rules_keeps_nothing_for_detectors(site: Path) -> None:
    text = site.read_text()
    site.write_text(text[: text.index("[[rule]]\nmethod")] + '\n[chain]\nfolder = "chain"\n')
    loaded = load_site(site)
    assert not loaded.detects
    assert [bound.name for bound in loaded.rules] == ["cut_off"]
