# Judges a cluster and a namespace before anything is deployed: version, access, Helm, resources, storage.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_storage as storage
from ansible_collections.bytebot.production.plugins.module_utils.checks import preparation
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import (
    DOCUMENT_VERSION,
    GRANT,
    ClusterFacts,
    Rendered,
    not_listed,
    some,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_room import Counted
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_room import resources as room
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_version import (
    conditions_of,
    going,
    kubelet_of,
    minor_of,
    node_problems,
    server_minor,
    words,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import OLDEST
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    inconclusive,
    passed,
    pending,
)

NEWEST_HELM = 4  # the newest major version that the collection is tested with
_INSTALL_HELM = "Install Helm 3.14 or newer, or 4, and set binary_path (in the inventory: bytebot_helm) to it."
_GIVE_IMAGE = (
    "Set probe_image (in the inventory: bytebot_probe_image) to an image that has sh, and run without --check."
)

CHECKS: Checks[ClusterFacts] = Checks()


# ---------------------------------------------------------------------------- version


@CHECKS.settles("infrastructure.cluster.version")
def version(facts: ClusterFacts) -> Verdict:
    """The API server is new enough and ready; every node is Ready, without pressure, with a kubelet within the skew."""
    told = facts.server_version.get("gitVersion") or facts.server_version
    found, wanted = server_minor(facts.server_version), minor_of(facts.minimum_version)
    seen = Evidence(
        "GET /version; GET /readyz?verbose; LIST nodes",
        {
            "version": told,
            "minimum": facts.minimum_version,
            "readyz": facts.readyz.splitlines(),
            "nodes": {
                node["metadata"]["name"]: {"kubelet": kubelet_of(node), **conditions_of(node)} for node in facts.nodes
            },
        },
        facts.observed_at,
    )
    weaker = _weaker_version(facts)
    if found is None or wanted is None:
        return errored(f"The API server tells no version that can be read ({told}).", "Look at GET /version.", seen)
    if found < wanted:
        return failed(
            f"Kubernetes is {told}, {facts.minimum_version} or newer is wanted.",
            "Upgrade the control plane, one minor version at a time, then the nodes.",
            seen,
            weaker=weaker,
        )
    if not facts.ready:
        return failed(
            f"The API server is not ready: {_first_bad(facts.readyz)}.",
            "Mend what kubectl get --raw '/readyz?verbose' names as failed.",
            seen,
            weaker=weaker,
        )
    if unknown := not_listed(facts, seen, "readyz", "Node"):
        return unknown
    staying = [node for node in facts.nodes if not going(node)]
    without = "the cluster has no node that stays" if facts.nodes else "the cluster has no node"
    problems = list(node_problems(staying, found)) if staying else [without]
    if problems:
        return failed(
            f"Kubernetes {told}: {some(problems)}.",
            "Look at kubectl describe node; upgrade kubelets to the API server's version, or take the node out.",
            seen,
            weaker=weaker,
        )
    less = f" ({len(facts.nodes) - len(staying)} more are being removed)" if len(staying) < len(facts.nodes) else ""
    return passed(
        f"Kubernetes {told} is ready; all {len(staying)} nodes are Ready, without pressure, within the skew{less}.",
        seen,
        weaker=weaker,
    )


def _weaker_version(facts: ClusterFacts) -> tuple[str, ...]:
    wanted = minor_of(facts.minimum_version)
    weak = wanted is not None and wanted < DOCUMENT_VERSION
    return (f"Kubernetes {facts.minimum_version} wanted, document {words(DOCUMENT_VERSION)}",) if weak else ()


def _first_bad(readyz: str) -> str:
    bad = [line for line in readyz.splitlines() if line.startswith("[-]")]
    return "; ".join(line[3:] for line in bad) or (readyz.strip().splitlines() or ["it gives no reason"])[0].rstrip(".")


# ---------------------------------------------------------------------------- access


@CHECKS.settles("infrastructure.cluster.access")
def access(facts: ClusterFacts) -> Verdict:
    """This account may do all that the playbooks do, and not everything."""
    seen = Evidence(
        f"SelfSubjectAccessReview of each verb that is needed (namespace {facts.namespace})",
        {
            "asked": facts.asked,
            "missing": [str(one) for one in facts.missing],
            "everything_everywhere": facts.wildcard,
        },
        facts.observed_at,
    )
    if "SelfSubjectAccessReview" in facts.denied:
        return pending(f"Access is not known: {facts.denied['SelfSubjectAccessReview']}", GRANT, seen)
    if not facts.asked:
        return errored("No permission was asked about.", "Report this with the module's inputs.", seen)
    if facts.missing:
        return failed(
            f"{len(facts.missing)} of {facts.asked} permissions are missing: "
            f"{', '.join(str(one) for one in facts.missing)}.",
            "Grant these verbs to the deployer's account: by a Role in the namespace, and by a ClusterRole where it "
            "says in the cluster.",
            seen,
        )
    if facts.wildcard:
        return failed(
            f"All {facts.asked} permissions are there, but this account may do everything everywhere (cluster-admin).",
            "Deploy with an account of its own that has the verbs of the playbooks only.",
            seen,
            level="should",
        )
    return passed(f"All {facts.asked} permissions are there, and this account is no cluster-admin.", seen)


# ---------------------------------------------------------------------------- helm


@CHECKS.settles("infrastructure.cluster.helm")
def helm(facts: ClusterFacts) -> Verdict:
    """A supported helm is there, and its record in the namespace can be read."""
    found = facts.helm
    told = ".".join(str(part) for part in found.version or ())
    seen = Evidence(
        f"helm version; LIST of helm's {found.driver}s in namespace {facts.namespace}",
        {
            "binary": found.binary,
            "version": told,
            "driver": found.driver,
            "revisions": list(found.revisions),
            "problem": found.problem or found.store_problem,
        },
        facts.observed_at,
    )
    if found.problem or found.version is None:
        return failed(found.problem or "helm tells no version.", found.remedy or _INSTALL_HELM, seen)
    if found.version[:2] < OLDEST:
        return failed(f"helm {told} is too old; 3.14 or newer is needed.", _INSTALL_HELM, seen)
    if found.version[0] > NEWEST_HELM:
        return failed(f"helm {told} is newer than what is supported (3.14 to 4).", _INSTALL_HELM, seen)
    if found.store_problem:
        return failed(
            f"helm {told} is there, but its record cannot be read: {found.store_problem}", found.store_remedy, seen
        )
    count = len(found.revisions)
    kept = f"{count} revision{'s' if count != 1 else ''} of the release {'are' if count != 1 else 'is'} kept"
    return passed(f"helm {told} is there, and {kept} in {found.driver}s of namespace {facts.namespace}.", seen)


# ---------------------------------------------------------------------------- resources


@CHECKS.settles("infrastructure.cluster.resources")
def resources(facts: ClusterFacts) -> Verdict:
    """Nodes offer the minimum, and the release has room beside all others."""
    return room(facts)


# ---------------------------------------------------------------------------- storage


@CHECKS.settles("infrastructure.cluster.storage")
def storage_classes(facts: ClusterFacts) -> Verdict:
    """The classes that the release needs are there, and a scratch claim of each is bound, written, read and removed."""
    release = facts.rendered or Rendered()
    needed = storage.needed(facts.classes, storage.claims_of((*release.objects, *release.hooks)))
    names = [item["metadata"]["name"] for item in needed.classes]
    seen = Evidence(
        "LIST storageclasses; the claims of the rendered release; a scratch claim of each class needed",
        {
            "classes": {
                item["metadata"]["name"]: {
                    "provisioner": item.get("provisioner"),
                    "default": storage.is_default(item),
                    "expandable": bool(item.get("allowVolumeExpansion")),
                }
                for item in facts.classes
            },
            "needed": names,
            "tried": [
                {
                    "class": one.storage_class,
                    "state": one.state,
                    "steps": list(one.steps),
                    "cause": one.cause,
                    "left": list(one.left),
                    "seconds": round(one.seconds, 1),
                }
                for one in facts.tried
            ],
        },
        facts.observed_at,
    )
    if unknown := not_listed(facts, seen, "StorageClass"):
        return unknown
    if needed.problem:
        return failed(f"{needed.problem}.", needed.remedy, seen)
    if release.problem:
        return inconclusive(
            f"The claims of the release are not known: {release.problem}.",
            "Mend the rendering first; see infrastructure.cluster.helm and deployment.validation.lint.",
            seen,
        )
    if not names:
        return passed("The release claims only volumes that are made by hand; no storage class is needed.", seen)
    return _tried(facts, names, seen)


def _tried(facts: ClusterFacts, names: list[str], seen: Evidence) -> Verdict:
    """What scratch claims showed, or why none was made."""
    there = f"{_classes(names)} {_are(names)} there"
    if facts.nodes and not Counted(facts).nodes:
        return inconclusive(
            f"{there}, but no node takes pods, so none could be tried.",
            "Mend the nodes first; see infrastructure.cluster.resources.",
            seen,
        )
    if facts.no_probe:
        return pending(f"{there}; {facts.no_probe}", _GIVE_IMAGE, seen)
    return _of_trials(facts.tried, names, seen)


def _of_trials(tried: tuple[storage.Tried, ...], names: list[str], seen: Evidence) -> Verdict:
    by_state = {state: [one for one in tried if one.state == state] for state in ("broken", "unable")}
    if broken := by_state["broken"]:
        return failed(f"Storage class {broken[0].storage_class}: {broken[0].cause}.", broken[0].remedy, seen)
    if unable := by_state["unable"]:
        return errored(f"The probe could not work: {unable[0].cause}.", unable[0].remedy, seen)
    if left := [name for one in tried for name in one.left]:
        return failed(
            f"The scratch objects could not be removed: {', '.join(left)}.",
            "Look at their finalizers and events, then remove them with kubectl delete.",
            seen,
        )
    unproven = [one for one in tried if one.state != "works"]
    if unproven or {one.storage_class for one in tried} != set(names):
        cause = f"storage class {unproven[0].storage_class}: {unproven[0].cause}" if unproven else "not all were tried"
        return inconclusive(f"Not proven, {cause}.", unproven[0].remedy if unproven else "Judge again.", seen)
    steps = ", ".join(tried[0].steps) if len(tried) == 1 else "bound, written, read and removed"
    return passed(f"{_classes(names)} {_are(names)} there, and a scratch claim was {steps}.", seen)


def _classes(names: list[str]) -> str:
    return f"Storage class{'es' if len(names) > 1 else ''} {', '.join(names)}"


def _are(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"


# ---------------------------------------------------------------------------- the deployment's own preparation


CHECKS.settles("deployment.preparation.namespace")(preparation.namespace)
CHECKS.settles("deployment.preparation.resources")(preparation.resources)
CHECKS.settles("deployment.preparation.storage")(preparation.storage_classes)
