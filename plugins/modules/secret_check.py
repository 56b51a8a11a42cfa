#!/usr/bin/python
# Judges the Secrets of a release: credentials that work, keys that fit, values encoded once and hard to guess.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_check
short_description: Judge the Secrets of a release
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Reads the Secrets of a release once and judges whether their credentials work, their keys and certificates fit, and
    their values are encoded once and hard to guess. No value leaves the module.
  - Settles C(deployment.secrets.database), C(deployment.secrets.redis), C(deployment.secrets.jwt),
    C(deployment.secrets.tls), C(deployment.secrets.encoding), C(security_configuration.secrets.strength) and
    C(security_configuration.auth.jwt_keys).
  - Signs in to PostgreSQL and Redis from inside the namespace. A short-lived pod, which holds no credentials, carries
    the connection; TLS and passwords go from this machine to the server itself. The pod bears the label
    C(bytebot.production/scratch=secrets); whatever bears it in that namespace from an earlier run is removed first.
  - Encoding and strength are judged for the Secrets named here and for those that the deployed release, or an Ingress
    of it, refers to, of the types C(Opaque), C(kubernetes.io/tls) and C(kubernetes.io/basic-auth).
  - Secrets that External Secrets, Sealed Secrets or the Secrets Store CSI driver make are told as such, and are red
    where their maker says that it is not in step.
  - Where a Secret is not there, since Vault's agent injector or a mount of the Secrets Store CSI driver puts files into
    the release's pods in its place, the control is pending where all pods have got them, and red where one has not.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.database
  - bytebot.production.probe
  - bytebot.production.redis
  - bytebot.production.results
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  jwt:
    description: Where the keys that sign tokens stand.
    type: dict
    default: {}
    suboptions:
      secret: {description: Name of the Secret., type: str, default: bytebot-jwt-secret}
      pairs:
        description:
          - Pairs of keys, each with C(private_key) and C(public_key); the first signs access tokens.
          - Where it is empty, the four keys of the document.
        type: list
        elements: dict
        default: []
        suboptions:
          private_key: {description: Key of the private half., type: str, required: true}
          public_key: {description: Key of the public half., type: str, required: true}
      shared_secret_key:
        description: Key of one shared text (HS256), as C(JWT_SECRET), in place of pairs.
        type: str
      shared_secret_length:
        description: Characters that the shared text must have. Fewer than V(64) is told as weaker than the document.
        type: int
        default: 64
      signers:
        description:
          - Workloads that sign tokens and may have the private keys, each as V(Deployment/api) or its name alone.
          - Where it is empty, one workload may have them, whichever it is.
        type: list
        elements: str
        default: []
  tls:
    description: Which certificates are judged.
    type: dict
    default: {}
    suboptions:
      secrets:
        description: Names of the Secrets. Where it is empty, those of the release's Ingresses.
        type: list
        elements: str
        default: []
      ca_file:
        description: CAs in PEM that clients trust; a chain must then lead to one of them. Else the system's count.
        type: path
  hosts:
    description: Hosts that a certificate must cover, beside those of the release's Ingresses.
    type: list
    elements: str
    default: []
  others:
    description: Names of further Secrets to judge for encoding and strength.
    type: list
    elements: str
    default: []
  binary_keys:
    description: Keys, as C(key) or C(Secret/key), whose values need not be text.
    type: list
    elements: str
    default: []
  minimum_entropy:
    description:
      - Bits that a password, token or key must carry by its form. Fewer than V(256) is told as weaker than the
        document, which makes them of 32 random bytes.
    type: int
    default: 256
  minimum_length:
    description: Characters that a password, token or key must have, beside the bits.
    type: int
    default: 0
  expiry_days:
    description:
      - Days that a certificate must still hold; of one that lives shorter, a third of its life.
      - The default is when certificates of 90 days are renewed, see U(https://letsencrypt.org/docs/integration-guide/).
    type: int
    default: 30
  login:
    description:
      - How the running application is asked for an access token, whose signature is then verified with the public key
        in the Secret. Where it is not set, no token is asked for, and C(security_configuration.auth.jwt_keys) is
        V(pending) unless it is red.
    type: dict
    suboptions:
      base_url: {description: URL of the application's API., type: str, required: true}
      allowed_hosts:
        description: Hosts that may be asked.
        type: list
        elements: str
        required: true
      ca_file: {description: CA in PEM to trust in place of the system's., type: path}
      resolve: {description: Addresses by host name., type: dict, default: {}}
      timeout: {description: Seconds for the answer., type: float, default: 10.0}
      path: {description: Path of the login., type: str, default: /api/v1/auth/login}
      secret: {description: Name of the Secret with the user's name and password., type: str, required: true}
      username_key: {description: Key of the user's name., type: str, default: username}
      password_key: {description: Key of the password., type: str, default: password}
      token_field: {description: Field of the answer that holds the access token., type: str, default: access_token}
attributes:
  check_mode:
    description: In check mode no pod is made and no token asked for; what needs a pod is V(pending). So is what rests
      on a Secret of O(others) that is not there yet.
    support: full
  diff_mode:
    description: Nothing stays changed, so there is no difference to show.
    support: none
requirements:
  - cryptography >= 43
  - psycopg >= 3.2, to sign in to PostgreSQL
  - redis >= 5, to sign in to Redis
seealso:
  - module: bytebot.production.generated_secret
  - module: bytebot.production.ingress_check
"""

EXAMPLES = r"""
- name: Judge the Secrets of the release
  bytebot.production.secret_check:
    namespace: bytebot-production
    release: bytebot
    hosts:
      - api.bytebot.com
    probe_image: docker.io/library/busybox:1.37
  register: secrets

- name: Judge how the agent's profile keeps its secrets, without signing in
  bytebot.production.secret_check:
    namespace: bytebot-production
    release: bytebot
    database:
      secret: bytebot-agent-secrets
      dsn_key: DATABASE_URL
    jwt:
      secret: bytebot-agent-secrets
      shared_secret_key: JWT_SECRET
    only:
      - deployment.secrets.jwt
      - security_configuration.secrets.strength
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: deployment.secrets.database}
    state:
      description: V(pass), V(fail), V(error), V(inconclusive), V(pending) or V(not_applicable).
      type: str
      returned: always
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    level:
      description: V(should) where the finding is advice and shuts no gate, else V(must).
      type: str
      returned: always
    weaker:
      description: Thresholds that were judged by and are weaker than the document's, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: always
  type: int
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import (
    CLUSTER_ARGS,
    ONLY_ARGS,
    connection_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import (
    DATABASE_ARGS,
    PROBE_ARGS,
    REDIS_ARGS,
    database_keys,
    filled,
    key,
    name,
    not_negative,
    probe_of,
    redis_keys,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys, TlsWanted
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import check_ca_file
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_token import Login
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_PAIR = {f"{half}_key": {"type": "str", "required": True, "no_log": False} for half in ("private", "public")}
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **DATABASE_ARGS,
    **REDIS_ARGS,
    **PROBE_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "jwt": {
        "type": "dict",
        "default": {},
        "options": {
            "secret": name("bytebot-jwt-secret"),
            "pairs": {"type": "list", "elements": "dict", "default": [], "options": _PAIR},
            "shared_secret_key": name(),
            "shared_secret_length": {"type": "int", "default": 64, "no_log": False},
            "signers": {"type": "list", "elements": "str", "default": []},
        },
    },
    "tls": {
        "type": "dict",
        "default": {},
        "options": {
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "ca_file": {"type": "path"},
        },
    },
    "hosts": {"type": "list", "elements": "str", "default": []},
    "others": {"type": "list", "elements": "str", "default": []},
    "binary_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "minimum_entropy": {"type": "int", "default": 256},
    "minimum_length": {"type": "int", "default": 0},
    "expiry_days": {"type": "int", "default": 30},
    "login": {
        "type": "dict",
        "options": {
            **HTTP_ARGS,
            "timeout": {"type": "float", "default": 10.0},
            "path": {"type": "str", "default": "/api/v1/auth/login"},
            "secret": {"type": "str", "required": True, "no_log": False},
            "username_key": key("username"),
            "password_key": key("password"),
            "token_field": key("access_token"),
        },
    },
}


def judge_secrets(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Observe the Secrets once and judge every control that rests on them."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "secret_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    scope = _scope(module)
    cluster = Cluster(connection, module.tmpdir)
    facts = observe(cluster, scope, redactor, module.tmpdir)
    results = results_of(CHECKS.judge(facts, given["only"]), redactor)
    return {"changed": False, "api_requests": cluster.requests, **results}


def _scope(module: AnsibleModule) -> Scope:
    given = module.params
    not_negative(given, "minimum_entropy", "minimum_length", "expiry_days", "probe_timeout")
    probe, no_probe = probe_of(given, check_mode=module.check_mode)
    return Scope(
        namespace=given["namespace"],
        release=given["release"],
        database=database_keys(given["database"]),
        redis=redis_keys(given["redis"]),
        jwt=_jwt(given["jwt"]),
        tls=_tls(given["tls"], given["hosts"], given["expiry_days"]),
        others=tuple(given["others"]),
        to_be_made=frozenset(given["others"] if module.check_mode else ()),
        probe=probe,
        no_probe=no_probe,
        login=_login(given["login"]) if given["login"] and not module.check_mode else None,
        minimum_bits=given["minimum_entropy"],
        minimum_length=given["minimum_length"],
        binary=frozenset(given["binary_keys"]),
        only=tuple(given["only"]),
    )


def _jwt(given: Mapping[str, Any]) -> JwtKeys:
    of = filled(given, ARGUMENTS["jwt"])
    pairs = tuple((pair["private_key"], pair["public_key"]) for pair in of["pairs"])
    if pairs and of["shared_secret_key"]:
        raise InputError("jwt has both pairs and shared_secret_key; give one of them.")
    told = {
        "shared": of["shared_secret_key"] or "",
        "shared_length": of["shared_secret_length"],
        "signers": tuple(of["signers"]),
    }
    return JwtKeys(of["secret"], pairs, **told) if pairs else JwtKeys(of["secret"], **told)


def _tls(given: Mapping[str, Any], hosts: list[str], expiry_days: int) -> TlsWanted:
    of = filled(given, ARGUMENTS["tls"])
    check_ca_file(of["ca_file"] or "")
    trusted = Path(of["ca_file"]).read_bytes() if of["ca_file"] else b""
    return TlsWanted(tuple(of["secrets"]), further_hosts=tuple(hosts), trusted=trusted, expiry_days=expiry_days)


def _login(given: Mapping[str, Any]) -> Login:
    named = {name: given[name] for name in ("path", "secret", "username_key", "password_key", "token_field")}
    return Login(http_of(given), **named)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_secrets)


if __name__ == "__main__":
    main()
