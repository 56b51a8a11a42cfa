# Reads what a Secret's values come from: files, the environment, other Secrets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError


@dataclass(frozen=True, slots=True)
class Outside:
    """The places that values are read from. Every failure is one sentence that begins with ``what`` was wanted."""

    cluster: Cluster
    environment: Mapping[str, str]

    def file(self, what: str, name: str) -> bytes:
        """The content of a file."""
        path = Path(name).expanduser()
        try:
            return path.read_bytes()
        except FileNotFoundError as exc:
            raise InputError(f"{what} is to come from the file {path}, and there is none.") from exc
        except OSError as exc:
            raise InputError(f"{what} is to come from the file {path}, which cannot be read ({exc.strerror}).") from exc

    def variable(self, what: str, name: str) -> bytes:
        """The value of an environment variable."""
        value = self.environment.get(name)
        if value is None:
            raise InputError(f"{what} is to come from the environment variable {name}, which is not set.")
        return value.encode("utf-8", "surrogateescape")

    def secret(self, what: str, namespace: str, name: str, key: str) -> bytes:
        """One value of another Secret."""
        found = self.cluster.get("v1", "Secret", name, namespace)
        if found is None:
            raise InputError(f"{what} is to come from Secret {namespace}/{name}, which does not exist.")
        value = (found.get("data") or {}).get(key)
        if value is None:
            raise InputError(f"{what} is to come from key {key} of Secret {namespace}/{name}, which has no such key.")
        return b64decode(value)
