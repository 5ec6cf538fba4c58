"""The host application's own state on a broker, as Sparkplug 3.0 wants it: retained JSON, and a will that undoes it.

Birth and will of one connection carry the same time, that of connecting; a clean end says its own.
"""

from __future__ import annotations

import msgspec

from collector.formats.sparkplug_b.protocol import B_3_0, STATE
from collector.sources.source import Saying

_NS_PER_MS = 1_000_000


class _State(msgspec.Struct):
    online: bool
    timestamp: int


class HostState:
    """A `Presence` for brokers: what to say on connecting, on being cut off and on leaving."""

    def __init__(self, host_id: str) -> None:
        self.topic = f"{B_3_0.namespace}/{STATE}/{host_id}"

    def birth(self, connected_ns: int) -> Saying:
        return self._says(_State(True, connected_ns // _NS_PER_MS))

    def will(self, connected_ns: int) -> Saying:
        return self._says(_State(False, connected_ns // _NS_PER_MS))

    def death(self, at_ns: int) -> Saying:
        return self._says(_State(False, at_ns // _NS_PER_MS))

    def is_denied_by(self, payload: bytes) -> bool:
        """Whether somebody says that we are not there: an earlier connection's will that came late, or a mistake."""
        try:
            return not msgspec.json.decode(payload, type=_State).online
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return True  # nothing an edge node could read: the retained state must be mended

    def _says(self, state: _State) -> Saying:
        return Saying(self.topic, msgspec.json.encode(state), qos=1, retain=True)
