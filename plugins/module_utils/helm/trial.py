# Runs a chart's own tests under watch: how each ended, how long it took, and the log of what failed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import pods_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    RolloutFailed,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed, clean_stderr
from ansible_collections.bytebot.production.plugins.module_utils.helm.record import amend, hooks_in
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import (
    Release,
    delete_policies,
    learn_secrets,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity
from ansible_collections.bytebot.production.plugins.module_utils.rollout import RolloutWatch, watchable

Object = dict[str, Any]
LOG_LINES = 50
PASSED, FAILED, NOT_RUN = "passed", "failed", "not_run"
OWN_WORD = ("pod_failed", "job_failed")  # helm sees these at once by itself, writes them down, and tidies up


@dataclass(frozen=True, slots=True)
class Trial:
    """One test of a chart.

    :param seconds: from its start to its end as helm recorded them; None where it did not run to an end.
    :param log: the last lines of a failed one; :param why_no_log: why there are none.
    :param left: whether its pod or Job is still there.
    """

    who: Identity
    state: str = NOT_RUN
    seconds: float | None = None
    log: tuple[str, ...] = ()
    why_no_log: str = ""
    left: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.who.name,
            "kind": self.who.kind,
            "state": self.state,
            "seconds": self.seconds,
            "log": list(self.log),
            "why_no_log": self.why_no_log,
            "left": self.left,
        }


@dataclass(frozen=True, slots=True)
class _Ran:
    """How the run went: what helm said, when it began, and what was certain to fail, of which test."""

    done: Completed
    began: datetime
    watch: RolloutWatch
    broken: str
    failure: RolloutFailed | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tests run: those named (all where none is), without those to skip."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def of(self, release: Release) -> list[Object]:
        """The chosen test hooks of a release.

        :raises InputError: a name is no test of it, or nothing is left to run.
        """
        hooks = list(release.test_hooks)
        names = [str(hook["metadata"]["name"]) for hook in hooks]
        if not hooks:
            raise InputError(f"Release {release.name} revision {release.revision} has no test (helm.sh/hook: test).")
        if unknown := sorted({*self.only, *self.skip} - set(names)):
            raise InputError(f"{', '.join(unknown)} is no test of release {release.name}. It has: {', '.join(names)}.")
        chosen = [
            hook
            for hook, name in zip(hooks, names, strict=True)
            if name not in self.skip and (not self.only or name in self.only)
        ]
        if not chosen:
            raise InputError(f"No test of release {release.name} is left to run: every one is to be skipped.")
        return chosen

    def arguments(self) -> list[str]:
        """As helm takes it."""
        filters = [*(f"name={name}" for name in self.only), *(f"!name={name}" for name in self.skip)]
        return ["--filter", ",".join(filters)] if filters else []


class Examiner:
    """Runs the tests of one release."""

    def __init__(self, work: ReleaseWork) -> None:
        self._work = work
        self._logs: dict[Identity, list[str]] = {}

    def test(self, name: str, namespace: str, selection: Selection, *, check_mode: bool = False) -> dict[str, Any]:
        """Run the chosen tests; return the module's result.

        :raises CommandFailed: a test failed, or cannot succeed.
        """
        work = self._work
        with work.alone(name, namespace, "helm_test", check_mode=check_mode):
            with work.phases.phase("read"):
                known = work.history(name, namespace)
                release = _testable(known, name, namespace)
                learn_secrets(work.redactor, (*release.objects, *release.hooks))
                hooks = selection.of(release)
            if check_mode:
                return self._result(release, [Trial(identity(hook, namespace)) for hook in hooks])
            with work.phases.phase("test"):
                ran = self._run(release, hooks, selection)
            trials = self._trials(release, hooks, ran)
        result = self._result(release, trials)
        if ran.failure:
            causes = ran.failure.details["causes"]
            raise RolloutFailed(f"{_summary(release, trials)}: {ran.failure.sentence}", causes=causes, **result)
        if ran.done.code != 0 or any(one.state != PASSED for one in trials):
            said = ran.done.stopped or clean_stderr(ran.done.stderr) or f"helm ended with code {ran.done.code}"
            raise CommandFailed(f"{_summary(release, trials)}: {said}.", **result)
        return result

    def _run(self, release: Release, hooks: list[Object], selection: Selection) -> _Ran:
        work = self._work
        targets = watchable(hooks, release.namespace)
        watch = RolloutWatch(work.cluster, release.namespace, work.patience, replaced=targets)
        stopped: list[tuple[str, RolloutFailed]] = []

        def should_stop() -> str:
            if lost := work.robbed():
                return lost
            found = watch.look_again(targets)
            self._keep_logs(watch, targets)
            if not stopped and (certain := [one for one in found if one.cause not in OWN_WORD]):
                stopped.append((certain[0].workload, watch.failure(certain[:1])))
            return stopped[0][1].sentence if stopped else ""

        work.tell(f"Release {release.name}: {len(hooks)} tests of revision {release.revision}")
        arguments = ["test", release.name, "--timeout", f"{work.patience.timeout_s:g}s", *selection.arguments()]
        filtered = bool(selection.arguments())
        hooks_before = hooks_in(work.cluster, release, work.driver) if filtered else []
        began = datetime.now(UTC)
        done = work.helm.attempt(*arguments, should_stop=should_stop)
        if done.code != 0 and filtered:
            # while it runs a choice of tests, helm keeps the others out of its record, and an ended one puts none back
            amend(work.cluster, release, work.driver, hooks=hooks_before)
        return _Ran(done, began, watch, *(stopped[0] if stopped else ("", None)))

    def _keep_logs(self, watch: RolloutWatch, targets: Iterable[Identity]) -> None:
        """Read the logs while the pods are there: helm may delete a failed one at once."""
        for target in targets:
            live = watch.facts.live.get(target)
            for pod in pods_of(live, watch.facts) if live else []:
                if pod["metadata"].get("uid") in watch.facts.ignored_uids:
                    continue
                if (pod.get("status") or {}).get("phase") in (None, "Pending"):
                    continue
                if lines := self._lines(pod):
                    self._logs[target] = lines

    def _lines(self, pod: Object) -> list[str]:
        where, name = str(pod["metadata"].get("namespace")), str(pod["metadata"]["name"])
        containers = [str(one["name"]) for one in (pod.get("spec") or {}).get("containers") or []]
        lines: list[str] = []
        for container in containers:
            text = self._work.cluster.logs(where, name, container, lines=LOG_LINES)
            mark = f"{container}: " if len(containers) > 1 else ""
            lines += [f"{mark}{line}" for line in text.splitlines()]
        return lines[-LOG_LINES:]

    def _trials(self, release: Release, hooks: list[Object], ran: _Ran) -> list[Trial]:
        """How each test ended, from helm's record of this run."""
        work, namespace = self._work, release.namespace
        targets = watchable(hooks, namespace)
        ran.watch.look(targets)
        self._keep_logs(ran.watch, targets)
        now = work.history(release.name, namespace)
        runs = {(kind, name): run for kind, name, run in (now[0].hook_runs if now else ())}
        trials = []
        for hook in hooks:
            who = identity(hook, namespace)
            trial = _ended(Trial(who), runs.get((who.kind, who.name), {}), ran.began)
            if str(who) == ran.broken:
                trial = replace(trial, state=FAILED, seconds=None)
                self._tidy(who, hook)
            if trial.state == FAILED:
                log = tuple(self._logs.get(who, ()))
                trial = replace(
                    trial, log=log, why_no_log="" if log else "it wrote nothing, or was deleted before it could be read"
                )
            trials.append(replace(trial, left=self._is_left(who, hook)))
        return trials

    def _tidy(self, who: Identity, hook: Object) -> None:
        """Delete what an ended helm could not, where the chart wants failed ones deleted."""
        if "hook-failed" in delete_policies(hook):
            self._work.cluster.delete(hook["apiVersion"], who.kind, who.name, who.namespace)

    def _is_left(self, who: Identity, hook: Object) -> bool:
        live = self._work.cluster.get(hook["apiVersion"], who.kind, who.name, who.namespace)
        return live is not None and not live["metadata"].get("deletionTimestamp")

    def _result(self, release: Release, trials: list[Trial]) -> dict[str, Any]:
        return {
            "changed": False,
            "revision": release.revision,
            "tests": [one.to_dict() for one in trials],
            **{key: value for key, value in self._work.facts().items() if key != "recovered"},
        }


def _testable(known: list[Release], name: str, namespace: str) -> Release:
    if not known:
        raise InputError(f"There is no release {name} in namespace {namespace}: its history is empty.")
    if known[0].status != "deployed":
        raise InputError(
            f"Release {name} revision {known[0].revision} is {known[0].status}, not deployed: its tests would tell "
            "nothing of it. Deploy it first, or roll it back."
        )
    return known[0]


def _ended(trial: Trial, run: Object, began: datetime) -> Trial:
    """What helm's record says of a run, where it is of this time."""
    started, completed = _time(run.get("started_at")), _time(run.get("completed_at"))
    if started is None or started < began:
        return trial
    phase = str(run.get("phase") or "")
    if phase not in ("Succeeded", "Failed") or completed is None:
        return replace(trial, state=FAILED)
    seconds = round((completed - started).total_seconds(), 1)
    return replace(trial, state=PASSED if phase == "Succeeded" else FAILED, seconds=seconds)


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo and found.year > 1 else None  # the year 1 is Go's way to say never


def _summary(release: Release, trials: list[Trial]) -> str:
    failed = [one.who.name for one in trials if one.state == FAILED]
    passed = sum(one.state == PASSED for one in trials)
    names = f" ({', '.join(failed)})" if failed else ""
    return f"Of {len(trials)} tests of release {release.name}, {passed} passed and {len(failed)} failed{names}"
