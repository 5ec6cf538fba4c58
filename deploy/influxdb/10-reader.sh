#!/bin/sh
# Runs once, when InfluxDB sets itself up: Grafana gets a user of its own that may read the bucket and nothing else.
# Grafana sends it as `Authorization: Token grafana:PASSWORD`, which InfluxDB 2 takes for InfluxQL.
set -eu
influx v1 auth create \
    --username grafana \
    --password "$(cat /run/secrets/influx_reader_password)" \
    --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
    --org "$DOCKER_INFLUXDB_INIT_ORG"
