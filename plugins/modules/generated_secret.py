#!/usr/bin/python
# Makes a Kubernetes Secret whose values are made once and kept.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: generated_secret
short_description: Keep a Kubernetes Secret whose values are made once and then kept
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Fills the keys of one Secret, each from one source. Random values and key pairs are made once and kept from then
    on; values from files, the environment, other Secrets and the playbook are compared on every run and updated where
    they differ.
  - An existing value that cannot be what was asked for (too weak, no key, a public key of another private key, the
    literal text of a command that was never run) is neither kept nor replaced. The module fails and names the key;
    O(replace) makes a new value.
  - A public key that is missing is made from its private key.
  - All sources are read before anything is written. No value is returned, shown or logged.
  - Written by server-side apply with the field manager C(bytebot.production). The annotation
    C(bytebot.production/made-at) records when each key got its value.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  name:
    description: Name of the Secret.
    type: str
    required: true
  namespace:
    description: Namespace of the Secret. It must be there.
    type: str
    required: true
  type:
    description: Type of the Secret, for example V(kubernetes.io/tls). It cannot be changed later.
    type: str
    default: Opaque
  labels:
    description: Labels beside C(app.kubernetes.io/managed-by), which is set to C(bytebot.production).
    type: dict
    default: {}
  state:
    description: Whether the Secret is to be there.
    type: str
    choices: [present, absent]
    default: present
  data:
    description:
      - The keys and, for each, one source.
      - C(random) makes a value. Its options are C(bytes) (16 or more, 32 where not set), C(encoding) (C(base64),
        which is used where not set, C(base64url), C(hex) or C(alphanumeric)), and C(length) in place of C(bytes), the
        number of characters of C(alphanumeric).
      - C(file) is the path of a file on the machine that runs the module. The line break at the end of a text is left
        out, unless C(strip_newline) beside it is V(false); PEM and binary files are taken as they are.
      - C(environment) is the name of an environment variable of the module's process.
      - C(secret) copies from another Secret, given by C(name), C(namespace) and C(key).
      - C(value) is a text that is not secret, such as a host or a user name. Do not use it for secrets, since they
        would stand in the playbook. It is neither shown nor logged all the same.
    type: dict
    default: {}
  key_pairs:
    description: Key pairs that are made together, as PEM (PKCS#8 and SubjectPublicKeyInfo).
    type: list
    elements: dict
    default: []
    suboptions:
      algorithm:
        description: Kind of the keys.
        type: str
        choices: [rsa, ec, ed25519]
        default: rsa
      bits:
        description: Size of an RSA key, V(3072) where not set. An existing key that is larger is kept.
        type: int
        choices: [2048, 3072, 4096]
      curve:
        description: Curve of an EC key, V(secp256r1) where not set.
        type: str
        choices: [secp256r1, secp384r1, secp521r1]
      private_key:
        description: The key of the Secret that holds the private key.
        type: str
        required: true
      public_key:
        description: The key of the Secret that holds the public key.
        type: str
        required: true
  replace:
    description:
      - Generated keys that are made anew by this run, whatever they hold. Every run with it makes new values.
      - A private key brings a new public key with it. A public key alone is made anew from its private key.
    type: list
    elements: str
    default: []
  prune:
    description: Whether to remove keys that are not listed.
    type: bool
    default: false
  immutable:
    description:
      - Whether Kubernetes is to refuse any later change of the values. This cannot be taken back.
      - Where it is not set, it stays as it is.
    type: bool
attributes:
  check_mode:
    description: The API server is asked by a dry run. Where the namespace does not exist, the Secret counts as to be
      made.
    support: full
  diff_mode:
    description: Shows the keys, and which of them change; all values are masked.
    support: full
seealso:
  - module: bytebot.production.kube_apply
"""

EXAMPLES = r"""
- name: Keep the database's credentials
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-db-secret
    data:
      username: {value: bytebot_user}
      host: {value: postgres.database.svc.cluster.local}
      database: {value: bytebot_production}
      password: {file: "{{ bytebot_handover }}/database-password"}

- name: Keep the two key pairs that sign tokens
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-jwt-secret
    key_pairs:
      - algorithm: rsa
        bits: 3072
        private_key: access-token-private-key
        public_key: access-token-public-key
      - algorithm: rsa
        bits: 3072
        private_key: refresh-token-private-key
        public_key: refresh-token-public-key

- name: Make the first administrator's password, once
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-bootstrap-admin
    data:
      username: {value: admin@example.com}
      password: {random: {bytes: 32, encoding: base64url}}

- name: Replace that password
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-bootstrap-admin
    data:
      username: {value: admin@example.com}
      password: {random: {bytes: 32, encoding: base64url}}
    replace: [password]
"""

RETURN = r"""
secret:
  description: Which Secret it is.
  returned: success
  type: dict
  contains:
    namespace:
      description: Its namespace.
      returned: always
      type: str
      sample: bytebot-production
    name:
      description: Its name.
      returned: always
      type: str
      sample: bytebot-db-secret
keys:
  description: What became of each key, in check mode what would; never a value. Keys that are not listed and stay are
    left out.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      returned: always
      type: str
      sample: password
    source:
      description: Where its value comes from, V(random), V(key_pair), V(file), V(environment), V(secret) or V(value),
        or V(none) for a key that is removed.
      returned: always
      type: str
      sample: random
    action:
      description: V(kept) as it was, V(made) where there was none (or O(replace) asked for a new one), V(updated)
        from a source that says otherwise, or V(removed).
      returned: always
      type: str
      sample: made
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.generate import CURVES, RSA_BITS
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import take
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import parse, shown

PAIR = {
    "algorithm": {"type": "str", "choices": ["rsa", "ec", "ed25519"], "default": "rsa"},
    "bits": {"type": "int", "choices": list(RSA_BITS)},
    "curve": {"type": "str", "choices": list(CURVES)},
    "private_key": {"type": "str", "required": True, "no_log": False},  # the name of a key, not its value
    "public_key": {"type": "str", "required": True, "no_log": False},
}
ARGUMENTS = {
    **CLUSTER_ARGS,
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "type": {"type": "str", "default": "Opaque"},
    "labels": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "data": {"type": "dict", "default": {}, "no_log": True},  # until keep() lets all but the values be seen
    "key_pairs": {"type": "list", "elements": "dict", "default": [], "options": PAIR, "no_log": False},
    "replace": {"type": "list", "elements": "str", "default": []},
    "prune": {"type": "bool", "default": False},
    "immutable": {"type": "bool"},
}


def keep(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Bring the Secret to the wanted state."""
    given = module.params
    redactor.learn(given["api_key"])
    data = take(module, "data")
    spec = parse({**given, "data": data})
    given["data"] = shown(data)
    keeper = Keeper(Cluster(connection_of(given), module.tmpdir), redactor, spec, module.check_mode)
    return (
        keeper.absent(with_diff=module._diff) if given["state"] == "absent" else keeper.present(with_diff=module._diff)
    )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, keep)


if __name__ == "__main__":
    main()
