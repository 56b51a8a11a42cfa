# Opens the store of the record that a task asks for, and leaves no credentials behind.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import Keeper
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.objects import Objects
from ansible_collections.bytebot.production.plugins.plugin_utils.record.on_cluster import KEEP, LEASE_S, OnCluster
from ansible_collections.bytebot.production.plugins.plugin_utils.record.on_files import OnFiles
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import plain
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules, go_live_of

FILES, CLUSTER = "files", "cluster"
# The arguments of a task that say where the record is, and whose signatures count in it.
OPTIONS = ("record", "statements", *CLUSTER_ARGS)
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123 label
LONGEST_LEASE_S = 7 * 24 * 3600
DUE_S, WAIT_S = 2 * 3600, 900  # before the go-live T-2h is due, and a stage is waited for
EARLY_S = DUE_S + WAIT_S


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record is kept.

    :param namespace: of the cluster; empty with files.
    :param keep: runs of an environment that are kept in the cluster.
    :param lease: seconds after which a run of another machine that recorded nothing more counts as ended.
    """

    store: str = FILES
    namespace: str = ""
    keep: int = KEEP
    lease: int = LEASE_S

    @classmethod
    def of(cls, args: Mapping[str, Any], variables: Mapping[str, Any]) -> Place:
        """The place that a task names, else that of the run which the role ``run`` opened, else files.

        :raises InputError: a key is unknown, or a value is none of those that it may have.
        """
        opened = variables.get("run_record")
        known = opened.get("record") if isinstance(opened, Mapping) else None
        given = plain(args.get("record") or known or {})
        names = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or (unknown := set(given) - set(names)):
            named = ", ".join(sorted(unknown)) if isinstance(given, Mapping) else repr(given)[:40]
            raise InputError(f"record: {named} is unknown; give {', '.join(names)}.")
        place = cls(
            str(given.get("store") or FILES),
            str(given.get("namespace") or ""),
            _whole("keep", given.get("keep", KEEP), 1, 1000),
            _whole("lease", given.get("lease", LEASE_S), 60, LONGEST_LEASE_S),
        )
        if place.store not in (FILES, CLUSTER):
            raise InputError(f"record: store is {place.store!r}; it is {FILES} or {CLUSTER}.")
        if place.store == CLUSTER and not _NAMESPACE.fullmatch(place.namespace):
            raise InputError(f"record: namespace is {place.namespace!r}; name the namespace that keeps the record.")
        return place


def rules(args: Mapping[str, Any], variables: Mapping[str, Any]) -> Rules | None:
    """Whose signatures count: what a task names, else what the role ``run`` was told; none where neither is.

    :raises InputError: something in it is wrong.
    """
    opened = variables.get("run_record")
    known = opened.get("statements") if isinstance(opened, Mapping) else None
    return Rules.of(plain(args.get("statements") or known or {}))


def go_live(variables: Mapping[str, Any]) -> datetime | None:
    """When it went live, or will, as the role ``run`` was told; None where that is no time or nothing says so."""
    opened = variables.get("run_record")
    known = plain(opened.get("statements")) if isinstance(opened, Mapping) else None
    try:
        return go_live_of(known) if isinstance(known, Mapping) else None
    except InputError:
        return None


def counts_from(variables: Mapping[str, Any]) -> datetime | None:
    """Since when what is judged at T-2h counts for the go-live; None where nothing says when that is."""
    at = go_live(variables)
    if at is None:
        return None
    try:
        return at - timedelta(seconds=max(EARLY_S, _early_s(variables)))
    except (ValueError, OverflowError):
        return at - timedelta(seconds=EARLY_S)


def _early_s(variables: Mapping[str, Any]) -> int:
    """How long before the go-live T-2h may begin, as the role go_live reckons it; others have the inventory alone.

    :raises ValueError: the inventory has no number there.
    """
    told = variables.get("go_live_early_s")
    if told is not None:
        return int(str(told))
    minutes = variables.get("go_live_minutes")
    before = minutes.get("t_minus_2h", -120) if isinstance(minutes, Mapping) else -120
    return max(DUE_S, int(str(before)) * -60) + int(str(variables.get("go_live_wait", WAIT_S)))


@contextmanager
def keeper(place: Place, args: Mapping[str, Any], folder: Path, owner: Owner) -> Iterator[Keeper]:
    """The store of one environment.

    :param args: the task's arguments, with the connection to the cluster (``CLUSTER_ARGS``).
    :param folder: the environment's folder on this machine, named as the environment.
    :param owner: the process that stands for the run.
    """
    if place.store == FILES:
        yield OnFiles(folder, owner)
        return
    try:
        objects = Objects(_cluster(args), place.namespace)
        yield OnCluster(objects, folder, owner, keep=place.keep, lease_s=place.lease)
    finally:
        _forget_credentials()


def _cluster(args: Mapping[str, Any]) -> Cluster:
    given = {name: plain(args[name]) for name in CLUSTER_ARGS if args.get(name) is not None}
    checked = ArgumentSpecValidator(CLUSTER_ARGS).validate(given)
    if checked.error_messages:
        raise InputError(f"The connection to the cluster is not usable: {'; '.join(checked.error_messages)}.")
    return Cluster(connection_of(checked.validated_parameters), "")  # nothing is looked up, so nothing is cached


def _forget_credentials() -> None:
    """Delete the files into which the client writes a kubeconfig's keys.

    It does so itself when its process ends as usual, which the controller's workers do not.
    """
    if kube_config := sys.modules.get("kubernetes.config.kube_config"):
        kube_config._cleanup_temp_files()


def _whole(name: str, given: Any, least: int, most: int) -> int:
    try:
        number = int(str(given))
    except ValueError:
        number = -1
    if not least <= number <= most:
        raise InputError(f"record: {name} is {given!r}; give a whole number from {least} to {most}.")
    return number
