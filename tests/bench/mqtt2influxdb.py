"""PyPI's mqtt2influxdb as a peer: its configuration, generated. One point and one write per message, no batches.

It has no session of its own at the broker and takes the present time unless a payload has `timestamp` in seconds, so
what is missing after a run says nothing about it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.bench.load import FIELDS, LINE
from deploy.bench.rig import Rig
from deploy.bench.store import DATABASE


def command(rig: Rig, installed: Path) -> Sequence[str]:
    """Writes its configuration (YAML, of which JSON is a part) into the rig's folder; what runs it."""
    store = urlsplit(rig.store.url)
    settings = {
        "mqtt": {"host": "127.0.0.1", "port": rig.port},
        "influxdb": {
            "host": f"http://{store.hostname}",
            "port": store.port,
            "token": "bench",
            "org": "andon",
            "bucket": DATABASE,
        },
        "points": [_point("signal", ["value"]), _point("station", FIELDS)],
    }
    path = rig.folder / "mqtt2influxdb.yml"
    path.write_text(json.dumps(settings))
    return [str(installed / "venv" / "bin" / "mqtt2influxdb"), "-c", str(path)]


def _point(shape: str, metrics: Sequence[str]) -> dict[str, object]:
    return {
        "measurement": "reading",
        "topic": f"{shape}/{LINE}/+",
        "qos": 1,
        "tags": {"line": LINE, "cell": "$.topic[2]"},
        "fields": {metric: f"$.payload.{metric}" for metric in metrics},
    }
