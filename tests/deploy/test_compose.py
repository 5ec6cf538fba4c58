"""The compose file: valid, hardened, whole; and everything its services run, run here without a container.

Not run: the images themselves, InfluxDB 2 and Grafana (Debian has neither).
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from dashboards.render import files
from deploy.bench import servers
from deploy.bench.servers import Running
from tests.deploy.composed import COMPOSE, DEPLOY, GATEWAYS, Bench, composed, config
from tests.plant.authority import Authority
from tests.plant.servers import V2WriteShim, influxdb, influxql, need
from tests.plant.teaching_factory import ended, wait

pytestmark = pytest.mark.plant

ROOT = DEPLOY.parent
OURS = ("collector", "detectors", "chain", "board")
NOT_AUTHORISED = 0x87


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    return composed()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, file: dict[str, Any]) -> Bench:
    return Bench(tmp_path_factory.mktemp("compose"), file)


@pytest.fixture(scope="module")
def broker(bench: Bench) -> Iterator[Running]:
    """Mosquitto by the service's own command and configuration."""
    own = "\nuser root\n" if os.geteuid() == 0 else ""
    conf = bench.write("mosquitto", DEPLOY / "mosquitto" / "mosquitto.conf", more=own)
    program, *words = bench.service("mosquitto")["command"]
    command = [str(need(program)), *(str(conf) if word.endswith("mosquitto.conf") else word for word in words)]
    with servers.running("mosquitto", command, bench.ports["8883"], conf.parent, servers.accepts) as running:
        yield running


# ---- the file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("    command: [", "    comand: ["),
        ("read_only: true", "read_only: maybe"),
        ("      - spool:/var/lib/andon", "      - spol:/var/lib/andon"),
    ],
)
def test_the_checker_of_the_file_finds_faults(tmp_path, right, wrong):
    text = COMPOSE.read_text()
    assert right in text
    (tmp_path / "compose.yaml").write_text(text.replace(right, wrong, 1))
    assert config(tmp_path / "compose.yaml").returncode != 0


def test_every_service_is_bounded_hardened_and_watched(file):
    for name, service in file["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"] and limits["memory"] and service["pids_limit"], name
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert int(service["user"].partition(":")[0]) > 0, f"{name} runs as root"
        assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped", name
        assert re.fullmatch(r"[^:]+:\d+\.\d+\.\d+", service["image"]), f"{name}: {service['image']} is no exact version"


def test_no_secret_stands_in_the_file_and_each_has_a_file_that_the_scripts_make(file, bench):
    for name, service in file["services"].items():
        for key in service.get("environment", {}):
            assert not re.search("PASSWORD|TOKEN|SECRET", key) or key.endswith("_FILE"), f"{name}: {key}"
        assert len(list(bench.secrets(name).iterdir())) == len(service.get("secrets", []))
    used = {one["source"] for service in file["services"].values() for one in service.get("secrets", [])}
    assert used == file["secrets"].keys()


def test_the_store_keeps_what_the_boards_look_back_for(file):
    """The map of the chain is said when it changes: what has passed its retention is gone from every board."""
    kept = file["services"]["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_RETENTION"]
    looks_back_d = [int(days) for text in files().values() for days in re.findall(r"now\(\) - (\d+)d", text)]
    assert int(re.fullmatch(r"(\d+)d", kept)[1]) >= max(looks_back_d)  # type: ignore[index]


def test_a_store_that_is_away_keeps_nothing_from_being_collected(file):
    for name in OURS:
        assert "influxdb" not in file["services"][name]["depends_on"], name


def test_what_is_mounted_from_the_host_exists_and_cannot_be_written(file):
    for name, service in file["services"].items():
        assert set(service["networks"]) <= file["networks"].keys()
        for mount in service["volumes"]:
            source, target, mode = mount.split(":")
            if source.startswith("/"):
                assert Path(source).exists() and mode == "ro", f"{name}: {mount}"
            else:
                assert source in file["volumes"] and target.startswith(
                    ("/var/lib/", "/mosquitto/data", "/etc/influxdb2")
                )


def test_only_the_broker_is_open_to_the_network(file):
    ports = {name: service.get("ports", []) for name, service in file["services"].items()}
    open_to_all = [name for name, said in ports.items() if any(not _is_local(one) for one in said)]
    assert open_to_all == ["mosquitto"] and "ports" not in file["services"]["influxdb"]


def _is_local(port: Any) -> bool:
    """docker-compose writes a port long or short."""
    return (port.get("host_ip") if isinstance(port, dict) else str(port).partition(":")[0]) == "127.0.0.1"


def test_grafana_gets_what_the_provisioned_files_ask_for(file):
    grafana = file["services"]["grafana"]
    given = {*grafana["environment"], *re.findall(r"export (\w+)", " ".join(grafana["entrypoint"]))}
    files = [path.read_text() for path in (DEPLOY / "grafana" / "provisioning").rglob("*.yaml")]
    asked = {name for text in files for name in re.findall(r"\$\{?(INFLUX_\w+)", text)}
    assert asked and asked <= given
    (boards,) = (
        mount.split(":")[1] for mount in grafana["volumes"] if mount.split(":")[0].endswith("grafana/dashboards")
    )
    assert any(f'"path": "{boards}"' in text for text in files)


def test_grafana_starts_with_the_readers_token_from_its_file(bench, tmp_path):
    program, flag, line = bench.service("grafana")["entrypoint"]
    (tmp_path / "run.sh").write_text('#!/bin/sh\nprintf %s "$INFLUX_TOKEN"\n')
    (tmp_path / "run.sh").chmod(0o755)
    here = bench.here("grafana", line).replace("/run.sh", str(tmp_path / "run.sh"))
    said = subprocess.run([program, flag, here], capture_output=True, text=True, check=True).stdout
    assert said == f"grafana:{(bench.made / 'influx_reader_password').read_text()}"


def test_the_store_gives_grafana_a_user_that_may_only_read(bench, tmp_path):
    (tmp_path / "influx").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "influx").chmod(0o755)
    script = tmp_path / "reader.sh"
    script.write_text(bench.here("influxdb", (DEPLOY / "influxdb" / "10-reader.sh").read_text()))
    names = {"DOCKER_INFLUXDB_INIT_BUCKET_ID": "b1", "DOCKER_INFLUXDB_INIT_ORG": "andon"}
    around = {**os.environ, **names, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(["sh", str(script)], env=around, capture_output=True, text=True, check=True).stdout.split()
    assert said[:3] == ["v1", "auth", "create"] and "--write-bucket" not in said
    assert said[said.index("--read-bucket") + 1] == "b1"


def test_the_image_is_built_from_what_is_there_with_exact_versions(file):
    text = (DEPLOY / "Dockerfile").read_text()
    for words in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        assert all((ROOT / source).exists() for source in words.split()[:-1]), words
    bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert len(bases) == 1 and re.search(r":\d+\.\d+\.\d+-", bases.pop())
    assert "--constraint constraints.txt" in text and 'ENTRYPOINT ["andon"]' in text
    assert {file["services"][name]["user"] for name in OURS} == set(re.findall(r"^USER (\S+)", text, re.MULTILINE))
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert "*" in ignored and "deploy/secrets" in ignored


# ---- the broker ------------------------------------------------------------------------------------------


class Client:
    """A client with a certificate: what came to it, and what the broker said to each of its messages."""

    def __init__(self, bench: Bench, name: str, folder: Path | None = None, topics: tuple[str, ...] = ()) -> None:
        self.heard: list[str] = []
        self.reasons: dict[int, int] = {}
        self.is_refused = False
        self._ready, self._answered = threading.Event(), threading.Event()
        self._topics = topics
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
        context = ssl.create_default_context(cafile=str(bench.made / "mqtt" / "ca.pem"))
        if folder is not None:
            context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self._client.tls_set_context(context)
        self._client.on_connect = lambda client, *_: self._connected()
        self._client.on_disconnect = lambda *_: self._lost()
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self._client.on_publish = self._published
        self._client.connect("localhost", bench.ports["8883"], 30)
        self._client.loop_start()
        assert self._ready.wait(10) and not self.is_refused, "not connected"

    def publish(self, topic: str, payload: bytes = b"1") -> int:
        """The reason code of the broker's acknowledgement."""
        self._answered.clear()
        self._client.publish(topic, payload, qos=1)
        assert self._answered.wait(10), "not answered"
        return list(self.reasons.values())[-1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self) -> None:
        for topic in self._topics:
            self._client.subscribe(topic, qos=1)
        if not self._topics:
            self._ready.set()

    def _lost(self) -> None:
        self.is_refused = not self._ready.is_set()
        self._ready.set()

    def _published(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self.reasons[mid] = reason.value
        self._answered.set()


@contextmanager
def client(bench: Bench, name: str, *topics: str) -> Iterator[Client]:
    one = Client(bench, name, bench.made / "mqtt", topics)
    try:
        yield one
    finally:
        one.close()


def test_a_gateway_publishes_under_its_own_name_and_nowhere_else(bench, broker):
    own, other = GATEWAYS
    allowed = [
        f"plant/{own}/press/line",
        f"andon/forward/{own}",
        f"spBv1.0/g/NBIRTH/{own}",
        f"spBv1.0/g/DDATA/{own}/d1",
    ]
    refused = [
        f"plant/{other}/press/line",
        f"andon/forward/{other}",
        f"spBv1.0/g/NBIRTH/{other}",
        f"spBv1.0/g/DDATA/{other}/{own}",
        f"spBv1.0/g/NCMD/{other}",
        "spBv1.0/STATE/host",
        "andon/v1/plant/receipts",
        "elsewhere",
    ]
    with client(bench, "collector", "plant/#", "andon/#", "spBv1.0/#") as collector, client(bench, own) as gateway:
        said = {topic: gateway.publish(topic) for topic in [*refused, *allowed]}
        wait(lambda: len(collector.heard) >= len(allowed), "not heard", 10.0)
    assert sorted(collector.heard) == sorted(allowed)
    assert {topic for topic, reason in said.items() if reason == NOT_AUTHORISED} == set(refused)


def test_a_gateway_reads_nothing_of_the_others(bench, broker):
    own, other = GATEWAYS
    with client(bench, own, "#", f"plant/{other}/#") as curious, client(bench, "collector", "plant/#") as collector:
        with client(bench, other) as gateway:
            gateway.publish(f"plant/{other}/press/line")
        wait(lambda: bool(collector.heard), "not heard", 10.0)
    assert not curious.heard


def test_an_edge_node_hears_whether_its_host_is_there(bench, broker):
    own, _ = GATEWAYS
    with client(bench, own, "spBv1.0/STATE/collector") as gateway, client(bench, "collector") as collector:
        collector.publish("spBv1.0/STATE/collector", b'{"online":true}')
        wait(lambda: gateway.heard == ["spBv1.0/STATE/collector"], "not heard", 10.0)


def test_who_has_no_certificate_of_this_site_is_not_let_in(bench, broker, tmp_path):
    strangers = Authority(tmp_path)
    strangers.issue("gateway_1")
    for folder in (None, tmp_path):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            Client(bench, "gateway_1", folder).close()
    with client(bench, "gateway_1"):
        """The same name with this site's certificate."""


def test_the_scripts_change_nothing_that_is_there_and_refuse_a_name_that_is_no_topic(bench, tmp_path):
    script, before = DEPLOY / "mosquitto" / "make_certs.sh", (bench.made / "mqtt" / "gateway_1.pem").read_bytes()
    subprocess.run([script, bench.made / "mqtt", "gateway_1", "late"], check=True, capture_output=True)
    subprocess.run([DEPLOY / "influxdb" / "make_secrets.sh", bench.made], check=True, capture_output=True)
    assert (bench.made / "mqtt" / "gateway_1.pem").read_bytes() == before and (
        bench.made / "mqtt" / "late.pem"
    ).exists()
    for name in ("a/b", "#", "+", "", "server", "../x"):
        assert subprocess.run([script, tmp_path, name], capture_output=True, check=False).returncode == 2, name
    assert (bench.made / "mqtt").stat().st_mode & 0o077 == 0


# ---- the whole site --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(bench: Bench, broker: Running) -> Iterator[tuple[Running, dict[str, subprocess.Popen[bytes]]]]:
    """Our four services by their own commands, all healthy, and the store they write to."""
    with influxdb(bench.folder / "influx") as store, V2WriteShim(store) as shim:
        influxql(store, 'CREATE DATABASE "andon"')
        bench.also("http://influxdb:8086", shim.url)
        sites = {name: bench.write(name, DEPLOY / "compose" / "site.toml") for name in OURS}
        check = [sys.executable, "-m", "deploy.cli", "check", str(sites["collector"])]
        checked = subprocess.run(check, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert not bench.healthy("collector")
        started: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for stage in (OURS[:1], OURS[1:]):
                started |= {name: subprocess.Popen(bench.andon(name, sites[name])) for name in stage}
                for name in stage:
                    wait(lambda name=name: bench.healthy(name), f"{name} is not healthy", 60.0)
            yield store, started
        finally:
            with ended(*started.values()):
                pass


def test_a_gateways_reading_reaches_the_store(bench, site):
    store, _ = site
    with client(bench, "gateway_1") as gateway:

        def is_stored() -> bool:
            gateway.publish("plant/gateway_1/press/p1", b"no json")
            gateway.publish("plant/gateway_1/press/p1", b'{"ts":%d,"good":7}' % (time.time_ns() // 1_000_000))
            return bool(influxql(store, "SELECT * FROM reading WHERE line = 'press' AND metric = 'good'", "andon"))

        wait(is_stored, "nothing reaches the store", 30.0)


@pytest.mark.parametrize(
    ("service", "port", "family"),
    [
        ("collector", "9101", b"andon_dead_lettered_total{"),
        ("detectors", "9102", b"andon_detection_lag_seconds{"),
        ("chain", "9103", b"andon_up{"),
    ],
)
def test_promtool_has_no_complaint_about_a_page_of_metrics(bench, site, service, port, family):
    def is_whole() -> bool:
        return family in metrics(bench.ports[port])

    wait(is_whole, f"{service} does not say how it is", 30.0)
    assert promtool(metrics(bench.ports[port])) == (0, "")


def test_health_checks_tell_a_dead_process_and_a_living_one(bench, site):
    _, started = site
    assert bench.healthy("mosquitto")
    started["detectors"].kill()
    started["detectors"].wait(20)
    assert not bench.healthy("detectors") and bench.healthy("collector")


@pytest.mark.parametrize(
    "page",
    [
        b"# TYPE andon_x gauge\nandon_x 1\n",
        b"# HELP andon_x_ms A time.\n# TYPE andon_x_ms gauge\nandon_x_ms 1\n",
        b"# HELP andon_x It.\n# TYPE andon_x counter\nandon_x 1\n",
        b"andon-x 1\n",
    ],
    ids=["no help", "no base unit", "no total", "no name"],
)
def test_promtool_finds_faults(page):
    assert promtool(page)[0] != 0


def metrics(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page: bytes = answer.read()
    return page


def promtool(page: bytes) -> tuple[int, str]:
    """Its exit code and what it says of a page: 0 and nothing where all is well."""
    said = subprocess.run([str(need("promtool")), "check", "metrics"], input=page, capture_output=True, check=False)
    return said.returncode, said.stderr.decode() + said.stdout.decode()
