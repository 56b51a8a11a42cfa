# Series of deployments, autoscalers, disruption budgets, jobs and cron jobs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.pods.object_state.text import Family, Series
from sandbox.pods.object_state.values import moment, next_time

Object = Mapping[str, Any]
JOB_FAILURES = ("BackoffLimitExceeded", "DeadlineExceeded", "Evicted")

FAMILIES = {
    "kube_deployment_spec_replicas": Family("Number of desired pods for a deployment."),
    "kube_deployment_status_replicas_available": Family("The number of available replicas per deployment."),
    "kube_deployment_status_replicas_ready": Family("The number of ready replicas per deployment."),
    "kube_deployment_status_replicas_updated": Family("The number of updated replicas per deployment."),
    "kube_horizontalpodautoscaler_spec_min_replicas": Family("Lower limit for the number of pods."),
    "kube_horizontalpodautoscaler_spec_max_replicas": Family("Upper limit for the number of pods."),
    "kube_horizontalpodautoscaler_status_current_replicas": Family("Current number of replicas of pods."),
    "kube_horizontalpodautoscaler_status_desired_replicas": Family("Desired number of replicas of pods."),
    "kube_poddisruptionbudget_status_current_healthy": Family("Current number of healthy pods."),
    "kube_poddisruptionbudget_status_desired_healthy": Family("Minimum desired number of healthy pods."),
    "kube_poddisruptionbudget_status_pod_disruptions_allowed": Family("Number of disruptions that are allowed."),
    "kube_poddisruptionbudget_status_expected_pods": Family("Number of pods counted by this budget."),
    "kube_poddisruptionbudget_status_observed_generation": Family("Generation that the status is about."),
    "kube_job_status_succeeded": Family("The number of pods which reached phase Succeeded."),
    "kube_job_status_failed": Family("The number of pods which reached phase Failed and the reason for failure."),
    "kube_cronjob_next_schedule_time": Family("Next time the cron job should be scheduled, if it is not suspended."),
    "kube_cronjob_status_last_schedule_time": Family("When the cron job was last scheduled."),
    "kube_cronjob_spec_suspend": Family("Whether subsequent executions are suspended."),
}


def deployment(found: Object) -> Iterator[Series]:
    labels, status = _labels(found, "deployment"), found.get("status") or {}
    yield Series("kube_deployment_spec_replicas", labels, found["spec"].get("replicas", 1))
    for word in ("available", "ready", "updated"):
        yield Series(f"kube_deployment_status_replicas_{word}", labels, status.get(f"{word}Replicas", 0))


def autoscaler(found: Object) -> Iterator[Series]:
    labels, spec, status = _labels(found, "horizontalpodautoscaler"), found["spec"], found.get("status") or {}
    prefix = "kube_horizontalpodautoscaler"
    yield Series(f"{prefix}_spec_min_replicas", labels, spec.get("minReplicas", 1))
    yield Series(f"{prefix}_spec_max_replicas", labels, spec["maxReplicas"])
    yield Series(f"{prefix}_status_current_replicas", labels, status.get("currentReplicas", 0))
    yield Series(f"{prefix}_status_desired_replicas", labels, status.get("desiredReplicas", 0))


def disruption_budget(found: Object) -> Iterator[Series]:
    labels, status = _labels(found, "poddisruptionbudget"), found.get("status") or {}
    for name, key in (
        ("current_healthy", "currentHealthy"),
        ("desired_healthy", "desiredHealthy"),
        ("pod_disruptions_allowed", "disruptionsAllowed"),
        ("expected_pods", "expectedPods"),
        ("observed_generation", "observedGeneration"),
    ):
        yield Series(f"kube_poddisruptionbudget_status_{name}", labels, status.get(key, 0))


def job(found: Object) -> Iterator[Series]:
    labels, status = _labels(found, "job_name"), found.get("status") or {}
    yield Series("kube_job_status_succeeded", labels, status.get("succeeded", 0))
    yield from _failures(labels, status)


def _failures(labels: Mapping[str, str], status: Object) -> Iterator[Series]:
    """One for each reason where one of them is known, else the number of failed pods alone."""
    failed = status.get("failed", 0)
    reasons = {one.get("reason") for one in status.get("conditions") or [] if one["type"] == "Failed"}
    if not failed:
        yield Series("kube_job_status_failed", labels, 0)
    elif reasons & set(JOB_FAILURES):
        for reason in JOB_FAILURES:
            yield Series("kube_job_status_failed", {**labels, "reason": reason}, reason in reasons)
    else:
        yield Series("kube_job_status_failed", {**labels, "reason": ""}, failed)


def cron_job(found: Object) -> Iterator[Series]:
    labels, spec, status = _labels(found, "cronjob"), found["spec"], found.get("status") or {}
    suspended, last = bool(spec.get("suspend")), status.get("lastScheduleTime")
    yield Series("kube_cronjob_spec_suspend", labels, suspended)
    if last:
        yield Series("kube_cronjob_status_last_schedule_time", labels, moment(last).timestamp())
    if not suspended:
        after = moment(last or found["metadata"]["creationTimestamp"])
        value = next_time(spec["schedule"], after, spec.get("timeZone") or "")
        yield Series("kube_cronjob_next_schedule_time", labels, value)


def _labels(found: Object, kind: str) -> dict[str, str]:
    return {"namespace": found["metadata"]["namespace"], kind: found["metadata"]["name"]}
