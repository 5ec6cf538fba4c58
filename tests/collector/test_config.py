"""A site.toml that cannot be used is refused in one sentence that names file, key and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import deploy
from collector.clocks.clock import WallClock
from collector.config import (
    BrokerSettings,
    ClockSettings,
    ConfigError,
    Document,
    DropSettings,
    HealthSettings,
    SinkSettings,
    Site,
    SpoolSettings,
    Subscription,
    read,
)
from collector.decoder import decoder_of
from collector.formats import epcis, json_rules, sparkplug_b, stock_signals
from collector.formats.limits import Limits

SITE = '[site]\nenterprise = "iot1"\nname = "rig"\n'
SAMPLE = Path(deploy.__file__).parent / "sites" / "teaching_factory" / "site.toml"


def document(folder: Path, text: str) -> Document:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return read(path)


def refused(folder: Path, text: str) -> str:
    """The sentence with which a site.toml is refused, whichever section is at fault."""
    with pytest.raises(ConfigError) as error:
        site = document(folder, text)
        site.section("site", Site)
        site.section("clock", ClockSettings)
        site.section("broker", BrokerSettings)
        site.section("spool", SpoolSettings)
        site.open_sections("sink", SinkSettings)
        decoder_of(site, site.section("site", Site), WallClock())
    sentence = str(error.value)
    assert sentence.startswith(f"{folder / 'site.toml'}: "), "the file comes first"
    assert "\n" not in sentence
    return sentence


RULE = '[[subscribe]]\ntopic = "rig/#"\nformat = "json_rules"\n[[subscribe.rule]]\ntopic = "rig/x"\n'
MISTAKES = {
    "unknown key": (SITE + '[broker]\nhots = "x"\n', "`broker`", "unknown field `hots`; remove or rename it"),
    "wrong type": (SITE + '[broker]\nport = "1883"\n', "`broker.port`", "expected `int`, got `str`; correct the value"),
    "out of range": (SITE + "[broker]\nport = 70000\n", "`broker.port`", "<= 65535"),
    "not one of": (SITE + '[clock]\nsource = "sun"\n', "`clock.source`", "invalid enum value 'sun'"),
    "not positive": (SITE + "[spool]\nmax_mb = 0\n", "`spool.max_mb`", "> 0.0; correct the value"),
    "missing key": ('[site]\nname = "rig"\n', "`site`", "missing required field `enterprise`; add it"),
    "empty name": ('[site]\nenterprise = ""\nname = "rig"\n', "`site.enterprise`", "length >= 1"),
    "missing site": ("[broker]\n", "[site] is missing", "it needs `enterprise` and `name`"),
    "unknown section": (SITE + "[brocker]\n", "unknown section `brocker`", "did you mean `broker`?"),
    "unlike any section": (SITE + "[zzz]\n", "unknown section `zzz`", "remove or rename it"),
    "a table for a list": (SITE + "[subscribe]\n", "`subscribe`", "write [[subscribe]]"),
    "a list for a table": (SITE + "[[clock]]\n", "`clock`", "got `array`"),
    "a value for a section": (SITE.replace("[site]\n", "sink = 3\n[site]\n"), "`sink`", "write [[sink]]"),
    "values in a list": ("sink = [3]\n" + SITE, "`sink`", "write [[sink]]"),
    "bad TOML": (SITE + "[broker\n", "not valid TOML", "line 4"),
    "nothing subscribed": (SITE, "no [[subscribe]]", "say which topics to read"),
    "unknown format": (SITE + '[[subscribe]]\ntopic = "a"\nformat = "xml"\n', "`subscribe[0].format`", "json_rules"),
    "bad topic": (
        SITE + RULE.replace("rig/#", "rig/#/x") + "reading = []\n",
        "`subscribe[0]`",
        "may stand only alone and last",
    ),
    "unknown key in a rule": (SITE + RULE + "reading = []\nlin = 1\n", "`subscribe[0].rule[0]`", "unknown field `lin`"),
    "missing key in a rule": (SITE + RULE, "`subscribe[0].rule[0]`", "missing required field `reading`; add it"),
    "rule that reads nothing": (SITE + RULE + "reading = []\n", "`subscribe[0]`", "names no field to read; add one"),
    "unknown kind": (
        SITE + RULE + 'reading = [{ metric = "x", value = "x", kind = "stok" }]\n',
        "`subscribe[0].rule[0].reading[0].kind`",
        "invalid enum value 'stok'",
    ),
    "no unit": (
        SITE + RULE + 'reading = [{ metric = "x", value = "x", unit = "degC" }]\n',
        "`subscribe[0].rule[0].reading[0]`: `unit`",
        'write "Cel"',
    ),
    "no unit of a sparkplug metric": (
        SITE + '[[subscribe]]\ntopic = "spBv1.0/#"\nformat = "sparkplug_b"\nmetric = [{ name = "x", unit = "pcs" }]\n',
        "`subscribe[0].metric[0]`: `unit`",
        'write "{pcs}", or "1" for a pure number',
    ),
    "a unit of something else": (
        SITE + RULE + 'reading = [{ metric = "x", value = "x", unit = "g", source_unit = "Cel" }]\n',
        "`subscribe[0].rule[0].reading[0]`: `source_unit`",
        '"Cel" cannot be converted into "g"',
    ),
    "a word for a unit that means none": (
        SITE + '[[subscribe]]\ntopic = "k/#"\nformat = "kepware"\nunits = { "Grad" = "Grd" }\n',
        "`subscribe[0]`",
        '`units`: "Grad": "Grd" is no UCUM code',
    ),
    "a limit out of range": (
        SITE + RULE + 'reading = [{ metric = "x", value = "x" }]\n[limits]\nmax_depth = 1\n',
        "`limits.max_depth`",
        ">= 4; correct the value",
    ),
}


@pytest.mark.parametrize(("text", "key", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_by_file_key_and_remedy(tmp_path: Path, text: str, key: str, remedy: str) -> None:
    sentence = refused(tmp_path, text)
    assert key in sentence
    assert remedy in sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such file; name a site\.toml"):
        read(tmp_path / "nowhere.toml")


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        read(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read(tmp_path / "site.toml")


def test_a_missing_table_is_all_defaults(tmp_path: Path) -> None:
    assert document(tmp_path, SITE).section("spool", SpoolSettings) == SpoolSettings()


def test_keys_of_a_format_are_gathered_as_its_options(tmp_path: Path) -> None:
    (subscription,) = document(tmp_path, SITE + RULE).open_sections("subscribe", Subscription)
    assert subscription == Subscription(topic="rig/#", format="json_rules", options={"rule": [{"topic": "rig/x"}]})


DOCUMENTED: dict[str, Any] = {
    "site": Site,
    "clock": ClockSettings,
    "broker": BrokerSettings,
    "spool": SpoolSettings,
    "health": HealthSettings,
    "limits": Limits,
    "subscribe": Subscription,
    "drop": DropSettings,
    "subscribe (stock_signals)": stock_signals.Options,
    "subscribe (epcis)": epcis.Options,
    "subscribe, sparkplug_b": sparkplug_b.Options,
    "subscribe.rule": json_rules.Rule,
    "subscribe.rule.time": json_rules.Time,
    "subscribe.rule.reading": json_rules.Value,
}


@pytest.mark.parametrize("section", DOCUMENTED)
def test_the_sample_site_explains_every_option(section: str) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    comments = " ".join(line.partition("#")[2] for line in text.splitlines())
    for field in msgspec.structs.fields(DOCUMENTED[section]):
        if field.name != "options":
            assigned = [line for line in text.splitlines() if line.startswith(f"{field.encode_name} = ")]
            explained = field.encode_name in comments or any("#" in line for line in assigned)
            assert explained, f"{SAMPLE.name} does not explain {section}.{field.encode_name}"


@pytest.mark.parametrize("section", ["clock", "broker", "spool", "health", "limits"])
def test_the_sample_site_states_every_option_of_a_plain_section(section: str) -> None:
    settings = read(SAMPLE).section(section, DOCUMENTED[section])
    assert settings
    body = SAMPLE.read_text(encoding="utf-8").partition(f"\n[{section}]\n")[2].partition("\n[")[0]
    stated = [line.partition(" = ")[0] for line in body.splitlines() if " = " in line]
    assert stated == [field.encode_name for field in msgspec.structs.fields(DOCUMENTED[section])]
    assert all("#" in line for line in body.splitlines() if " = " in line), "each with its comment"
