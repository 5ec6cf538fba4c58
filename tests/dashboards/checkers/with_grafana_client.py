"""Run in grafana-client's own environment: push, push again and smoke through it; prints what was done as JSON.

Arguments: the address of a Grafana and its token; on stdin, as JSON, the rendered files and the environment. It shows
that the generic request is all that is asked of a client.
"""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

from grafana_client.client import GrafanaClient, GrafanaException

from dashboards.provision.client import Grafana
from dashboards.provision.push import push
from dashboards.provision.smoke import smoke
from dashboards.provision.wanted import wanted

url, token = sys.argv[1:]
at = urlsplit(url)
grafana = Grafana(GrafanaClient(token, host=at.hostname, port=at.port, protocol=at.scheme), GrafanaException)
things = wanted(*json.load(sys.stdin))
rounds = [[one.change.name for one in push(grafana, things)] for _ in range(2)]
wrong = [finding.sentence for finding in smoke(grafana, things) if finding.wrong]
print(json.dumps({"rounds": rounds, "wrong": wrong}))
