# The argument specs for credentials and the probe's pod, and what they describe; each has a doc fragment of its name.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import check_ca_file
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.reach import AUTO, REACHES, Sides
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import Probe


def key(default: str) -> dict[str, Any]:
    """The name of a key in a Secret, which is itself no secret."""
    return {"type": "str", "default": default, "no_log": False}


def name(default: str | None = None) -> dict[str, Any]:
    """The name of a Secret, or of a key that may be left out."""
    return {"type": "str", "no_log": False} | ({"default": default} if default else {})


_PARTS = {f"{part}_key": key(part) for part in ("username", "password", "host", "port")} | {"ca_key": key("ca.crt")}
DATABASE_ARGS: Spec = {
    "database": {
        "type": "dict",
        "default": {},
        "options": {
            **_PARTS,
            "secret": name("bytebot-db-secret"),
            "database_key": key("database"),
            "dsn_key": name(),
            "sslmode": {"type": "str", "choices": ["disable", "require", "verify-ca", "verify-full"]},
        },
    },
}
REDIS_ARGS: Spec = {
    "redis": {
        "type": "dict",
        "default": {},
        "options": {
            **_PARTS,
            "secret": name("bytebot-redis-secret"),
            "url_key": name(),
            "tls": {"type": "bool", "default": False},
        },
    },
}
REACH_ARGS: Spec = {
    "reach": {"type": "str", "choices": list(REACHES), "default": AUTO},
    "ca_file": {"type": "path"},
}
PROBE_ARGS: Spec = {
    "probe_image": {"type": "str"},
    "probe_namespace": {"type": "str"},
    "probe_timeout": {"type": "float", "default": 60.0},
}


def filled(given: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of options with the defaults of those that are not given (an empty one gets none from Ansible)."""
    return {name: (given or {}).get(name, one.get("default")) for name, one in spec["options"].items()}


def not_negative(given: Mapping[str, Any], *names: str) -> None:
    """Refuse numbers below zero."""
    for one in names:
        if given[one] is not None and given[one] < 0:
            raise InputError(f"{one} {given[one]} is less than nothing.")


def database_keys(given: Mapping[str, Any]) -> Keys:
    """Where the credentials of PostgreSQL stand."""
    of = filled(given, DATABASE_ARGS["database"])
    return Keys(
        secret=of["secret"],
        **_parts(of),
        database=of["database_key"],
        dsn=of["dsn_key"] or "",
        encryption=of["sslmode"] or "",
    )


def redis_keys(given: Mapping[str, Any]) -> Keys:
    """Where the credentials of Redis stand."""
    of = filled(given, REDIS_ARGS["redis"])
    return Keys(
        secret=of["secret"],
        **_parts(of),
        dsn=of["url_key"] or "",
        required=("password", "host"),
        encryption="on" if of["tls"] else "",
    )


def probe_of(given: Mapping[str, Any], *, check_mode: bool) -> tuple[Probe | None, str]:
    """How the pod is made that carries connections, or why none may be."""
    if check_mode:
        return None, "to sign in needs a probe, and check mode sends none."
    if not given["probe_image"]:
        return None, "to sign in needs a probe, and no probe_image is given."
    place = given["probe_namespace"] or given["namespace"]
    return Probe(place, given["probe_image"], given["probe_timeout"]), ""


def sides_of(given: Mapping[str, Any], *, check_mode: bool) -> Sides:
    """From where servers may be met."""
    return Sides(given["reach"], *probe_of(given, check_mode=check_mode))


def pem_of(path: str | None) -> str:
    """The CAs in a file; empty where none is named."""
    check_ca_file(path or "")
    return Path(path).read_text(encoding="utf-8") if path else ""


def _parts(of: Mapping[str, Any]) -> dict[str, Any]:
    return {part: of[f"{part}_key"] for part in ("username", "password", "host", "port", "ca")}
