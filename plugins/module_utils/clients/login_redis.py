# Signs in to Redis once, over verified TLS where it is asked for, and says exactly why it was refused.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import socket
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Target
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Outcome
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

PACKAGE = "redis"


def sign_in(target: Target, port: int, ca_file: str, timeout_s: float) -> Outcome:
    """Sign in and ping through a port on this machine that leads to the target.

    A wrong password must be refused too: a server that takes any proves nothing of the one in the Secret.
    """
    try:
        import redis
    except ImportError as exc:
        raise LibraryMissing(PACKAGE, str(exc)) from exc
    outcome, version = _try(redis, target, port, ca_file, timeout_s, password=target.password)
    if outcome.cause:
        return outcome
    encryption = "TLS" if target.encryption == "on" else "no TLS"
    seen: dict[str, object] = {
        "user": target.username or "default",
        "server_version": version,
        "encryption": encryption,
    }
    wrong, _version = _try(redis, target, port, ca_file, timeout_s, password=secrets.token_urlsafe(24))
    if not wrong.cause:
        return Outcome("the server takes any password for this user", seen=seen)
    if wrong.lost or wrong.passing:
        return Outcome("whether a wrong password is refused could not be seen", passing=True, seen=seen)
    return Outcome(seen=seen)


def _try(
    redis: Any, target: Target, port: int, ca_file: str, timeout_s: float, *, password: str
) -> tuple[Outcome, str]:
    errors = redis.exceptions
    connection = _connection(redis, target, port, ca_file, timeout_s, password=password)
    try:
        connection.connect()
        connection.send_command("PING", check_health=False)
        connection.read_response()
        return Outcome(), _version(connection, errors)
    except errors.NoPermissionError:
        return Outcome(), ""  # signed in, and this command is not the user's
    except errors.AuthenticationError as exc:
        return Outcome(f"the user or the password is refused ({_words(exc)})"), ""
    except (errors.BusyLoadingError, errors.MaxConnectionsError) as exc:
        return Outcome(f"the server is not ready ({_words(exc)})", passing=True), ""
    except (errors.ConnectionError, errors.TimeoutError, OSError) as exc:
        verify = "certificate verify failed" in str(exc).lower()
        cause = "the server's certificate does not verify" if verify else f"the connection was lost ({_words(exc)})"
        return Outcome(cause, lost=not verify), ""
    except errors.RedisError as exc:
        return Outcome(f"the server refuses the sign-in ({_words(exc)})"), ""
    finally:
        connection.disconnect()


def _version(connection: Any, errors: Any) -> str:
    """The server's version, where this user may ask for it."""
    try:
        connection.send_command("INFO", "server")
        text = connection.read_response()
    except (errors.RedisError, OSError):
        return ""
    lines = (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith("redis_version:")), "")


def _connection(redis: Any, target: Target, port: int, ca_file: str, timeout_s: float, *, password: str) -> Any:
    base = redis.connection.Connection

    class Tunnelled(base):  # type: ignore[misc, valid-type]
        """Connects to this machine's end of the tunnel; names stay the server's own."""

        def _connect(self) -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)

    class TunnelledTls(redis.connection.SSLConnection, Tunnelled):  # type: ignore[misc]
        """The same over TLS, verified against the server's own name."""

    options: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "username": target.username or None,
        "password": password,
        "socket_timeout": timeout_s,
        "client_name": None,
        "lib_name": None,
        "lib_version": None,
    }
    if target.encryption == "on":
        return TunnelledTls(**options, ssl_ca_certs=ca_file or None, ssl_check_hostname=True)
    return Tunnelled(**options)


def _words(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200].rstrip(".")
