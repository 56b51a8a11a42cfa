# Brings one Secret in the cluster to its specification: reads all sources, plans, writes once.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.apply import (
    MANAGER,
    Tally,
    naming,
    refuse_deleting,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, Object
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Made
from ansible_collections.bytebot.production.plugins.module_utils.secret.certificates import Certificate
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of, learn
from ansible_collections.bytebot.production.plugins.module_utils.secret.outside import Outside
from ansible_collections.bytebot.production.plugins.module_utils.secret.owner import owner_of
from ansible_collections.bytebot.production.plugins.module_utils.secret.plan import (
    RETIRE,
    UNLISTED,
    Action,
    Plan,
    Step,
    known_times,
    plan,
    stamps,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.restart import Changed
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import Clock, parsed, stamp
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import MANAGED_BY, Spec
from ansible_collections.bytebot.production.plugins.module_utils.secret.write import Writer

MADE_AT = "bytebot.production/made-at"


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps one Secret. With ``check`` the API server is asked and nothing is stored."""

    cluster: Cluster
    redactor: Redactor
    spec: Spec
    check: bool
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def _identity(self) -> Identity:
        return Identity("Secret", self.spec.namespace, self.spec.name)

    @property
    def _writer(self) -> Writer:
        return Writer(self.cluster, self._identity, self.check)

    def present(self, *, with_diff: bool) -> dict[str, Any]:
        """Make, update or leave the Secret; the module's result."""
        return self.brought(with_diff=with_diff)[0]

    def brought(self, *, with_diff: bool) -> tuple[dict[str, Any], Changed]:
        """As :meth:`present`, with what its followers need. Every source is read before anything is written."""
        given = self._read_sources()
        live = self._live()
        self._check_live(live)
        stand_in = self._stand_in(live)
        base = live or stand_in
        done = plan(self._bound(), data_of(base or {}), given, self._clock(base))
        self._check_immutable(live, done)
        values = done.complete()
        learn(self.redactor, values.values(), self.spec.names)
        if live and stand_in:  # a run broke off before it deleted anything
            self._writer.drop_stand_in()
        after = self._writer.store(self._wanted(live, base, done, values), live, done.removed)
        if stand_in and not live:
            self._writer.drop_stand_in()
        tally = Tally()
        tally.note(self._identity, live, after)
        result = {**self._result(tally, done.steps, with_diff), **_times_told(done, data_of(after))}
        return result, self._changed(done, data_of(after), live)

    def absent(self, *, with_diff: bool) -> dict[str, Any]:
        """Delete the Secret."""
        live = self._live()
        tally = Tally()
        if live is None or live["metadata"].get("deletionTimestamp"):
            return self._result(tally, (), with_diff)
        self._refuse_anothers(live)
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

    def _stand_in(self, live: Object | None) -> Object | None:
        """What holds the values of an immutable Secret that a broken-off run was making anew."""
        if live and not live.get("immutable"):
            return None
        with naming(self._identity, "read"):
            found = self._writer.stand_in()
        learn(self.redactor, data_of(found or {}).values(), self.spec.names)
        return found

    def _check_live(self, live: Object | None) -> None:
        if live is None:
            return
        refuse_deleting(self._identity, live)
        self._refuse_anothers(live)
        if live.get("type", "Opaque") != self.spec.type:
            raise Refused(
                f"{self.spec} is of type {live.get('type')}, which cannot be changed to {self.spec.type}. "
                "Delete it first (state absent), or ask for the type it has."
            )

    def _refuse_anothers(self, live: Object) -> None:
        """Leave a Secret alone that another tool or controller manages: it would take its values back."""
        if owner := owner_of(live):
            raise Refused(owner.refusal(str(self.spec)))

    def _clock(self, live: Object | None) -> Clock:
        metadata = (live or {}).get("metadata") or {}
        recorded = known_times((metadata.get("annotations") or {}).get(MADE_AT, ""))
        return Clock(self.now, recorded, parsed(metadata.get("creationTimestamp")))

    def _bound(self) -> Spec:
        """The specification with the authorities read that other Secrets hold."""
        outside = Outside(self.cluster, os.environ)
        made = [self._with_authority(source, outside) for source in self.spec.made]
        for source in made:
            if isinstance(source, Certificate):
                learn(self.redactor, source.borrowed or (), self.spec.names)
        return replace(self.spec, made=tuple(made))

    def _with_authority(self, source: Made, outside: Outside) -> Made:
        if not isinstance(source, Certificate):
            return source
        try:
            return source.bound(f"The authority of key {source.certificate} of {self.spec}", outside)
        except InputError:
            of = source.issuer
            if not self.check or of is None or self.cluster.get("v1", "Secret", of.name, of.namespace):
                raise
            return source.bound_to_any(self.now)  # it is made by an earlier task, which has not really run either

    def _check_immutable(self, live: Object | None, done: Plan) -> None:
        if not (live and live.get("immutable")):
            return
        if self.spec.immutable is False:
            raise Refused(
                f"{self.spec} is immutable and it cannot be made mutable again. "
                "Delete it first (state absent), and have it made anew."
            )
        if done.touched and not self.spec.replace:
            raise Refused(
                f"{self.spec} is immutable and {', '.join(done.touched)} would change. "
                "Name a generated key in replace to have the Secret made anew, or delete it first (state absent)."
            )

    # ------------------------------------------------------------------ writing

    def _wanted(self, live: Object | None, base: Object | None, done: Plan, values: Mapping[str, bytes]) -> Object:
        """The Secret to be. ``base`` has what is kept: the live one, or what stands in for it."""
        present = {**self._unlisted(base, done), **{key: _encoded(value) for key, value in values.items()}}
        old = base["metadata"] if base else {}
        made_at = stamps((old.get("annotations") or {}).get(MADE_AT, ""), done.steps, present, stamp(self.now))
        metadata: Object = {
            "namespace": self.spec.namespace,
            "name": self.spec.name,
            "labels": {**self.spec.labels, MANAGED_BY: MANAGER},
            "annotations": {MADE_AT: made_at},
        }
        if live:  # the plan rests on this very version; a change in between is a conflict, not overwritten
            metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        immutable = (base or {}).get("immutable") if self.spec.immutable is None else self.spec.immutable
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": self.spec.type,
            "data": present,
            **({} if immutable is None else {"immutable": immutable}),
        }

    def _unlisted(self, base: Object | None, done: Plan) -> dict[str, str]:
        """Unlisted values that stay though an earlier run wrote them: an apply without them would delete them."""
        data = (base or {}).get("data") or {}
        ours = (
            set(data) if (base or {}).get("immutable") else _owned_keys(base or {})
        )  # that one is made anew as a whole
        return {key: value for key, value in data.items() if key in ours - set(self.spec.keys) - set(done.removed)}

    def _changed(self, done: Plan, values: Mapping[str, bytes], live: Object | None) -> Changed:
        touched = {step.key for step in done.steps if step.action in (Action.MADE, Action.UPDATED)}
        times = {**done.clock.recorded, **dict.fromkeys(touched, self.now)}
        remade = bool(live and live.get("immutable") and done.touched)
        stays = [f"{item.key} until {stamp(item.at)}" for item in done.due(values) if item.action == RETIRE]
        hint = f"The value before stays in {', '.join(stays)}." if stays and done.rotated else ""
        return Changed(self._identity, times, touched if live else frozenset(), remade, hint)

    def _result(self, tally: Tally, steps: Sequence[Step], with_diff: bool) -> dict[str, Any]:
        shown = tally.result(with_diff=with_diff)
        return {
            "changed": shown["changed"],
            "secret": {"namespace": self.spec.namespace, "name": self.spec.name},
            "keys": [step.to_dict() for step in steps],
            **({"diff": shown["diff"]} if "diff" in shown else {}),
        }


def _times_told(done: Plan, values: Mapping[str, bytes]) -> dict[str, Any]:
    """What was rotated and retired, and when what happens next by itself."""
    due = [{"key": item.key, "at": stamp(item.at), "action": item.action} for item in done.due(values)]
    return {"rotated": list(done.rotated), "retired": list(done.retired), "due": due}


def _owned_keys(live: Object) -> set[str]:
    """The keys of a Secret that an earlier apply of this collection wrote."""
    fields: dict[str, Any] = {}
    for entry in (live.get("metadata") or {}).get("managedFields") or []:
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply":
            fields |= (entry.get("fieldsV1") or {}).get("f:data") or {}
    return {name.removeprefix("f:") for name in fields if name.startswith("f:")}


def _encoded(value: bytes) -> str:
    return b64encode(value).decode()
