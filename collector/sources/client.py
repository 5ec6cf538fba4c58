"""A paho client as [broker] describes it: protocol, transport, credentials, TLS. Reads files, connects to nothing."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.config import BrokerSettings, ConfigError

C = TypeVar("C", bound=paho.Client)

_CONNECT_S = 5.0  # for the TCP connection, and again for the TLS handshake


def client_for(settings: BrokerSettings, folder: Path, client_id: str, *, reconnects: bool = True) -> paho.Client:
    """A client with the site's credentials and TLS, for whoever publishes. Raises ConfigError.

    Without `reconnects` it is for one connection: when that ends, its owner makes the next with a new client.
    """
    return configured(paho.Client, settings, folder, client_id, reconnects=reconnects)


def configured(
    kind: type[C],
    settings: BrokerSettings,
    folder: Path,
    client_id: str,
    *,
    keeps: bool = False,
    reconnects: bool = True,
) -> C:
    """A client of this kind; `keeps`: the broker keeps its session (MQTT 3.1.1 says so here). Raises ConfigError."""
    _check_used(settings)
    is_5 = settings.protocol == "5"
    client = kind(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=None if is_5 else not keeps,
        protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
        transport=settings.transport,
        reconnect_on_failure=reconnects,
    )
    client.connect_timeout = _CONNECT_S
    client.max_inflight_messages_set(settings.receive_maximum)
    client.max_queued_messages_set(0)
    client.on_socket_open = _send_at_once
    client.reconnect_delay_set(1, 30)
    if settings.transport == "websockets":
        client.ws_set_options(path=settings.path)
    if settings.username:
        client.username_pw_set(settings.username, _password(settings, folder))
    if settings.tls:
        client.tls_set_context(_tls_context(settings, folder))
    return client


def session_properties(settings: BrokerSettings) -> Properties:
    """What CONNECT asks of an MQTT 5 broker: to keep the session, and to send only so much ahead."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = settings.receive_maximum
    return properties


def _check_used(settings: BrokerSettings) -> None:
    """Keys that would be ignored are refused: a certificate without TLS would promise what is not so."""
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(settings, key) and not settings.tls:
            raise ConfigError(f"`broker.{key}` is set and TLS is not used; set tls = true or remove the key")
    if settings.key_file and not settings.cert_file:
        raise ConfigError("`broker.key_file` is set without `broker.cert_file`; name both or none")
    if settings.password_file and not settings.username:
        raise ConfigError("`broker.password_file` is set without `broker.username`; name both or none")


def _send_at_once(_client: paho.Client, _data: Any, connection: Any) -> None:
    """Without this, small acknowledgements wait for each other (Nagle). A websocket keeps its socket to itself."""
    tcp = getattr(connection, "_socket", connection)
    if isinstance(tcp, socket.socket):
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _password(settings: BrokerSettings, folder: Path) -> str | None:
    if not settings.password_file:
        return None
    path = folder / settings.password_file
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"`broker.password_file` {path}: {error.strerror}; put the password there") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"`broker.password_file` {path}: no UTF-8 text; put the password there, as text") from error


def _tls_context(settings: BrokerSettings, folder: Path) -> ssl.SSLContext:
    ca_file = str(folder / settings.ca_file) if settings.ca_file else None
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"`broker.ca_file` {ca_file}: {error}; name a PEM file of the broker's CA") from error
    if settings.cert_file:
        cert_file, key_file = folder / settings.cert_file, folder / (settings.key_file or settings.cert_file)
        try:
            context.load_cert_chain(cert_file, key_file, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"`broker.cert_file` {cert_file} with `broker.key_file` {key_file}: {error}; name the PEM files of "
                "this collector's certificate and of the key that belongs to it, the key without a password"
            ) from error
    return context


def _no_password() -> str:
    """Else OpenSSL would ask for a key's password at the terminal."""
    raise ValueError("the key has a password")
