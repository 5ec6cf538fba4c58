"""What one writes in an afternoon: paho-mqtt into influxdb-client's own batching. Loads nothing of Andon.

`python straight.py PORT URL BUCKET` carries what `deploy.bench.load` publishes until SIGTERM. No spool: what waits in
the batch when it is killed has been acknowledged to the broker and is gone.
"""

import json
import signal
import sys
import threading

import paho.mqtt.client as mqtt
from influxdb_client import InfluxDBClient, WriteOptions


def main(port: int, url: str, bucket: str) -> None:
    client = InfluxDBClient(url=url, token="", org="andon")
    writer = client.write_api(WriteOptions(batch_size=5000, flush_interval=1000))

    def on_message(_client, _data, message):
        _, line, cell = message.topic.split("/")
        said = json.loads(message.payload)
        at_us = said.pop("ts")
        points = [
            {
                "measurement": "reading",
                "tags": {"line": line, "cell": cell, "metric": metric},
                "fields": {"value": value},
                "time": at_us,
            }
            for metric, value in said.items()
            if isinstance(value, float)
        ]
        writer.write(bucket, record=points, write_precision="us")

    session = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="straight", clean_session=False)
    session.on_message = on_message
    session.on_connect = lambda *_: session.subscribe([("signal/+/+", 1), ("station/+/+", 1)])
    session.connect("127.0.0.1", port)
    session.loop_start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    session.loop_stop()
    writer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
