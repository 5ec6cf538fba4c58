"""What site.toml may say of brokers: one or several, whom a subscription asks, which may be shared."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from collector.config import BrokerSettings, ConfigError, Document, Site, read
from collector.sources.brokers import brokers_of, readings_of
from collector.sources.client import client_for

SITE = '[site]\nenterprise = "e"\nname = "plant"\n'
TWO = '[[broker]]\nname = "north"\nhost = "n"\n[[broker]]\nname = "south"\nhost = "s"\n'
FIELDS = 'format = "json_fields"\n[subscribe.fields.level]\n'


def document(folder: Path, text: str) -> Document:
    (folder / "site.toml").write_text(SITE + text, encoding="utf-8")
    return read(folder / "site.toml")


def asked(folder: Path, text: str) -> dict[str, list[str]]:
    """The filters that each broker is asked for."""
    site = document(folder, text)
    readings = readings_of(site, site.section("site", Site), brokers_of(site))
    return {broker.name: list(filters) for broker, filters in readings}


def subscribe(topic: str, *keys: str) -> str:
    return f'[[subscribe]]\ntopic = "{topic}"\n' + "".join(f"{key}\n" for key in keys) + FIELDS


def test_one_broker_needs_no_name(tmp_path: Path) -> None:
    assert asked(tmp_path, '[broker]\nhost = "b"\n' + subscribe("a/{cell}")) == {"": ["a/+"]}


def test_a_subscription_asks_the_broker_it_names_or_all(tmp_path: Path) -> None:
    text = TWO + subscribe("a/{cell}") + subscribe("b/{cell}", 'broker = "south"')
    assert asked(tmp_path, text) == {"north": ["a/+"], "south": ["a/+", "b/+"]}


def test_a_shared_subscription_is_asked_for_as_one(tmp_path: Path) -> None:
    assert asked(tmp_path, subscribe("a/{cell}", 'shared_group = "g"')) == {"": ["$share/g/a/+"]}


RULE = '[[subscribe]]\ntopic = "r/#"\nformat = "json_rules"\nshared_group = "g"\n[[subscribe.rule]]\ntopic = "r/x"\n'
READING = 'line = "l"\nreading = [{ metric = "m", value = "v" }]\n'


def test_rules_that_join_no_times_can_be_shared(tmp_path: Path) -> None:
    assert asked(tmp_path, RULE + READING) == {"": ["$share/g/r/#"]}


MISTAKES = {
    "no name": (TWO.replace('name = "north"\n', "") + subscribe("a"), "`broker[0].name`", "needs a name of its own"),
    "a name twice": (TWO.replace("south", "north") + subscribe("a"), "`broker[1].name`", "rename one"),
    "a name with a blank": (TWO.replace("south", "so uth") + subscribe("a"), "`broker[1].name`", "a-z, 0-9 and _"),
    "one broker twice": (TWO.replace('"s"', '"n"') + subscribe("a"), "`broker[1]`", "another client_id"),
    "an unknown broker": (
        TWO + subscribe("a", 'broker = "east"'),
        "`subscribe[0].broker`",
        "no [[broker]] is named 'east' ('north', 'south')",
    ),
    "a broker nobody reads": (TWO + subscribe("a", 'broker = "south"'), "broker 'north'", "add one or remove"),
    "a shared Sparkplug": (
        '[[subscribe]]\ntopic = "spBv1.0/#"\nformat = "sparkplug_b"\nshared_group = "g"\n',
        "`subscribe[0].shared_group`",
        "depends on those before it",
    ),
    "a shared join": (
        RULE + 'time = { joined_on = "id", with = "r/y" }\n' + READING,
        "`subscribe[0].shared_group`",
        "remove it",
    ),
    "a group of two levels": (subscribe("a", 'shared_group = "g/h"'), "`subscribe[0].shared_group`", "correct"),
    "another protocol": ('[broker]\nprotocol = "3.1"\n' + subscribe("a"), "`broker.protocol`", "invalid enum value"),
}


@pytest.mark.parametrize(("text", "key", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_by_file_key_and_remedy(tmp_path: Path, text: str, key: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        asked(tmp_path, text)
    sentence = str(refused.value)
    assert sentence.startswith(f"{tmp_path / 'site.toml'}: ")
    assert key in sentence
    assert remedy in sentence


def test_an_empty_list_of_brokers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("broker = []\n" + SITE, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"`broker` is an empty list; write \[broker\]"):
        brokers_of(read(tmp_path / "site.toml"))


# files of [broker], without a network

UNUSABLE = {
    "a certificate without TLS": (BrokerSettings(cert_file="c.pem"), "`broker.cert_file` is set and TLS is not used"),
    "a key without a certificate": (BrokerSettings(tls=True, key_file="k.pem"), "without `broker.cert_file`"),
    "a password without a user": (BrokerSettings(password_file="p"), "without `broker.username`"),
    "a missing certificate": (BrokerSettings(tls=True, cert_file="none.pem"), "`broker.cert_file`"),
    "no password file": (BrokerSettings(username="u", password_file="none"), "put the password there"),
    "a password that is no text": (BrokerSettings(username="u", password_file="noise"), "no UTF-8 text"),
    "a certificate that is none": (BrokerSettings(tls=True, cert_file="noise"), "name the PEM files"),
    "a key of another": (BrokerSettings(tls=True, cert_file="own.pem", key_file="other.key"), "the key that belongs"),
    "a key with a password": (
        BrokerSettings(tls=True, cert_file="own.pem", key_file="locked.key"),
        "without a password",
    ),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "noise").write_bytes(b"\xff\xfe\x00")
    for name in ("own", "other"):
        openssl(folder, f"req -x509 -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.pem")
    openssl(folder, "rsa -aes128 -passout pass:secret -in own.key -out locked.key")
    return folder


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(("settings", "sentence"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_named_with_its_remedy(
    files: Path, settings: BrokerSettings, sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        client_for(settings, files, "c")
    assert sentence in str(refused.value)


def test_a_certificate_with_its_key_is_taken(files: Path) -> None:
    client_for(BrokerSettings(tls=True, ca_file="own.pem", cert_file="own.pem", key_file="own.key"), files, "c")
