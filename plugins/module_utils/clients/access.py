# The way to a cluster and its credentials: a plain connection is opened here, any other by the Kubernetes client.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing

if TYPE_CHECKING:
    import ssl  # imported where it is needed, as urllib is: this file is also read by who only names a connection


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one cluster: a kubeconfig (and context), or a server address with a token and its CA."""

    kubeconfig: str = ""
    context: str = ""
    host: str = ""
    api_key: str = ""
    ca_cert: str = ""

    def describe(self) -> str:
        """The connection in words, without credentials."""
        if self.host:
            return self.host
        return f"kubeconfig {self.kubeconfig or '~/.kube/config'}" + (
            f", context {self.context}" if self.context else ""
        )


class Access(Protocol):
    """An open way to one cluster."""

    @property
    def server(self) -> str:
        """The API server's address, without a slash at its end."""

    @property
    def pool(self) -> Any:
        """What sends requests: urllib3's PoolManager, or its like."""

    def credentials(self) -> dict[str, str]:
        """The headers that tell who asks; they may change, so ask for every request."""

    def client(self) -> Any:
        """The Kubernetes client for the same connection, for what needs it whole: discovery and websockets."""


def access_of(connection: Connection, private_dir: str) -> Access:
    """Open a connection, without asking anything.

    Importing the Kubernetes client takes longer than most modules ask the cluster, so it is left to connections that
    need it: credentials from programs, proxies, unverified certificates, and whatever is not understood here.

    :param private_dir: the task's own 0700 folder; empty for one made here.
    :raises InputError: the kubeconfig is not usable.
    """
    from urllib.request import getproxies

    if connection.host:
        if connection.ca_cert and not Path(connection.ca_cert).is_file():
            raise InputError(f"There is no CA certificate at {connection.ca_cert} (ca_cert).")
        plain = None if getproxies() else _given(connection)
    else:
        plain = None if getproxies() else _from_kubeconfig(connection, private_dir)
    return plain or ByClient(_api_client(connection))


# ---------------------------------------------------------------------- by the Kubernetes client


class ByClient:
    """A connection that the Kubernetes client opened."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.server = str(client.configuration.host)
        self.pool = client.rest_client.pool_manager

    def credentials(self) -> dict[str, str]:
        return {auth["key"]: auth["value"] for auth in self._client.configuration.auth_settings().values()}

    def client(self) -> Any:
        return self._client


def _api_client(connection: Connection) -> Any:
    try:
        from kubernetes import client, config
    except ImportError as exc:
        raise LibraryMissing("kubernetes", str(exc)) from exc
    if connection.host:
        settings = client.Configuration()
        settings.host = connection.host.rstrip("/")
        settings.api_key = {"authorization": f"Bearer {connection.api_key}"} if connection.api_key else {}
        settings.ssl_ca_cert = connection.ca_cert or None
        return client.ApiClient(settings)
    path = _kubeconfig_path(connection)
    try:
        whose = f"The kubeconfig {path} is not usable: it"  # its text is never repeated, for a token stands in it
        if not isinstance(yaml_text.load(path.read_text(encoding="utf-8"), whose), dict):
            raise InputError(f"{whose} holds no keys and values.")
        return config.new_client_from_config(config_file=str(path), context=connection.context or None)
    except PermissionError as exc:
        raise InputError(f"The kubeconfig {path} cannot be read: {exc.strerror}.") from exc
    except config.ConfigException as exc:
        raise InputError(_kubeconfig_problem(path, connection.context, str(exc))) from exc
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as exc:
        raise InputError(f"The kubeconfig {path} is not usable: {_first_line(str(exc))}.") from exc


def _kubeconfig_path(connection: Connection) -> Path:
    path = Path(connection.kubeconfig or "~/.kube/config").expanduser()
    if not path.is_file():
        raise InputError(
            f"There is no kubeconfig at {path}. Set kubeconfig (in the inventory: bytebot_kubeconfig) "
            "to the cluster's kubeconfig, or give host and api_key."
        )
    return path


def _kubeconfig_problem(path: Path, context: str, message: str) -> str:
    if context and "Expected object with name" in message:
        names = ", ".join(sorted(_context_names(path))) or "none"
        return f"The kubeconfig {path} has no context {context}. It has: {names}."
    return f"The kubeconfig {path} is not usable: {_first_line(message)}."


def _context_names(path: Path) -> list[str]:
    loaded = yaml_text.load(path.read_text(encoding="utf-8"), f"The kubeconfig {path}") or {}
    return [str(item.get("name")) for item in loaded.get("contexts") or []]


def _first_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip())[:600]


# ---------------------------------------------------------------------- plain connections

# What a plain kubeconfig may say (kubeconfig v1); anything else is the Kubernetes client's to understand.
_CLUSTER_KEYS = {"server", "certificate-authority", "certificate-authority-data", "extensions"}
_CERTIFICATE_KEYS = {"client-certificate", "client-certificate-data", "client-key", "client-key-data"}
_USER_KEYS = {"token", "extensions"} | _CERTIFICATE_KEYS


@dataclass(frozen=True)
class Plain:
    """A connection by certificate or token alone.

    :param trust: verifies the server and holds the client's certificate; None for an address without TLS.
    :param make_client: opens the same connection by the Kubernetes client.
    """

    server: str
    token: str
    trust: ssl.SSLContext | None
    make_client: Callable[[], Any]

    @cached_property
    def pool(self) -> Any:
        import urllib3

        return urllib3.PoolManager(ssl_context=self.trust) if self.trust else urllib3.PoolManager()

    @cached_property
    def _client(self) -> Any:
        return self.make_client()

    def credentials(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def client(self) -> Any:
        return self._client


def _given(connection: Connection) -> Plain | None:
    """The connection by address and token."""
    import ssl

    server = connection.host.rstrip("/")
    try:
        trust = ssl.create_default_context(cafile=connection.ca_cert or None) if _is_https(server) else None
    except (OSError, ValueError):
        return None
    return Plain(server, connection.api_key, trust, lambda: _api_client(connection))


def _from_kubeconfig(connection: Connection, private_dir: str) -> Plain | None:
    """The connection that a plain kubeconfig describes; None where it is not plain, or not sound."""
    path = _kubeconfig_path(connection)
    try:
        whole = yaml_text.load(path.read_text(encoding="utf-8"), str(path))
        context = _named(whole["contexts"], connection.context or whole["current-context"])["context"]
        cluster = _named(whole["clusters"], context["cluster"])["cluster"]
        user = _named(whole["users"], context["user"])["user"]
        if not (cluster.keys() <= _CLUSTER_KEYS and user.keys() <= _USER_KEYS and user.keys() - {"extensions"}):
            return None
        server, token = cluster["server"].rstrip("/"), user.get("token") or ""
        if not _is_text(server) or not (token == "" or _is_text(token)):
            return None
    except (InputError, LookupError, TypeError, ValueError, AttributeError, OSError):
        return None  # the Kubernetes client finds words for it
    try:
        trust = _trust(cluster, user, path.parent, private_dir) if _is_https(server) else None
    except (ValueError, TypeError, OSError) as exc:  # ssl.SSLError is an OSError
        name = getattr(exc, "filename", None)
        why = f"{name} cannot be read" if name else _first_line(str(exc))
        raise InputError(f"The kubeconfig {path} is not usable: its certificates or keys are unsound: {why}.") from exc
    return Plain(server, token, trust, lambda: _api_client(connection))


def _is_https(server: str) -> bool:
    return server.lower().startswith("https")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isascii() and value.isprintable()


def _named(entries: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    (found,) = [entry for entry in entries if entry["name"] == name]
    return found


def _trust(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path, private_dir: str) -> ssl.SSLContext:
    import ssl

    authority = _bytes(cluster, "certificate-authority", folder)
    trust = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = (_bytes(user, name, folder) for name in ("client-certificate", "client-key"))
    if certificate and key:
        _load_pair(trust, certificate, key, private_dir)
    elif certificate or key:
        raise ValueError("a certificate without its key, or a key alone")
    return trust


def _bytes(given: Mapping[str, Any], name: str, folder: Path) -> bytes:
    """What stands in the kubeconfig itself, or else in the file that it names (relative to its own folder)."""
    if data := given.get(f"{name}-data"):
        return base64.b64decode("".join(data.split()), validate=True)  # it may be wrapped
    return (folder / given[name]).read_bytes() if given.get(name) else b""


def _load_pair(trust: ssl.SSLContext, certificate: bytes, key: bytes, private_dir: str) -> None:
    """Load a client's certificate and key. OpenSSL reads files only: this one is gone when it is read."""
    handle, name = tempfile.mkstemp(dir=private_dir or None)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(certificate.rstrip() + b"\n" + key)
        trust.load_cert_chain(name)
    finally:
        Path(name).unlink()
