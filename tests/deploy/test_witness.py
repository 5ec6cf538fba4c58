"""Whether everything published is on disk is told by what it is, not by how much came."""

from __future__ import annotations

from collector.sources.recording import Published
from collector.sources.source import Delivery, Message
from deploy.witness import Witness

FIRST, SECOND = Published(1, "a", b"1"), Published(2, "a", b"2")


class Repeating:
    """A source that gives the same message again, as a broker does after a cut, before the second."""

    def __init__(self, *deliveries: list[Published]) -> None:
        self._deliveries = list(deliveries)
        self.acknowledged = 0

    def receive(self, limit: int, wait_s: float) -> Delivery:
        messages = [Message(one.topic, one.payload, one.at_ns) for one in self._deliveries.pop(0)]
        return Delivery(messages, self._acknowledge)

    def close(self) -> None:
        self._deliveries.clear()

    def _acknowledge(self) -> None:
        self.acknowledged += 1


def test_a_message_that_came_twice_does_not_stand_for_one_still_on_its_way() -> None:
    source, witness = Repeating([FIRST], [FIRST], [SECOND]), Witness()
    watched = witness.over(source)
    witness.awaits(FIRST)
    witness.awaits(SECOND)
    for _ in range(2):
        watched.receive(10, 0.0).acknowledge()
        assert not witness.has_all()
    watched.receive(10, 0.0).acknowledge()
    assert witness.has_all()
    assert source.acknowledged == 3


def test_what_was_received_is_not_on_disk_before_it_is_acknowledged() -> None:
    witness = Witness()
    watched = witness.over(Repeating([FIRST]))
    witness.awaits(FIRST)
    delivery = watched.receive(10, 0.0)
    assert not witness.has_all()
    delivery.acknowledge()
    assert witness.has_all()
