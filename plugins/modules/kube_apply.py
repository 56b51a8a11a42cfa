#!/usr/bin/python
# Applies Kubernetes objects by server-side apply, or deletes them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_apply
short_description: Apply a list of Kubernetes objects by server-side apply, or delete them
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Applies all objects in one process, with the field manager C(bytebot.production).
  - Namespaces come first, then custom resource definitions (whose kinds are waited for), then the rest in the order
    given. Objects are deleted in the opposite order.
  - An object counts as changed where anything but the API server's own bookkeeping and C(status) differs afterwards.
  - It waits for nothing to become ready.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  objects:
    description:
      - The objects, each with C(apiVersion), C(kind) and C(metadata.name).
      - Of Secrets, no value is shown or logged.
    type: list
    elements: dict
    default: []
  manifests:
    description: Paths of YAML files with objects, on the machine that runs the module. Several documents in a file
      are fine.
    type: list
    elements: path
    default: []
  namespace:
    description: Namespace of objects that live in one and name none.
    type: str
    default: ""
  state:
    description: Whether the objects are to be there.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - Whether to take over fields that another manager owns.
      - Where it is V(false), such a field is an error that says who owns it.
    type: bool
    default: false
attributes:
  check_mode:
    description: The API server is asked by a dry run, admission included. It cannot be asked about objects whose
      namespace or kind is made by the same call; these are listed in RV(not_asked).
    support: full
  diff_mode:
    description: Values of Secrets are masked.
    support: full
seealso:
  - module: bytebot.production.generated_secret
"""

EXAMPLES = r"""
- name: Make the namespace and a configuration in it
  bytebot.production.kube_apply:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: bytebot-production
          labels:
            pod-security.kubernetes.io/enforce: restricted
      - apiVersion: v1
        kind: ConfigMap
        metadata:
          name: motd
        data:
          text: Be kind.

- name: Apply what a file holds, and take over fields that were edited by hand
  bytebot.production.kube_apply:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    manifests:
      - "{{ playbook_dir }}/files/network-policies.yaml"
    force: true

- name: Delete the configuration
  bytebot.production.kube_apply:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    objects:
      - apiVersion: v1
        kind: ConfigMap
        metadata:
          name: motd
          namespace: bytebot-production
    state: absent
"""

RETURN = r"""
changes:
  description: What became of each object. In check mode, what would. After a failure, what was done before it.
  returned: always, except where an input is refused
  type: dict
  contains:
    created:
      description: Objects that were not there, as kind, namespace and name.
      returned: always
      type: list
      elements: str
      sample: [ConfigMap bytebot-production/motd]
    changed:
      description: Objects that were there, and otherwise.
      returned: always
      type: list
      elements: str
      sample: []
    deleted:
      description: Objects that were there.
      returned: always
      type: list
      elements: str
      sample: []
    unchanged:
      description: Objects that were as wanted, or absent already.
      returned: always
      type: list
      elements: str
      sample: [Namespace bytebot-production]
not_asked:
  description: In check mode, objects about which the API server could not be asked, since this call would make their
    namespace or kind. They also count as created.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.apply import Applier, placed, wanted
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity, masked
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import learn_secrets, take

ARGUMENTS = {
    **CLUSTER_ARGS,
    # hidden from Ansible's log and result as a whole, for there may be Secrets inside; apply() lets the rest be seen
    "objects": {"type": "list", "elements": "dict", "default": [], "no_log": True},
    "manifests": {"type": "list", "elements": "path", "default": []},
    "namespace": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "force": {"type": "bool", "default": False},
}


def apply(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Bring the objects to the wanted state."""
    given = module.params
    redactor.learn(given["api_key"])
    inline = take(module, "objects")
    objects = wanted(inline, given["manifests"])
    learn_secrets(redactor, objects, [str(identity(obj, given["namespace"])) for obj in objects])
    given["objects"] = redactor.data([masked(obj) for obj in inline])
    cluster = Cluster(connection_of(given), module.tmpdir)
    absent = given["state"] == "absent"
    objects = placed(cluster, objects, given["namespace"], absent=absent)
    applier = Applier(cluster, redactor, check=module.check_mode, force=given["force"])
    tally = applier.absent(objects) if absent else applier.present(objects)
    return tally.result(with_diff=module._diff)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, apply)


if __name__ == "__main__":
    main()
