#!/bin/sh
# Makes the certificates of a site: its authority, the broker's, and one for each client named.
#
#   make_certs.sh FOLDER CLIENT...
#   SERVER_NAMES="DNS:broker.site.example,IP:10.0.0.5" make_certs.sh secrets/mqtt collector health press7
#
# What is there already stays, so a gateway can be added at any time; to renew one, delete NAME.pem and call it again.
# ca.key signs new clients: keep it offline. NAME.pem and NAME.key, with ca.pem, go to that gateway and nowhere else.
# The folder is closed to other users of this machine; files in it can be read by whatever user a container runs as.
set -eu

fail() {
    echo "make_certs.sh: $1" >&2
    exit 2
}

[ $# -ge 1 ] || fail "name the folder for the certificates, then the clients"
command -v openssl >/dev/null || fail "openssl is not installed"
folder=$1
shift
server_names=${SERVER_NAMES:-DNS:mosquitto,DNS:localhost,IP:127.0.0.1}
days=${DAYS:-825}

for client in "$@"; do
    case $client in
    *[!A-Za-z0-9_.-]* | "" | .* | -*) fail "the client name '$client' may hold letters, digits and _ . - only" ;;
    ca | server) fail "'$client' is a file of this script: call the client otherwise" ;;
    esac
done

umask 022
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

new_key() {
    (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$1")
}

issue() { # NAME EXTENSIONS
    [ -s "$1.pem" ] && return 0
    [ -s "$1.key" ] || new_key "$1.key"
    printf '%s\n' "$2" >"$1.ext"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" -sha256 \
        -extfile "$1.ext" -out "$1.new" 2>/dev/null || fail "openssl could not sign $1"
    mv "$1.new" "$1.pem"
    rm -f "$1.csr" "$1.ext"
    chmod 644 "$1.key" "$1.pem"
    echo "made $folder/$1.pem"
}

if [ ! -s ca.pem ]; then
    new_key ca.key
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=andon site authority" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.pem
    chmod 644 ca.pem
    echo "made $folder/ca.pem"
fi
issue server "$(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE' "$server_names")"
for client in "$@"; do
    issue "$client" "$(printf 'extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE')"
done
