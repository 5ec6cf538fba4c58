"""Node-RED as a peer: its flow, generated. mqtt in -> json -> function -> join -> influxdb batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.bench.load import LINE
from deploy.bench.rig import Rig
from deploy.bench.store import DATABASE

# One message per reading, as flows are usually written; `join` makes arrays of 500 of them.
_EACH = """
const [, line, cell] = msg.topic.split("/");
const { ts, ...said } = msg.payload;
return [Object.keys(said).filter(metric => typeof said[metric] === "number").map(metric => ({ payload: {
  measurement: "reading", tags: { line, cell, metric }, fields: { value: said[metric] }, timestamp: ts } }))];
"""
# One message per message with one point of all its fields: the cheapest a flow can do, and another table in the store.
_WIDE = """
const [, line, cell] = msg.topic.split("/");
const { ts, ...said } = msg.payload;
const fields = {};
for (const metric in said) if (typeof said[metric] === "number") fields[metric] = said[metric];
return { payload: { measurement: "reading", tags: { line, cell }, fields, timestamp: ts } };
"""

_PLACE = {"x": 100, "y": 100}  # a node without a place in the editor is taken for a configuration


def command(rig: Rig, installed: Path, *, wide: bool) -> Sequence[str]:
    """Writes the flow and its settings into the rig's folder; what runs it."""
    folder = rig.folder / "node-red"
    folder.mkdir(exist_ok=True)
    (folder / "flows.json").write_text(json.dumps(flow(rig, wide=wide)))
    (folder / "settings.js").write_text(
        "module.exports = { flowFile: 'flows.json', uiPort: 0, uiHost: '127.0.0.1', httpAdminRoot: false, "
        f"credentialSecret: 'bench', nodesDir: [], userDir: {json.dumps(str(folder))}, "
        "logging: { console: { level: 'warn' } }, editorTheme: { tours: false } }\n"
    )
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to((installed / "node_modules").resolve())
    red = installed / "node_modules" / "node-red" / "red.js"
    return ["node", str(red), "--settings", str(folder / "settings.js"), "--userDir", str(folder)]


def flow(rig: Rig, *, wide: bool) -> list[dict[str, object]]:
    store = urlsplit(rig.store.url)
    return [
        {"id": "tab", "type": "tab", "label": "bench"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(rig.port),
            "clientid": "node-red",
            "autoConnect": True,
            "usetls": False,
            "protocolVersion": "4",
            "keepalive": "60",
            "cleansession": False,
        },
        {
            "id": "store",
            "type": "influxdb",
            "hostname": store.hostname,
            "port": str(store.port),
            "protocol": "http",
            "database": DATABASE,
            "usetls": False,
            "influxdbVersion": "1.x",  # its default, and the cheaper of its two write paths
            "credentials": {"username": "", "password": ""},
        },
        *(
            {
                "id": f"in-{shape}",
                "type": "mqtt in",
                "z": "tab",
                **_PLACE,
                "topic": f"{shape}/{LINE}/+",
                "qos": "1",
                "datatype": "utf8",
                "broker": "broker",
                "wires": [["parsed"]],
            }
            for shape in ("signal", "station")
        ),
        {
            "id": "parsed",
            "type": "json",
            "z": "tab",
            **_PLACE,
            "property": "payload",
            "action": "obj",
            "wires": [["points"]],
        },
        {
            "id": "points",
            "type": "function",
            "z": "tab",
            **_PLACE,
            "func": _WIDE if wide else _EACH,
            "outputs": 1,
            "wires": [["joined"]],
        },
        {
            "id": "joined",
            "type": "join",
            "z": "tab",
            **_PLACE,
            "mode": "custom",
            "build": "array",
            "property": "payload",
            "propertyType": "msg",
            "count": "500",
            "timeout": "0.5",
            "accumulate": False,
            "wires": [["written"]],
        },
        {
            "id": "written",
            "type": "influxdb batch",
            "z": "tab",
            **_PLACE,
            "influxdb": "store",
            "precision": "u",
            "wires": [],
        },
    ]
