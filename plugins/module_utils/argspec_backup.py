# The argument specs of backups and their drills, and what they describe; each has a doc fragment of its name.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import Login, Tools
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import check_ca_file
from ansible_collections.bytebot.production.plugins.module_utils.clients.object_store import (
    ObjectStore,
    Place,
    host_of,
    straight,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import tunnel
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import Probe, scratch_pod

COPY = "backup-copy"
# doc_fragments/backups.py
BACKUP_ARGS: Spec = {
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "store": {
        "type": "dict",
        "options": {
            "folder": {"type": "path", "required": True},
            "certificate": {"type": "path", "required": True},
            "key_file": {"type": "path"},
        },
    },
    "tools": {
        "type": "dict",
        "options": {
            "image": {"type": "str", "required": True},
            "user": {"type": "int", "default": 999},
            "memory": {"type": "str", "default": "512Mi"},
            "room": {"type": "str", "default": "2Gi"},
        },
    },
    "exclude_schemas": {"type": "list", "elements": "str", "default": []},
    "copy": {
        "type": "dict",
        "options": {
            "endpoint": {"type": "str", "required": True},
            "bucket": {"type": "str", "required": True},
            "prefix": {"type": "str", "default": ""},
            "region": {"type": "str", "default": "us-east-1"},
            "access_key_file": {"type": "path", "required": True, "no_log": False},
            "secret_key_file": {"type": "path", "required": True, "no_log": False},
            "ca_file": {"type": "path"},
            "through_pod": {"type": "bool", "default": False},
        },
    },
    "allowed_hosts": {"type": "list", "elements": "str", "default": []},
    "probe_image": {"type": "str"},
    "timeout": {"type": "int", "default": 3600},
}


def tools_of(given: Mapping[str, Any]) -> Tools:
    """The image with PostgreSQL's tools.

    :raises InputError: a time that is none.
    """
    if given["timeout"] < 1:
        raise InputError("timeout: give the seconds that a pod of a backup may live.")
    one = given["tools"]
    return Tools(one["image"], one["user"], float(given["timeout"]), one["memory"], one["room"])


def login_of(cluster: Cluster, namespace: str, keys: Keys) -> Login:
    """The keys of the database's Secret that are there.

    :raises InputError: one is missing, or all stand in one URL, which pg_dump is not given.
    """
    if keys.dsn:
        raise InputError("database.dsn_key: a backup needs the parts in keys of their own, not in one URL.")
    found = cluster.get("v1", "Secret", keys.secret, namespace)
    there = (found or {}).get("data") or {}
    parts = {"host": keys.host, "database": keys.database, "username": keys.username, "password": keys.password}
    if missing := [key for key in parts.values() if key not in there]:
        raise InputError(f"Secret {namespace}/{keys.secret} is not there, or has no key {missing[0]}.")
    more = {"ca": keys.ca, "port": keys.port}
    return Login(keys.secret, {**parts, **{part: key if key in there else "" for part, key in more.items()}})


def place_of(given: Mapping[str, Any], redactor: Redactor) -> Place | None:
    """Where second copies are; None where nothing says so.

    :raises InputError: its host is not allowed, a key cannot be read, or the image of the pod is missing.
    """
    one = given["copy"]
    if not one:
        return None
    host, port = host_of(one["endpoint"])
    if host not in given["allowed_hosts"]:
        raise InputError(f"copy.endpoint: {host} is not in allowed_hosts.")
    access, secret = (_word(one[name]) for name in ("access_key_file", "secret_key_file"))
    redactor.learn(secret)
    if one["through_pod"] and not given["probe_image"]:
        raise InputError("copy.through_pod needs probe_image, the image of the pod.")
    check_ca_file(one["ca_file"] or "")
    return Place(host, port, one["bucket"], one["prefix"], one["region"], access, secret, one["ca_file"] or "")


@contextlib.contextmanager
def copies(given: Mapping[str, Any], cluster: Cluster, place: Place) -> Iterator[ObjectStore]:
    """The object store of the second copies, from here or as a pod reaches it."""
    if not given["copy"]["through_pod"]:
        yield ObjectStore(place)
        return
    probe = replace(Probe(given["namespace"], given["probe_image"], 60.0), purpose=COPY)
    with scratch_pod(cluster, probe) as opens, tunnel(opens, place.host, place.port) as way:
        yield ObjectStore(place, lambda _host, _port: straight("127.0.0.1", way.port))


def _word(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"The file {path} with a key of the object store cannot be read.") from exc
