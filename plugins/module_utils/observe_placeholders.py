# Reads what runs of a release and the documents of an environment, for checks/placeholders_left.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import Page
from ansible_collections.bytebot.production.plugins.module_utils.checks.placeholders_left import LeftFacts, SecretFlaw
from ansible_collections.bytebot.production.plugins.module_utils.checks.secret_leftovers import leftover_flaw
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents, Fetched
from ansible_collections.bytebot.production.plugins.module_utils.document_text import FORMATS, Text
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotThere
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history
from ansible_collections.bytebot.production.plugins.module_utils.manifest import LAST_APPLIED
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Object = dict[str, Any]
WORKLOADS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
)
OTHERS = (("v1", "ConfigMap"), ("networking.k8s.io/v1", "Ingress"))
# Kubernetes' own Secrets, and Helm's, which holds the values that are read as such.
_NOT_OURS = ("helm.sh/release.v1", "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token")
_OF_HELM = "owner"  # label of a ConfigMap in which Helm keeps a release
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", re.DOTALL)
_DATA = (".yml", ".yaml", ".json")


def observe(
    cluster: Cluster,
    redactor: Redactor,
    documents: Documents,
    about: tuple[str, str],
    given: tuple[tuple[str, ...], tuple[str, ...] | None],
) -> LeftFacts:
    """Read all once.

    :param about: namespace and release. :param given: hosts, and the places of documents (None where none is named).
    """
    (namespace, release), (hosts, places) = about, given
    values, no_values = _values(cluster, namespace, release)
    objects: list[Object] = []
    unread: dict[str, str] = {}
    for api_version, kind in (*WORKLOADS, *OTHERS):
        found, why = _listed(cluster, api_version, kind, namespace)
        objects += [_bare(one, api_version, kind) for one in found if not _of_helm(one)]
        if why:
            unread[kind] = why
    secrets, why = _listed(cluster, "v1", "Secret", namespace)
    if why:
        unread["Secret"] = why
    ours = [one for one in secrets if one.get("type") not in _NOT_OURS]
    return LeftFacts(
        namespace,
        release,
        values,
        no_values,
        tuple(objects),
        unread,
        len(ours),
        tuple(flaw for one in ours for flaw in _flaws(one, redactor)),
        hosts,
        None if places is None else tuple(_pages(documents, places)),
    )


def _values(cluster: Cluster, namespace: str, release: str) -> tuple[Mapping[str, Any] | None, str]:
    try:
        known = history(cluster, release, namespace, os.environ.get("HELM_DRIVER", ""))
    except CollectionError as exc:
        return None, exc.sentence.rstrip(".")
    return (known[0].values, "") if known else (None, f"there is no release {release} in {namespace}")


def _listed(cluster: Cluster, api_version: str, kind: str, namespace: str) -> tuple[list[Object], str]:
    try:
        return list(cluster.list(api_version, kind, namespace)), ""
    except NotThere:
        return [], ""  # the cluster does not serve this kind, so nothing of it is there
    except CollectionError as exc:
        return [], exc.sentence.rstrip(".")


def _of_helm(one: Mapping[str, Any]) -> bool:
    return (one.get("metadata", {}).get("labels") or {}).get(_OF_HELM) == "helm"


def _bare(one: Mapping[str, Any], api_version: str, kind: str) -> Object:
    """An object without its repetition by kubectl, and without certificates, whose base64 says nothing."""
    meta = dict(one.get("metadata") or {})
    meta["annotations"] = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    bare: Object = {"apiVersion": api_version, "kind": kind, **one, "metadata": meta}
    if kind == "ConfigMap":
        bare["data"] = {key: _PEM.sub("", str(value)) for key, value in (one.get("data") or {}).items()}
        bare.pop("binaryData", None)
    return bare


def _flaws(secret: Mapping[str, Any], redactor: Redactor) -> Iterator[SecretFlaw]:
    """What is wrong with the values of a Secret, in words that repeat none of them."""
    name = str(secret["metadata"]["name"])
    for key, packed in (secret.get("data") or {}).items():
        try:
            value = b64decode(str(packed), validate=True)
            text = value.decode("utf-8")
        except (binascii.Error, ValueError):
            continue  # bytes are no text that somebody forgot
        redactor.learn_marked({str(key): text})
        beside = _PEM.sub("", text)  # the base64 of certificates and keys says nothing, what stands beside it does
        if flaw := leftover_flaw(str(key), beside):
            redactor.learn(text)
            yield SecretFlaw(name, str(key), flaw)


def _pages(documents: Documents, places: Iterable[str]) -> Iterator[Page]:
    for place in places:
        names = documents.places(place)
        if not names:
            yield Page(place, problem="is a folder without documents", absent=True)
        for name in names:
            yield _page(documents, name)


def _page(documents: Documents, where: str) -> Page:
    fetched = documents.fetch(where)
    if fetched.problem or not where.lower().endswith(_DATA):
        text, problem = documents.text(fetched)
    else:
        text, problem = _of_data(fetched)
    return Page(fetched.where, text, problem, fetched.absent, fetched.sha256)


def _of_data(fetched: Fetched) -> tuple[Text | None, str]:
    """A register or record: all of it is prose, without its comments."""
    lines = fetched.content.decode("utf-8", "replace").splitlines()
    kept = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return Text(next(iter(FORMATS.values())), prose=kept), ""
