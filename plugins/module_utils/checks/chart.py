# Judges a chart before anything runs: lint, resources, security contexts, and what admission says.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import (
    Finding,
    containers,
    resource_findings,
    security_findings,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
)

Object = dict[str, Any]
SHOWN = 5  # findings named in a summary; all stand in the evidence


@dataclass(frozen=True, slots=True)
class LintMessage:
    """One line of ``helm lint``."""

    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """What was learned about a chart with one set of values.

    :param lint: messages of ``helm lint --strict``; :param lint_ok: whether it ended without error.
    :param render_error: helm's words where the chart does not render; then ``objects`` is empty.
    :param objects: the rendered objects; :param hooks: those that run as hooks, tests not counted.
    :param namespace: where they would go.
    :param refusals: objects and pods that admission refuses, each with its reason.
    :param not_asked: objects that nobody could ask admission about (their namespace is not there, or not permitted).
    :param asked: how many objects and pods admission was asked about.
    :param values_digest: SHA-256 over the values as helm merged them; empty where the chart does not render.
    """

    chart: str
    values: tuple[str, ...]
    namespace: str
    lint_ok: bool
    lint: tuple[LintMessage, ...]
    render_error: str
    objects: tuple[Object, ...]
    hooks: tuple[Object, ...] = ()
    refusals: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    asked: int = 0
    values_digest: str = ""

    @property
    def container_names(self) -> list[str]:
        return [at.where for at in containers(self.workloads, self.namespace)]

    @property
    def workloads(self) -> tuple[Object, ...]:
        """All that brings pods: a hook runs in production as everything else does."""
        return (*self.objects, *self.hooks)


CHECKS: Checks[ChartFacts] = Checks()


@CHECKS.settles("deployment.validation.lint")
def lint(facts: ChartFacts) -> Verdict:
    """The chart passes ``helm lint --strict`` with the real values, subcharts too, and renders on this cluster."""
    bad = [item for item in facts.lint if item.severity in ("ERROR", "WARNING")]
    seen = Evidence(
        f"helm lint --strict --with-subcharts {facts.chart}; helm upgrade --install --dry-run=server",
        {
            "values": list(facts.values),
            "lint": [f"{item.severity}: {item.message}" for item in facts.lint],
            "render_error": facts.render_error,
            "objects": len(facts.objects),
        },
    )
    if not facts.lint_ok or bad:
        first = bad[0].message if bad else "it ended with an error and no message"
        return failed(
            f"helm lint finds: {first}{_more(len(bad))}.", "Correct the chart or the values that it names.", seen
        )
    if facts.render_error:
        return failed(f"The chart does not render: {facts.render_error}.", "Correct the template or the values.", seen)
    if not facts.objects:
        return failed("The chart renders no object at all.", "Check the values that switch its parts on.", seen)
    return passed(f"Lint is clean and {len(facts.objects)} objects render on this cluster.", seen)


@CHECKS.settles("deployment.validation.resources")
def resources(facts: ChartFacts) -> Verdict:
    """Every container has requests and limits for CPU and memory, and no request above its limit."""
    return _by_findings(
        facts,
        resource_findings(facts.workloads, facts.namespace),
        "have requests and limits for CPU and memory",
        "Set resources.requests and resources.limits for the containers named.",
    )


@CHECKS.settles("deployment.validation.security_context")
def security_context(facts: ChartFacts) -> Verdict:
    """Every pod fits the "restricted" Pod Security Standard, and this cluster's admission accepts it."""
    judged = _by_findings(
        facts,
        security_findings(facts.workloads, facts.namespace),
        "fit the restricted Pod Security Standard",
        "Set the pod's and the containers' securityContext as the restricted Pod Security Standard asks.",
    )
    seen = Evidence(
        "server-side dry run (dryRun=All) of every rendered object and of a pod from each template",
        {"asked": facts.asked, "refused": list(facts.refusals), "not_asked": list(facts.not_asked)},
    )
    evidence = (*judged.evidence, seen)
    if judged.state != "pass":
        return Verdict(judged.state, judged.summary, judged.remedy, evidence)
    if facts.refusals:
        return failed(
            f"Admission refuses {facts.refusals[0]}{_more(len(facts.refusals))}.",
            "The message names the rule: change the workload, or the rule.",
            *evidence,
        )
    if facts.not_asked or not facts.asked:
        about = f"{facts.not_asked[0]}{_more(len(facts.not_asked))}" if facts.not_asked else "anything"
        return inconclusive(
            f"The manifests fit the standard, but admission could not be asked about {about.rstrip('.')}.",
            f"Let namespace {facts.namespace} be created first (the deployment role does so), and this account ask.",
            *evidence,
        )
    return passed(
        f"{judged.summary[:-1]}, and admission accepts all {facts.asked} objects and pods asked about.", *evidence
    )


def _by_findings(facts: ChartFacts, findings: Sequence[Finding], holds: str, remedy: str) -> Verdict:
    names = facts.container_names
    seen = Evidence(
        f"rendered manifests of {facts.chart}",
        {"containers": names, "findings": [str(finding) for finding in findings], "render_error": facts.render_error},
    )
    if facts.render_error:
        return inconclusive(
            f"Nothing to judge: the chart does not render ({facts.render_error}).", "Mend the rendering first.", seen
        )
    if not names:
        return inconclusive(
            "Nothing to judge: the chart renders no container.", "Check the values that switch its parts on.", seen
        )
    if findings:
        shown = "; ".join(str(finding) for finding in findings[:SHOWN])
        return failed(f"{shown}{_more(len(findings), SHOWN)}.", remedy, seen)
    return passed(f"All {len(names)} containers {holds}.", seen)


def _more(total: int, shown: int = 1) -> str:
    return f" (and {total - shown} more)" if total > shown else ""
