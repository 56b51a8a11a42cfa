# Each control of security_check: green over a namespace in order, and red, pending or excepted by one thing in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import AccessReview, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.inside import Inside, capabilities, mounts_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Manager
from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    CONTEXT,
    PRODUCTION,
    PROTECTION,
    RESOURCES,
    ROOT,
    STORED,
    Authorized,
    Justified,
    ReleaseRecord,
    SecurityFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_stored import needs
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import as_workload
from tests.unit.collection.security_fixtures import (
    CONTAINER,
    MOUNTS,
    PASSWORD,
    POD,
    SHOP,
    STATUS,
    account,
    config_map,
    deployment,
    live_pod,
    meta,
    namespace,
    quota,
    secret,
    with_container,
)
from tests.unit.collection.test_access_review import binding, cluster_role, role, rule

Object = dict[str, Any]
APP = {"kind": "ServiceAccount", "name": "app", "namespace": SHOP}
ALICE, OPS = {"kind": "User", "name": "alice"}, {"kind": "Group", "name": "ops"}
EVERYBODY = {"kind": "Group", "name": "system:authenticated"}
IN_API = "Deployment api container app"


def inside(**changes: Any) -> Inside:
    given = {
        "where": IN_API,
        "pod": "api-6d4-x1",
        "statuses": {"/proc/1/status": STATUS},
        "mounts": mounts_of(MOUNTS),
        "wrote": "refused",
        "said": "refused Read-only file system",
        "declared": frozenset({"/tmp"}),
        **changes,
    }
    return Inside(**given)


GOOD = SecurityFacts(
    namespace=SHOP,
    described=(deployment(),),
    running=(as_workload(live_pod(), {}),),
    pods=(live_pod(),),
    namespace_object=namespace(),
    config_maps=(config_map(HOST="db", LOG_LEVEL="info"),),
    secrets=(secret(),),
    accounts=(account("app"), account("default")),
    references={"db": (("password", IN_API),)},
    inside=(inside(),),
    review=AccessReview(roles=[role("deployer", rule("*", "secrets"))], role_bindings=[binding("deployer", ALICE)]),
    authorized=(Authorized(Subject("User", "alice")),),
    logs_read=1,
    encryption="on",
    encryption_seen="told by metrics",
    today="2027-01-15",
)


def judged(control: str, **changes: Any) -> Verdict:
    (result,) = CHECKS.judge(replace(GOOD, **changes), [control])
    return result.verdict


@pytest.mark.parametrize("control", CHECKS.controls)
def test_a_namespace_in_order_is_green(control: str) -> None:
    verdict = judged(control)
    assert (verdict.state, verdict.weaker) == ("pass", ()), verdict.summary


@pytest.mark.parametrize("control", CHECKS.controls)
def test_what_may_not_be_read_is_pending_with_the_permission(control: str) -> None:
    sentence = "Not permitted to GET /x: cannot list resource. Grant that verb to this account."
    kind = "RoleBinding" if control in (PRODUCTION,) else "ServiceAccount" if control == ACCOUNTS else "Pod"
    verdict = judged(control, denied={kind: sentence})
    assert verdict.state == "pending"
    assert sentence in verdict.summary


def both(pod: Object) -> Object:
    """A changed pod, as it is described and as it runs."""
    live = live_pod(pod)
    return {"described": (deployment(pod),), "running": (as_workload(live, {}),), "pods": (live,)}


def context(**changes: Any) -> Object:
    return with_container(securityContext={**CONTAINER["securityContext"], **changes})


# ---------------------------------------------------------------------- containers

CONTEXTS = [
    ("privileged", both(context(privileged=True)), f"{IN_API}: privileged is on."),
    ("a capability", both(context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})), "capabilities add NET_ADMIN"),
    ("hostPath", both({**POD, "volumes": [*POD["volumes"], {"name": "h", "hostPath": {"path": "/"}}]}),
     "Deployment api: volume h mounts the node's path /."),
    ("the namespace enforces nothing", {"namespace_object": namespace("")},
     "Namespace shop: it enforces pod security none, restricted is wanted."),
    ("the namespace enforces too little",
     {"namespace_object": namespace("baseline")}, "it enforces pod security baseline"),
    ("an ephemeral container",
     {"running": (as_workload(live_pod({**POD, "ephemeralContainers": [{"name": "dbg"}]}), {}),)},
     "Deployment api container dbg: allowPrivilegeEscalation is not false"),
    ("the image's user is root", both({**POD, "securityContext": {**POD["securityContext"], "runAsUser": None}})
     | {"image_users": {"registry.test/app:1": ""}}, "no runAsUser is set, and the image runs as root"),
    ("the image's user is a word", both({**POD, "securityContext": {**POD["securityContext"], "runAsUser": None}})
     | {"image_users": {"registry.test/app:1": "node:node"}}, "the image names its user node"),
    ("the kubelet refuses", {"running": (as_workload(live_pod(containerStatuses=[{"name": "app", "state": {"waiting": {
        "reason": "CreateContainerConfigError",
        "message": "container has runAsNonRoot and image will run as root (pod: \"x\", container: app)"}}}]), {}),)},
     "the kubelet does not start it: container has runAsNonRoot and image will run as root."),
    ("root inside", {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "Uid": "0 0 0 0"}}),)},
     "inside, /proc/1/status runs as user 0 (root)"),
    ("capabilities inside",
     {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "CapBnd": "00000000a80425fb"}}),)},
     "can have capabilities AUDIT_WRITE, CHOWN, DAC_OVERRIDE and 10 more"),
    ("privileges to gain inside", {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "NoNewPrivs": "0"}}),)},
     "may gain privileges"),
    ("no seccomp inside", {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "Seccomp": "0"}}),)},
     "has no seccomp filter"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in CONTEXTS], ids=[row[0] for row in CONTEXTS])
def test_context(changes: Object, said: str) -> None:
    verdict = judged(CONTEXT, **changes)
    assert verdict.state == "fail"
    assert said in verdict.summary
    assert {judged(control, **changes).state for control in (STORED, PROTECTION, ACCOUNTS)} == {"pass"}


def test_what_both_template_and_pod_have_wrong_is_told_once() -> None:
    assert judged(CONTEXT, **both(context(privileged=True))).summary == f"{IN_API}: privileged is on."


def test_baseline_can_be_enough_and_is_told_as_weaker() -> None:
    verdict = judged(CONTEXT, namespace_object=namespace("baseline"), pod_security="baseline")
    assert (verdict.state, verdict.weaker) == ("pass", ("pod security baseline wanted, document restricted",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inside": (), "not_looked": "Not permitted to exec in pod x"}, "not looked inside: Not permitted to exec"),
        ({"inside": (Inside(IN_API, "x", problem="it has no sh to ask by"),)}, "it has no sh to ask by"),
    ],
)
def test_where_nobody_may_look_inside_it_is_said_and_not_red(changes: Object, said: str) -> None:
    for control in (CONTEXT, ROOT):
        verdict = judged(control, **changes)
        assert verdict.state == "pass"
        assert said in verdict.summary


def test_check_mode_leaves_open_what_needs_a_probe_and_not_what_is_red() -> None:
    for control in (CONTEXT, ROOT):
        assert judged(control, check_mode=True, inside=()).state == "pending"
        assert (
            judged(control, check_mode=True, inside=(), **both({**POD, "containers": [{"name": "app"}]})).state
            == "fail"
        )


def test_capabilities_are_named() -> None:
    assert capabilities("0000000000000400") == ["NET_BIND_SERVICE"]
    assert capabilities("") == []
    assert capabilities("8000000000000000") == ["unknown ones"]
    assert capabilities("zz") == ["of the unreadable set zz"]


ROOTS = [
    ("not set", both(context(readOnlyRootFilesystem=None)), f"{IN_API}: readOnlyRootFilesystem is not true."),
    ("over the root", both(with_container(volumeMounts=[{"name": "tmp", "mountPath": "/usr/bin"}])),
     "a writable emptyDir lies over the system's path /usr/bin"),
    ("over /etc", both(with_container(volumeMounts=[{"name": "tmp", "mountPath": "/etc/"}])), "system's path /etc/"),
    ("a mount that is not named",
     {"writable_paths": ("/var/cache",)}, "mounted at /tmp, which is not among the writable"),
    ("a write that goes through", {"inside": (inside(wrote="written"),)}, "a file could be written to /"),
    ("mounted for writing", {"inside": (inside(mounts=mounts_of(MOUNTS.replace("ro,relatime", "rw,relatime"))),)},
     "/ is mounted for writing"),
    ("a mount nobody declared", {"inside": (inside(declared=frozenset()),)}, "/tmp can be written, and no volume"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in ROOTS], ids=[row[0] for row in ROOTS])
def test_read_only_root(changes: Object, said: str) -> None:
    verdict = judged(ROOT, **changes)
    assert verdict.state == "fail"
    assert said in verdict.summary


ALLOWED = [
    ("a read-only mount over the system",
     with_container(volumeMounts=[{"name": "tmp", "mountPath": "/etc", "readOnly": True}])),
    ("below /etc", with_container(volumeMounts=[{"name": "tmp", "mountPath": "/etc/nginx/conf.d"}])),
    ("shared memory", with_container(volumeMounts=[{"name": "tmp", "mountPath": "/dev/shm"}])),
    ("its home", with_container(volumeMounts=[{"name": "tmp", "mountPath": "/home/app"}])),
]  # fmt: skip


@pytest.mark.parametrize("pod", [row[1] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_volumes_away_from_the_system_may_be_written(pod: Object) -> None:
    assert judged(ROOT, **both(pod), inside=()).state == "pass"


def test_a_try_to_write_without_an_answer_proves_nothing() -> None:
    assert judged(ROOT, inside=(inside(wrote="unknown", said=""),)).state == "inconclusive"


AMOUNTS = CONTAINER["resources"]
RANGE = {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta("range"), "spec": {"limits": [
    {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}}
]}}  # fmt: skip
RESOURCE_ROWS = [
    ("missing", both(with_container(resources=None)), f"{IN_API}: no cpu request"),
    ("best effort", both(with_container(resources=None)), "its pods are BestEffort, Burstable is wanted"),
    ("request above limit", both(with_container(resources={**AMOUNTS, "requests": {"cpu": "2", "memory": "64Mi"}})),
     "cpu request 2 is above its limit 1"),
    ("guaranteed wanted", {"qos": "Guaranteed"}, "its pods are Burstable, Guaranteed is wanted"),
    ("quota short", {"quotas": (quota(requests_cpu="100m"),)}, "Namespace shop: quota quota allows requests.cpu 100m"),
    ("beyond the range",
     {"limit_ranges": ({**RANGE, "spec": {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}},)},
     "has a cpu limit above 500m"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in RESOURCE_ROWS], ids=[row[0] for row in RESOURCE_ROWS])
def test_resources(changes: Object, said: str) -> None:
    verdict = judged(RESOURCES, **changes)
    assert verdict.state == "fail"
    assert said in str(verdict.evidence[0].observed["findings"])


def test_what_a_limit_range_gives_counts() -> None:
    pod = with_container(resources=None)
    assert judged(RESOURCES, described=(deployment(pod),), limit_ranges=(RANGE,)).state == "pass"


def test_equal_requests_and_limits_are_guaranteed() -> None:
    amounts = {"cpu": "1", "memory": "1Gi"}
    pod = with_container(resources={"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": amounts})
    assert judged(RESOURCES, **both(pod), qos="Guaranteed").state == "pass"


# ---------------------------------------------------------------------- exceptions

WRITABLE = both(context(readOnlyRootFilesystem=False))


def excepted(**changes: Any) -> Justified:
    given = {"workload": "Deployment/api", "control": ROOT, "reason": "it writes", "until": "2027-03-31", **changes}
    return Justified(**given)


def test_an_exception_holds_until_its_day_and_is_told() -> None:
    verdict = judged(ROOT, **WRITABLE, justified=(excepted(),))
    told = f"{IN_API}: readOnlyRootFilesystem is not true (excepted until 2027-03-31: it writes)"
    assert (verdict.state, verdict.weaker) == ("pass", (told,))
    over = judged(ROOT, **WRITABLE, justified=(excepted(until="2027-01-14"),))
    assert over.state == "fail"
    assert "its exception ran out on 2027-01-14" in over.summary
    assert judged(ROOT, **WRITABLE, justified=(excepted(until="2027-01-15"),)).state == "pass"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"workload": "api"}, "pass"),
        ({"container": "app"}, "pass"),
        ({"container": "other"}, "fail"),
        ({"workload": "StatefulSet/api"}, "fail"),
        ({"workload": "ap"}, "fail"),
        ({"control": CONTEXT}, "fail"),
    ],
    ids=str,
)
def test_an_exception_covers_what_it_names(changes: Object, state: str) -> None:
    assert judged(ROOT, **WRITABLE, justified=(excepted(**changes),)).state == state


def test_an_exception_that_covers_nothing_is_told() -> None:
    seen = judged(ROOT, justified=(excepted(container="app"),)).evidence[0].observed
    assert seen["exceptions_without_finding"] == ["Deployment/api container app until 2027-03-31"]
    assert "exceptions_without_finding" not in judged(ROOT, **WRITABLE, justified=(excepted(),)).evidence[0].observed


# ---------------------------------------------------------------------- secrets that are stored


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


# ---------------------------------------------------------------------- secrets that are protected


def review(of: Object, *subjects: Object, everywhere: bool = False) -> AccessReview:
    if everywhere:
        bound = [binding("r", *subjects, kind="ClusterRole", namespace="")]
        return AccessReview(cluster_roles=[cluster_role("r", of)], cluster_role_bindings=bound)
    return AccessReview(roles=[role("r", of)], role_bindings=[binding("r", *subjects)])


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


# ---------------------------------------------------------------------- access

SURPLUS = [
    ("a user", {"review": review(rule("create", "pods/exec"), ALICE, OPS)},
     "Group ops: it has the power to exec by RoleBinding shop/b-r of Role r, and is not on the list."),
    ("everybody", {"review": review(rule("get", "pods"), EVERYBODY)},
     "Group system:authenticated: it has the power to read by RoleBinding shop/b-r of Role r, and stands for"),
    ("everybody, without a list",
     {"review": review(rule("get", "pods"), EVERYBODY), "authorized": None}, "stands for more"),
    ("a power more", {"review": review(rule("get create", "pods"), ALICE),
                      "authorized": (Authorized(Subject("User", "alice"), frozenset({"read"})),)},
     "User alice: it has the power to run pods by RoleBinding shop/b-r of Role r, which the list does not give it."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in SURPLUS], ids=[row[0] for row in SURPLUS])
def test_access_to_production(changes: Object, said: str) -> None:
    verdict = judged(PRODUCTION, **changes)
    assert verdict.state == "fail"
    assert said in verdict.summary


def test_users_are_told_with_what_their_groups_give_them() -> None:
    granted = AccessReview(
        roles=[role("r", rule("get", "pods/log"))], role_bindings=[binding("r", OPS)], members={"ops": ["bob"]}
    )
    seen = judged(PRODUCTION, review=granted).evidence[0].observed
    assert seen["through_groups"] == {"bob of ops": ["read"]}


def test_without_a_list_it_is_pending_and_names_the_input() -> None:
    verdict = judged(PRODUCTION, authorized=None)
    assert (verdict.state, verdict.remedy) == ("pending", "Give authorized_subjects.")
    assert judged(PRODUCTION, authorized=()).state == "fail"


ACCOUNT_ROWS = [
    ("a wildcard", {"review": review(rule("*", "pods"), APP)}, "ServiceAccount app: has a wildcard in verbs"),
    ("a write in the whole cluster", {"review": review(rule("patch", "nodes"), APP, everywhere=True)},
     "may patch nodes in the whole cluster by ClusterRoleBinding b-r"),
    ("a dangerous power", {"review": review(rule("create", "pods/exec"), APP)}, "it has the power to exec by"),
    ("the default account",
     both({**POD, "serviceAccountName": None}), "Deployment api: it runs as the ServiceAccount default"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in ACCOUNT_ROWS], ids=[row[0] for row in ACCOUNT_ROWS])
def test_accounts(changes: Object, said: str) -> None:
    verdict = judged(ACCOUNTS, **changes)
    assert (verdict.state, verdict.level) == ("fail", "must")
    assert said in verdict.summary


def test_an_account_that_mounts_its_token_everywhere_is_advice() -> None:
    verdict = judged(ACCOUNTS, accounts=(account("app", automount=True), account("default")))
    assert (verdict.state, verdict.level) == ("fail", "should")
