# Judges who may come to the namespace of production, and what its accounts may do, as RBAC grants it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Container, Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks import access_powers
from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import Grant, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    GRANT,
    PRODUCTION,
    RBAC_KINDS,
    WORKLOAD_KINDS,
    Object,
    SecurityFacts,
    settled,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, failed, pending
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec

_NAMED = 3
_SEE = "LIST of roles and bindings for namespace"
_LIMITS = (
    "RBAC alone: who is in a group is the identity provider's to say, and certificates of system:masters, other "
    "authorizers and break-glass accounts are not seen here"
)


def production(facts: SecurityFacts) -> Verdict:
    """Whoever has a power in the namespace is on the authorised list, with that power."""
    found = {
        subject: powers
        for subject, powers in access_powers.powers(facts.review, facts.namespace).items()
        if not access_powers.is_clusters_own(subject)
    }
    own = sum(1 for subject in access_powers.powers(facts.review, facts.namespace) if subject not in found)
    seen = Evidence(
        f"{_SEE} {facts.namespace}",
        {
            "powers": {str(subject): _told(powers) for subject, powers in sorted(found.items())},
            "through_groups": _through_groups(facts, found),
            "clusters_own": own,
            "authorized": [f"{one.subject}" for one in facts.authorized or ()],
            "bindings_without_role": facts.review.unresolved,
            "limits": _LIMITS,
        },
        facts.observed_at,
    )
    weighed = facts.weighed(PRODUCTION, _surplus(facts, found))
    if facts.authorized is None and not weighed.open:
        unseen = facts.refused(*RBAC_KINDS)
        missing = "No list says who is authorised, so nobody can be surplus."
        told = f"{missing} {len(found)} subjects have powers in namespace {facts.namespace}."
        return pending(unseen or told, GRANT if unseen else "Give authorized_subjects.", seen)
    return settled(
        weighed,
        holds=f"All {len(found)} subjects with powers in namespace {facts.namespace} are authorised ({own} of "
        "Kubernetes' own beside them).",
        remedy="Remove the binding that the summary names, or put the subject on the list with its powers.",
        unseen=facts.refused(*RBAC_KINDS),
        seen=seen,
    )


def _told(powers: access_powers.Powers) -> Object:
    return {power: [str(grant) for grant in grants[:_NAMED]] for power, grants in powers.items()}


def _through_groups(facts: SecurityFacts, found: dict[Subject, access_powers.Powers]) -> dict[str, list[str]]:
    """By user, the powers that the groups give in which the user is known to be."""
    told: dict[str, dict[str, None]] = {}
    for group, names in facts.review.members.items():
        for name in names:
            for power in found.get(Subject("Group", group), ()):
                told.setdefault(f"{name} of {group}", {})[power] = None
    return {who: list(powers) for who, powers in sorted(told.items())}


def _surplus(facts: SecurityFacts, found: dict[Subject, access_powers.Powers]) -> Iterator[Finding]:
    listed = {one.subject: one.powers for one in facts.authorized or ()}
    for subject, powers in sorted(found.items()):
        if access_powers.is_broad(subject) and subject not in listed:
            yield Finding(str(subject), f"{_can(powers, powers)}, and stands for more than anybody named")
        elif facts.authorized is None:
            continue
        elif subject not in listed:
            yield Finding(str(subject), f"{_can(powers, powers)}, and is not on the list")
        elif listed[subject] and (more := [power for power in powers if power not in listed[subject]]):
            yield Finding(str(subject), f"{_can(powers, more)}, which the list does not give it")


def _can(powers: access_powers.Powers, which: Container[str]) -> str:
    names = [power for power in powers if power in which]
    grants: list[Grant] = powers[names[0]]
    return f"it has the power to {', '.join(names)} by {grants[0].binding} of {grants[0].role}"


def accounts(facts: SecurityFacts) -> Verdict:
    """Accounts of the namespace have no wildcard, write nowhere in the whole cluster, and pods have their own."""
    weighed = facts.weighed(ACCOUNTS, [*_wide(facts), *_default(facts)])
    powers = access_powers.powers(facts.review, facts.namespace)
    own = [Subject("ServiceAccount", one["metadata"]["name"], facts.namespace) for one in facts.accounts]
    seen = Evidence(
        f"{_SEE} {facts.namespace}; LIST of its ServiceAccounts and workloads",
        {
            **weighed.evidence(),
            "accounts": {one.name: _told(powers.get(one, {})) for one in own},
            "automount": {
                one["metadata"]["name"]: one.get("automountServiceAccountToken") is not False for one in facts.accounts
            },
            "used_by": _users(facts),
        },
        facts.observed_at,
    )
    unseen = facts.refused(*WORKLOAD_KINDS, "ServiceAccount", *RBAC_KINDS)
    if not own and not unseen:
        return pending(f"No ServiceAccount is there in namespace {facts.namespace}.", "Deploy the release first.", seen)
    verdict = settled(
        weighed,
        holds=f"None of the {len(own)} ServiceAccounts has a wildcard, a write in the whole cluster, or a dangerous "
        "power that pods could use, and no pod runs as the default one.",
        remedy="Give each workload a ServiceAccount of its own, with the verbs and resources that it needs in its own "
        "namespace, or none.",
        unseen=unseen,
        seen=seen,
    )
    if verdict.state == "pass" and (lax := _lax(facts)):
        remedy = (
            "Set automountServiceAccountToken: false on the ServiceAccount; a pod that needs the token says so itself."
        )
        told = f"Its token is mounted into every pod that does not say otherwise: ServiceAccount {', '.join(lax)}."
        return failed(told, remedy, seen, level="should", weaker=verdict.weaker)
    return verdict


def _users(facts: SecurityFacts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for obj in (*facts.described, *facts.running):
        spec, who = pod_spec(obj) or {}, identity(obj, facts.namespace)
        name = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
        told = found.setdefault(name, [])
        if (text := f"{who.kind} {who.name}") not in told:
            told.append(text)
    return found


def _wide(facts: SecurityFacts) -> Iterator[Finding]:
    powers, users = access_powers.powers(facts.review, facts.namespace), _users(facts)
    for one in facts.accounts:
        subject = Subject("ServiceAccount", one["metadata"]["name"], facts.namespace)
        where = f"ServiceAccount {subject.name}"
        problems = list(dict.fromkeys(access_powers.wide(facts.review, subject, facts.namespace)))
        yield from (Finding(where, problem) for problem in problems)
        held = powers.get(subject, {})
        risky = [power for power in access_powers.DANGEROUS if power in held]
        if risky and not problems and (subject.name in users or subject.name == "default"):
            grant = held[risky[0]][0]
            told = f"pods run as it, and it has the power to {', '.join(risky)} by {grant.binding} of {grant.role}"
            yield Finding(where, told)


def _default(facts: SecurityFacts) -> Iterator[Finding]:
    for where in _users(facts).get("default", ()):
        yield Finding(where, "it runs as the ServiceAccount default, which every pod without one shares")


def _lax(facts: SecurityFacts) -> list[str]:
    """Accounts that pods run as and that do not turn the mounting of their token off."""
    used = _users(facts)
    return [
        one["metadata"]["name"]
        for one in facts.accounts
        if one["metadata"]["name"] in used and one.get("automountServiceAccountToken") is not False
    ]
