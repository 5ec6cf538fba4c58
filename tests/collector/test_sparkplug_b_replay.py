"""Dead letters of edge nodes: they come back once the birth of their own connection has been heard, and never under
another's aliases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from collector.clocks.clock import WallClock
from collector.config import Site, SpoolSettings
from collector.dead_replay import Revived, replay_dead
from collector.decoder import Decoder
from collector.formats.sparkplug_b.payload import Datatype, Metric, decode, encode
from collector.health.counters import Counters
from collector.memory import recalled
from collector.pump import Appender
from collector.readings import NS_PER_S, Batch
from collector.retention import Retention
from collector.sources.source import Message
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from tests.collector.sparkplug_nodes import Heard, Node, new_format, ns

SITE = Site(enterprise="nev", name="any")
OF_BEFORE = "was sent before the connection of which a birth is known (bdSeq 1)"


def unheard() -> Node:
    """Born before anybody listened."""
    node = Node()
    node.born(-1)
    return node


def reborn(node: Node, at_s: float) -> list[Message]:
    """On request, so within its connection (the same bdSeq)."""
    node.bd_seq -= 1
    return node.born(at_s)


def new_decoder() -> Decoder:
    return Decoder([(TopicTemplate("spBv1.0/#"), new_format())], WallClock())


def collect(spool: Spool, messages: Sequence[Message]) -> None:
    """As a collector does that is started on this spool, and ended when all is kept."""
    counters, decoder = Counters(report_every_s=None), new_decoder()
    decoder.restore(recalled(spool))
    appender = Appender(spool, SITE, WallClock(), 5 * NS_PER_S, Retention(SpoolSettings(), counters), counters)
    for message in messages:
        intake = decoder.decode([message], now_ns=message.received_ns)
        assert appender.append(intake, decoder.snapshot(), 0, Event())
    intake = decoder.decode([], now_ns=messages[-1].received_ns + 5 * NS_PER_S)
    assert appender.append(intake, decoder.snapshot(), 0, Event())


def read_again(messages: Sequence[Message], letters: Sequence[Message]) -> Heard:
    """Letters, after all of these were heard."""
    before = Heard(new_format()).hear(messages)
    before.wait(messages[-1].received_ns + 5 * NS_PER_S)
    again = Heard(new_format())
    again.form.restore(before.form.snapshot())
    return again.hear(letters, on_time=False)


def test_letters_of_before_a_birth_was_heard_come_back_in_order_with_their_own_times(tmp_path: Path) -> None:
    node = unheard()
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        collect(spool, [node.data(at_s, float(at_s)) for at_s in (1, 2, 3)])
        assert replay_dead(spool, new_decoder()) == Revived(still_dead=3)
        assert all("no birth that declares it was seen" in letter.reason for letter in spool.dead.read())
        collect(spool, reborn(node, 10))
        assert replay_dead(spool, new_decoder()) == Revived(letters=3, readings=6)
        bodies = [frame.body for frame in spool.log.read(0, 100, kinds=(FrameKind.BATCH,))]
        told = [
            (int(at_ns), value)
            for body in bodies[-3:]
            if isinstance(body, Batch)
            for at_ns, value in zip(body.at_ns, body.value, strict=True)
        ]
        assert told == [(ns(at_s), float(at_s)) for at_s in (1, 1, 2, 2, 3, 3)]
        assert spool.dead.read() == []


@pytest.mark.parametrize("between", ["a death", "a birth of another connection", "a gap"])
def test_a_letter_of_another_connection_stays_and_says_why(tmp_path: Path, between: str) -> None:
    node = unheard()
    letter, heard = node.data(1), [node.data(2)]
    if between == "a death":
        heard += [node.died(3), *node.born(4)]
    elif between == "a birth of another connection":
        heard += [*reborn(node, 3), *node.born(4)]
    else:
        node.lost()
        heard += [node.data(3)]
        heard += node.born(9)
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        collect(spool, [letter, *heard])
        assert replay_dead(spool, new_decoder()).letters == (between == "a gap")
        stay = [one.reason for one in spool.dead.read()]
        assert len(stay) == 2
        assert all(OF_BEFORE in reason for reason in stay)


def test_names_mean_the_same_in_every_connection() -> None:
    node = unheard()
    letter = node.data(1, 7.0)
    by_name = tuple(Metric(7.0, f"m{i}", None, None, Datatype.DOUBLE) for i in range(2))
    letter = letter._replace(payload=encode(decode(letter.payload)._replace(metrics=by_name)))
    again = read_again([node.data(2), node.died(3), *node.born(4), node.data(5)], [letter])
    assert (again.bad, again.values()) == ([], [7.0])


def test_a_birth_of_an_earlier_connection_changes_nothing_of_this_one() -> None:
    node = unheard()
    old = Node(bd_seq=-1, metrics=1)
    letters = old.born(0)
    swapped = [Metric(5.0, "else", 1, ns(0) // 1_000_000, Datatype.DOUBLE)]
    letters[1] = old.device_born(0, *swapped)
    present = [*reborn(node, 1), *node.born(4)]
    again = read_again(present, [*letters, node.data(5, 8.0)])
    assert again.bad == []
    assert (again.values("else"), again.values()) == ([5.0], [8.0])


def test_a_clock_set_back_makes_nothing_of_the_present_connection_old() -> None:
    node, heard = unheard(), Heard(new_format())
    heard.hear([*reborn(node, 100), *node.born(200)])
    back = [node.data(201 + i, float(i))._replace(received_ns=ns(i)) for i in range(3)]
    heard.hear(back)
    assert (heard.bad, heard.values()[-3:]) == ([], [0.0, 1.0, 2.0])
    heard.hear([one._replace(received_ns=ns(5)) for one in node.born(300)])
    heard.hear([node.data(1, 9.0)._replace(received_ns=ns(6))])  # now the edge node's own clock is set back
    assert (heard.bad, heard.values()[-1]) == ([], 9.0)


def test_a_memory_of_before_connections_were_told_apart_reads_letters_as_it_did() -> None:
    node, form = unheard(), new_format()
    letter = node.data(1, 7.0)
    Heard(form).hear([letter, *reborn(node, 2)])
    for edge_node in form._session.nodes.values():
        edge_node.life.since_ns = edge_node.life.since_ms = 0
    again = Heard(new_format())
    again.form.restore(form.snapshot())
    again.hear([letter], on_time=False)
    assert (again.bad, again.values()) == ([], [7.0])
