"""The data source files: InfluxQL on InfluxDB 2 with a token, and as examples on 1.8 and on 3.

One uid for all, so that the boards do not know which store answers. `$NAME` is filled in by Grafana from its
environment; no secret is rendered.
"""

from __future__ import annotations

from dashboards.build import DATA_SOURCE, Json


def influxdb_2() -> Json:
    """A bucket asked as a database; the token goes in a header, for the InfluxQL way in knows no token of its own."""
    return _file(
        jsonData={"httpHeaderName1": "Authorization"}, secureJsonData={"httpHeaderValue1": "Token $INFLUX_TOKEN"}
    )


def influxdb_1() -> Json:
    """InfluxDB 1.8: a database, a user and a password."""
    return _file(user="$INFLUX_USER", jsonData={}, secureJsonData={"password": "$INFLUX_PASSWORD"})


def influxdb_3() -> Json:
    """InfluxDB 3: its way in for InfluxQL takes the token as a bearer."""
    return _file(
        jsonData={"httpHeaderName1": "Authorization"}, secureJsonData={"httpHeaderValue1": "Bearer $INFLUX_TOKEN"}
    )


def _file(*, jsonData: Json, secureJsonData: Json, **more: str) -> Json:  # noqa: N803 - as Grafana spells them
    source = {
        "name": "Andon",
        "uid": DATA_SOURCE["uid"],
        "type": DATA_SOURCE["type"],
        "access": "proxy",
        "url": "$INFLUX_URL",
        "isDefault": False,
        "editable": False,
        **more,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": "$INFLUX_BUCKET",
            "httpMode": "POST",
            **jsonData,
            "timeInterval": "1s",
        },
        "secureJsonData": secureJsonData,
    }
    return {"apiVersion": 1, "datasources": [source]}


def contact_point() -> Json:
    """An example of a receiver for the rules: a webhook; name it in `dashboards.alerting.RECEIVER` and render."""
    receiver = {
        "uid": "andon-oncall",
        "type": "webhook",
        "settings": {"url": "$ANDON_WEBHOOK_URL", "httpMethod": "POST"},
        "disableResolveMessage": False,
    }
    return {"apiVersion": 1, "contactPoints": [{"orgId": 1, "name": "andon-oncall", "receivers": [receiver]}]}
