# Observes a namespace's network: its policies, and what short-lived pods with and without the release's labels reach.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import (
    CACHE,
    DATABASE,
    DNS,
    METADATA,
    OTHER,
    OUTSIDE,
    OUTSIDER,
    SAME,
    WHOLE,
    NetworkFacts,
    Object,
    Path,
    Tried,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_policies import (
    EGRESS,
    isolating,
    labels_of,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import target_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done, run_inside
from ansible_collections.bytebot.production.plugins.module_utils.clients.reachability import command, outcomes
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    NotThere,
    Refused,
)
from ansible_collections.bytebot.production.plugins.module_utils.network_classes import Kind, Unsafe, kinds_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import (
    CONTAINER,
    SCRATCH,
    PodFailed,
    Probe,
    scratch_pods,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of

API = "networking.k8s.io/v1"
PURPOSE = "network"
METADATA_ADDRESS = "169.254.169.254"
RESOLVED = "kubernetes.default.svc"  # a name that every cluster has, completed by the pod's own resolver
WITNESS = {f"{SCRATCH}-witness": "true"}  # what the policy selects that lets the witness out
PAUSE_S = 1.0
Run = Callable[[str, Sequence[str]], Done]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.

    :param release: whose pods must reach what must be open; empty where each pod of the namespace must.
    :param paths: the targets that were named; a zone without any gets its default.
    :param probe: how pods are made; None where none may be, for the reason in ``no_probe``.
    :param database: where the credentials stand that name the database's host; ``cache`` likewise.
    :param connect_s: for one connection; :param settle_s: in which pods and rules come to what they stay.
    """

    namespace: str
    database: Keys
    cache: Keys
    release: str = ""
    paths: tuple[Path, ...] = ()
    probe: Probe | None = None
    no_probe: str = ""
    remedy: str = ""
    isolation: str = WHOLE
    connect_s: float = 3.0
    settle_s: float = 10.0
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One target that one pod tries, and the other pod that tries it as a witness."""

    path: Path
    by: int
    wanted: bool
    witness: int


def observe(cluster: Cluster, scope: Scope, redactor: Redactor, run: Run | None = None) -> NetworkFacts:
    """Read what policies and pods there are, then try the targets.

    :param run: runs a program in a pod that this module made; tests give their own.
    """
    facts = NetworkFacts(scope.namespace, isolation=scope.isolation)
    try:
        policies = cluster.list(API, "NetworkPolicy", scope.namespace)
        pods = [one for one in cluster.list("v1", "Pod", scope.namespace) if _counts(one)]
        services = cluster.list("v1", "Service", scope.namespace)
    except NotPermitted as exc:
        return replace(facts, denied=exc.sentence)
    policies = [one for one in policies if SCRATCH not in labels_of(one)]
    facts = replace(facts, policies=tuple(policies), pods=tuple(pods))
    paths, unknown = _paths(cluster, scope, redactor)
    facts = replace(facts, unknown=unknown)
    if scope.probe is None or not pods:
        return replace(facts, no_probe=scope.no_probe, remedy=scope.remedy)
    try:
        kinds = kinds_of(pods, policies, services, scope.release)
        return replace(facts, tried=_tried(cluster, scope, facts, Plan(kinds, paths), run))
    except (PodFailed, Unsafe) as exc:
        return replace(facts, no_probe=exc.sentence, remedy=exc.remedy)
    except CollectionError as exc:
        return replace(facts, no_probe=exc.sentence, remedy="Mend that, then judge again.")


def _counts(pod: Object) -> bool:
    """Whether a pod runs or will, and is not one of our own."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and SCRATCH not in labels_of(pod)


# ---------------------------------------------------------------------- targets


def _paths(cluster: Cluster, scope: Scope, redactor: Redactor) -> tuple[tuple[Path, ...], dict[str, str]]:
    """All targets but those in the same namespace, and by zone why there is none."""
    found, unknown = list(scope.paths), {}
    zones = {one.zone for one in scope.paths}
    for zone, path in (
        (DNS, Path("names", DNS, RESOLVED, 0, allowed=True)),
        (METADATA, Path("the cloud's metadata", METADATA, METADATA_ADDRESS, 80, allowed=False)),
    ):
        if zone not in zones:
            found.append(path)
    for zone, keys, service in ((DATABASE, scope.database, "postgresql"), (CACHE, scope.cache, "redis")):
        if zone not in zones:
            server, why = _of_secret(cluster, scope.namespace, keys, redactor, zone=zone, service=service)
            if server:
                found.append(server)
            else:
                unknown[zone] = why
    for zone in (OTHER, OUTSIDE):
        if not any(one.zone == zone and not one.allowed for one in scope.paths):
            unknown[zone] = "no target that must be shut is named"
    return tuple(found), unknown


def _of_secret(
    cluster: Cluster, namespace: str, keys: Keys, redactor: Redactor, *, zone: str, service: str
) -> tuple[Path | None, str]:
    """The server that a Secret names."""
    try:
        secret = cluster.get("v1", "Secret", keys.secret, namespace)
    except NotPermitted as exc:
        return None, exc.sentence.rstrip(".")
    if secret is None:
        return None, f"Secret {keys.secret} is not there"
    data = data_of(secret)
    for part in (keys.password, keys.dsn):
        redactor.learn(data.get(part))
    target = target_of(data, keys, service, any_mode=True)
    if target.problems or not target.host:
        return None, f"Secret {keys.secret}: {'; '.join(target.problems) or 'no host'}"
    return Path(f"the {zone}", zone, target.host, target.port, allowed=True), ""


# ---------------------------------------------------------------------- trying


@dataclass(frozen=True, slots=True)
class Plan:
    """Who tries what. The pod without the release's labels is the last one."""

    kinds: tuple[Kind, ...]
    paths: tuple[Path, ...]

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.kinds] + [OUTSIDER]

    def attempts(self) -> list[Attempt]:
        """Each kind tries each target, and the outsider witnesses it; at the release's own ports it is the reverse.

        What must be open, and those ports, are tried by the release's kinds alone: others in its namespace have needs
        of their own.
        """
        outsider = len(self.kinds)
        ours = [number for number, one in enumerate(self.kinds) if one.ours]
        found = [
            Attempt(path, number, path.allowed, outsider)
            for number in range(len(self.kinds))
            for path in self.paths
            if number in ours or not path.allowed
        ]
        for path in self._own():
            found += [Attempt(path, number, True, outsider) for number in ours]
            found.append(Attempt(path, outsider, False, ours[0]))
        return found

    def _own(self) -> list[Path]:
        return [
            Path(f"pod {one.pod}", SAME, one.address, one.port, allowed=True)
            for one in self.kinds
            if one.ours and one.address and one.port
        ]


def _tried(cluster: Cluster, scope: Scope, facts: NetworkFacts, plan: Plan, run: Run | None) -> tuple[Tried, ...]:
    if scope.probe is None:
        return ()
    shape = replace(scope.probe, purpose=PURPOSE)
    outsider = replace(shape, labels=WITNESS)
    probes = [*(replace(shape, labels=one.labels, served=False) for one in plan.kinds), outsider]

    def clear() -> None:
        _remove_policies(cluster, shape)

    with scratch_pods(cluster, probes, clear) as names:
        if isolating(facts.policies, outsider.all_labels, EGRESS):
            _open_for_the_outsider(cluster, shape)
        return _Rounds(cluster, scope, plan, names, run).settled()


class _Rounds:
    """Tries all targets at once, and those again that are not as wanted: rules follow new pods a moment later."""

    def __init__(self, cluster: Cluster, scope: Scope, plan: Plan, names: Sequence[str], run: Run | None) -> None:
        self._scope, self._plan, self._names = scope, plan, names
        self._run = run or (lambda pod, words: run_inside(cluster, scope.namespace, pod, CONTAINER, words))
        self._came: dict[tuple[int, Path], str] = {}

    def settled(self) -> tuple[Tried, ...]:
        attempts = self._plan.attempts()
        until = time.monotonic() + self._scope.settle_s
        left = attempts
        while True:
            self._once(left)
            left = [one for one in attempts if not self._as_tried(one).settled]
            if not left or time.monotonic() >= until:
                return tuple(self._as_tried(one) for one in attempts)
            self._scope.pause(PAUSE_S)

    def _once(self, attempts: Iterable[Attempt]) -> None:
        """Every pod tries all of its targets in one run, and all pods do so at once."""
        wanted: dict[int, list[Path]] = {}
        for one in attempts:
            for who in (one.by, one.witness):
                paths = wanted.setdefault(who, [])
                if one.path not in paths:
                    paths.append(one.path)
        with ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
            for who, said in zip(wanted, pool.map(self._ask, wanted, wanted.values()), strict=True):
                self._came.update({(who, path): outcome for path, outcome in zip(wanted[who], said, strict=True)})

    def _ask(self, who: int, paths: Sequence[Path]) -> list[str]:
        try:
            done = self._run(self._names[who], command(paths, self._scope.connect_s))
        except NotPermitted:
            raise
        except CollectionError as exc:
            done = Done("", exc.sentence.rstrip("."))
        return outcomes(done, paths)

    def _as_tried(self, one: Attempt) -> Tried:
        names = self._plan.names
        return Tried(
            one.path,
            names[one.by],
            one.wanted,
            self._came.get((one.by, one.path), ""),
            names[one.witness],
            self._came.get((one.witness, one.path), ""),
        )


def _open_for_the_outsider(cluster: Cluster, probe: Probe) -> None:
    """Where the whole namespace is isolated, the witness needs a policy of its own, which no other pod is selected by.

    :raises PodFailed: it may not be made.
    """
    labels = {SCRATCH: probe.purpose}
    body = {
        "apiVersion": API,
        "kind": "NetworkPolicy",
        "metadata": {"name": f"bytebot-scratch-{secrets.token_hex(8)}", "namespace": probe.namespace, "labels": labels},
        "spec": {"podSelector": {"matchLabels": {**labels, **WITNESS}}, "policyTypes": [EGRESS], "egress": [{}]},
    }
    try:
        cluster.create(body)
    except (NotPermitted, Refused, NotThere) as exc:
        raise PodFailed(
            exc.sentence.rstrip("."),
            "Let this account make NetworkPolicies in the namespace: one lets the witness of this check go out.",
        ) from exc


def _remove_policies(cluster: Cluster, probe: Probe) -> None:
    """Policies of this run, and of one that was killed; they select nothing but our own pods."""
    with contextlib.suppress(NotThere):
        for one in cluster.list(API, "NetworkPolicy", probe.namespace, labels=probe.selector):
            cluster.delete(API, "NetworkPolicy", name_of(one), probe.namespace)
