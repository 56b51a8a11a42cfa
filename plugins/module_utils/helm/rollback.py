# Rolls a release back: chooses the revision, asks the API server, lets helm work under watch, and keeps the reason.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest, podspec
from ansible_collections.bytebot.production.plugins.module_utils.drift import Difference, differences
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    CommandFailed,
    InputError,
    Refused,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import (
    MANAGER,
    replaced_workloads,
    with_ownership,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.record import amend
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import (
    SERVER_SIDE_SINCE,
    ReleaseWork,
    release_facts,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Change, identity
from ansible_collections.bytebot.production.plugins.module_utils.progress import RolloutStory
from ansible_collections.bytebot.production.plugins.module_utils.rollout import watchable

LONGEST_DESCRIPTION = 512  # characters; `helm history` prints it in one line
HOOKS = ("pre-rollback", "post-rollback")


@dataclass(frozen=True, slots=True)
class Aim:
    """Where to go back to: a revision, a version of the chart or of the application, or (empty) the last good one."""

    revision: int = 0
    chart_version: str = ""
    app_version: str = ""

    def __str__(self) -> str:
        if self.revision:
            return f"revision {self.revision}"
        if self.chart_version:
            return f"chart version {self.chart_version}"
        return f"application version {self.app_version}" if self.app_version else "the last good revision"


@dataclass(frozen=True, slots=True)
class Return:
    """A release that has to go back.

    :param reason: kept in the new revision's description; :param history_max: revisions that helm keeps.
    :param wait: wait until it is ready.
    """

    name: str
    namespace: str
    aim: Aim = Aim()
    reason: str = ""
    history_max: int = 10
    wait: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """The revision to go back to, why that one, and whether the release is there already."""

    target: Release
    why: str
    already: bool = False


def choose(known: list[Release], aim: Aim) -> Choice:
    """Choose from a release's revisions, newest first.

    Good is what helm calls deployed or superseded, unless its description tells of a failure. A release whose revision
    was made by a rollback is there already, so that a second run goes no further back; a rollback that failed is tried
    again.

    :raises InputError: there is nothing to go back to, or not that.
    """
    if not known:
        raise InputError("There is no such release in the namespace: its history is empty.")
    now = known[0]
    if aim.revision:
        target, why = _by_revision(known, aim)
    else:
        target, why = _last_good(known) if aim == Aim() else _by_version(known, aim)
    already = now.status == "deployed" and (target.revision == now.revision or target.same_as(now))
    return Choice(target, why, already)


def _by_revision(known: list[Release], aim: Aim) -> tuple[Release, str]:
    target = next((one for one in known if one.revision == aim.revision), None)
    if target is None:
        raise InputError(f"Release {known[0].name} has no revision {aim.revision}. {_what_there_is(known)}")
    if not target.good:
        raise InputError(
            f"Revision {target.revision} of release {target.name} is no good one ({target.status}: "
            f"{target.description or 'nothing is said'}). {_what_there_is(known)}"
        )
    return target, "it was named"


def _by_version(known: list[Release], aim: Aim) -> tuple[Release, str]:
    for one in known:
        given = (one.chart_version, aim.chart_version) if aim.chart_version else (one.app_version, aim.app_version)
        if one.good and given[0] == given[1]:
            return one, f"it is the newest good one of {aim}"
    raise InputError(f"Release {known[0].name} has no good revision of {aim}. {_what_there_is(known)}")


def _last_good(known: list[Release]) -> tuple[Release, str]:
    now, older = known[0], known[1:]
    if now.rolled_back_to and now.status == "deployed":
        return now, f"it is itself a rollback to revision {now.rolled_back_to}; to go further back, name a revision"
    again = next((one for one in older if one.revision == now.rolled_back_to and one.good), None)
    if again:
        return again, "the rollback to it failed, and is tried again"
    for one in older:
        if one.good and not (now.status == "deployed" and one.same_as(now)):
            return one, "it is the last good one"
    raise InputError(
        f"Release {now.name} has no good revision before revision {now.revision} ({now.status}) that differs from it, "
        "so there is nothing to go back to. Deploy a version that works."
    )


def _what_there_is(known: list[Release]) -> str:
    good = [f"{one.revision} (chart {one.chart_version}, application {one.app_version})" for one in known if one.good]
    return f"Good ones: {', '.join(good)}." if good else "None of its revisions is good."


class Rollbacker:
    """Takes one release back."""

    def __init__(self, work: ReleaseWork) -> None:
        self._work = work
        self.pair: tuple[dict[str, Any], dict[str, Any]] = ({}, {})  # what was left, and where it led

    def back(self, wanted: Return, *, check_mode: bool = False) -> dict[str, Any]:
        """Roll back where the release is not there already; return the module's result."""
        with self._work.alone(wanted.name, wanted.namespace, "helm_rollback", check_mode=check_mode):
            return self.back_alone(wanted, check_mode=check_mode)

    def back_alone(self, wanted: Return, *, check_mode: bool = False) -> dict[str, Any]:
        """As :meth:`back`, for a caller that keeps others out already."""
        name, namespace = wanted.name, wanted.namespace
        work = self._work
        with work.phases.phase("read"):
            version = work.version()
            known = work.recovered_history(name, namespace, check_mode=check_mode)
            if not known:
                raise InputError(f"There is no release {name} in namespace {namespace}: its history is empty.")
            choice = choose(known, wanted.aim)
        now, target = known[0], choice.target
        self.pair = (_short(now), _short(target))
        for release in (now, target):
            learn_secrets(work.redactor, (*release.objects, *release.hooks))
        with work.phases.phase("compare"):
            owned = [with_ownership(obj, name, namespace) for obj in target.objects]
            found = differences(work.cluster, owned, namespace, MANAGER) if not choice.already else []
        change = manifest.compare(now.objects, target.objects, namespace)
        outcome = self._outcome(known, choice, change, found, namespace)
        work.tell(_what_is_done(name, now, choice, check_mode=check_mode))
        work.story = RolloutStory(work.tell, namespace)
        if refusals := [f"{item.identity}: {item.refusal}" for item in found if item.refusal]:
            raise Refused(f"The API server would refuse revision {target.revision}: {'; '.join(refusals)}", **outcome)
        if choice.already and wanted.wait:
            work.wait(target.objects, namespace)
        if check_mode or choice.already:
            return outcome | work.facts()
        self._roll(wanted, known, choice, change, version)
        latest = work.history(name, namespace)[0]
        return outcome | {"release": release_facts(latest, podspec.images(latest.objects))} | work.facts()

    def _roll(
        self, wanted: Return, known: list[Release], choice: Choice, change: Change, version: tuple[int, int, int]
    ) -> None:
        work, now, target, namespace = self._work, known[0], choice.target, wanted.namespace
        arguments = ["rollback", now.name, str(target.revision), "--history-max", str(wanted.history_max)]
        arguments += ["--timeout", f"{work.patience.timeout_s:g}s", *(["--wait"] if wanted.wait else [])]
        if version >= SERVER_SIDE_SINCE and target.apply_method == "ssa":
            arguments.append("--force-conflicts")  # what others set meanwhile goes back, too
        hooks = watchable(target.hooks_at(*HOOKS), namespace)
        aim = f"Rollback to {target.revision}"
        try:
            with work.phases.phase("apply"):
                before = work.run(
                    *arguments,
                    namespace=namespace,
                    objects=(*target.hooks_at(*HOOKS), *target.objects),
                    replaced=[*replaced_workloads(now.objects, target.objects, change, namespace), *hooks],
                    watching=wanted.wait,
                )
        except CollectionError as exc:
            with work.noting(exc):
                self._note(now, status="failed", description=_words(f"{aim} failed", f"{exc.sentence} {wanted.reason}"))
            raise
        if wanted.reason:
            self._note(now, description=_words(aim, wanted.reason))
        if wanted.wait:
            work.wait(target.objects, namespace, before)

    def _note(self, now: Release, *, description: str, status: str = "") -> None:
        """Write into the record of the revision that the rollback has made, where it has made one.

        Helm 3 takes no description, and neither major marks a rollback that is ended or whose hook fails.
        """
        latest = self._work.history(now.name, now.namespace)[0]
        if latest.revision > now.revision and not (status and latest.status == "deployed"):
            text = self._work.redactor.text(description)[:LONGEST_DESCRIPTION]
            amend(self._work.cluster, latest, self._work.driver, status=status, description=text)
        elif latest.revision == now.revision and not status:
            raise CommandFailed(f"helm rolled {now.name} back, and no new revision stands in its record.")

    def _outcome(
        self, known: list[Release], choice: Choice, change: Change, found: list[Difference], namespace: str
    ) -> dict[str, Any]:
        now, target = known[0], choice.target
        before = list(runs_before(now, target, namespace))
        return {
            "changed": not choice.already,
            "why": choice.why,
            "from": _short(now),
            "to": _short(target),
            "changes": change.to_dict(),
            "diff": manifest.diff(now.objects, target.objects, change, namespace),
            "runs_before": before,
            "runs_before_told": [
                f"{one['what']} from {one['from'] or 'none'} to {one['to'] or 'none'}" for one in before
            ],
            "remarks": list(_remarks(now, target, namespace)),
            "not_asked": [str(item.identity) for item in found if item.planned is None and not item.refusal],
            "release": release_facts(now, podspec.images(now.objects)),
        }


def _what_is_done(name: str, now: Release, choice: Choice, *, check_mode: bool) -> str:
    if choice.already:
        return f"Release {name}: already at revision {choice.target.revision} ({choice.why})"
    would = "would go back" if check_mode else "back"
    return f"Release {name}: {would} from revision {now.revision} to {choice.target.revision} ({choice.why})"


def _words(first: str, second: str) -> str:
    line = " ".join(second.split())
    return f"{first}: {line}" if line else first


def _short(release: Release) -> dict[str, Any]:
    return {
        "revision": release.revision,
        "status": release.status,
        "chart_version": release.chart_version,
        "app_version": release.app_version,
        "images": podspec.images(release.objects),
        "updated": release.updated,
    }


def runs_before(now: Release, target: Release, namespace: str) -> Iterator[dict[str, str]]:
    """What runs ahead of the application, such as its migrations, and is of another image in the other revision."""
    here, there = _early_images(now, namespace), _early_images(target, namespace)
    for who in sorted({*here, *there}):
        if here.get(who) != there.get(who):
            yield {"what": who, "from": here.get(who, ""), "to": there.get(who, "")}


def _early_images(release: Release, namespace: str) -> dict[str, str]:
    """Images of init containers, and of hooks of install and upgrade, by where they stand."""
    found: dict[str, str] = {}
    for obj in release.objects:
        for one in (podspec.pod_spec(obj) or {}).get("initContainers") or []:
            found[f"{identity(obj, namespace)} init container {one.get('name')}"] = str(one.get("image") or "")
    for hook in release.deploy_hooks:
        spec = podspec.pod_spec(hook) or {}
        for one in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
            found[f"hook {identity(hook, namespace)} container {one.get('name')}"] = str(one.get("image") or "")
    return found


def _remarks(now: Release, target: Release, namespace: str) -> Iterator[str]:
    for hook in target.hooks_at(*HOOKS):
        yield f"Hook {identity(hook, namespace)} runs with the rollback."
    if sorted(now.crds) != sorted(target.crds):
        yield (
            "The two charts differ in their CRDs; helm neither changes nor removes a CRD, so those of revision "
            f"{now.revision} stay."
        )
    elif target.crds:
        yield "The chart holds CRDs; helm neither changes nor removes a CRD, so they stay as they are."
