# Deploys a release: renders once, compares, changes only what differs, and waits with its own eyes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest, podspec
from ansible_collections.bytebot.production.plugins.module_utils.drift import Difference, differences
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    CommandFailed,
    InputError,
    Refused,
    RolloutFailed,
    TimedOut,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import UNVALIDATED
from ansible_collections.bytebot.production.plugins.module_utils.helm.left import left_behind, remove
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import (
    MANAGER,
    Plan,
    make_plan,
    with_ownership,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback import Return, Rollbacker
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import (
    SERVER_SIDE_SINCE,
    ReleaseWork,
    release_facts,
)
from ansible_collections.bytebot.production.plugins.module_utils.progress import RolloutStory
from ansible_collections.bytebot.production.plugins.module_utils.rollout import RolloutWatch, watchable

Object = dict[str, Any]


TAKES_OWNERSHIP_SINCE = (3, 17, 0)


class Deployer:
    """Brings one release to what is wanted."""

    def __init__(self, work: ReleaseWork) -> None:
        self._work = work
        self._chart: Mapping[str, str] = {}  # its digests
        self._begun: Callable[[], Any] = dict

    def present(
        self,
        wanted: Wanted,
        *,
        check_mode: bool = False,
        wait: bool = True,
        begun: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """Install or upgrade where anything differs; return the module's result.

        :param begun: the rendering, where it was begun before; it changes nothing, so it need not wait for the Lease.
        :param check_mode: ask the API server (admission included) what would happen, and change nothing.
        """
        wanted.values.teach(self._work.redactor)
        self._chart = wanted.digests
        self._begun = begun or wanted.begin_to_render(self._work.helm)
        with self._work.alone(wanted.name, wanted.namespace, "helm_release", check_mode=check_mode):
            return self._present(wanted, check_mode, wait)

    def _present(self, wanted: Wanted, check_mode: bool, wait: bool) -> dict[str, Any]:
        work = self._work
        with work.phases.phase("read"):
            if wanted.take_ownership:
                _check_version(work.version())
            known = work.recovered_history(wanted.name, wanted.namespace, check_mode=check_mode)
        with work.phases.phase("render"):
            rendered = self._render(wanted, known)
            if not check_mode and not known and not rendered.apply_method:
                work.ask_version()  # an install needs it; it is said while the API server is asked
            for release in (rendered, *known[:1]):
                learn_secrets(work.redactor, (*release.objects, *release.hooks))
        with work.phases.phase("compare"):
            owned = [with_ownership(obj, wanted.name, wanted.namespace) for obj in rendered.objects]
            found = differences(work.cluster, owned, wanted.namespace, MANAGER)
            standing = self._standing(known, rendered)
            plan = make_plan(known, rendered, found, wanted.namespace, labels=wanted.labels, standing=standing)
            left = left_behind(work.cluster, known, rendered.objects, wanted.namespace)
            plan = plan.deleting(left.removable, left.claims)
            remarks = {"remarks": [*_remarks(known, rendered, wanted), *left.remarks]}
        work.tell(_what_is_done(wanted.name, known, plan, check_mode=check_mode))
        work.story = RolloutStory(work.tell, wanted.namespace)
        work.story.expect(plan.change.created)
        if check_mode or not plan.changed:
            if plan.refusals:
                raise Refused(
                    f"The API server would refuse the release: {'; '.join(plan.refusals)}",
                    **self._result(plan, rendered),
                    **remarks,
                )
            if wait and not plan.changed:
                work.wait(rendered.objects, wanted.namespace)
            return self._result(plan, known[0] if not plan.changed else rendered) | remarks
        try:
            with work.phases.phase("apply"):
                before = self._upgrade(wanted, known, rendered, plan, wait=wait)
            if wait:
                work.wait(rendered.objects, wanted.namespace, before)
        except (RolloutFailed, TimedOut, CommandFailed) as exc:
            exc.details |= remarks
            if wanted.rollback_on_failure and not work.robbed():
                self._go_back(wanted, exc)
            raise
        remove(work.cluster, left)
        deployed = work.history(wanted.name, wanted.namespace)
        if not deployed:
            raise CommandFailed(f"Release {wanted.name} was deployed, and its record has vanished since.")
        return self._result(plan, deployed[0]) | remarks

    def _go_back(self, wanted: Wanted, failure: CollectionError) -> None:
        """Take the release back to its last good revision, and tell of it with the failure."""
        back = Return(wanted.name, wanted.namespace, reason="the upgrade failed", history_max=wanted.history_max)
        try:
            done = Rollbacker(self._work).back_alone(back)
        except CollectionError as exc:
            failure.details["rolled_back"] = {"done": False, "to": None, "why": exc.sentence}
            failure.sentence += f" It was not rolled back: {exc.sentence}"
            return
        failure.details["rolled_back"] = {"done": True, "to": done["to"]["revision"], "why": done["why"]}
        failure.details["release"] = done["release"]
        failure.sentence += f" The release was rolled back to revision {done['to']['revision']}, and that one runs."

    # ------------------------------------------------------------------ steps

    def _standing(self, known: list[Release], rendered: Release) -> list[Difference]:
        """What the API server says about the objects that are to change, as they were deployed last."""
        if not known:
            return []
        last = known[0]
        changing = set(manifest.compare(last.objects, rendered.objects, last.namespace).changed)
        owned = [
            with_ownership(obj, last.name, last.namespace)
            for obj in last.objects
            if manifest.identity(obj, last.namespace) in changing
        ]
        return differences(self._work.cluster, owned, last.namespace, MANAGER)

    def _render(self, wanted: Wanted, known: list[Release]) -> Release:
        """What the chart gives with these values on this cluster; nothing is stored."""
        pending = bool(known) and known[0].pending  # in check mode only; helm renders no upgrade of it
        if pending or self._work.recovered:
            with suppress(CommandFailed):  # it was asked too early
                self._begun()
            self._begun = wanted.begin_to_render(self._work.helm, "install" if pending else "upgrade")
        try:
            return Release.from_helm(self._begun())
        except CommandFailed:
            self._work.version()  # one that is too old has another reason
            raise

    def _upgrade(
        self,
        wanted: Wanted,
        known: list[Release],
        rendered: Release,
        plan: Plan,
        *,
        wait: bool,
    ) -> RolloutWatch:
        work = self._work
        arguments = ["upgrade", wanted.name, wanted.chart, "--install", *wanted.values.upgrade_arguments()]
        arguments += ["--history-max", str(wanted.history_max), "--timeout", f"{work.patience.timeout_s:g}s"]
        arguments += ["--create-namespace"] if wanted.create_namespace else []
        arguments += ["--description", wanted.description] if wanted.description else []
        arguments += (
            ["--labels", ",".join(f"{key}={value}" for key, value in wanted.labels.items())] if wanted.labels else []
        )
        arguments += wanted.common_arguments()
        # hooks, and what nobody could ask about, are helm's to validate
        arguments += [] if rendered.hooks or plan.not_asked else [UNVALIDATED]
        arguments += ["--wait"] if wait else []
        arguments += ["--force-conflicts"] if self._applies_on_server(known, rendered) else []
        hooks = watchable(rendered.deploy_hooks, wanted.namespace)
        try:
            return work.run(
                *arguments,
                stdin=wanted.values.stdin(),
                namespace=wanted.namespace,
                objects=(*rendered.deploy_hooks, *rendered.objects),
                replaced=[*plan.replaced, *hooks],
                watching=wait,
            )
        except CollectionError as exc:
            with work.noting(exc):
                work.close_pending(wanted.name, wanted.namespace)
            raise

    def _applies_on_server(self, known: list[Release], rendered: Release) -> bool:
        """Whether helm will: Helm 4 does, unless Helm 3 has made the revision before.

        There it ends where somebody else has set a field, even to the same value. What the chart says holds, as with
        Helm 3.
        """
        on_server = known[0].apply_method == "ssa" if known else True
        return on_server and (rendered.apply_method == "ssa" or self._work.version() >= SERVER_SIDE_SINCE)

    def _result(self, plan: Plan, release: Release) -> dict[str, Any]:
        return {
            "changed": plan.changed,
            "reasons": list(plan.reasons),
            "changes": plan.change.to_dict(),
            "not_asked": list(plan.not_asked),
            "diff": plan.diff,
            "release": release_facts(release, podspec.images(release.objects)),
            "digests": {
                "manifest": manifest.digest(release.objects),
                "values": release.values_digest,
                **self._chart,
            },
            **self._work.facts(),
        }


def _what_is_done(name: str, known: list[Release], plan: Plan, *, check_mode: bool) -> str:
    """What a run does (or would do) with a release, and why, in one line."""
    if not plan.changed:
        return f"Release {name}: unchanged at revision {known[0].revision}"
    install, upgrade = ("would be installed", "would be upgraded") if check_mode else ("install", "upgrade")
    what = f"{upgrade} from revision {known[0].revision}" if known else install
    return f"Release {name}: {what} ({'; '.join(plan.reasons)})"


def _check_version(version: tuple[int, int, int]) -> None:
    if version < TAKES_OWNERSHIP_SINCE:
        raise InputError("take_ownership needs Helm 3.17 or newer, or 4.")


def _remarks(known: list[Release], rendered: Release, wanted: Wanted) -> Iterator[str]:
    """What helm leaves to others."""
    if not rendered.crds:
        return
    names = ", ".join(name for name, _digest in rendered.crds)
    if wanted.skip_crds:
        yield f"The chart's CRDs ({names}) are skipped (crd_policy)."
    elif not known:
        yield f"The chart's CRDs ({names}) are made where they are missing; helm never changes them."
    elif sorted(known[0].crds) != sorted(rendered.crds):
        yield (
            f"The chart's CRDs ({names}) differ from those of revision {known[0].revision}, and helm upgrades no CRD: "
            "apply them yourself before the upgrade (kubectl apply --server-side)."
        )
