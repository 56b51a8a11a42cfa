# What all work on a release shares: others kept out, what a killed helm left put right, and helm run under watch.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    CommandFailed,
    InputError,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import (
    Completed,
    HelmCli,
    clean_stderr,
    parse_version,
    require_supported,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.lease import DURATION_S, Exclusion, ReleaseLease
from ansible_collections.bytebot.production.plugins.module_utils.helm.phases import Phases
from ansible_collections.bytebot.production.plugins.module_utils.helm.record import amend
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.progress import RolloutStory, Tell, nobody
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import (
    Patience,
    RolloutWatch,
    apis_of,
    watchable,
)

Object = dict[str, Any]
SERVER_SIDE_SINCE = (4, 0, 0)  # from here on helm applies on the server


@dataclass(frozen=True, slots=True)
class Recovered:
    """A revision that a killed helm left pending, and that stands as failed now (in check mode: would stand)."""

    revision: int
    was: str
    since: str
    holder: str

    def to_dict(self) -> dict[str, Any]:
        return {"revision": self.revision, "was": self.was, "since": self.since, "holder": self.holder}


class ReleaseWork:
    """One piece of work on one release."""

    def __init__(
        self,
        cluster: Cluster,
        helm: HelmCli,
        redactor: Redactor,
        patience: Patience,
        tell: Tell = nobody,
        *,
        recover_after_s: float | None = None,
        phases: Phases | None = None,
    ) -> None:
        """Gather what the work is done with.

        :param recover_after_s: age after which a pending revision that left no Lease behind, as a helm started by hand,
            counts as given up; the time-out where it is None.
        """
        self.cluster, self.helm, self.redactor, self.patience, self.tell = cluster, helm, redactor, patience, tell
        self.story = RolloutStory()
        self.phases = phases or Phases()
        self.driver = os.environ.get("HELM_DRIVER", "")
        self.exclusion = Exclusion(False, "nobody was kept out yet", seen=False)
        self.recovered: Recovered | None = None
        self._lease: ReleaseLease | None = None
        self._asked_version: Callable[[], Completed] | None = None
        self._version: tuple[int, int, int] | None = None
        self._recover_after_s = patience.timeout_s if recover_after_s is None else recover_after_s

    @contextmanager
    def alone(self, release: str, namespace: str, doing: str, *, check_mode: bool) -> Iterator[None]:
        """Keep others out while this works on a release.

        :raises Busy: another module works on it.
        """
        lease = ReleaseLease(self.cluster, release, namespace, doing)
        if check_mode:
            self.exclusion = lease.look()
            yield
            return
        with lease.held() as self.exclusion:
            self._lease = lease if self.exclusion.held else None
            yield

    def ask_version(self) -> Callable[[], Completed]:
        """Let helm say its version while other things are done."""
        if self._asked_version is None:
            self._asked_version = self.helm.begin("version", "--short")
        return self._asked_version

    def version(self) -> tuple[int, int, int]:
        """The version of helm, which is new enough; asked once."""
        if self._version is None:
            version = parse_version(self.ask_version()().stdout)
            require_supported(version)
            self._version = version
        return self._version

    def history(self, release: str, namespace: str) -> list[Release]:
        """All revisions that Helm keeps, newest first."""
        return history(self.cluster, release, namespace, self.driver)

    # ------------------------------------------------------------------ what a killed helm left

    def recovered_history(self, release: str, namespace: str, *, check_mode: bool) -> list[Release]:
        """All revisions; where the newest is pending and surely given up, it is marked as failed first.

        So does helm itself when it is asked to end. Nothing else is touched: the next upgrade or rollback compares with
        the last revision that was deployed, or, after a first install, takes over what the failed one has made.

        :raises InputError: it is pending, and somebody may still work on it.
        """
        known = self.history(release, namespace)
        if not known or not known[0].pending:
            return known
        latest = known[0]
        if problem := self._not_given_up(latest):
            if self._lease:
                self._lease.leave_as_found()
            verb = "rollback" if len(known) > 1 else "uninstall"  # nothing to go back to
            raise InputError(
                f"Release {latest.name} revision {latest.revision} is {latest.status} since {latest.updated}: "
                f"another helm works on it, or was killed. {problem} If none works on it, end it with: "
                f"helm {verb} {latest.name} --namespace {latest.namespace}."
            )
        self.version()  # only a helm that is supported is let go on
        self.recovered = Recovered(latest.revision, latest.status, latest.updated, self.exclusion.dead)
        if check_mode:
            return known
        self.tell(f"Release {release}: revision {latest.revision} was left {latest.status}; it is marked as failed")
        self._fail(latest, "its helm was killed")
        return self.history(release, namespace)

    def _not_given_up(self, latest: Release) -> str:
        """Why a pending revision may still be worked on; empty where it is surely given up."""
        if not self.exclusion.seen:
            return f"It is left as it is, since {self.exclusion.why_not}, so nobody can tell."
        age_s = self._age_s(latest)
        needed_s = float(DURATION_S) if self.exclusion.dead else max(float(DURATION_S), self._recover_after_s)
        if age_s >= needed_s:
            return ""
        why = "" if self.exclusion.dead else " (no Lease of a killed module explains it)"
        return f"It counts as given up {needed_s:g} s after its last sign of life{why}, in {needed_s - age_s:.0f} s."

    def _age_s(self, latest: Release) -> float:
        if not latest.written:
            return 0.0
        return (self.cluster.now() - datetime.fromisoformat(latest.written.replace("Z", "+00:00"))).total_seconds()

    # ------------------------------------------------------------------ helm under watch

    def robbed(self) -> str:
        """Why the work must end, since the Lease is lost; empty while it is held, or none can be had."""
        return self._lease.lost() if self._lease else ""

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        namespace: str,
        objects: Iterable[Object],
        replaced: Collection[Identity],
        watching: bool = True,
    ) -> RolloutWatch:
        """Run a helm command that changes the release, and end it at the first certain cause.

        :param objects: what is judged meanwhile; :param replaced: the workloads whose pods of now are not its own.
        :raises RolloutFailed: a cause is certain.
        """
        objects = list(objects)
        targets = watchable(objects, namespace)
        watch = RolloutWatch(
            self.cluster,
            namespace,
            self.patience,
            replaced=replaced,
            apis=apis_of(objects),
            seen=self.story.seen,
        )
        failures: list[CollectionError] = []

        def should_stop() -> str:
            if not failures and (lost := self.robbed()):
                failures.append(CommandFailed(f"{lost}. Another one may work on the release; look before you go on."))
            certain = watch.look_again(targets) if watching and not failures else []
            if certain and not failures:
                failures.append(watch.failure(certain))
                self.tell(f"Certain to fail: {failures[0].sentence}")  # helm needs a moment to end
            return failures[0].sentence if failures else ""

        done = self.helm.attempt(*arguments, stdin=stdin, should_stop=should_stop)
        if failures:
            raise failures[0]
        if done.code != 0:
            raise self._explained(arguments[0], clean_stderr(done.stderr), done.code, watch, targets)
        return watch

    def _explained(
        self, verb: str, said: str, code: int, watch: RolloutWatch, targets: list[Identity]
    ) -> CollectionError:
        """Helm's own failure, with what the cluster shows beside it."""
        if certain := watch.look(targets):
            return watch.failure(certain)
        if "timed out" in said or "deadline exceeded" in said:
            return watch.timed_out()
        words = said or (f"signal {-code} ended it" if code < 0 else f"it ended with code {code} and no message")
        return CommandFailed(f"helm {verb} failed: {words}.", waiting=watch.waiting)

    def close_pending(self, release: str, namespace: str) -> None:
        """Mark what a helm of ours left pending as failed: it has ended, whatever its record says."""
        known = self.history(release, namespace)
        if known and known[0].pending:
            self._fail(known[0], "its helm was ended")

    def _fail(self, pending: Release, why: str) -> None:
        """Mark a pending revision as failed, in helm's own words."""
        verb = f"Rollback to {pending.rolled_back_to}" if pending.rolled_back_to else f'Release "{pending.name}"'
        words = f"{verb} failed: {why} while it was {pending.status}"
        amend(self.cluster, pending, self.driver, status="failed", description=words)

    @contextmanager
    def noting(self, failure: CollectionError) -> Iterator[None]:
        """Write into the record after a failure; where that fails too, the first failure is told with it."""
        try:
            yield
        except CollectionError as exc:
            failure.details["record"] = f"Helm's record could not be put right: {exc.sentence}"

    def wait(self, objects: Iterable[Object], namespace: str, before: RolloutWatch | None = None) -> None:
        """Wait with our own rule, whatever helm calls ready."""
        with self.phases.phase("wait"):
            objects = list(objects)
            apis = apis_of(objects)
            watch = RolloutWatch(self.cluster, namespace, self.patience, apis=apis, seen=self.story.seen)
            if before:
                watch.old_events, watch.retries = before.old_events, before.retries
            watch.wait(watchable(objects, namespace))
        self.story.settle()

    def facts(self) -> dict[str, Any]:
        """What every result tells of the work itself."""
        return {
            "recovered": self.recovered.to_dict() if self.recovered else None,
            "lease": {"held": self.exclusion.held, "why_not": self.exclusion.why_not},
            "seconds": self.phases.seconds,
            "helm_processes": self.helm.processes,
            "api_requests": self.cluster.requests,
        }


def release_facts(release: Release, images: list[str]) -> dict[str, Any]:
    """A revision as results tell it."""
    return {
        "name": release.name,
        "namespace": release.namespace,
        "revision": release.revision,
        "status": release.status,
        "updated": release.updated,
        "description": release.description,
        "chart": release.chart_name,
        "chart_version": release.chart_version,
        "app_version": release.app_version,
        "images": images,
        "notes": release.notes,
    }
