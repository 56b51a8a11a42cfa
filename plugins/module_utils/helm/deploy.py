# Deploys a release: renders once, compares, changes only what differs, and waits with its own eyes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest, podspec
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.drift import (
    Difference,
    differences,
    without_status,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import CommandFailed, InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import (
    HelmCli,
    clean_stderr,
    parse_version,
    require_supported,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import (
    PENDING,
    Release,
    history,
    learn_secrets,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Change, Identity, identity
from ansible_collections.bytebot.production.plugins.module_utils.progress import RolloutStory, Tell, nobody
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience, RolloutWatch, watchable

Object = dict[str, Any]
SERVER_SIDE_SINCE = (4, 0, 0)  # from here on helm applies on the server
MANAGER = "helm"  # the field manager under which helm writes


@dataclass(frozen=True, slots=True)
class Wanted:
    """The release that should be there.

    :param chart_digest: SHA-256 over the chart's files, told with the result.
    """

    name: str
    namespace: str
    chart: str
    values: Values
    create_namespace: bool = False
    history_max: int = 10
    description: str = ""
    chart_digest: str = ""


@dataclass
class Phases:
    """Seconds per phase of the work, for the result."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)


class Deployer:
    """Brings one release to what is wanted."""

    def __init__(
        self, cluster: Cluster, helm: HelmCli, redactor: Redactor, patience: Patience, tell: Tell = nobody
    ) -> None:
        self._tell, self._story = tell, RolloutStory()
        self._cluster, self._helm, self._redactor, self._patience = cluster, helm, redactor, patience
        self._phases = Phases()
        self._chart = ""  # its digest

    def present(self, wanted: Wanted, *, check_mode: bool = False, wait: bool = True) -> dict[str, Any]:
        """Install or upgrade where anything differs; return the module's result.

        :param check_mode: ask the API server (admission included) what would happen, and change nothing.
        """
        wanted.values.teach(self._redactor)
        self._chart = wanted.chart_digest
        with self._phases.phase("read"):
            version = parse_version(self._helm.call("version", "--short").stdout)
            require_supported(version)
            known = history(self._cluster, wanted.name, wanted.namespace, os.environ.get("HELM_DRIVER", ""))
            _refuse_pending(known)
        with self._phases.phase("render"):
            rendered = self._render(wanted)
            for release in (rendered, *known[:1]):
                learn_secrets(self._redactor, (*release.objects, *release.hooks))
        with self._phases.phase("compare"):
            owned = [with_ownership(obj, wanted.name, wanted.namespace) for obj in rendered.objects]
            found = differences(self._cluster, owned, wanted.namespace, MANAGER)
            plan = make_plan(known, rendered, found, wanted.namespace)
        self._tell(_what_is_done(wanted.name, known, plan, check_mode=check_mode))
        self._story = RolloutStory(self._tell, wanted.namespace)
        self._story.expect(plan.change.created)
        if check_mode or not plan.changed:
            if plan.refusals:
                raise Refused(
                    f"The API server would refuse the release: {'; '.join(plan.refusals)}",
                    **self._result(plan, rendered),
                )
            if wait and not plan.changed:
                self._wait(rendered, wanted.namespace)
            return self._result(plan, known[0] if not plan.changed else rendered)
        with self._phases.phase("apply"):
            before = self._upgrade(wanted, rendered, plan, version, wait)
        if wait:
            self._wait(rendered, wanted.namespace, before)
        deployed = history(self._cluster, wanted.name, wanted.namespace, os.environ.get("HELM_DRIVER", ""))
        if not deployed:
            raise CommandFailed(f"Release {wanted.name} was deployed, and its record has vanished since.")
        return self._result(plan, deployed[0])

    def absent(self, name: str, namespace: str, *, check_mode: bool = False) -> dict[str, Any]:
        """Uninstall the release where it exists. Claims that the chart did not make (of StatefulSets) stay."""
        known = history(self._cluster, name, namespace, os.environ.get("HELM_DRIVER", ""))
        if not known:
            return {"changed": False, "release": None}
        latest = known[0]
        learn_secrets(self._redactor, (*latest.objects, *latest.hooks))
        gone = Change((), (), tuple(sorted(identity(obj, namespace) for obj in latest.objects)))
        if not check_mode:
            self._tell(f"Release {name}: uninstall of revision {latest.revision}")
            with self._phases.phase("uninstall"):
                self._helm.call("uninstall", name, "--wait", "--timeout", f"{self._patience.timeout_s:g}s")
        plan = Plan(True, gone, ("the release exists",), (), (), manifest.diff(latest.objects, (), gone, namespace))
        return self._result(plan, latest) | {"release": None}

    # ------------------------------------------------------------------ steps

    def _render(self, wanted: Wanted) -> Release:
        """What the chart gives with these values on this cluster; nothing is stored."""
        arguments = [
            "upgrade",
            wanted.name,
            wanted.chart,
            "--install",
            "--dry-run=server",
            *wanted.values.upgrade_arguments(),
        ]
        return Release.from_helm(self._helm.call_json(*arguments, stdin=wanted.values.stdin()))

    def _upgrade(
        self, wanted: Wanted, rendered: Release, plan: Plan, version: tuple[int, int, int], wait: bool
    ) -> RolloutWatch:
        watch = RolloutWatch(
            self._cluster, wanted.namespace, self._patience, replaced=plan.replaced, seen=self._story.seen
        )
        targets = watchable((*rendered.deploy_hooks, *rendered.objects), wanted.namespace)
        failures: list[Any] = []

        def should_stop() -> str:
            certain = watch.look_again(targets)
            if certain and not failures:
                failures.append(watch.failure(certain))
                self._tell(f"Certain to fail: {failures[0].sentence}")  # helm needs a moment to end
            return failures[0].sentence if failures else ""

        arguments = ["upgrade", wanted.name, wanted.chart, "--install", *wanted.values.upgrade_arguments()]
        arguments += ["--history-max", str(wanted.history_max), "--timeout", f"{self._patience.timeout_s:g}s"]
        arguments += ["--create-namespace"] if wanted.create_namespace else []
        arguments += ["--description", wanted.description] if wanted.description else []
        arguments += ["--wait"] if wait else []
        if version >= SERVER_SIDE_SINCE and plan.drifted:
            arguments.append("--force-conflicts")  # helm 4 applies on the server: drift has another field owner
        done = self._helm.attempt(*arguments, stdin=wanted.values.stdin(), should_stop=should_stop if wait else None)
        if failures:
            raise failures[0]
        if done.code != 0:
            raise self._explained(done.stderr, watch, targets)
        return watch

    def _explained(self, stderr: str, watch: RolloutWatch, targets: list[Identity]) -> Exception:
        """Helm's own failure, with what the cluster shows beside it."""
        said = clean_stderr(stderr)
        if certain := watch.look(targets):
            return watch.failure(certain)
        if "timed out" in said or "deadline exceeded" in said:
            return watch.timed_out()
        return CommandFailed(f"helm upgrade failed: {said}.", waiting=watch.waiting)

    def _wait(self, rendered: Release, namespace: str, before: RolloutWatch | None = None) -> None:
        with self._phases.phase("wait"):
            watch = RolloutWatch(self._cluster, namespace, self._patience, seen=self._story.seen)
            watch.old_events = before.old_events if before else frozenset()
            watch.wait(watchable(rendered.objects, namespace))
        self._story.settle()

    def _result(self, plan: Plan, release: Release) -> dict[str, Any]:
        return {
            "changed": plan.changed,
            "reasons": list(plan.reasons),
            "changes": plan.change.to_dict(),
            "not_asked": list(plan.not_asked),
            "diff": plan.diff,
            "release": {
                "name": release.name,
                "namespace": release.namespace,
                "revision": release.revision,
                "status": release.status,
                "updated": release.updated,
                "chart": release.chart_name,
                "chart_version": release.chart_version,
                "app_version": release.app_version,
                "images": podspec.images(release.objects),
                "notes": release.notes,
            },
            "digests": {
                "manifest": manifest.digest(release.objects),
                "values": release.values_digest,
                **({"chart": self._chart} if self._chart else {}),
            },
            "seconds": self._phases.seconds,
            "helm_processes": self._helm.processes,
            "api_requests": self._cluster.requests,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done, and why."""

    changed: bool
    change: Change
    reasons: tuple[str, ...]
    not_asked: tuple[str, ...]
    refusals: tuple[str, ...]
    diff: Mapping[str, str]
    drifted: bool = False
    replaced: tuple[Identity, ...] = ()


def _what_is_done(name: str, known: list[Release], plan: Plan, *, check_mode: bool) -> str:
    """What a run does (or would do) with a release, and why, in one line."""
    if not plan.changed:
        return f"Release {name}: unchanged at revision {known[0].revision}"
    install, upgrade = ("would be installed", "would be upgraded") if check_mode else ("install", "upgrade")
    what = f"{upgrade} from revision {known[0].revision}" if known else install
    return f"Release {name}: {what} ({'; '.join(plan.reasons)})"


def make_plan(known: list[Release], rendered: Release, found: list[Difference], namespace: str) -> Plan:
    """Decide from the stored releases, what is rendered now, and what the API server said about it."""
    latest = known[0] if known else None
    deployed = latest.objects if latest else ()
    change = manifest.compare(deployed, rendered.objects, namespace)
    drifted = tuple(sorted(item.identity for item in found if item.drifted)) if latest else ()
    reasons = tuple(_reasons(latest, rendered, change, drifted))
    before = (*deployed, *(obj for item in found if item.identity in drifted and (obj := item.live)))
    shown = Change(change.created, tuple(sorted({*change.changed, *drifted} - set(change.created))), change.deleted)
    return Plan(
        changed=bool(reasons),
        change=shown,
        reasons=reasons,
        not_asked=tuple(str(item.identity) for item in found if item.planned is None and not item.refusal),
        refusals=tuple(f"{item.identity}: {item.refusal}" for item in found if item.refusal),
        diff=_diff(before, rendered, found, shown, namespace),
        drifted=bool(drifted),
        replaced=_replaced(deployed, rendered.objects, shown, namespace),
    )


def _replaced(
    deployed: Iterable[Object], rendered: Iterable[Object], shown: Change, namespace: str
) -> tuple[Identity, ...]:
    """The workloads that get new pods, since their template differs."""
    before = {identity(obj, namespace): podspec.pod_template(obj) for obj in deployed}
    after = {identity(obj, namespace): podspec.pod_template(obj) for obj in rendered}
    return tuple(item for item in shown.changed if after.get(item) != before.get(item))


def _reasons(latest: Release | None, rendered: Release, change: Change, drifted: tuple[Identity, ...]) -> Iterator[str]:
    if latest is None:
        yield "the release is not there"
        return
    if latest.status != "deployed":
        yield f"revision {latest.revision} is {latest.status}"
    if (latest.chart_name, latest.chart_version) != (rendered.chart_name, rendered.chart_version):
        yield f"chart {latest.chart_name} {latest.chart_version} becomes {rendered.chart_name} {rendered.chart_version}"
    if latest.values != rendered.values:
        yield "values differ"
    if change:
        yield "manifests differ"
    if list(latest.hooks) != list(rendered.hooks):
        yield "hooks differ"
    if drifted:
        yield f"the cluster has drifted: {', '.join(str(item) for item in drifted)}"


def _diff(
    before: tuple[Any, ...], rendered: Release, found: list[Difference], shown: Change, namespace: str
) -> dict[str, str]:
    """The diff that Ansible shows: manifest against manifest, and for drift the live object against the planned one."""
    drifted = {item.identity: item for item in found if item.drifted and item.live and item.identity in shown.changed}
    old = [obj for obj in before if identity(obj, namespace) not in drifted]
    new = [obj for obj in rendered.objects if identity(obj, namespace) not in drifted]
    old += [without_status(item.live) for item in drifted.values() if item.live]
    new += [without_status(item.planned) for item in drifted.values() if item.planned]
    return manifest.diff(old, new, shown, namespace)


def with_ownership(obj: Object, release: str, namespace: str) -> Object:
    """A rendered object with the label and annotations by which helm marks what it owns, as helm sends it."""
    metadata = obj.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    marks = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    annotations = {**(metadata.get("annotations") or {}), **marks}
    return {**obj, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def _refuse_pending(known: list[Release]) -> None:
    if known and known[0].status in PENDING:
        latest = known[0]
        verb = "rollback" if len(known) > 1 else "uninstall"  # nothing to go back to
        raise InputError(
            f"Release {latest.name} is {latest.status} since {latest.updated}: "
            "another helm works on it, or was killed. "
            f"If none works on it, end it with: helm {verb} {latest.name} --namespace {latest.namespace}."
        )
