# Faults in who may do what in the release's namespace: bindings more than the list of the authorised has.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping

from sandbox.faults.fault import NAMESPACE, Act, Fault, Hands
from sandbox.faults.security import PRODUCTION, PROTECTION, RBAC, granted, no_other, not_granted, other

ACCOUNTS, ROLES = "team.access.service_accounts", "security_configuration.auth.rbac"
BOUND = f"{RBAC}/rolebindings/sandbox-bound"
STRANGER = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "stranger"}
# On the inventory's list, with the power to read.
VIEWERS = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "bytebot-viewers"}
APPLICATION = {"kind": "ServiceAccount", "name": "bytebot-service-account", "namespace": NAMESPACE}
ALL = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


def _bound(subject: Mapping[str, str], role: str) -> Act:
    """A ClusterRole of Kubernetes' own for a subject, in the namespace."""

    def act(hands: Hands) -> None:
        head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        meta = {"name": BOUND.rpartition("/")[2]}
        hands.apply(BOUND, {**head, "metadata": meta, "roleRef": reference, "subjects": [dict(subject)]})

    return act


def _unbound(hands: Hands) -> None:
    hands.delete(BOUND)


# The gate of stage deploy does not look at these controls, so it stays open.
FAULTS = (
    Fault(
        name="surplus_subject", says="somebody who is not on the list may read the namespace", layer="cluster",
        turns_red=(PRODUCTION,), shuts=False, put=_bound(STRANGER, "view"), heal=_unbound,
    ),
    Fault(
        name="group_widened", says="a group that may read by the list may write too", layer="cluster",
        turns_red=(PRODUCTION,), shuts=False, put=_bound(VIEWERS, "edit"), heal=_unbound,
    ),
    Fault(
        name="service_account_wildcard", says="the application's account may do everything in the namespace",
        layer="cluster", turns_red=(PROTECTION, PRODUCTION, ACCOUNTS, ROLES), shuts=False,
        put=granted(APPLICATION, ALL), heal=not_granted,
    ),
    Fault(
        name="default_account_used", says="a workload runs as the account that every pod without one shares",
        layer="cluster", turns_red=(ACCOUNTS,), shuts=False, put=other(pod={"serviceAccountName": "default"}),
        heal=no_other,
    ),
)  # fmt: skip
