"""The host's side of Sparkplug B: it speaks only where it is let, at a bearable pace (R8), and says who is there."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from collector.config import ConfigError, Site, read
from collector.formats.sparkplug_b import build, presence
from collector.formats.sparkplug_b.mapping import Options
from collector.formats.sparkplug_b.payload import Datatype, Metric, decode
from collector.formats.sparkplug_b.rebirth import Rebirths
from collector.readings import NS_PER_S
from collector.sources.brokers import brokers_of, presences_of, readings_of
from collector.sources.source import Message
from collector.topics import TopicTemplate
from deploy.site import load_site
from tests.collector.sparkplug_nodes import Heard, Node, new_format, ns

TURN_NS = NS_PER_S // 5  # the slowest turn of `ingest`: nothing arrives
SITE = '[site]\nenterprise = "e"\nname = "plant"\n'
SPARKPLUG = '[[subscribe]]\ntopic = "spBv1.0/#"\nformat = "sparkplug_b"\n'


def test_it_is_silent_unless_it_is_let() -> None:
    node, heard = Node(), Heard(new_format())
    node.born(0)
    heard.hear(node.data(at_s) for at_s in range(20))
    assert heard.says == []


def test_a_request_is_what_the_specification_says() -> None:
    node, heard = Node(), Heard(new_format(rebirth=True))
    node.born(0)
    heard.hear([node.data(1)])
    heard.wait(ns(4))
    ((at_ns, (topic, payload, qos, retain)),) = heard.says
    (metric,) = decode(payload).metrics
    assert (topic, qos, retain, decode(payload).seq) == ("spBv1.0/g/NCMD/n", 0, False, None)
    assert (metric.name, metric.datatype, metric.value) == ("Node Control/Rebirth", Datatype.BOOLEAN, True)
    assert decode(payload).timestamp_ms == metric.timestamp_ms == at_ns // 1_000_000


@pytest.mark.parametrize("reason", ["no birth", "an unknown alias", "a gap"])
def test_what_makes_it_ask(reason: str) -> None:
    node, heard = Node(), Heard(new_format(rebirth=True))
    if reason == "no birth":
        node.born(0)
        heard.hear([node.data(1)])
        assert heard.says == [], "the birth may be on its way"
        heard.wait(ns(4))
    elif reason == "an unknown alias":
        heard.hear(node.born(0)[:1])
        node.seq = 1  # as if it had no device
        heard.hear([node.data(1)])
    else:
        heard.hear(node.born(0))
        node.lost()
        heard.hear([node.data(1)])
        assert heard.says == [], "the window has not passed"
        heard.wait(ns(4))
    assert len(heard.says) == 1
    heard.hear(node.born(6))
    heard.wait(ns(20))
    assert len(heard.says) == 1, "its birth came"


def test_one_edge_node_is_asked_once_in_5_s() -> None:
    node, heard = Node(), Heard(new_format(rebirth=True))
    node.born(0)
    heard.hear(node.data(i / 10) for i in range(200))
    times = [at_ns for at_ns, _ in heard.says]
    assert len(times) == 3
    assert all(later - earlier >= 5 * NS_PER_S for earlier, later in pairwise(times))


@pytest.mark.parametrize("answer", ["none", "an alias twice", "a device left out"])
def test_whose_births_are_of_no_use_is_asked_ever_more_seldom(answer: str) -> None:
    """After 5, 10, 20, 40 s and so on to 10 min; anew from 5 s on after a birth that can be used."""
    node, heard, answered = Node(), Heard(new_format(rebirth=True)), 0
    twice = [Metric(1.0, name, 4, ns(0) // 1_000_000, Datatype.DOUBLE) for name in ("a", "b")]
    node.born(0)
    for at_s in range(1, 3600):
        heard.hear([node.data(at_s)])
        if len(heard.says) > answered and answer != "none":
            nbirth, _ = node.born(at_s + 0.5)
            node.seq = 1
            heard.hear([nbirth, *([node.device_born(at_s + 0.5, *twice)] if answer == "an alias twice" else [])])
        answered = len(heard.says)
    pauses_s = [round((later - earlier) / NS_PER_S) for (earlier, _), (later, _) in pairwise(heard.says)]
    wanted_s = [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]
    assert pauses_s == pytest.approx(wanted_s, abs=1)
    heard.hear([*node.born(3600), node.data(3601)])
    for lost_s in (3610, 3616):
        node.lost()
        heard.hear([node.data(lost_s)])
        heard.wait(ns(lost_s + 3))
        heard.hear(node.born(lost_s + 3.5))
    assert len(heard.says) == len(wanted_s) + 3


def test_r8_requests_that_clump_on_their_way_are_still_at_most_20_a_second() -> None:
    """Each turn's requests leave up to 0.6 s after it, as on a machine under load; none overtakes another."""
    chance, rebirths, heard = random.Random(3), Rebirths(is_allowed=True, seed=7), [0]
    for i in range(500):
        rebirths.want(f"g/n{i}")
    now_ns = ns(0)
    while len(heard) <= 500:
        arrives_ns = max(heard[-1], now_ns + chance.randrange(6 * NS_PER_S // 10))
        heard += [arrives_ns] * len(rebirths.due(now_ns))
        now_ns += chance.randrange(NS_PER_S // 50, NS_PER_S // 2)
    assert heard[-1] - heard[1] < 50 * NS_PER_S
    assert all(later - earlier > NS_PER_S for earlier, later in zip(heard[1:], heard[21:], strict=False))


@pytest.mark.parametrize("turn_ns", [TURN_NS, NS_PER_S // 50])
def test_r8_500_edge_nodes_are_asked_in_under_60_s_and_never_more_than_20_a_second(turn_ns: int) -> None:
    sent: list[int] = []
    rebirths = Rebirths(is_allowed=True, seed=7)
    for i in range(500):
        rebirths.want(f"g/n{i}")
    now_ns = ns(0)
    while len(sent) < 500:
        sent += [now_ns] * len(rebirths.due(now_ns))
        now_ns += turn_ns
    assert sent[-1] - sent[0] < 60 * NS_PER_S
    assert all(later - earlier > NS_PER_S for earlier, later in zip(sent, sent[20:], strict=False))


def test_the_order_of_asking_is_by_chance_and_the_same_for_the_same_seed() -> None:
    def asked(seed: int) -> list[str]:
        rebirths = Rebirths(is_allowed=True, seed=seed)
        for i in range(50):
            rebirths.want(f"g/n{i}")
        return [said.topic for turn in range(100) for said in rebirths.due(ns(turn / 10))]

    assert asked(1) == asked(1) != asked(2)
    assert sorted(asked(1)) == sorted(asked(2)) != asked(1)


def test_whoever_denies_our_presence_is_answered() -> None:
    form = new_format(host_id="andon1")
    for payload in (b'{"online":false,"timestamp":1}', b"", b"OFFLINE"):
        form.decode(Message("spBv1.0/STATE/andon1", payload, ns(1)))
        (saying,) = form.due(ns(1)).says
        assert (saying.topic, saying.qos, saying.retain) == ("spBv1.0/STATE/andon1", 1, True)
        assert msgspec.json.decode(saying.payload) == {"online": True, "timestamp": ns(1) // 1_000_000}
    form.decode(Message("spBv1.0/STATE/andon1", b'{"online":true,"timestamp":1}', ns(1)))
    form.decode(Message("spBv1.0/STATE/other", b'{"online":false,"timestamp":1}', ns(1)))
    assert form.due(ns(1)).says == []


def test_birth_and_will_of_a_connection_carry_the_same_time() -> None:
    host = presence(Options(host_id="andon1"))
    assert host is not None
    birth, will = (msgspec.json.decode(saying.payload) for saying in (host.birth(ns(5)), host.will(ns(5))))
    assert (birth["online"], will["online"]) == (True, False)
    assert birth["timestamp"] == will["timestamp"] == ns(5) // 1_000_000
    assert presence(Options()) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SPARKPLUG + "reorder_s = 9\n", "`subscribe[0].reorder_s`"),
        (SPARKPLUG + 'rebirth = "yes"\n', "`subscribe[0].rebirth`"),
        (SPARKPLUG + 'host_id = "a/b"\n', "`subscribe[0].host_id`"),
        (SPARKPLUG + "device_rebirth = true\n", "`device_rebirth` needs `rebirth = true`"),
        (
            SPARKPLUG + 'host_id = "a"\n' + SPARKPLUG.replace("spBv1.0/#", "spBv1.0/+/#") + 'host_id = "b"\n',
            "spBv1.0/STATE/b and spBv1.0/STATE/a cannot both be announced by one connection",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "site.toml").write_text(SITE + text, encoding="utf-8")
    document = read(tmp_path / "site.toml")
    with pytest.raises(ConfigError) as refused:
        readings_of(document, document.section("site", Site), brokers_of(document))
    assert says in str(refused.value)


def test_a_host_that_could_not_hear_of_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"does not cover spBv1\.0/STATE/h"):
        build(Options(host_id="h"), Site(enterprise="e", name="s"), TopicTemplate("spBv1.0/g/#"))


@pytest.mark.parametrize(("expiry_s", "told"), [(0, 0), (60, 1)])
def test_a_host_whose_session_the_broker_keeps_is_warned_of(tmp_path: Path, expiry_s: int, told: int) -> None:
    text = SITE + f"[broker]\nsession_expiry_s = {expiry_s}\n" + SPARKPLUG + 'host_id = "h"\n'
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    warnings = load_site(tmp_path / "site.toml").warnings()
    assert len(warnings) == told
    assert all("spBv1.0/STATE/h" in warning and "session_expiry_s = 0" in warning for warning in warnings)


def test_each_broker_hears_of_the_host_that_its_subscription_names(tmp_path: Path) -> None:
    text = '[[broker]]\nname = "a"\n[[broker]]\nname = "b"\nhost = "x"\n' + SPARKPLUG + 'broker = "a"\nhost_id = "h"\n'
    (tmp_path / "site.toml").write_text(SITE + text, encoding="utf-8")
    document = read(tmp_path / "site.toml")
    found = presences_of(document, brokers_of(document))
    assert {name: one.topic for name, one in found.items()} == {"a": "spBv1.0/STATE/h"}
