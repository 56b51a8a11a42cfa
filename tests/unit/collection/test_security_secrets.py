# Secrets in the open and out of it: where they are stored, and who may read them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Manager
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    PROTECTION,
    STORED,
    ReleaseRecord,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_stored import needs
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding
from tests.unit.collection.security_fixtures import (
    CONTAINER,
    PASSWORD,
    POD,
    SHOP,
    Object,
    account,
    config_map,
    deployment,
    meta,
    secret,
    with_container,
)
from tests.unit.collection.security_judged import APP, EVERYBODY, IN_API, OPS, both, judged, review
from tests.unit.collection.test_access_review import rule


def variable(name: str, value: str) -> Object:
    return with_container(env=[{"name": name, "value": value}])


def released(**changes: Any) -> ReleaseRecord:
    return ReleaseRecord(**{"name": "bytebot", "revision": 3, "values": {}, "objects": (), **changes})


JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "a" * 43
STORED_ROWS = [
    ("a password in env", both(variable("DB_PASSWORD", "hunter2horse")),
     f"{IN_API}: variable DB_PASSWORD stands in clear under the name of a secret."),
    ("a password that is a name of something else", both(variable("DB_PASSWORD", "api")),
     f"{IN_API}: variable DB_PASSWORD stands in clear"),
    ("a token in a ConfigMap", {"config_maps": (config_map(app=f"x=1\nheader={JWT}\n"),)},
     "ConfigMap settings (data): key app looks like a JSON Web Token."),
    ("a flag", both(with_container(args=["--api-key", "hunter2horsebattery"])), "flag api-key of its command"),
    ("an annotation", {"others": ({"kind": "Service", "metadata": meta("api", annotations={"x.test/token": JWT})},)},
     "Service api (annotations): annotation x.test/token looks like"),
    ("a header of a probe", both(with_container(livenessProbe={"httpGet": {"httpHeaders": [
        {"name": "Authorization", "value": f"Bearer {JWT}"}]}})), "header Authorization of its livenessProbe"),
    ("values of the release", {"release": released(values={"db": {"password": "hunter2horse"}})},
     "Release bytebot (values): value db.password stands in clear"),
    ("a variable in values", {"release": released(values={"env": [{"name": "API_TOKEN", "value": "hunter2horse"}]})},
     "value env.API_TOKEN"),
    ("a manifest that is not live",
     {"release": released(objects=(config_map(token="hunter2horse"),)), "config_maps": ()},
     "ConfigMap settings (data): key token"),
    ("a Secret that is not there",
     {"absent": ("db",), "secrets": ()}, f"{IN_API}: it needs Secret db, which is not there."),
    ("a key that is not there", {"secrets": (secret(username="x"),)}, "it needs key password of Secret db"),
    ("a maker out of step", {"managers": {"db": (Manager("ExternalSecret", "db", "Ready is False (no store)"),)}},
     "ExternalSecret db: it makes Secret db and is not in step, Ready is False (no store)."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in STORED_ROWS], ids=[row[0] for row in STORED_ROWS])
def test_stored(changes: Object, said: str) -> None:
    verdict = judged(STORED, **changes)
    assert (verdict.state, verdict.level) == ("fail", "must")
    assert said in verdict.summary
    assert "hunter2horse" not in str(verdict)
    assert JWT not in str(verdict)


def test_advice_on_what_is_not_quite_in_the_open() -> None:
    rendered = judged(STORED, release=released(objects=(secret("own"),)))
    assert (rendered.state, rendered.level) == ("fail", "should")
    assert "Secret own: the chart renders its values" in rendered.summary
    off = judged(STORED, encryption="off", encryption_seen="no provider")
    assert (off.state, off.level) == ("fail", "should")
    assert "not known (no word)" in judged(STORED, encryption="", encryption_seen="no word").summary


@pytest.mark.parametrize(
    "changes",
    [{"unread_secrets": {"db": "Not permitted to get db."}}, {"unread_managers": {"ExternalSecret": "Not permitted."}},
     {"release_problem": "Not permitted to list Secrets."}, {"described": (), "running": ()}],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_what_is_not_seen_of_stored_secrets_is_pending(changes: Object) -> None:
    assert judged(STORED, **changes).state == "pending"


def test_what_workloads_need_of_secrets() -> None:
    pod = {
        "volumes": [
            {"name": "a", "secret": {"secretName": "tls", "items": [{"key": "tls.crt", "path": "x"}]}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "both"}}]}},
            {"name": "c", "secret": {"secretName": "maybe", "optional": True}},
        ],
        "containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "all"}}], "env": CONTAINER["env"]}],
    }
    ingress = {"kind": "Ingress", "metadata": meta("web"), "spec": {"tls": [{"secretName": "tls"}]}}
    assert needs([deployment(pod), ingress], SHOP) == {
        "db": (("password", IN_API),),
        "all": (("", IN_API),),
        "tls": (("tls.crt", "Deployment api"), ("", "Ingress web")),
        "both": (("", "Deployment api"),),
    }


LAST = "kubectl.kubernetes.io/last-applied-configuration"
PROTECTION_ROWS = [
    ("everybody reads", {"review": review(rule("list", "secrets"), EVERYBODY)},
     "Group system:authenticated: it can read the Secrets of namespace shop by RoleBinding shop/b-r."),
    ("the pods' account reads", {"review": review(rule("get", "*", "*"), APP, everywhere=True)},
     "ServiceAccount shop/app: pods run as it, and it can read the Secrets"),
    ("an unlisted reader",
     {"review": review(rule("get", "secrets"), OPS), "secret_readers": (Subject("User", "alice"),)},
     "Group ops: it can read Secrets by RoleBinding shop/b-r, and is not among the secret_readers"),
    ("a token without need", both({**POD, "automountServiceAccountToken": True}),
     "Deployment api: the token of ServiceAccount app is mounted, and no binding lets it do anything."),
    ("a token by the account's default", both({**POD, "automountServiceAccountToken": None})
     | {"accounts": (account("app", automount=True),)}, "the token of ServiceAccount app is mounted"),
    ("a mount nobody uses", both({**POD, "volumes": [*POD["volumes"], {"name": "s", "secret": {"secretName": "db"}}]}),
     "Deployment api: volume s brings a Secret that no container mounts."),
    ("last applied", {"secrets": (secret(annotations={LAST: json.dumps({"data": {"password": "x"}})}),)},
     "Secret db: its annotation last-applied-configuration repeats its data."),
    ("helm's notes",
     {"release": released(notes=f"Log in with {PASSWORD}.")}, "helm's notes hold the value of db/password"),
    ("a log",
     {"leaks": (Finding(IN_API, "its log holds the value of Secret db/password"),)}, "its log holds the value"),
    ("a placeholder",
     {"secrets": (secret(), secret("llm", ANTHROPIC_API_KEY="your-api-key"))},
     "key ANTHROPIC_API_KEY is a placeholder"),
    ("another provider's key", {"secrets": (secret(), secret("llm", ANTHROPIC_API_KEY="key" * 9))},
     "key ANTHROPIC_API_KEY does not begin as that provider's keys do (sk-ant-)."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"), [row[1:] for row in PROTECTION_ROWS], ids=[row[0] for row in PROTECTION_ROWS]
)
def test_protection(changes: Object, said: str) -> None:
    verdict = judged(PROTECTION, **changes)
    assert (verdict.state, verdict.level) == ("fail", "must")
    assert said in verdict.summary
    assert PASSWORD not in str(verdict)


PROTECTED = [
    ("a reader who is named", {"review": review(rule("get", "secrets"), OPS)}),
    ("Kubernetes itself", {"review": review(rule("get", "secrets"), {"kind": "Group", "name": "system:masters"}),
                           "secret_readers": (Subject("User", "alice"),)}),
    ("another's Secret", {"review": review(rule("get", "secrets", names="other"), APP)}),
    ("a token that is used", both({**POD, "automountServiceAccountToken": True})
     | {"review": review(rule("get", "configmaps"), APP)}),
    ("an apply without data", {"secrets": (secret(annotations={LAST: json.dumps({"kind": "Secret"})}),)}),
    ("a key of the provider", {"secrets": (secret(), secret("llm", ANTHROPIC_API_KEY="sk-ant-" + "x" * 40))}),
]  # fmt: skip


@pytest.mark.parametrize("changes", [row[1] for row in PROTECTED], ids=[row[0] for row in PROTECTED])
def test_protected(changes: Object) -> None:
    assert judged(PROTECTION, **changes).state == "pass"


def test_a_secret_that_anybody_may_change_unseen_is_advice() -> None:
    loose = {**secret(), "immutable": False}
    verdict = judged(PROTECTION, secrets=(loose,))
    assert (verdict.state, verdict.level) == ("fail", "should")
    owned = {**loose, "metadata": {**loose["metadata"], "ownerReferences": [{"kind": "ExternalSecret", "name": "db"}]}}
    assert judged(PROTECTION, secrets=(owned,)).state == "pass"


def test_without_roles_no_token_is_called_needless() -> None:
    changes = both({**POD, "automountServiceAccountToken": True})
    assert judged(PROTECTION, **changes, denied={"ClusterRoleBinding": "Not permitted."}).state == "pending"
