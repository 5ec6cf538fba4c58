"""`andon detect-format`: the figures F1 and F3, what it writes, what it refuses."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from collector.config import read
from collector.errors import AndonError
from collector.sources.recording import recording_line
from deploy.bench import formats
from deploy.cli import app
from deploy.samples import SampleError, read_samples
from deploy.site import load_site

AT_S = 1_720_730_488
AT_NS = AT_S * 10**9


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two cells of one line for 20 s."""
    lines = [
        recording_line(AT_NS + i * 10**9, f"acme/works/m1/{cell}", b'{"ts":%d,"temp_C":20.5,"good":%d}' % (AT_S + i, i))
        for i in range(20)
        for cell in ("press", "oven")
    ]
    path = tmp_path / "capture.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def detected(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["detect-format", *map(str, words)])


# ---- the figures -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tried() -> list[formats.Tried]:
    return formats.cases()


def test_f1_twelve_dialects_have_four_cases_and_a_broken_one(tried: list[formats.Tried]) -> None:
    assert formats.dialects_covered(tried) >= 12


def test_f1_cases_are_recognised_without_a_hint(tried: list[formats.Tried]) -> None:
    whole = [case for case in tried if not case.is_broken]
    missed = [case for case in whole if not case.is_recognised]
    assert len(missed) <= 0.05 * len(whole), missed


def test_f3_the_teaching_factory_gives_the_series_of_its_site_toml() -> None:
    came = formats.teaching_factory()
    assert (came.alike, came.beyond) == (came.hand, 0), came.apart
    assert came.same_metric == came.hand


def test_f3_the_simulated_plant_gives_the_series_of_its_site_toml() -> None:
    came = formats.simulated_plant()
    assert (came.alike, came.beyond) == (came.hand, 0), came.apart
    assert came.same_metric == came.hand


# ---- the command -----------------------------------------------------------------------------------------------------


def test_what_it_writes_is_a_sound_site_toml(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.toml"
    answer = detected(recording, "--out", out)
    assert answer.exit_code == 0, answer.output
    site = load_site(out)
    assert (site.site.enterprise, site.site.name) == ("acme", "works")
    assert "dry run, nothing is stored: 40 messages read, 0 would be dead letters" in answer.stderr


def test_rules_go_to_stdout_and_the_report_to_stderr(recording: Path) -> None:
    answer = detected(recording)
    assert tomllib.loads(answer.stdout)["subscribe"]
    assert "works/m1/press:temp [Cel] gauge: 20 readings, 20.5 to 20.5" in answer.stderr


def test_json_has_the_rules_and_the_trial(recording: Path) -> None:
    answer = detected(recording, "--json")
    said = json.loads(answer.stdout)
    assert said["dialects"] == ["json_rules"]
    assert tomllib.loads(said["rules"])["subscribe"]
    assert said["trial"]["is_fit"] and len(said["trial"]["series"]) == 4


def test_with_a_site_only_the_subscriptions_are_written(recording: Path, tmp_path: Path) -> None:
    site = tmp_path / "mine.toml"
    site.write_text('[site]\nenterprise = "acme"\nname = "works"\n', encoding="utf-8")
    answer = detected(recording, "--site", site)
    assert tomllib.loads(answer.stdout).keys() == {"subscribe"}


def test_it_fails_where_more_than_a_twentieth_cannot_be_read(recording: Path) -> None:
    with recording.open("a", encoding="utf-8") as file:
        file.write((recording_line(AT_NS, "acme/works/m1/press", b"\x00") + "\n") * 3)
    answer = detected(recording)
    assert answer.exit_code == 1
    assert "3 would be dead letters (7.0%)" in answer.stderr


def kepware(tmp_path: Path, **tags: str) -> Path:
    """40 messages of a gateway; `#` in a value becomes the message's number."""
    path = tmp_path / "kepware.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(40):
            own = [{"id": name, "v": value.replace("#", str(i))} for name, value in tags.items()]
            payload = json.dumps({"timestamp": (AT_S + i) * 1_000, "values": own}).encode()
            file.write(recording_line(AT_NS + i * 10**9, "scada/press/iot", payload) + "\n")
    return path


def test_numbers_that_cannot_be_read_are_dead_letters_and_never_states(tmp_path: Path) -> None:
    answer = detected(kepware(tmp_path, Temp="2#,5"))
    assert answer.exit_code == 1
    assert "40 would be dead letters (100.0%)" in answer.stderr and "which looks like a number" in answer.stderr
    assert "1 topic:" in answer.stderr and "1 gap would be" in answer.stderr
    assert "state" not in answer.stdout


def test_messages_that_say_nothing_and_tags_left_out_are_told(tmp_path: Path) -> None:
    recorded = kepware(tmp_path, Batch="B-#")
    answer = detected(recorded)
    assert "40 messages read, 40 of them said nothing" in answer.stderr
    (subscription,) = tomllib.loads(answer.stdout)["subscribe"]
    assert subscription["tag"] == [{"name": "Batch", "skip": True}]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "the message is empty"),
        (b"20,5", 'a/b: "20,5" is no number as JSON writes it'),
        (b"[" * 600 + b"]" * 600, "nested more than 64 deep, which is `limits.max_depth`"),
        (b"[" + b"1" * 5_000_000 + b"]", "5000002 bytes, `limits.max_message_bytes` is 4194304"),
    ],
    ids=["empty", "decimal comma", "deep", "large"],
)
def test_a_message_beyond_a_limit_is_told_by_the_limit(tmp_path: Path, payload: bytes, why: str) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(recording_line(AT_NS, "a/b", payload) + "\n", encoding="utf-8")
    answer = detected(path)
    assert answer.exit_code == 1 and why in answer.stderr


def test_its_help_names_the_subscribe_rules() -> None:
    assert "writes the `subscribe` rules" in " ".join(
        CliRunner().invoke(app, ["detect-format", "--help"]).stdout.split()
    )


def test_payload_files_are_messages_of_the_topic_that_is_said(tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_bytes(
        b'{"items": [{"externalId": "press.temp", "datapoints": [{"timestamp": 1676550645000, "value": 1.6}]}]}'
    )
    answer = detected(payload, "--as-topic", "cdf/works/press")
    (subscription,) = tomllib.loads(answer.stdout)["subscribe"]
    assert (subscription["topic"], subscription["format"]) == ("cdf/works/press", "cognite")


def test_a_file_is_never_written_over(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "rules.toml"
    out.write_text("mine", encoding="utf-8")
    refusal(f"{out}: is there already", recording, "--out", out)
    assert out.read_text(encoding="utf-8") == "mine"


def test_what_is_no_sample_is_refused_in_a_sentence(recording: Path, tmp_path: Path) -> None:
    refusal("no such file; to listen to it as a topic, say --site or --host", "plant/#")
    refusal("No such file or directory; name a .jsonl file", tmp_path / "none.jsonl")
    refusal("not all are files; name files only, or one topic filter", recording, "plant/#")
    (tmp_path / "empty.jsonl").touch()
    refusal("no message in it", tmp_path / "empty.jsonl")
    refusal("a shared subscription would take messages from others", "$share/g/plant/#", "--host", "127.0.0.1")
    refusal("`#` may stand only alone and last", "plant/#/x", "--host", "127.0.0.1")


def test_a_zone_that_is_none_is_named_by_its_key(recording: Path, tmp_path: Path) -> None:
    site = tmp_path / "mine.toml"
    site.write_text('[site]\nenterprise = "acme"\nname = "works"\ntimezone = "Mars"\n', encoding="utf-8")
    refusal("`site.timezone`: no time zone 'Mars'; write an IANA name", recording, "--site", site)


def test_a_torn_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text('{"topic": "a", "text": "1"}\n{"topic": "b", "base64": "!"}\n', encoding="utf-8")
    with pytest.raises(SampleError, match=r"messages.jsonl line 2: .*; a line is"):
        read_samples([path])


def test_no_secret_of_the_site_is_told(recording: Path, tmp_path: Path) -> None:
    site = tmp_path / "mine.toml"
    (tmp_path / "secret").write_text("hunter2", encoding="utf-8")
    broker = '[broker]\nhost = "127.0.0.1"\nport = 1\nusername = "andon"\npassword_file = "secret"\n'
    site.write_text(f'[site]\nenterprise = "acme"\nname = "works"\n{broker}', encoding="utf-8")
    for answer in (detected(recording, "--site", site, "--json"), detected("plant/#", "--site", site)):
        assert "hunter2" not in f"{answer.output}{answer.exception}"


def test_detected_rules_take_the_hand_written_ones_place(tmp_path: Path) -> None:
    """The sample site with its own [[subscribe]] cut out and the detected ones put in is a sound site."""
    folder = formats.SITES / "teaching_factory"
    own = (folder / "site.toml").read_text(encoding="utf-8")
    head, rest = own.split("[[subscribe]]\ntopic", 1)
    answer = detected(folder / "capture.jsonl", "--site", folder / "site.toml", "--line", "bottling")
    assert answer.exit_code == 0, answer.stderr
    shutil.copytree(folder / "chain", tmp_path / "chain")
    (tmp_path / "site.toml").write_text(
        head + answer.stdout + "\n[[sink]]" + rest.split("\n[[sink]]", 1)[1], encoding="utf-8"
    )
    assert read(tmp_path / "site.toml").has("subscribe")
    load_site(tmp_path / "site.toml")


def refusal(sentence: str, *words: str | Path) -> None:
    answer = detected(*words)
    assert isinstance(answer.exception, AndonError), answer.output
    assert sentence in str(answer.exception)
