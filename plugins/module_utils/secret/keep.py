# Brings one Secret in the cluster to its specification: reads all sources, plans, writes once.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.apply import (
    MANAGER,
    Tally,
    naming,
    refuse_deleting,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, Object
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of, learn
from ansible_collections.bytebot.production.plugins.module_utils.secret.outside import Outside
from ansible_collections.bytebot.production.plugins.module_utils.secret.plan import (
    UNLISTED,
    Action,
    Plan,
    Step,
    plan,
    stamps,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import MANAGED_BY, Spec

MADE_AT = "bytebot.production/made-at"
_HELM_RELEASE = "meta.helm.sh/release-name"


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps one Secret. With ``check`` the API server is asked and nothing is stored."""

    cluster: Cluster
    redactor: Redactor
    spec: Spec
    check: bool

    @property
    def _identity(self) -> Identity:
        return Identity("Secret", self.spec.namespace, self.spec.name)

    def present(self, *, with_diff: bool) -> dict[str, Any]:
        """Make, update or leave the Secret. Every source is read before anything is written."""
        given = self._read_sources()
        live = self._live()
        self._check_live(live)
        done = plan(self.spec, data_of(live or {}), given)
        self._check_immutable(live, done)
        values = done.complete()
        learn(self.redactor, values.values(), self.spec.names)
        tally = Tally()
        tally.note(self._identity, live, self._write(live, done, values))
        return self._result(tally, done.steps, with_diff)

    def absent(self, *, with_diff: bool) -> dict[str, Any]:
        """Delete the Secret."""
        live = self._live()
        tally = Tally()
        if live is None or live["metadata"].get("deletionTimestamp"):
            return self._result(tally, (), with_diff)
        self._refuse_helms(live)
        with naming(self._identity, "deleted"):
            self.cluster.delete("v1", "Secret", self.spec.name, self.spec.namespace, dry_run=self.check)
        tally.note(self._identity, live, None)
        steps = [Step(key, UNLISTED, Action.REMOVED) for key in sorted(live.get("data") or {})]
        return self._result(tally, steps, with_diff)

    # ------------------------------------------------------------------ reading

    def _read_sources(self) -> dict[str, bytes]:
        outside = Outside(self.cluster, os.environ)
        values: dict[str, bytes] = {}
        for source in self.spec.given:
            values[source.key] = source.read(f"Key {source.key} of {self.spec}", outside)
            learn(self.redactor, [values[source.key]], self.spec.names)
        return values

    def _live(self) -> Object | None:
        with naming(self._identity, "read"):
            live = self.cluster.get("v1", "Secret", self.spec.name, self.spec.namespace)
        learn(self.redactor, data_of(live or {}).values(), self.spec.names)
        return live

    def _check_live(self, live: Object | None) -> None:
        if live is None:
            return
        refuse_deleting(self._identity, live)
        self._refuse_helms(live)
        if live.get("type", "Opaque") != self.spec.type:
            raise Refused(
                f"{self.spec} is of type {live.get('type')}, which cannot be changed to {self.spec.type}. "
                "Delete it first (state absent), or ask for the type it has."
            )

    def _refuse_helms(self, live: Object) -> None:
        """Leave a release's own Secret alone: Helm would take it back, or refuse its next upgrade."""
        release = (live["metadata"].get("annotations") or {}).get(_HELM_RELEASE)
        if release:
            raise Refused(
                f"{self.spec} belongs to the Helm release {release}. "
                "Take another name, or take it out of the chart first."
            )

    def _check_immutable(self, live: Object | None, done: Plan) -> None:
        if not (live and live.get("immutable")):
            return
        if done.touched or self.spec.immutable is False:
            what = f"{', '.join(done.touched)} would change" if done.touched else "it cannot be made mutable again"
            raise Refused(
                f"{self.spec} is immutable and {what}. Delete it first (state absent), and have it made anew."
            )

    # ------------------------------------------------------------------ writing

    def _write(self, live: Object | None, done: Plan, values: Mapping[str, bytes]) -> Object:
        wanted = self._wanted(live, done, values)
        try:
            with naming(self._identity, "applied"):
                after = self.cluster.apply(wanted, manager=MANAGER, dry_run=self.check)
        except NotThere as exc:
            if self.check:  # the namespace is made by an earlier task, which has not really run either
                return wanted
            raise NotThere(
                f"{self.spec} cannot be made, for there is no namespace {self.spec.namespace}. "
                "Make the namespace first."
            ) from exc
        return self._remove(after, done.removed)

    def _wanted(self, live: Object | None, done: Plan, values: Mapping[str, bytes]) -> Object:
        present = {**self._unlisted(live, done), **{key: _encoded(value) for key, value in values.items()}}
        old = live["metadata"] if live else {}
        made_at = stamps((old.get("annotations") or {}).get(MADE_AT, ""), done.steps, present, utc_now())
        metadata: Object = {
            "namespace": self.spec.namespace,
            "name": self.spec.name,
            "labels": {**self.spec.labels, MANAGED_BY: MANAGER},
            "annotations": {MADE_AT: made_at},
        }
        if live:  # the plan rests on this very version; a change in between is a conflict, not overwritten
            metadata["resourceVersion"] = old["resourceVersion"]
        immutable = (live or {}).get("immutable") if self.spec.immutable is None else self.spec.immutable
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": self.spec.type,
            "data": present,
            **({} if immutable is None else {"immutable": immutable}),
        }

    def _unlisted(self, live: Object | None, done: Plan) -> dict[str, str]:
        """Unlisted values that stay though an earlier run wrote them: an apply without them would delete them."""
        ours = _owned_keys(live or {}) - set(self.spec.keys) - set(done.removed)
        return {key: value for key, value in ((live or {}).get("data") or {}).items() if key in ours}

    def _remove(self, after: Object, keys: Sequence[str]) -> Object:
        """Remove keys that others wrote; an apply removes its own only."""
        left = [key for key in keys if key in (after.get("data") or {})]
        if not left:
            return after
        if self.check:  # a dry run stores nothing that a second dry run could go on from
            return {**after, "data": {key: value for key, value in after["data"].items() if key not in left}}
        with naming(self._identity, "changed"):
            return self.cluster.raw(
                "PATCH",
                f"/api/v1/namespaces/{self.spec.namespace}/secrets/{self.spec.name}",
                body={"data": dict.fromkeys(left)},
                query={"fieldManager": MANAGER},
                content_type="application/merge-patch+json",
            )

    def _result(self, tally: Tally, steps: Sequence[Step], with_diff: bool) -> dict[str, Any]:
        shown = tally.result(with_diff=with_diff)
        return {
            "changed": shown["changed"],
            "secret": {"namespace": self.spec.namespace, "name": self.spec.name},
            "keys": [step.to_dict() for step in steps],
            **({"diff": shown["diff"]} if "diff" in shown else {}),
        }


def _owned_keys(live: Object) -> set[str]:
    """The keys of a Secret that an earlier apply of this collection wrote."""
    fields: dict[str, Any] = {}
    for entry in (live.get("metadata") or {}).get("managedFields") or []:
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply":
            fields |= (entry.get("fieldsV1") or {}).get("f:data") or {}
    return {name.removeprefix("f:") for name in fields if name.startswith("f:")}


def _encoded(value: bytes) -> str:
    return b64encode(value).decode()
