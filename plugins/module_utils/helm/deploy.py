# Deploys a release: renders once, compares, changes only what differs, and waits with its own eyes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest, podspec
from ansible_collections.bytebot.production.plugins.module_utils.drift import differences
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, CommandFailed, Refused
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import (
    MANAGER,
    Plan,
    make_plan,
    with_ownership,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import (
    SERVER_SIDE_SINCE,
    ReleaseWork,
    release_facts,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Change, identity
from ansible_collections.bytebot.production.plugins.module_utils.progress import RolloutStory
from ansible_collections.bytebot.production.plugins.module_utils.rollout import RolloutWatch, watchable

Object = dict[str, Any]


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


class Deployer:
    """Brings one release to what is wanted."""

    def __init__(self, work: ReleaseWork) -> None:
        self._work = work
        self._chart = ""  # its digest

    def present(self, wanted: Wanted, *, check_mode: bool = False, wait: bool = True) -> dict[str, Any]:
        """Install or upgrade where anything differs; return the module's result.

        :param check_mode: ask the API server (admission included) what would happen, and change nothing.
        """
        wanted.values.teach(self._work.redactor)
        self._chart = wanted.chart_digest
        with self._work.alone(wanted.name, wanted.namespace, "helm_release", check_mode=check_mode):
            return self._present(wanted, check_mode, wait)

    def _present(self, wanted: Wanted, check_mode: bool, wait: bool) -> dict[str, Any]:
        work = self._work
        with work.phases.phase("read"):
            version = work.version()
            known = work.recovered_history(wanted.name, wanted.namespace, check_mode=check_mode)
        with work.phases.phase("render"):
            rendered = self._render(wanted, known)
            for release in (rendered, *known[:1]):
                learn_secrets(work.redactor, (*release.objects, *release.hooks))
        with work.phases.phase("compare"):
            owned = [with_ownership(obj, wanted.name, wanted.namespace) for obj in rendered.objects]
            found = differences(work.cluster, owned, wanted.namespace, MANAGER)
            plan = make_plan(known, rendered, found, wanted.namespace)
        work.tell(_what_is_done(wanted.name, known, plan, check_mode=check_mode))
        work.story = RolloutStory(work.tell, wanted.namespace)
        work.story.expect(plan.change.created)
        if check_mode or not plan.changed:
            if plan.refusals:
                raise Refused(
                    f"The API server would refuse the release: {'; '.join(plan.refusals)}",
                    **self._result(plan, rendered),
                )
            if wait and not plan.changed:
                work.wait(rendered.objects, wanted.namespace)
            return self._result(plan, known[0] if not plan.changed else rendered)
        with work.phases.phase("apply"):
            before = self._upgrade(wanted, known, rendered, plan, version, wait=wait)
        if wait:
            work.wait(rendered.objects, wanted.namespace, before)
        deployed = work.history(wanted.name, wanted.namespace)
        if not deployed:
            raise CommandFailed(f"Release {wanted.name} was deployed, and its record has vanished since.")
        return self._result(plan, deployed[0])

    def absent(self, name: str, namespace: str, *, check_mode: bool = False) -> dict[str, Any]:
        """Uninstall the release where it exists. Claims that the chart did not make (of StatefulSets) stay."""
        work = self._work
        with work.alone(name, namespace, "helm_release, uninstall", check_mode=check_mode):
            known = work.recovered_history(name, namespace, check_mode=check_mode)
            if not known:
                return {"changed": False, "release": None}
            latest = known[0]
            learn_secrets(work.redactor, (*latest.objects, *latest.hooks))
            gone = Change((), (), tuple(sorted(identity(obj, namespace) for obj in latest.objects)))
            if not check_mode:
                work.tell(f"Release {name}: uninstall of revision {latest.revision}")
                with work.phases.phase("uninstall"):
                    work.helm.call("uninstall", name, "--wait", "--timeout", f"{work.patience.timeout_s:g}s")
            plan = Plan(True, gone, ("the release exists",), (), (), manifest.diff(latest.objects, (), gone, namespace))
            return self._result(plan, latest) | {"release": None}

    # ------------------------------------------------------------------ steps

    def _render(self, wanted: Wanted, known: list[Release]) -> Release:
        """What the chart gives with these values on this cluster; nothing is stored."""
        pending = bool(known) and known[0].pending  # in check mode only; helm renders no upgrade of it
        verb = ["install"] if pending else ["upgrade"]
        arguments = [*verb, wanted.name, wanted.chart, *([] if pending else ["--install"]), "--dry-run=server"]
        arguments += wanted.values.arguments() if pending else wanted.values.upgrade_arguments()
        return Release.from_helm(self._work.helm.call_json(*arguments, stdin=wanted.values.stdin()))

    def _upgrade(
        self,
        wanted: Wanted,
        known: list[Release],
        rendered: Release,
        plan: Plan,
        version: tuple[int, int, int],
        *,
        wait: bool,
    ) -> RolloutWatch:
        work = self._work
        arguments = ["upgrade", wanted.name, wanted.chart, "--install", *wanted.values.upgrade_arguments()]
        arguments += ["--history-max", str(wanted.history_max), "--timeout", f"{work.patience.timeout_s:g}s"]
        arguments += ["--create-namespace"] if wanted.create_namespace else []
        arguments += ["--description", wanted.description] if wanted.description else []
        arguments += ["--wait"] if wait else []
        on_server = known[0].apply_method == "ssa" if known else True
        if version >= SERVER_SIDE_SINCE and plan.drifted and on_server:
            arguments.append("--force-conflicts")  # helm 4 applies on the server: drift has another field owner
        hooks = watchable(rendered.deploy_hooks, wanted.namespace)
        try:
            return work.run(
                *arguments,
                stdin=wanted.values.stdin(),
                namespace=wanted.namespace,
                targets=[*hooks, *watchable(rendered.objects, wanted.namespace)],
                replaced=[*plan.replaced, *hooks],
                watching=wait,
            )
        except CollectionError as exc:
            with work.noting(exc):
                work.close_pending(wanted.name, wanted.namespace)
            raise

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
                **({"chart": self._chart} if self._chart else {}),
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
