# A chart judged before anything runs: each control's red reasons, and what is learned from helm and from admission.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import ChartFacts, LintMessage
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    NotPermitted,
    NotThere,
    Refused,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of
from ansible_collections.bytebot.production.plugins.module_utils.model import State, Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_chart import Scope, observe, parse_lint
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.helm_fakes import SHOP, FakeHelm, HeldCluster, Object, prints, rendered
from tests.unit.collection.test_workload_checks import GOOD_POD, with_container, with_context, workload

GOOD = workload(GOOD_POD)
FACTS = ChartFacts(
    "./chart", ("values.yaml",), SHOP, True, (LintMessage("INFO", "icon is recommended"),), "", (GOOD,), asked=2
)


def verdict(control: str, facts: ChartFacts) -> Verdict:
    return CHECKS.judge(facts, [f"deployment.validation.{control}"])[0].verdict


def hook(pod: dict[str, Any], events: str = "pre-upgrade") -> Object:
    metadata = {"name": "migrate", "annotations": {"helm.sh/hook": events}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": pod}}}


def test_the_controls() -> None:
    assert CHECKS.controls == tuple(
        f"deployment.validation.{name}" for name in ("lint", "values", "resources", "environment", "security_context")
    )


@pytest.mark.parametrize("control", ["lint", "values", "resources", "environment", "security_context"])
def test_a_good_chart_passes_with_evidence(control: str) -> None:
    found = verdict(control, FACTS)
    assert found.state == State.PASS
    assert found.evidence


ROWS = [
    (
        "lint",
        {"lint_ok": False, "lint": (LintMessage("ERROR", "templates/: parse error"),)},
        State.FAIL,
        "templates/: parse error",
    ),
    ("lint", {"lint_ok": False, "lint": ()}, State.FAIL, "an error and no message"),
    (
        "lint",
        {"lint": (LintMessage("WARNING", "key is deprecated"), LintMessage("ERROR", "x"))},
        State.FAIL,
        "key is deprecated (and 1 more)",
    ),
    ("lint", {"render_error": "helm upgrade failed: nil pointer", "objects": ()}, State.FAIL, "nil pointer"),
    ("lint", {"objects": ()}, State.FAIL, "no object at all"),
    ("resources", {"objects": (workload(with_container(resources=None)),)}, State.FAIL, "no cpu request; "),
    (
        "resources",
        {"hooks": (hook(with_container(resources=None)),)},
        State.FAIL,
        "Job migrate container app: no cpu request",
    ),
    ("resources", {"objects": ()}, State.INCONCLUSIVE, "renders no container"),
    ("resources", {"objects": (), "render_error": "nil pointer"}, State.INCONCLUSIVE, "does not render (nil pointer)"),
    ("security_context", {"objects": (workload(with_context(privileged=True)),)}, State.FAIL, "privileged is on"),
    (
        "security_context",
        {"hooks": (hook(with_context(privileged=True)),)},
        State.FAIL,
        "Job migrate container app: privileged is on",
    ),
    (
        "security_context",
        {"refusals": ("Pod x: no", "Pod y: no")},
        State.FAIL,
        "Admission refuses Pod x: no (and 1 more)",
    ),
    (
        "security_context",
        {"not_asked": ("a pod of Deployment shop/api",)},
        State.INCONCLUSIVE,
        "about a pod of Deployment shop/api",
    ),
    ("security_context", {"asked": 0}, State.INCONCLUSIVE, "could not be asked"),
    ("security_context", {"objects": (), "render_error": "nil pointer"}, State.INCONCLUSIVE, "does not render"),
    (
        "security_context",
        {"objects": (workload(with_context(privileged=True)),), "refusals": ("Pod x: no",)},
        State.FAIL,
        "privileged",
    ),
]


@pytest.mark.parametrize(("control", "changes", "state", "words"), ROWS)
def test_each_reason(control: str, changes: dict[str, Any], state: State, words: str) -> None:
    found = verdict(control, replace(FACTS, **changes))
    assert found.state == state
    assert words in found.summary
    assert found.remedy
    assert found.evidence


def test_all_findings_stand_in_the_evidence_though_few_in_the_summary() -> None:
    many = tuple(replace_name(workload(with_container(resources=None)), f"api-{number}") for number in range(4))
    found = verdict("resources", replace(FACTS, objects=many))
    assert "(and 11 more)" in found.summary
    assert len(found.evidence[0].observed["findings"]) == 16


def replace_name(obj: Object, name: str) -> Object:
    return {**obj, "metadata": {"name": name}}


def test_lint_messages_are_read_whatever_stands_between() -> None:
    text = (
        "==> Linting ./chart\n[INFO] Chart.yaml: icon is recommended\n\n"
        "[WARNING] values: [odd]\nError: 1 chart(s) failed\n"
    )
    assert list(parse_lint(text)) == [
        LintMessage("INFO", "Chart.yaml: icon is recommended"),
        LintMessage("WARNING", "values: [odd]"),
    ]


# ---------------------------------------------------------------------- what is learned

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}


def learn(
    cluster: HeldCluster,
    *objects: Object,
    helm: FakeHelm | None = None,
    redactor: Redactor | None = None,
    hooks: tuple[Object, ...] = (),
    values: Values | None = None,
) -> ChartFacts:
    helm = helm or FakeHelm(lint=Completed(0, "", ""), render=prints(rendered(*objects, hooks=hooks)))
    return observe(
        cluster,  # type: ignore[arg-type]
        helm.cli(),
        redactor or Redactor(),
        Scope("bytebot", SHOP, "./chart", values or Values(inline={"a": 1}), judges_values=False),
    )


def test_lint_is_strict_with_the_values_and_subcharts_and_nothing_is_installed() -> None:
    helm = FakeHelm(lint=Completed(0, "", ""), render=prints(rendered(GOOD)))
    facts = learn(HeldCluster(), helm=helm, values=Values(("one.yaml",), {"a": 1}))
    assert helm.verbs() == ["lint", "render"]
    assert {"--strict", "--with-subcharts"} <= set(helm.calls[0])
    assert [call[call.index("--values") + 1] for call in helm.calls] == ["one.yaml", "one.yaml"]
    assert helm.stdins == ['{"a": 1}', '{"a": 1}']
    assert facts.lint_ok
    assert facts.objects == (GOOD,)


def test_admission_is_asked_about_every_object_and_a_pod_of_each_template() -> None:
    cluster = HeldCluster()
    facts = learn(cluster, GOOD, ACCOUNT, hooks=(hook(GOOD_POD), hook(GOOD_POD, "test")))
    assert [one["kind"] for one in cluster.applied] == ["Deployment", "ServiceAccount"]
    assert [one["metadata"]["generateName"] for one in cluster.created] == ["api-", "migrate-"]
    assert all(one["metadata"]["namespace"] == SHOP for one in (*cluster.applied, *cluster.created))
    assert (facts.asked, facts.refusals, facts.not_asked) == (4, (), ())


def test_the_pod_asked_about_is_as_its_controller_would_make_it() -> None:
    described = workload(GOOD_POD, {"note": "yes"})
    described["spec"]["template"]["metadata"]["labels"] = {"app": "api"}
    described["metadata"]["namespace"] = "elsewhere"
    cluster = HeldCluster()
    learn(cluster, described)
    metadata = cluster.created[0]["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"app": "api"}, {"note": "yes"})
    assert metadata["namespace"] == "elsewhere"
    assert cluster.created[0]["spec"]["containers"] == GOOD_POD["containers"]


@pytest.mark.parametrize(
    ("kind", "error", "state"),
    [
        ("Pod", Refused("Admission refuses to POST: violates PodSecurity"), State.FAIL),
        ("Deployment", Refused("refused (422): invalid"), State.FAIL),
        ("Pod", Refused("Admission refuses to POST: exceeded quota: bounds, requested: pods=1"), State.INCONCLUSIVE),
        ("Pod", NotThere("namespaces not found"), State.INCONCLUSIVE),
        ("Deployment", NotThere("namespaces not found"), State.INCONCLUSIVE),
        ("Pod", NotPermitted("Not permitted to POST: cannot create resource pods"), State.INCONCLUSIVE),
    ],
)
def test_what_admission_says_settles_the_security_context(kind: str, error: Exception, state: State) -> None:
    cluster = HeldCluster()
    cluster.refuses[kind] = error
    found = verdict("security_context", learn(cluster, GOOD))
    assert found.state == state
    assert "Deployment shop/api" in found.summary


@pytest.mark.parametrize("error", [Unreachable("429"), NotPermitted("cannot patch")])
def test_an_api_server_that_cannot_say_is_no_refusal(error: Exception) -> None:
    cluster = HeldCluster()
    cluster.refuses["Deployment"] = error
    with pytest.raises(type(error)):
        learn(cluster, GOOD)


def test_a_service_account_that_comes_with_the_release_is_left_out_of_the_pod() -> None:
    cluster = HeldCluster()
    learn(cluster, workload({**GOOD_POD, "serviceAccountName": "runner"}), ACCOUNT)
    assert "serviceAccountName" not in cluster.created[0]["spec"]
    there = HeldCluster({**ACCOUNT, "metadata": {"name": "runner", "namespace": SHOP}})
    learn(there, workload({**GOOD_POD, "serviceAccountName": "runner"}), ACCOUNT)
    assert there.created[0]["spec"]["serviceAccountName"] == "runner"


def test_a_chart_that_does_not_render_is_a_fact_and_a_missing_cluster_an_error() -> None:
    broken = FakeHelm(
        lint=Completed(0, "", ""), render=Completed(1, "", "Error: nil pointer evaluating interface {}.host\n")
    )
    facts = learn(HeldCluster(), helm=broken)
    assert facts.render_error == "helm upgrade failed: nil pointer evaluating interface {}.host"
    assert {str(one.verdict.state) for one in CHECKS.judge(facts)} == {"fail", "inconclusive"}
    away = FakeHelm(
        lint=Completed(0, "", ""), render=Completed(1, "", "Error: Kubernetes cluster unreachable: refused\n")
    )
    with pytest.raises(Unreachable):
        learn(HeldCluster(), helm=away)


def test_helm_that_prints_no_json_is_not_repeated() -> None:
    helm = FakeHelm(lint=Completed(0, "", ""), render=Completed(0, "password of the release: hunter22", ""))
    facts = learn(HeldCluster(), helm=helm)
    assert "no JSON" in facts.render_error
    assert "hunter22" not in facts.render_error
    with pytest.raises(CommandFailed):
        helm.cli().call_json("upgrade", "--dry-run=server")


def test_secrets_of_values_and_of_rendered_secrets_leave_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("database: {password: from-a-file}\n")
    values = Values.checked([str(file)], {"redis": {"password": "from-inline"}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "from-a-secret"}}
    made = {**hook(GOOD_POD), "kind": "Secret", "spec": None, "stringData": {"key": "from-a-hook"}}
    canaries = ["from-a-file", "from-inline", "from-a-secret", "from-a-hook"]
    lint = "\n".join(f"[ERROR] values: '{canary}' does not match" for canary in canaries)
    redactor = Redactor()
    helm = FakeHelm(lint=Completed(1, lint, ""), render=prints(rendered(GOOD, secret, hooks=(made,))))
    facts = learn(HeldCluster(), helm=helm, redactor=redactor, values=values)
    out = json.dumps(results_of(CHECKS.judge(facts), redactor))
    assert "does not match" in out
    assert not [canary for canary in canaries if canary in out]
    assert not [canary for canary in canaries if any(canary in argument for call in helm.calls for argument in call)]


# ---------------------------------------------------------------------- versions of APIs

OLD = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "api"}}


def test_a_kind_that_the_cluster_no_longer_has_is_named_with_what_to_write() -> None:
    found = verdict("lint", replace(FACTS, objects=(GOOD, OLD), minor=25))
    assert found.state == State.FAIL
    assert "policy/v1beta1 PodDisruptionBudget is gone since Kubernetes 1.25; write policy/v1" in found.summary


@pytest.mark.parametrize("minor", [24, None])
def test_a_kind_that_is_still_there_is_no_finding(minor: int | None) -> None:
    assert verdict("lint", replace(FACTS, objects=(GOOD, OLD), minor=minor)).state == State.PASS


def test_helm_s_words_about_a_kind_that_is_gone_are_explained() -> None:
    said = 'resource mapping not found for name: "a": no matches for kind "CronJob" in version "batch/v1beta1"'
    found = verdict("lint", replace(FACTS, objects=(), render_error=said))
    assert "batch/v1beta1 CronJob is gone since Kubernetes 1.25; write batch/v1" in found.summary


def test_what_the_api_server_warns_of_is_advice() -> None:
    cluster = HeldCluster()
    cluster.warnings = ["v1 Endpoints is deprecated in v1.33+", "would violate PodSecurity"]
    facts = learn(cluster, GOOD)
    found = verdict("lint", facts)
    assert (facts.minor, found.state, found.level) == (30, State.FAIL, "should")
    assert "v1 Endpoints is deprecated in v1.33+" in found.summary
    assert "PodSecurity" not in found.summary
