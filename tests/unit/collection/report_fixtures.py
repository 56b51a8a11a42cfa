# Makes results documents for the tests of the renderers: all controls of the catalogue, in every state.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue

KNOWN = catalogue.load()
IDS = list(KNOWN.controls)
STATES = ("pass", "fail", "error", "inconclusive", "pending", "not_applicable", "attested", "waived", "stale")
JUDGED = ("preflight", "deploy", "validate")  # the stages that a plausible run has reached
OBSERVED_AT = "2026-03-04T09:30:12.345Z"

# What a run during a deployment may well have met, and what was said about it.
MET: Mapping[str, tuple[str, str, str]] = {
    "infrastructure.cluster.version": ("pass", "The API server says v1.33.4; 1.25 is the oldest allowed.", ""),
    "infrastructure.cluster.access": ("pass", "23 of 23 needed permissions are there, and none beyond.", ""),
    "infrastructure.cluster.helm": ("pass", "Helm v3.18.6 answers from this machine.", ""),
    "infrastructure.cluster.storage": ("pass", "gp3 is the default class and provisions volumes.", ""),
    "infrastructure.database.version": ("pass", "PostgreSQL 16.9.", ""),
    "infrastructure.database.credentials": ("pass", "bytebot_user logs in, SCRAM, no superuser.", ""),
    "infrastructure.database.tls": ("pass", "TLS 1.3; a connection without TLS is refused.", ""),
    "infrastructure.cluster.resources": (
        "fail",
        "Allocatable: 12 vCPU and 48.2 GiB on 3 nodes; the document wants 16 vCPU and 32 GB.",
        "Add a node of at least 4 vCPU, or have the smaller size waived.",
    ),
    "infrastructure.database.pooling": (
        "inconclusive",
        "The pool grew from 10 to 14 connections, but the load generator itself lagged by 310 ms.",
        "Repeat the measurement from a machine with free CPU.",
    ),
    "infrastructure.monitoring.logs": (
        "error",
        "Loki at loki.monitoring.svc answered 502 to the query, three times in 20 s.",
        "Check the gateway in front of Loki, then run `verify` again.",
    ),
    "infrastructure.database.backup": (
        "stale",
        "The last restore drill was 41 days ago; it holds for 30 days.",
        "Run the playbook restore_drill.",
    ),
    "application_configuration.tuning.vpa": (
        "not_applicable",
        "The cluster serves no autoscaling.k8s.io API, so there is no Vertical Pod Autoscaler to consider.",
        "",
    ),
    "security_configuration.secrets.rotation": (
        "attested",
        "Statement of K. Lindqvist (security), 2026-02-20, valid until 2026-05-21.",
        "",
    ),
    "security_configuration.containers.read_only_root": (
        "waived",
        "2 of 5 containers write to their root file system; waived by R. Okafor until 2026-06-30.",
        "Mount an emptyDir at the paths that are written, and set readOnlyRootFilesystem.",
    ),
    "deployment.health.ready": (
        "fail",
        "1 of 4 pods answers 503 on /health/ready: redis timeout after 2 s (pod bytebot-api-7d9c).",
        "Look at the Redis ACL of user bytebot; the other pods reach it.",
    ),
}


def observed(id_: str) -> dict[str, Any]:
    """Facts of the kind that a client returns."""
    return {"asked": id_, "kind": "Deployment", "replicas": {"wanted": 4, "ready": 3}, "images": ["bytebot/api:1.0.0"]}


def evidence(id_: str, facts: Any = None) -> dict[str, Any]:
    """One observation, with its hash."""
    facts = observed(id_) if facts is None else facts
    return {
        "source": "GET /apis/apps/v1/namespaces/bytebot-production/deployments",
        "observed_at": OBSERVED_AT,
        "observed": facts,
        "sha256": sha256_of(facts),
    }


def entry(id_: str, state: str = "pass", **fields: Any) -> dict[str, Any]:
    """One control of the document."""
    control = KNOWN.controls[id_]
    seen = state != "pending"
    return {
        "id": id_,
        "section": control.section,
        "group": control.group,
        "item": control.item,
        "title": control.title,
        "section_title": control.section_title,
        "group_title": control.group_title,
        "level": control.level,
        "stage": control.stage,
        "state": state,
        "method": control.methods[0],
        "summary": "As it should be: 4 of 4 replicas, observed twice." if seen else f"Not due before {control.stage}.",
        "remedy": "",
        "evidence": [evidence(id_)] if seen else [],
        "started": OBSERVED_AT if seen else None,
        "duration_s": 0.042 if seen else 0.0,
        "binds_to": control.binds_to,
        **fields,
    }


def document(controls: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """The document around some controls."""
    counts = Counter(control["state"] for control in controls)
    return {
        "schema_version": 1,
        "run": {
            "id": "2026-03-04T092801Z-5f3a",
            "opened": "2026-03-04T09:28:01.000Z",
            "updated": "2026-03-04T09:41:55.000Z",
            "closed": None,
            "requester": "m.ferreira",
            "collection_version": "0.1.0",
            "catalogue_digest": sha256_of("catalogue"),
            "resumed": 1,
        },
        "environment": {
            "name": "production-eu",
            "kind": "production",
            "organization": "Example Organisation",
            "namespace": "bytebot-production",
            "release": "bytebot",
            "release_digest": sha256_of("release"),
        },
        "gate": {"decision": "shut", "stage": "deploy", "reasons": []},
        "counts": {state: counts[state] for state in STATES},
        "previous": {"run": None, "changed": []},
        "controls": controls,
        **fields,
    }


def mixed() -> dict[str, Any]:
    """A plausible document: a run that has come as far as validation, with a few things wrong. Every state occurs."""
    controls = []
    for id_, control in KNOWN.controls.items():
        if id_ in MET:
            state, summary, remedy = MET[id_]
            controls.append(entry(id_, state, summary=summary, remedy=remedy))
        else:
            controls.append(entry(id_, "pass" if control.stage in JUDGED else "pending"))
    reds = [control for control in controls if control["state"] in ("fail", "error")]
    return document(
        controls,
        gate={
            "decision": "shut",
            "stage": "deploy",
            "reasons": [f"{control['title']}: {control['summary']}" for control in reds],
        },
        previous={
            "run": "2026-03-03T160210Z-91bc",
            "changed": [
                {"id": "deployment.health.ready", "from": "pass", "to": "fail"},
                {"id": "infrastructure.database.tls", "from": "fail", "to": "pass"},
                {"id": "security_configuration.containers.read_only_root", "from": "fail", "to": "waived"},
            ],
        },
    )


def every_state() -> dict[str, Any]:
    """All controls, the states one after the other."""
    return document([entry(id_, STATES[number % len(STATES)]) for number, id_ in enumerate(IDS)])


def all_in(state: str, **fields: Any) -> dict[str, Any]:
    """All controls in one state."""
    return document([entry(id_, state, **fields) for id_ in IDS])
