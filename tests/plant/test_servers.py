"""A missing server is never a quiet green: it is a loud skip, or a failure where servers are required."""

from __future__ import annotations

import socket

import pytest

from tests.plant.servers import influxdb, influxql, mosquitto, need


def test_a_missing_program_is_skipped_with_the_line_to_type(monkeypatch):
    monkeypatch.delenv("ANDON_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED against a real no-such-server.*apt-get install"):
        need("no-such-server")


def test_a_missing_program_fails_where_servers_are_required(monkeypatch):
    monkeypatch.setenv("ANDON_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-server"):
        need("no-such-server")


@pytest.mark.plant
def test_mosquitto_starts_on_a_port_of_its_own_and_ends(tmp_path):
    with mosquitto(tmp_path, persistence=True) as broker:
        socket.create_connection(("127.0.0.1", broker.port), timeout=5).close()
    assert broker.process.returncode is not None
    assert (tmp_path / "mosquitto.db").exists()


@pytest.mark.plant
def test_influxdb_keeps_its_folder_over_a_restart(tmp_path):
    with influxdb(tmp_path) as store:
        influxql(store, "CREATE DATABASE andon")
    with influxdb(tmp_path, port=store.port) as store:
        (databases,) = influxql(store, "SHOW DATABASES")
    assert ["andon"] in databases["values"]
