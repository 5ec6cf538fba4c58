"""Alertmanager as an output: every open alert by its v2 API, and a heartbeat whose absence says that we are gone.

The alert's life stays ours: what is told here is the level of `alert_state`. A level above 0 fires, 0 (cleared,
shelved, suppressed) resolves at once. Alertmanager routes, groups, inhibits and silences; it acknowledges nothing back.

Alertmanager forgets an alert at its `endsAt`, so all open alerts are sent again every `resend_s`, and each time they
end `hold_s` later: a detector that is silent resolves nothing, and neither does our own end for so long. The heartbeat
ends after four `resend_s` without one: that it stops firing is what a receiver outside (a dead man's switch) waits for.
A restarted Alertmanager remembers silences and what it told, not alerts: it hears of all of them at the next resend.

What a label says: `alertname` the method, `site`, `line`, `subject`, `severity`, `product`; together they are the
alert's identity there. When a rule's severity changes, the old one is resolved and the new one fires. Several
Alertmanagers of a cluster are several [[sink]]s. Run live: 0.25.0.
"""

from __future__ import annotations

from pathlib import Path

from collector.config import ConfigError
from collector.sinks.alertmanager.options import Options, secret_in
from collector.sinks.sink import Sink

__all__ = ["STORES_READINGS", "Options", "build"]

STORES_READINGS = False  # what it leaves out is kept by the spool and the stores


def build(options: Options, folder: Path) -> Sink:
    """Raises ConfigError where secret or certificate cannot be read. Does not need Alertmanager to be up."""
    from collector.sinks.alertmanager.post import Door  # ssl and urllib, which only who sends should pay
    from collector.sinks.alertmanager.teller import Alertmanager

    secret_file = folder / options.secret_file if options.secret_file else None
    if secret_file:
        secret_in(secret_file)
    if options.username and not secret_file:
        raise ConfigError("`username` needs `secret_file`: write that user's password into a file and name it there")
    return Alertmanager(options, Door(options, folder))
