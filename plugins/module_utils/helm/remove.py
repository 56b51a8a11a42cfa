# Removes a release and keeps its data, unless it is told to remove that, too.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    CommandFailed,
    InputError,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import clean_stderr
from ansible_collections.bytebot.production.plugins.module_utils.helm.keep import (
    Claims,
    claims_of,
    marked_to_keep,
    takes_claims_along,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.record import amend
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Change, Identity, identity


class Remover:
    """Uninstalls one release."""

    def __init__(self, work: ReleaseWork) -> None:
        self._work = work

    def absent(self, name: str, namespace: str, *, keep_data: bool = True, check_mode: bool = False) -> dict[str, Any]:
        """Uninstall the release where it exists; return the module's result.

        :param keep_data: leave every claim of the release where it is.
        """
        work = self._work
        with work.alone(name, namespace, "helm_release, uninstall", check_mode=check_mode):
            known = work.recovered_history(name, namespace, check_mode=check_mode)
            if not known:
                return {"changed": False, "release": None, "kept": []}
            latest = known[0]
            learn_secrets(work.redactor, (*latest.objects, *latest.hooks))
            claims = claims_of(work.cluster, latest)
            gone = _gone(latest, claims, keep_data=keep_data)
            if keep_data and (greedy := takes_claims_along(latest.objects, namespace)):
                raise InputError(
                    f"{', '.join(str(item) for item in greedy)} has its claims deleted with it "
                    "(persistentVolumeClaimRetentionPolicy.whenDeleted: Delete). Set that to Retain first, or give "
                    "keep_data: false."
                )
            left = claims.all if keep_data else ()
            if not check_mode:
                self._uninstall(latest, claims, keep_data=keep_data)
                left = claims_of(work.cluster, latest).all if keep_data else ()
                if lost := set(claims.all) - set(left) if keep_data else set():
                    raise CommandFailed(f"{', '.join(map(str, sorted(lost)))} vanished with the release.")
            return {
                "changed": True,
                "reasons": ["the release exists"],
                "changes": Change((), (), gone).to_dict(),
                "diff": manifest.diff(latest.objects, (), Change((), (), gone), namespace),
                "kept": [str(item) for item in left],
                "release": None,
                "digests": {"manifest": manifest.digest(latest.objects), "values": latest.values_digest},
                **work.facts(),
            }

    def _uninstall(self, latest: Release, claims: Claims, *, keep_data: bool) -> None:
        work = self._work
        work.tell(f"Release {latest.name}: uninstall of revision {latest.revision}")
        if keep_data and claims.unmarked:
            work.tell(f"Release {latest.name}: {_listed(claims.unmarked)} marked to be kept in Helm's record")
            amend(work.cluster, latest, work.driver, manifest=marked_to_keep(latest.objects))
        arguments = ["uninstall", latest.name, "--wait", "--timeout", f"{work.patience.timeout_s:g}s"]
        with work.phases.phase("uninstall"):
            done = work.helm.attempt(*arguments, should_stop=work.robbed)
        if done.code != 0:
            raise CommandFailed(f"helm uninstall failed: {done.stopped or clean_stderr(done.stderr)}.")
        for claim in () if keep_data else claims.all:
            self._delete(claim)

    def _delete(self, claim: Identity) -> None:
        try:
            self._work.cluster.delete("v1", claim.kind, claim.name, claim.namespace)
        except CollectionError as exc:
            exc.sentence = f"The release is removed, and its {claim} is not: {exc.sentence}"
            raise


def _gone(latest: Release, claims: Claims, *, keep_data: bool) -> tuple[Identity, ...]:
    found = {identity(obj, latest.namespace) for obj in latest.objects}
    return tuple(sorted(found - set(claims.of_chart) if keep_data else found | set(claims.of_sets)))


def _listed(items: Iterable[Identity]) -> str:
    return ", ".join(str(item) for item in items)
