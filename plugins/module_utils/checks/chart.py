# Judges a chart before anything runs: lint, values, resources, environment, security contexts, and what admission says.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_versions import removed_in, unserved
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_environment import environment
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import SHOWN, ChartFacts, more
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_values import values
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import (
    Finding,
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
            "deprecations": list(facts.deprecations),
        },
    )
    if not facts.lint_ok or bad:
        first = bad[0].message if bad else "it ended with an error and no message"
        return failed(
            f"helm lint finds: {first}{more(len(bad))}.", "Correct the chart or the values that it names.", seen
        )
    return _rendered(facts, seen)


def _rendered(facts: ChartFacts, seen: Evidence) -> Verdict:
    gone = [*removed_in(facts.render_error), *unserved(facts.workloads, facts.minor)]
    if gone:
        return failed(f"{gone[0]}{more(len(gone))}.", "Write the version that this cluster serves.", seen)
    if facts.render_error:
        return failed(f"The chart does not render: {facts.render_error}.", "Correct the template or the values.", seen)
    if not facts.objects:
        return failed("The chart renders no object at all.", "Check the values that switch its parts on.", seen)
    if facts.deprecations:
        return failed(
            f"Lint is clean and {len(facts.objects)} objects render, but the API server warns: {facts.deprecations[0]}"
            f"{more(len(facts.deprecations))}.",
            "Write what it names before the cluster is upgraded.",
            seen,
            level="should",
        )
    return passed(f"Lint is clean and {len(facts.objects)} objects render on this cluster.", seen)


CHECKS.settles("deployment.validation.values")(values)


@CHECKS.settles("deployment.validation.resources")
def resources(facts: ChartFacts) -> Verdict:
    """Every container has requests and limits for CPU and memory, and no request above its limit."""
    return _by_findings(
        facts,
        resource_findings(facts.workloads, facts.namespace),
        "has requests and limits for CPU and memory",
        "Set resources.requests and resources.limits for the containers named.",
    )


CHECKS.settles("deployment.validation.environment")(environment)


@CHECKS.settles("deployment.validation.security_context")
def security_context(facts: ChartFacts) -> Verdict:
    """Every pod fits the "restricted" Pod Security Standard, and this cluster's admission accepts it."""
    judged = _by_findings(
        facts,
        security_findings(facts.workloads, facts.namespace),
        "fits the restricted Pod Security Standard",
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
            f"Admission refuses {facts.refusals[0]}{more(len(facts.refusals))}.",
            "The message names the rule: change the workload, or the rule.",
            *evidence,
        )
    if facts.not_asked or not facts.asked:
        about = f"{facts.not_asked[0]}{more(len(facts.not_asked))}" if facts.not_asked else "anything"
        return inconclusive(
            f"The manifests fit the standard, but admission could not be asked about {about.rstrip('.')}.",
            f"Let namespace {facts.namespace} be created first (the deployment role does so), and this account ask.",
            *evidence,
        )
    return passed(
        f"{judged.summary[:-1]}, and admission accepts every object and pod asked about ({facts.asked}).", *evidence
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
        return failed(f"{shown}{more(len(findings), SHOWN)}.", remedy, seen)
    return passed(f"Every container ({len(names)}) {holds}.", seen)
