# Takes a backup: the database from one snapshot, the configuration from the API; encrypted, kept, and copied outside.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.configuration import counts, packed
from ansible_collections.bytebot.production.plugins.module_utils.backup.database import dumped, facts_of_dump
from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import export
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import (
    CONFIGURATION,
    DATABASE,
    Artifact,
    Folder,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import Login, Tools, dumping
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.cms import encrypted

Tell = Callable[[str], None]


def take_database(
    cluster: Cluster, namespace: str, folder: Folder, certificate: str, how: tuple[Tools, Login, str]
) -> Artifact:
    """Dump, encrypt and keep; what the manifest says is of the very snapshot that was dumped.

    :param how: the tools, the login, and the schemas that are left out.
    """
    tools, login, left_out = how
    with dumping(cluster, namespace, tools, login) as shell:
        return folder.write(
            DATABASE,
            encrypted(dumped(shell, left_out), certificate),
            lambda: {**facts_of_dump(shell).to_dict(), "left_out": left_out},
        )


def take_configuration(
    cluster: Cluster, namespace: str, folder: Folder, certificate: str, leave_out: Iterable[str]
) -> Artifact:
    """Export, encrypt and keep; the manifest names kinds and numbers, and no object."""
    exported, skipped = export(cluster, namespace), frozenset(leave_out)
    kept = [one for one in exported.objects if one["kind"] not in skipped]
    facts: dict[str, Any] = {"kinds": counts(kept), "denied": list(exported.denied), "left_out": sorted(skipped)}
    return folder.write(CONFIGURATION, encrypted([packed(exported, skipped)], certificate), lambda: facts)
