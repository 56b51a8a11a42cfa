# Signs in to Redis once, over verified TLS where it is asked for, and says exactly why it was refused.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import socket
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Target
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Outcome, Place
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

PACKAGE = "redis"
# What a server says to all writes, and to PING, once it cannot keep what is written; only to those who are signed in.
UNKEPT = "MISCONF"


def sign_in(target: Target, port: int, ca_file: str, timeout_s: float) -> Outcome:
    """Sign in and ping through a port on this machine that leads to the target.

    A wrong password must be refused too: a server that takes any proves nothing of the one in the Secret.
    """
    redis, place = library(), Place("127.0.0.1", port, ca_file, timeout_s)
    outcome, version = _try(redis, target, place, password=target.password)
    if outcome.cause:
        return outcome
    encryption = "TLS" if target.encryption == "on" else "no TLS"
    seen: dict[str, object] = {
        "user": target.username or "default",
        "server_version": version,
        "encryption": encryption,
    }
    wrong, _version = _try(redis, target, place, password=secrets.token_urlsafe(24))
    if not wrong.cause:
        return Outcome("the server takes any password for this user", seen=seen)
    if wrong.lost or wrong.passing:
        return Outcome("whether a wrong password is refused could not be seen", passing=True, seen=seen)
    return Outcome(seen=seen)


def library() -> Any:
    """redis-py, imported where it is needed. :raises LibraryMissing: it is not there."""
    try:
        import redis
    except ImportError as exc:
        raise LibraryMissing(PACKAGE, str(exc)) from exc
    return redis


def _try(redis: Any, target: Target, place: Place, *, password: str) -> tuple[Outcome, str]:
    errors = redis.exceptions
    made = connection(target, place, password=password)
    try:
        greet(made)
        return Outcome(), _version(made, errors)
    except errors.NoPermissionError:
        return Outcome(), ""  # signed in, and this command is not the user's
    except (errors.RedisError, OSError) as exc:
        return refusal(exc), ""
    finally:
        made.disconnect()


def greet(made: Any) -> str:
    """Connect, sign in and ping; what is refused is raised as the library's own errors.

    :return: why the server takes no writes for now, where it says so: it has let in who asked; else empty.
    """
    made.connect()
    made.send_command("PING", check_health=False)
    try:
        made.read_response()
    except library().exceptions.ResponseError as exc:
        if not str(exc).startswith(UNKEPT):
            raise
        return _words(exc)
    return ""


def refusal(exc: BaseException) -> Outcome:
    """Why nobody is signed in, from the library's error."""
    errors = library().exceptions
    if isinstance(exc, errors.AuthenticationError):
        return Outcome(f"the user or the password is refused ({_words(exc)})")
    if isinstance(exc, (errors.BusyLoadingError, errors.MaxConnectionsError)):
        return Outcome(f"the server is not ready ({_words(exc)})", passing=True)
    if isinstance(exc, (errors.ConnectionError, errors.TimeoutError, OSError)):
        verify = "certificate verify failed" in str(exc).lower()
        cause = "the server's certificate does not verify" if verify else f"the connection was lost ({_words(exc)})"
        return Outcome(cause, lost=not verify)
    return Outcome(f"the server refuses the sign-in ({_words(exc)})")


def _version(connection: Any, errors: Any) -> str:
    """The server's version, where this user may ask for it."""
    try:
        connection.send_command("INFO", "server")
        text = connection.read_response()
    except (errors.RedisError, OSError):
        return ""
    lines = (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith("redis_version:")), "")


def connection(target: Target, place: Place, *, password: str, verify: bool = True) -> Any:
    """A connection to the target where it is met; nothing is sent yet.

    :param password: empty to sign in as nobody; :param verify: whether the certificate counts, where there is one.
    """
    plain, secure = library().connection.Connection, library().connection.SSLConnection

    class Tunnelled(plain):  # type: ignore[misc, valid-type]  # redis is imported late
        """Connects to where the server is met; names stay the server's own."""

        def _connect(self) -> socket.socket:
            return socket.create_connection((place.address, place.port), timeout=place.timeout_s)

    class TunnelledTls(secure, Tunnelled):  # type: ignore[misc, valid-type]  # as above
        """The same over TLS, verified against the server's own name."""

    options: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "username": (target.username or None) if password else None,
        "password": password or None,
        "socket_timeout": place.timeout_s,
        "client_name": None,
        "lib_name": None,
        "lib_version": None,
    }
    if target.encryption == "on":
        trust = {} if verify else {"ssl_cert_reqs": "none"}
        return TunnelledTls(**options, **trust, ssl_ca_certs=place.ca_file or None, ssl_check_hostname=verify)
    return Tunnelled(**options)


def _words(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200].rstrip(".")
