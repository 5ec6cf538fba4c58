#!/bin/sh
# Makes the passwords and tokens of a site's compose file, each a file of its own. What is there already stays.
#
#   make_secrets.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "make_secrets.sh: name the folder for the secrets" >&2; exit 2; }
umask 022
mkdir -p "$1"
chmod 700 "$1"
for name in influx_admin_password influx_admin_token influx_reader_password grafana_admin_password; do
    [ -s "$1/$name" ] && continue
    openssl rand -hex 24 | tr -d '\n' >"$1/$name"
    echo "made $1/$name"
done
