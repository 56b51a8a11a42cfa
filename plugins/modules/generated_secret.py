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
    C(bytebot.production/made-at) records when each key got its value. What another run wrote in between is never
    overwritten.
  - A Secret that belongs to a controller or another tool (External Secrets, Sealed Secrets, cert-manager, Vault, the
    Secrets Store CSI driver, Helm, or whatever its label or owner says) is left alone, and the module says whose it is.
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
      - C(value) is a text of the playbook. Do not write secrets there, since they would stand in the playbook; what a
        lookup fetches from another store may be given so. It is neither shown nor logged.
      - C(dsn) composes a connection string of the parts C(scheme), C(username), C(password), C(host), C(port),
        C(database) and C(query). Each is a text, or C(key) with the name of another listed key that holds it, as it
        must be for C(password). User name, password and database are percent-encoded (RFC 3986). It follows its parts.
      - C(htpasswd) makes a password file of bcrypt hashes. C(users) gives, by user name, the listed key that holds the
        password; C(cost) is bcrypt's work factor (10 to 16, 10 where not set). It is made anew where a password is
        another one. The Python package C(bcrypt) is needed.
      - C(rotate) beside C(random) makes the value anew when it is older than C(max_age), and keeps the one before in
        the key C(NAME.previous) for C(overlap). Both are spans such as V(P90D) or V(PT36H).
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
      rotate:
        description:
          - When the pair is made anew, and how long the public key before stays.
          - The public key before stays in the key of O(key_pairs[].public_key) with V(.previous) at its end, so that
            what was signed before can still be verified. The private key before is not kept.
        type: dict
        suboptions:
          max_age:
            description: The greatest age, a span such as V(P90D). A pair of which no time is known counts as old as
              the Secret.
            type: str
          overlap:
            description: How long the public key before stays, a span such as V(PT36H), shorter than
              O(key_pairs[].rotate.max_age).
            type: str
  certificates:
    description:
      - Private keys with certificates that are made here, as PEM. For certificates of cert-manager see
        O(certificate_request).
      - An authority signs itself, is made once, and is renewed when it nears its end; its certificate before stays in
        the key with V(.previous) at its end until then.
      - A leaf is renewed, with a new key, when it nears its end, and when its names, usages or authority are others.
    type: list
    elements: dict
    default: []
    suboptions:
      authority:
        description: Whether it is an authority, which signs leaves.
        type: bool
        default: false
      private_key:
        description: The key of the Secret that holds the private key; V(tls.key), or V(ca.key) of an authority, where
          not set.
        type: str
      certificate:
        description: The key of the Secret that holds the certificate; V(tls.crt), or V(ca.crt) of an authority, where
          not set.
        type: str
      common_name:
        description: The name of an authority. A leaf has none, since its names are alternative names (RFC 9525).
        type: str
      issuer:
        description: Where the authority of a leaf is kept; in V(ca.crt) and V(ca.key) of this Secret where not set.
        type: dict
        suboptions:
          name:
            description: The Secret that holds it; this one where not set.
            type: str
          namespace:
            description: Namespace of O(certificates[].issuer.name); O(namespace) where not set.
            type: str
          certificate:
            description: The key that holds its certificate.
            type: str
            default: ca.crt
          private_key:
            description: The key that holds its private key.
            type: str
            default: ca.key
      issuer_certificate:
        description: A key that gets a copy of the authority's certificate, for those who verify the leaf.
        type: str
      dns_names:
        description: The DNS names of a leaf. A C(*) may only be the whole first label.
        type: list
        elements: str
        default: []
      ip_addresses:
        description: The IP addresses of a leaf.
        type: list
        elements: str
        default: []
      usages:
        description: What a leaf is for; V(server) where not set.
        type: list
        elements: str
        choices: [server, client]
      days:
        description: How long it holds, in days; V(90), or V(3650) for an authority, where not set.
        type: int
      renew_before_days:
        description: With how many days left it is renewed; V(30), or V(365) for an authority, where not set.
        type: int
      algorithm:
        description: Kind of the key.
        type: str
        choices: [rsa, ec, ed25519]
        default: ec
      bits:
        description: Size of an RSA key, V(3072) where not set.
        type: int
        choices: [2048, 3072, 4096]
      curve:
        description: Curve of an EC key, V(secp256r1) where not set.
        type: str
        choices: [secp256r1, secp384r1, secp521r1]
  replace:
    description:
      - Generated keys that are made anew by this run, whatever they hold. Every run with it makes new values.
      - Where C(rotate) gives an overlap, the value before stays for it, and one that stayed since an earlier rotation
        goes now.
      - An immutable Secret is deleted and made anew, since it cannot be changed. Until that is done, a second Secret
        whose name ends in C(.being-replaced) holds the values.
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
  certificate_request:
    description:
      - Asks cert-manager to fill and renew the Secret, by a Certificate of the same name, in place of O(data),
        O(key_pairs) and O(certificates). Nothing is waited for; RV(certificate) tells what cert-manager says by now.
      - Where the cluster does not serve C(cert-manager.io/v1), the module fails and says so.
    type: dict
    suboptions:
      issuer:
        description: Who issues it.
        type: dict
        required: true
        suboptions:
          name:
            description: Name of the issuer.
            type: str
            required: true
          kind:
            description: Its kind, for example V(ClusterIssuer).
            type: str
            default: Issuer
          group:
            description: Its API group.
            type: str
            default: cert-manager.io
      dns_names:
        description: The DNS names. A C(*) may only be the whole first label.
        type: list
        elements: str
        default: []
      ip_addresses:
        description: The IP addresses.
        type: list
        elements: str
        default: []
      usages:
        description: What it is for; V(server) where not set.
        type: list
        elements: str
        choices: [server, client]
      days:
        description: How long it is to hold, in days; V(90) where not set. The issuer may give less.
        type: int
      renew_before_days:
        description: With how many days left cert-manager renews it; V(30) where not set.
        type: int
      algorithm:
        description: Kind of the key.
        type: str
        choices: [rsa, ec, ed25519]
        default: ec
      bits:
        description: Size of an RSA key, V(3072) where not set.
        type: int
        choices: [2048, 3072, 4096]
      curve:
        description: Curve of an EC key, V(secp256r1) where not set.
        type: str
        choices: [secp256r1, secp384r1, secp521r1]
  restart_workloads:
    description:
      - Whether Deployments, StatefulSets and DaemonSets of O(namespace) that read the Secret are restarted when values
        that they read have changed, and watched until they run with them.
      - Restarted is what reads by environment variables or by a mount with a sub path, which a running container never
        sees change. A volume that is mounted as a whole follows by itself within about a minute; whether the program
        reads it again is its own matter.
      - The annotation C(secret.bytebot.production/NAME) of the pod template tells the time of the values. A run that
        broke off before it had restarted all is made good by the next one.
    type: bool
    default: false
  restart_timeout:
    description: Seconds to wait for restarted workloads. What certainly fails ends earlier, with its cause.
    type: int
    default: 900
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

- name: Compose what the application reads, and rotate the password every 90 days
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-secrets
    data:
      username: {value: bytebot_user}
      password: {random: {bytes: 32}, rotate: {max_age: P90D, overlap: PT1H}}
      encryption-key: {random: {bytes: 32, encoding: hex}}
      database-url:
        dsn:
          scheme: postgresql
          username: {key: username}
          password: {key: password}
          host: postgres.database.svc.cluster.local
          port: 5432
          database: bytebot_production
          query: {sslmode: verify-full}
      auth: {htpasswd: {users: {admin: password}}}
    restart_workloads: true

- name: Make an authority, in a Secret that no workload reads
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-authority
    certificates:
      - {authority: true, common_name: Bytebot internal}

- name: Have it sign what the ingress shows
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-tls-secret
    type: kubernetes.io/tls
    certificates:
      - dns_names: [api.bytebot.example]
        issuer: {name: bytebot-authority}
        issuer_certificate: ca.crt

- name: Have cert-manager do it instead
  bytebot.production.generated_secret:
    kubeconfig: "{{ bytebot_kubeconfig }}"
    namespace: bytebot-production
    name: bytebot-tls-secret
    certificate_request:
      issuer: {name: letsencrypt-prod, kind: ClusterIssuer}
      dns_names: [api.bytebot.example]

- name: Replace the administrator's password
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
      description: Where its value comes from, V(random), V(key_pair), V(certificate), V(dsn), V(htpasswd), V(file),
        V(environment), V(secret) or V(value); V(previous) for one that stays since the last rotation, V(none) for a key
        that is removed.
      returned: always
      type: str
      sample: random
    action:
      description: V(kept) as it was, V(made) where there was none or a new one was due, V(updated) from a source or
        parts that say otherwise, V(retired) at the end of its overlap, or V(removed).
      returned: always
      type: str
      sample: made
    reason:
      description: Why it was made.
      returned: when it was made
      type: str
      sample: it is 91 days old, and may be 90 days
rotated:
  description: The keys that had a value and got a new one, in check mode would get.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [password]
retired:
  description: The keys of values before the last rotation that went, in check mode would go.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [password.previous]
due:
  description: What happens next by itself, on the first run after its time; the soonest first.
  returned: when O(state=present)
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      returned: always
      type: str
      sample: password
    at:
      description: From when on, in UTC as RFC 3339.
      returned: always
      type: str
      sample: "2026-09-29T10:00:00.000Z"
    action:
      description: V(rotate) for a new value, V(retire) for the end of one that stays since the last rotation.
      returned: always
      type: str
      sample: rotate
followers:
  description: The workloads that read the Secret.
  returned: when O(restart_workloads=true)
  type: list
  elements: dict
  contains:
    workload:
      description: Kind, namespace and name.
      returned: always
      type: str
      sample: Deployment bytebot-production/bytebot-api
    reads_by:
      description: How it reads, some of V(environment), V(sub_path) and V(mount).
      returned: always
      type: list
      elements: str
      sample: [environment]
    action:
      description: V(restarted) and running with the new values, in check mode to be restarted; V(current) where nothing
        that it reads has changed; V(by_itself) where it reads mounted volumes only; V(paused) where the Deployment is
        paused and so was not restarted; V(held) where its own strategy keeps old pods.
      returned: always
      type: str
      sample: restarted
    note:
      description: What its strategy keeps.
      returned: when it is held
      type: str
unseen:
  description: The kinds of workloads that this account may not list, so that it is not known whether any follows.
  returned: when O(restart_workloads=true)
  type: list
  elements: str
  sample: [StatefulSet]
certificate:
  description: The Certificate that cert-manager was asked for, with what it says by now.
  returned: when O(certificate_request) is given
  type: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: bytebot-tls
    condition:
      description: The condition to wait for.
      returned: always
      type: str
      sample: Ready
    ready:
      description: Whether that condition holds, or null while cert-manager has said nothing of this version.
      returned: always
      type: bool
      sample: true
    reason:
      description: Why it is ready or not.
      returned: always
      type: str
      sample: Issued
    message:
      description: The same in a sentence.
      returned: always
      type: str
    not_after:
      description: When the certificate in the Secret ends; empty while there is none.
      returned: always
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_secret import SECRET_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from ansible_collections.bytebot.production.plugins.module_utils.secret import certificate_request
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import take
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.restart import Restarter
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import parse, shown

RESTARTS = 3  # of a container make a crash loop certain
ARGUMENTS: dict[str, Any] = {**CLUSTER_ARGS, **SECRET_ARGS}


def keep(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Bring the Secret to the wanted state."""
    given = module.params
    redactor.learn(given["api_key"])
    data = take(module, "data")
    if given["certificate_request"]:
        wanted = certificate_request.wanted({**given, "data": data})
        given["data"] = {}
        cluster = Cluster(connection_of(given), module.tmpdir)
        return certificate_request.Request(cluster, wanted, module.check_mode).apply(with_diff=module._diff)
    spec = parse({**given, "data": data})
    given["data"] = shown(data)
    patience = Patience.checked(given["restart_timeout"], RESTARTS, {})
    keeper = Keeper(Cluster(connection_of(given), module.tmpdir), redactor, spec, module.check_mode)
    if given["state"] == "absent":
        return keeper.absent(with_diff=module._diff)
    result, changed = keeper.brought(with_diff=module._diff)
    if not given["restart_workloads"]:
        return result
    try:
        followed = Restarter(keeper.cluster, patience, module.check_mode, keeper.now).follow(changed)
    except CollectionError as exc:
        exc.details.update({**result, "changed": result["changed"] or exc.details.get("changed", False)})
        raise
    return {**result, **followed, "changed": result["changed"] or followed["changed"]}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, keep)


if __name__ == "__main__":
    main()
