# Judges who can come to the Secrets of a namespace: by RBAC, by mounts and tokens, by copies in annotations and logs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    access_powers,
    secret_detect,
    secrets_strength,
    secrets_values,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    PROTECTION,
    RBAC_KINDS,
    WORKLOAD_KINDS,
    Object,
    SecurityFacts,
    settled,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding
from ansible_collections.bytebot.production.plugins.module_utils.manifest import LAST_APPLIED, identity
from ansible_collections.bytebot.production.plugins.module_utils.model import SHOULD, Evidence, Verdict, failed
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of
from ansible_collections.bytebot.production.plugins.module_utils.secret.owner import owner_of

_REMEDY = (
    "Bind reading of Secrets to named persons and controllers only, with resourceNames; set "
    "automountServiceAccountToken: false; apply Secrets on the server (kubectl apply --server-side); and make anew "
    "what has been in a log or an annotation."
)
# How the keys of providers begin, by a word in the key's name (as each provider's own documentation shows them).
PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("sk-ant-",),
    "openai": ("sk-",),
    "github": ("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_"),
    "gemini": ("AIza", "AQ."),
    "slack": ("xox",),
}
_FROM_OUTSIDE = re.compile(r"(?i)api[-_]?key|token")
SHORTEST = 8  # bytes of a value that is looked for in texts; a shorter one stands there by chance
SHOWN = 20


def protection(facts: SecurityFacts) -> Verdict:
    """Secrets are read by those who must, mounted where they are used, and nowhere repeated."""
    weighed = facts.weighed(
        PROTECTION,
        [*_readers(facts), *_mounts(facts), *_tokens(facts), *_copies(facts), *_forms(facts), *facts.leaks],
    )
    readers = access_powers.readers(facts.review, facts.namespace)
    advice = list(_loose(facts))
    seen = Evidence(
        f"LIST of Secrets, ServiceAccounts, roles and bindings for namespace {facts.namespace}; container logs",
        {
            **weighed.evidence(),
            "readers": [str(one) for one in readers if one.how == "directly"][: SHOWN * 2],
            "by_other_powers": [str(one) for one in readers if one.how != "directly"][: SHOWN * 2],
            "logs_read": facts.logs_read,
            "logs_not_read": dict(facts.logs_unread),
            "not_in_logs": facts.not_in_logs,
            "neither_immutable_nor_owned": advice,
        },
        facts.observed_at,
    )
    direct = {one.subject for one in readers if one.how == "directly"}
    verdict = settled(
        weighed,
        holds=f"{len(direct)} subjects can read Secrets of namespace {facts.namespace}, none of them wide; no token is "
        f"mounted without need, no copy found in annotations, notes or logs ({_logs(facts)}).",
        remedy=_REMEDY,
        unseen=_unseen(facts),
        seen=seen,
    )
    if verdict.state == "pass" and advice:
        remedy = (
            "Set immutable: true, or let a controller or generated_secret own it, so that nobody changes it unseen."
        )
        told = f"Neither immutable nor owned by anything: Secret {some(advice)}."
        return failed(told, remedy, seen, level=SHOULD, weaker=verdict.weaker)
    return verdict


def _logs(facts: SecurityFacts) -> str:
    if facts.not_in_logs:
        return f"logs not looked into: {facts.not_in_logs}"
    return f"{facts.logs_read} logs read" + (f", {len(facts.logs_unread)} not readable" if facts.logs_unread else "")


def _unseen(facts: SecurityFacts) -> str:
    if refused := facts.refused(*WORKLOAD_KINDS, "Secret", "ServiceAccount", *RBAC_KINDS):
        return refused
    if facts.logs_unread and not facts.logs_read:
        where, why = next(iter(facts.logs_unread.items()))
        return f"No container's log could be read, as of {where}: {why}"
    return "" if facts.accounts else f"No ServiceAccount is known in namespace {facts.namespace}."


# ---------------------------------------------------------------------------- who can read


def _readers(facts: SecurityFacts) -> Iterator[Finding]:
    """Readers that are wide by themselves, and the accounts of the pods, which have their Secrets mounted."""
    used = {_account(pod_spec(pod) or {}) for pod in (*facts.described, *facts.running)}
    for one in access_powers.readers(facts.review, facts.namespace):
        subject = one.subject
        if one.how != "directly" or subject in facts.secret_readers:
            continue
        where = f"{subject}"
        if access_powers.is_broad(subject):
            yield Finding(where, f"it can read the Secrets of namespace {facts.namespace} by {one.grant.binding}")
        elif subject.kind == "ServiceAccount" and subject.namespace == facts.namespace and subject.name in used:
            if one.named:
                continue  # no wider than a mount of these would be
            told = f"pods run as it, and it can read the Secrets of namespace {facts.namespace}"
            yield Finding(where, f"{told} by {one.grant.binding} of {one.grant.role}")
        elif facts.secret_readers and not access_powers.is_clusters_own(subject):
            yield Finding(where, f"it can read Secrets by {one.grant.binding}, and is not among the secret_readers")


def _account(spec: Mapping[str, Any]) -> str:
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


# ---------------------------------------------------------------------------- mounts and tokens


def _mounts(facts: SecurityFacts) -> Iterator[Finding]:
    for obj in facts.described:
        spec = pod_spec(obj) or {}
        groups = [spec.get(group) or [] for group in ("initContainers", "containers", "ephemeralContainers")]
        mounted = {mount.get("name") for group in groups for one in group for mount in one.get("volumeMounts") or []}
        for volume in spec.get("volumes") or []:
            sources = (volume.get("projected") or {}).get("sources") or []
            holds = "secret" in volume or any("secret" in one for one in sources)
            if holds and volume.get("name") not in mounted:
                who = identity(obj, facts.namespace)
                yield Finding(
                    f"{who.kind} {who.name}", f"volume {volume.get('name')} brings a Secret that no container mounts"
                )


def _tokens(facts: SecurityFacts) -> Iterator[Finding]:
    """Tokens of accounts that are mounted though the account may do nothing by its own name."""
    if facts.refused(*RBAC_KINDS):
        return  # whether an account may do something is not known
    accounts = {one["metadata"]["name"]: one for one in facts.accounts}
    for obj in {str(identity(one)): one for one in (*facts.described, *facts.running)}.values():
        spec = pod_spec(obj) or {}
        name = _account(spec)
        told = spec.get("automountServiceAccountToken")
        told = (accounts.get(name) or {}).get("automountServiceAccountToken") if told is None else told
        if told is False or any(facts.review.own(Subject("ServiceAccount", name, facts.namespace), facts.namespace)):
            continue
        who = identity(obj, facts.namespace)
        yield Finding(
            f"{who.kind} {who.name}",
            f"the token of ServiceAccount {name} is mounted, and no binding lets it do anything",
        )


# ---------------------------------------------------------------------------- copies


def _copies(facts: SecurityFacts) -> Iterator[Finding]:
    for one in facts.secrets:
        told = (one["metadata"].get("annotations") or {}).get(LAST_APPLIED)
        if told and _has_data(str(told)):
            yield Finding(
                f"Secret {one['metadata']['name']}", "its annotation last-applied-configuration repeats its data"
            )
    if facts.release and facts.release.notes:
        names = [name for name, value in secret_values(facts.secrets) if value in facts.release.notes]
        if names or (shape := secret_detect.form(facts.release.notes)):
            what = f"the value of {names[0]}" if names else shape
            yield Finding(f"Release {facts.release.name} (notes)", f"helm's notes hold {what}")


def _has_data(text: str) -> bool:
    try:
        parsed = json.loads(text)
    except ValueError:
        return True  # whatever it is, it is no object without data
    return isinstance(parsed, dict) and bool(parsed.get("data") or parsed.get("stringData"))


def secret_values(secrets: tuple[Object, ...]) -> list[tuple[str, str]]:
    """The values that must never show, each by ``Secret/key``: passwords, tokens and keys that are long enough."""
    found = []
    for one in secrets:
        for key, value in data_of(one).items():
            text = value.decode("utf-8", "replace").strip()
            name = f"{one['metadata']['name']}/{key}"
            inside = secrets_strength.password_in_url(text)
            if b"PRIVATE KEY-----" in value:
                lines = [line for line in text.splitlines() if line and not line.startswith("-----")]
                found += [(name, lines[len(lines) // 2])] if lines else []
            elif inside is not None:
                found.append((name, inside))
            elif secrets_strength.is_secret_key(key) and "BEGIN " not in text:
                found.append((name, text))
    return [(name, text) for name, text in found if len(text) >= SHORTEST and not secrets_strength.is_common(text)]


# ---------------------------------------------------------------------------- forms, owners


def _forms(facts: SecurityFacts) -> Iterator[Finding]:
    """Keys of providers that are placeholders, or cannot be what their name says."""
    for one in facts.secrets:
        for key, value in sorted(data_of(one).items()):
            if one.get("type", "Opaque") != "Opaque" or not _FROM_OUTSIDE.search(key):
                continue
            text = value.decode("utf-8", "replace")
            flaw = (
                secrets_values.command_flaw(text)
                or secrets_values.template_flaw(text)
                or secrets_values.newline_flaw(value)
            )
            wanted = next((forms for word, forms in PROVIDERS.items() if word in key.lower()), ())
            if not flaw and text and wanted and "key" in key.lower() and not text.startswith(wanted):
                flaw = f"does not begin as that provider's keys do ({' or '.join(wanted)})"
            if flaw:
                yield Finding(f"Secret {one['metadata']['name']}", f"key {key} {flaw}")


def _loose(facts: SecurityFacts) -> Iterator[str]:
    """Secrets that the workloads use and that anybody may change unseen."""
    for one in facts.secrets:
        metadata = one["metadata"]
        owned = one.get("immutable") or metadata.get("ownerReferences") or owner_of(one)
        labelled = (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by")
        managed = labelled or any(key.startswith("bytebot.production/") for key in (metadata.get("annotations") or {}))
        if metadata["name"] in facts.references and not (owned or managed or metadata["name"] in facts.managers):
            yield str(metadata["name"])
