#!/usr/bin/python
# Judges the rotation of a release's Secrets, and drills it where that is permitted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_check
short_description: Judge how Secrets are rotated, by a document, by their age, and by a drill
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles the control C(security_configuration.secrets.rotation).
  - The document says in its front matter how often each is rotated (C(interval), and C(intervals) by the Secret's name)
    and how long the value before stays (C(overlap)), as V(P90D) or V(PT1H). It is judged as other documents are.
  - The age of each secret value is what M(bytebot.production.generated_secret) recorded, or else that of its Secret,
    the most it can be. No value is returned.
  - No workload may run with an older value than its Secret has, where it reads it at its start only. Where nothing
    records when a value was made, and a pod began before the Secret was written last, that is V(pending).
  - A drill shows that a rotation works. It signs in, rotates the keys that sign tokens without an overlap, restarts
    what reads them, and sees that a new token is taken and the one of before is refused. B(It signs everybody out.)
    It is made where O(permitted) is true and none passed within O(drill_age) days; what it came to is kept in the
    ConfigMap C(bytebot-rotation-drills) beside the release, also where it proved nothing, which is V(pending).
  - It proves that no token of before outlives a rotation. Its session alone may have ended it, as where the application
    forgets them at its start. So the claims of a new token are signed by the old key, which must be refused, and by the
    new one, which must be taken. Where that is not possible, the summary says that both are not told apart.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.documents
  - bytebot.production.results
  - bytebot.production.results.attributes
  - bytebot.production.services
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release, whose objects tell which Secrets are used.
    type: str
    required: true
  secrets:
    description: Further Secrets that are judged.
    type: list
    elements: str
    default: []
  document:
    description:
      - Where it is written. A path in O(folder), a URL, a list of them, or a mapping as
        M(bytebot.production.document_check) takes it. Without it the control is V(pending).
    type: raw
  max_age:
    description: Days since the document was reviewed.
    type: int
    default: 90
  longest:
    description: The longest interval in days that a document may say. More than V(365) is told as weaker.
    type: int
    default: 365
  permitted:
    description: Whether a drill may be made.
    type: bool
    default: false
  drill_age:
    description: Days for which a drill counts. With V(0) one is made in any case, where it is permitted.
    type: int
    default: 30
  drill:
    description: The Secret that is rotated, as M(bytebot.production.generated_secret) keeps it.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      key_pairs:
        description: Its pairs of keys, as the option of that name. They are rotated without an overlap.
        type: list
        elements: dict
        default: []
      labels:
        description: Its labels, as they are kept.
        type: dict
        default: {}
  login:
    description: How the application is asked for a token. Without it no drill is made.
    type: dict
    suboptions:
      base_url: {description: Its public address., type: str, required: true}
      path: {description: Path of the login., type: str, default: /api/v1/auth/login}
      secret: {description: The Secret with the name and the password of a user., type: str, required: true}
      username_key: {description: Its key with the name., type: str, default: username}
      password_key: {description: Its key with the password., type: str, default: password}
      token_field: {description: Field of the answer with the access token., type: str, default: access_token}
      probe_path:
        description: A path that takes the token of that user, and no request without one.
        type: str
        default: /api/v1/tasks
  restart_timeout:
    description: Seconds for what reads the keys to run with the new ones.
    type: int
    default: 600
attributes:
  check_mode:
    description: No drill is made in check mode; the control is V(pending) where one is due.
    support: full
  diff_mode:
    description: A drill shows no difference, since values are secret.
    support: none
notes:
  - This account needs C(get) on Secrets and on the ConfigMap of the drills, C(list) on deployments, statefulsets,
    daemonsets, replicasets and pods; for a drill also C(patch) on Secrets, ConfigMaps and these workloads.
seealso:
  - module: bytebot.production.generated_secret
  - module: bytebot.production.document_check
"""

EXAMPLES = r"""
- name: Judge the rotation, and drill it once a month
  bytebot.production.rotation_check:
    namespace: bytebot-production
    release: bytebot
    document: /srv/bytebot-docs/access/rotation.md
    permitted: true
    drill:
      name: bytebot-jwt-secret
      key_pairs:
        - {private_key: access-token-private-key, public_key: access-token-public-key}
        - {private_key: refresh-token-private-key, public_key: refresh-token-public-key}
    login: {base_url: "https://api.bytebot.com", secret: bytebot-bootstrap-admin}
    allowed_hosts: [api.bytebot.com]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: security_configuration.secrets.rotation}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always}
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
      description: Thresholds that were judged by and are weaker than the usual ones, in words.
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
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils import observe_rotation, rotation_drill
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import key
from ansible_collections.bytebot.production.plugins.module_utils.argspec_documents import (
    DOCUMENTS_ARGS,
    documents_of,
    http_for,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import SERVICES_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import DocumentFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import DOCUMENT_AGE
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation import CHECKS, SECTIONS
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import (
    DRILL_AGE,
    LONGEST,
    ROTATION,
    Drill,
    RotationFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.document_places import place_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import Scope as DocumentScope
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import observe as read_documents
from ansible_collections.bytebot.production.plugins.module_utils.observe_token import Login
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec, parse

RESTARTS = 3  # of a container make a crash loop certain
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **DOCUMENTS_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "document": {"type": "raw"},
    "max_age": {"type": "int", "default": DOCUMENT_AGE},
    "longest": {"type": "int", "default": LONGEST},
    "permitted": {"type": "bool", "default": False},
    "drill_age": {"type": "int", "default": DRILL_AGE},
    "drill": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "key_pairs": {"type": "list", "elements": "dict", "default": [], "no_log": False},
            "labels": {"type": "dict", "default": {}},
        },
    },
    "login": {
        "type": "dict",
        "options": {
            "base_url": {"type": "str", "required": True},
            "path": {"type": "str", "default": "/api/v1/auth/login"},
            "secret": {"type": "str", "required": True, "no_log": False},
            "username_key": key("username"),
            "password_key": key("password"),
            "token_field": key("access_token"),
            "probe_path": {"type": "str", "default": "/api/v1/tasks"},
        },
    },
    "restart_timeout": {"type": "int", "default": 600},
}


def judge_rotation(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read the document and the Secrets, drill where one is due, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "rotation_check")
    for name, least in (("max_age", 1), ("longest", 1), ("drill_age", 0)):
        if given[name] < least:
            raise InputError(f"{name}: {given[name]} is not a number of days.")
    document = _document(given, redactor)
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    namespace = given["namespace"]
    facts = RotationFacts(
        namespace,
        document,
        drills=rotation_drill.read(cluster, namespace),
        longest=timedelta(days=given["longest"]),
        drill_age=timedelta(days=given["drill_age"] or DRILL_AGE),
    )
    facts, changed = _drilled(module, cluster, redactor, facts)
    secrets, absent, denied, unreleased = observe_rotation.secrets_of(
        cluster, namespace, given["release"], given["secrets"]
    )
    readers = observe_rotation.behind(cluster, namespace, secrets)
    facts = replace(
        facts,
        ages=observe_rotation.ages_of(secrets),
        absent=tuple(absent),
        denied=denied,
        unreleased=unreleased,
        behind=readers.late,
        unseen=readers.unseen,
        undated=readers.undated,
    )
    return {"changed": changed, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _document(given: Mapping[str, Any], redactor: Redactor) -> DocumentFacts | None:
    value = given["document"]
    if not value:
        return None
    entry = value if isinstance(value, Mapping) else {"where": value}
    place = place_of(ROTATION, {"sections": list(SECTIONS), **entry}, given["max_age"])
    # Names in its commands are not looked up: what it says of Secrets is held against the Secrets themselves.
    return read_documents(documents_of(given, redactor), DocumentScope({ROTATION: place}), None, None)


# ---------------------------------------------------------------------------- the drill


def _drilled(
    module: AnsibleModule, cluster: Cluster, redactor: Redactor, facts: RotationFacts
) -> tuple[RotationFacts, bool]:
    """The facts with a drill that was due, or with why none was made."""
    given, last = module.params, facts.last
    passed = last is not None and last.passed
    young = last is not None and time.time() - last.at <= facts.drill_age.total_seconds()
    if passed and young and given["drill_age"]:
        return facts, False
    if not given["permitted"]:
        why = "drills are not permitted here"
        remedy = "Permit them (bytebot_tests_allowed: drills), and run verify.yml."
        return replace(facts, no_drill=why, no_drill_remedy=remedy), False
    if module.check_mode:
        return replace(facts, no_drill="check mode makes none", no_drill_remedy="Run without --check."), False
    if not given["drill"] or not given["login"]:
        lacking = "drill" if not given["drill"] else "login"
        remedy = "Name the Secret and its pairs (bytebot_secrets, bytebot_jwt), and who signs in (bytebot_login)."
        return replace(facts, no_drill=f"{lacking} is not given", no_drill_remedy=remedy), False
    return _made(cluster, _plan(given), redactor, facts)


def _made(
    cluster: Cluster, plan: rotation_drill.Plan, redactor: Redactor, facts: RotationFacts
) -> tuple[RotationFacts, bool]:
    """The facts with a drill, or with why it proved nothing. That it can be kept is seen before anything changes."""
    try:
        rotation_drill.keep(cluster, facts.namespace, facts.drills, dry_run=True)
    except CollectionError as exc:
        why = f"what it comes to could not be kept ({exc.sentence.rstrip('.')})"
        remedy = f"Permit get, create and patch on ConfigMap {rotation_drill.NAME}."
        return replace(facts, no_drill=why, no_drill_remedy=remedy, unclear=True), False
    try:
        made = rotation_drill.drill(cluster, plan, redactor)
    except (rotation_drill.NotPossible, rotation_drill.Unclear) as exc:
        told = exc.sentence.rstrip(".")
        facts = replace(facts, no_drill=told, no_drill_remedy="Mend that, and judge again.", unclear=True)
        if isinstance(exc, rotation_drill.NotPossible):
            return facts, False
        # It is kept as well, so that no run after this one goes by a good one of before.
        why = redactor.text(told)
        made = Drill(time.time(), plan.spec.name, False, why, unclear=True)
    drills = (*facts.drills, made)
    rotation_drill.keep(cluster, facts.namespace, drills)
    # It may have taken long, and must not be one that is to come.
    return replace(facts, drills=drills, now=max(facts.now, datetime.fromtimestamp(made.at, UTC))), True


def _plan(given: Mapping[str, Any]) -> rotation_drill.Plan:
    login = given["login"]
    named = {name: login[name] for name in ("path", "secret", "username_key", "password_key", "token_field")}
    http = http_for(given, login["base_url"])
    patience = Patience.checked(given["restart_timeout"], RESTARTS, {})
    return rotation_drill.Plan(_spec(given), Login(http, **named), login["probe_path"], patience)


def _spec(given: Mapping[str, Any]) -> Spec:
    """The Secret with all of its pairs to be made anew, and none of before to be kept."""
    of = given["drill"]
    pairs = [{"algorithm": "rsa", **{name: value for name, value in pair.items() if name != "rotate"}}
             for pair in of["key_pairs"]]  # fmt: skip
    for pair in pairs:
        if not pair.get("private_key") or not pair.get("public_key"):
            raise InputError("drill.key_pairs: each needs private_key and public_key, the names of its keys.")
    spec = parse({
        "namespace": given["namespace"], "name": of["name"], "type": "Opaque", "labels": of["labels"],
        "state": "present", "key_pairs": pairs, "replace": [pair["private_key"] for pair in pairs],
    })  # fmt: skip
    rotation_drill.refuse_what_signs_nothing(spec)
    return spec


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_rotation)


if __name__ == "__main__":
    main()
