#!/usr/bin/python
# Finds what an inventory needs to know in a cluster that is there, and writes it with blanks for what only people know.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: discover
short_description: Write an inventory from what runs in a namespace
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at a namespace with one paged LIST of each kind, changes nothing in the cluster, and finds the Helm release
    with chart and values, the hosts of Ingresses, Routes and HTTPRoutes, the ingress class and address, Secrets with
    the names of their keys, the addresses of database and cache, monitoring, storage classes, replicas and autoscalers.
  - Where O(path) is set, an inventory is written there. Above each line stands where it was found. A line that begins
    with C(BLANK) names what only a person can say.
  - Chart and values come from Helm's own record, so that what runs can be judged without their source.
  - Never the value of a Secret, and of a connection URL neither user nor password, is written or returned. Values of
    the release that look like secrets are left out, and their places are named.
  - A file that was changed since it was written is never replaced. Answers belong into
    C(inventory/group_vars/all/own.yml), which wins and is left alone.
  - What this account may not see is said in RV(not_seen) and in the inventory.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release. The only one of the namespace where it is not set.
    type: str
  path:
    description:
      - Folder to write to, on the machine that runs the module; C(inventory) in it is the inventory.
      - Nothing is written where it is not set.
    type: path
  environment:
    description: Name of the environment, which is the inventory's one host. That of the namespace where it is not set.
    type: str
  given:
    description:
      - Inventory variables (C(bytebot_*)) that are known already, such as C(bytebot_ca_file). They are written as they
        are, and win over what is found. One that holds a secret is refused.
    type: dict
    default: {}
attributes:
  check_mode:
    description: The cluster is looked at, and nothing is written.
    support: full
  diff_mode:
    description: Texts that look like secrets are masked in the difference.
    support: full
requirements:
  - PyYAML >= 6.0
seealso:
  - module: bytebot.production.secret_check
"""

EXAMPLES = r"""
- name: Write an inventory of what runs
  bytebot.production.discover:
    kubeconfig: ~/.kube/config
    namespace: bytebot-production
    path: ./production
    given:
      bytebot_organization: Example
      bytebot_ca_file: /etc/ssl/example-ca.crt

- name: See what there is, and write nothing
  bytebot.production.discover:
    kubeconfig: ~/.kube/config
    namespace: bytebot-production
  register: discovered
"""

RETURN = r"""
found:
  description: The inputs that were found or given.
  returned: success
  type: list
  elements: dict
  contains:
    input: {description: Name of the inventory variable., type: str, returned: always, sample: bytebot_hosts}
    is: {description: Its value., type: raw, returned: always, sample: [api.bytebot.com]}
    where: {description: Where it was found., type: str, returned: always, sample: Ingress bytebot}
blanks:
  description: Inventory variables that only a person can say.
  returned: success
  type: list
  elements: str
  sample: [bytebot_organization]
notes:
  description: What was found and is no input, each with where it was found.
  returned: success
  type: list
  elements: str
not_seen:
  description: What this account may not see, with the API server's words, and kinds that the cluster does not serve.
  returned: success
  type: list
  elements: str
files:
  description: Paths below O(path) by what became of them. In check mode, what would.
  returned: success
  type: dict
  contains:
    created: {description: Files that were not there., type: list, elements: str, returned: always}
    changed: {description: Files that were there otherwise., type: list, elements: str, returned: always}
    removed: {description: Files of an earlier run that have gone., type: list, elements: str, returned: always}
inventory:
  description: The inventory, for C(ansible-playbook -i); empty where nothing is written.
  returned: success
  type: str
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: success
  type: int
"""

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.secret_detect import suspect
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.tls import certificate
from ansible_collections.bytebot.production.plugins.module_utils.discovery import credentials, files, inventory
from ansible_collections.bytebot.production.plugins.module_utils.discovery.around import hosts
from ansible_collections.bytebot.production.plugins.module_utils.discovery.facts import Findings
from ansible_collections.bytebot.production.plugins.module_utils.discovery.findings import Subject, findings
from ansible_collections.bytebot.production.plugins.module_utils.discovery.look import Seen, look
from ansible_collections.bytebot.production.plugins.module_utils.discovery.release import Export, export, helm_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of, learn, take

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str"},
    "path": {"type": "path"},
    "environment": {"type": "str"},
    "given": {"type": "dict", "default": {}, "no_log": True},  # a secret in it is refused; until then it is hidden
}
_NEVER = ("bytebot_api_token", "bytebot_secrets")  # they hold secrets, or say where secrets come from
_OPEN = frozenset({"tls.crt", "ca.crt", "username", "user"})  # keys whose values are no secrets
# What is told by its name; a password that is such a word is masked encoded only.
_NAMED = ("Service", "ConfigMap", "Deployment", "StatefulSet", "DaemonSet", "Ingress", "IngressClass", "StorageClass")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def discover(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Look once, and write what was found."""
    given = module.params
    redactor.learn(given["api_key"])
    known = _known(take(module, "given"))
    given["given"] = dict(known)
    name = given["environment"] or given["namespace"]
    if not _HOST.fullmatch(name):
        raise InputError(f"environment: {name!r} cannot be a host's name; use letters, digits, '.', '_' and '-'.")
    cluster = Cluster(connection_of(given), module.tmpdir)
    seen = look(cluster, given["namespace"])
    _learn(redactor, seen, known)
    found = findings(_subject(seen, given["release"] or "", _connected(given, known), redactor))
    answer: dict[str, Any] = {"changed": False, **inventory.told(found), "files": {}, "inventory": ""}
    answer["api_requests"] = cluster.requests
    if not given["path"]:
        return answer
    folder = Path(given["path"]).absolute()
    todo = files.plan(folder, {**found.files, **_inventory(name, found, redactor)})
    if not module.check_mode:
        files.carry_out(todo)
    shown = {"diff": todo.diff()} if module._diff and todo.changed else {}
    written = {"changed": todo.changed, "files": todo.to_dict(), "inventory": str(folder / "inventory")}
    return {**answer, **written, **shown}


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a person has said already.

    :raises InputError: a name is no inventory variable of this collection, or a value looks like a secret.
    """
    for name, value in given.items():
        if not str(name).startswith("bytebot_"):
            raise InputError(f"given: {name} is no inventory variable of this collection (bytebot_…).")
        if name in _NEVER:
            raise InputError(f"given: {name} is never written to a file; keep it in a vault or the environment.")
        if why := next(filter(None, (suspect(key, text) for key, text in _leaves(str(name), value))), ""):
            raise InputError(f"given: a value of {name} {why}, and none is written to a file.")
    return {str(name): value for name, value in given.items() if value is not None}


def _leaves(key: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(str(name), item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(key, item)
    elif isinstance(value, str) and key not in ("secret", "bytebot_login"):
        yield key, value


def _connected(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, with the connection that this module itself has used."""
    named = {"bytebot_context": "context", "bytebot_api_server": "host", "bytebot_api_ca": "ca_cert"}
    used = {name: given[option] for name, option in named.items() if given[option]}
    if given["kubeconfig"]:
        used["bytebot_kubeconfig"] = str(Path(given["kubeconfig"]).absolute())
    return {**known, **used}


def _learn(redactor: Redactor, seen: Seen, known: Mapping[str, Any]) -> None:
    """Let the redactor mask every value of the application's Secrets, but those that are shown for what they are."""
    secrets = credentials.own_secrets(seen)
    shown = credentials.open_keys(credentials.credentials(secrets))
    told = [seen.namespace, *(str(value) for value in known.values()), *(host.name for host in hosts(seen))]
    told += [
        str(part) for one in seen.of(*_NAMED) for part in (one["metadata"]["name"], one["metadata"].get("namespace"))
    ]
    at = [one.address for one in credentials.credentials(secrets)]
    at += [one.address for one in credentials.told_to_pods(seen)]
    told += [part for one in at for part in (one.host, one.database)]
    for secret in secrets:
        name = str(secret["metadata"]["name"])
        told += [name, *data_of(secret)]
    for secret in secrets:
        name = str(secret["metadata"]["name"])
        hidden = {key: value for key, value in data_of(secret).items() if (name, key) not in shown and key not in _OPEN}
        learn(redactor, hidden.values(), told)


def _subject(seen: Seen, release: str, known: Mapping[str, Any], redactor: Redactor) -> Subject:
    helm = helm_of(seen, release)
    return Subject(
        seen=seen,
        helm=helm,
        export=export(helm.raw, redactor.holds) if helm and helm.raw else Export(),
        given=known,
        unresolved=frozenset(host.name for host in hosts(seen) if not _resolves(host.name)),
        issuers=_issuers(seen),
    )


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False


def _issuers(seen: Seen) -> dict[str, str]:
    """Who signed the certificates in TLS Secrets, by Secret; certificates are public."""
    found = {}
    for secret in credentials.own_secrets(seen):
        if secret.get("type") == "kubernetes.io/tls" and (pem := data_of(secret).get("tls.crt")):
            try:
                found[str(secret["metadata"]["name"])] = certificate(pem).issuer
            except InputError:
                continue  # no certificate: deployment.secrets.tls tells it
    return found


def _inventory(name: str, found: Findings, redactor: Redactor) -> dict[str, bytes]:
    texts = inventory.texts(name, found)
    if told := [path for path, text in texts.items() if redactor.holds(text)]:
        raise Refused(f"Nothing was written, for {told[0]} would hold the value of a Secret. Report this defect.")
    return {path: text.encode() for path, text in texts.items()}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), discover)


if __name__ == "__main__":
    main()
