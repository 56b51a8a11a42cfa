#!/usr/bin/python
# Writes skeletons of the documents that the checklist asks for, with what the live system knows.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: document_skeleton
short_description: Write skeletons of documents, with what the live system knows
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Writes one file for each document that the checklist asks for, with its sections and with what the live system
    knows, which are the values of the release without what is secret, the names and keys of Secrets, workloads,
    revisions to go back to, the alerts with their runbooks, and the levels of escalation.
  - A file that is there already stays as it is, so that what people have written is never lost.
  - What is written bears a marker and open places, with which bytebot.production.document_check does not let it pass.
  - Nothing in the cluster is changed.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.prometheus
  - bytebot.production.services
options:
  folder:
    description: Folder that the files are written into. It is made where it is not there.
    type: path
    required: true
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  escalation:
    description: The register of escalation, as a path of a YAML file or as data, where there is one already.
    type: raw
attributes:
  check_mode:
    description: In check mode nothing is written, and what would be is told.
    support: full
  diff_mode:
    description: Shows the files that are new.
    support: full
requirements:
  - PyYAML
seealso:
  - module: bytebot.production.document_check
"""

EXAMPLES = r"""
- name: Begin the documents
  bytebot.production.document_skeleton:
    folder: /srv/bytebot-docs
    namespace: bytebot-production
    release: bytebot
    prometheus: {url: https://prometheus.bytebot.com}
    allowed_hosts: [prometheus.bytebot.com]
"""

RETURN = r"""
files:
  description: Paths of the files that are new, in the folder.
  returned: always
  type: list
  elements: str
  sample: [operations/deployment.md]
kept:
  description: Paths of the files that were there already.
  returned: always
  type: list
  elements: str
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    PROMETHEUS_ARGS,
    SERVICES_ARGS,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import alert_rules
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.document_skeletons import Known, Revision, skeletons
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.paths import own
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.running_version import versions_of
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **SERVICES_ARGS,
    **PROMETHEUS_ARGS,
    "folder": {"type": "path", "required": True},
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "escalation": {"type": "raw"},
}


def write(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask once, and write what is not there yet."""
    given = module.params
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    texts = {path: redactor.text(text) for path, text in skeletons(_known(given, cluster, redactor)).items()}
    folder = own(given["folder"])
    kept = sorted(path for path in texts if (folder / path).exists())
    new = sorted(texts.keys() - set(kept))
    for path in () if module.check_mode else new:
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(texts[path], encoding="utf-8")
        except OSError as exc:
            raise InputError(f"folder: {folder / path} cannot be written ({exc.strerror}).") from exc
    diff = [{"before": "", "after": texts[path], "after_header": path} for path in new]
    return {"changed": bool(new), "files": new, "kept": kept, **({"diff": diff} if module._diff else {})}


def _known(given: Mapping[str, Any], cluster: Cluster, redactor: Redactor) -> Known:
    namespace, name = given["namespace"], given["release"]
    known = history(cluster, name, namespace, os.environ.get("HELM_DRIVER", ""))
    if not known:
        raise InputError(f"release: there is no release {name} in namespace {namespace}, so nothing is known of it.")
    for one in known:
        learn_secrets(redactor, one.objects)
        redactor.learn_marked(one.values)
    newest = max(known, key=lambda one: one.revision)
    versions, _why = versions_of(cluster, namespace, name)
    return Known(
        namespace,
        name,
        versions[0] if versions else newest.app_version,
        redactor.data(newest.values),
        {
            one["metadata"]["name"]: sorted(one.get("data") or {})
            for one in cluster.list("v1", "Secret", namespace)
            if not str(one.get("type") or "").startswith("helm.sh/")
        },
        [
            _workload(one, kind)
            for kind in ("Deployment", "StatefulSet")
            for one in cluster.list("apps/v1", kind, namespace)
        ],
        [_scaler(one) for one in cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", namespace)],
        [_revision(one) for one in sorted(known, key=lambda one: -one.revision)],
        _alerts(given, redactor),
        _levels(given["escalation"]),
    )


def _workload(one: Mapping[str, Any], kind: str) -> tuple[str, str, str, str]:
    containers = one["spec"]["template"]["spec"].get("containers") or [{}]
    return (
        f"`{one['metadata']['name']}`",
        kind,
        str(one["spec"].get("replicas", 1)),
        str(containers[0].get("image", "")),
    )


def _scaler(one: Mapping[str, Any]) -> tuple[str, str, str]:
    spec = one["spec"]
    return str(spec["scaleTargetRef"]["name"]), str(spec.get("minReplicas", 1)), str(spec["maxReplicas"])


def _revision(one: Release) -> Revision:
    chart = f"{one.chart_name} {one.chart_version}"
    return Revision(one.revision, one.status, chart, one.app_version, one.updated[:19], one.description)


def _alerts(given: Mapping[str, Any], redactor: Redactor) -> list[Any]:
    service = service_of("prometheus", given, redactor)
    told = alert_rules(service) if service else None
    if told is not None and not told.ok:
        raise InputError(f"prometheus: it does not tell its rules ({told.cause}).")
    return list(told.data) if told else []


def _levels(given: Any) -> list[Mapping[str, Any]]:
    if isinstance(given, str) and given:
        try:
            given = load(own(given).read_text(encoding="utf-8"), given)
        except OSError as exc:
            raise InputError(f"escalation: {given} cannot be read ({exc.strerror}).") from exc
    levels = given.get("severities") if isinstance(given, Mapping) else None
    return [one for one in levels or [] if isinstance(one, Mapping)]


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), write)


if __name__ == "__main__":
    main()
