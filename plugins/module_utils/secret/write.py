# Writes one Secret so that no value is lost, whoever else writes at the same time and wherever a run breaks off.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.apply import MANAGER, naming
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, Object

STANDS_FOR = "bytebot.production/stands-for"
STAND_IN = ".being-replaced"  # ends the name of the Secret that holds the values while an immutable one is made anew
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the Secret that ``identity`` names. With ``check`` the API server is asked and nothing is stored."""

    cluster: Cluster
    identity: Identity
    check: bool

    def store(self, wanted: Object, live: Object | None, removed: Sequence[str]) -> Object:
        """Bring the Secret from ``live`` (None where there is none) to ``wanted``; what it is then.

        A change in between is refused, never overwritten: ``wanted`` rests on that very version of ``live``.
        """
        try:
            with naming(self.identity, "applied"):
                if live and live.get("immutable") and live.get("data") != wanted["data"]:
                    return self._made_anew(wanted, live)
                if live or self.check:
                    after = self.cluster.apply(wanted, manager=MANAGER, dry_run=self.check)
                else:
                    after = self._created(wanted)
        except NotThere as exc:
            if self.check:  # the namespace is made by an earlier task, which has not really run either
                return wanted
            raise NotThere(
                f"{self.identity} cannot be made, for there is no namespace {self.identity.namespace}. "
                "Make the namespace first."
            ) from exc
        return self._without(after, removed)

    def stand_in(self) -> Object | None:
        """What an earlier run left that broke off while it made an immutable Secret anew."""
        found = self.cluster.get("v1", "Secret", self._stand_in_name, self.identity.namespace)
        annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
        return found if annotations.get(STANDS_FOR) == self.identity.name else None

    def drop_stand_in(self) -> None:
        """Delete it, once its values stand in the Secret itself."""
        if not self.check:
            self.cluster.delete("v1", "Secret", self._stand_in_name, self.identity.namespace)

    # ------------------------------------------------------------------

    @property
    def _stand_in_name(self) -> str:
        return f"{self.identity.name}{STAND_IN}"

    @property
    def _folder(self) -> str:
        return f"/api/v1/namespaces/{self.identity.namespace}/secrets"

    def _created(self, wanted: Object) -> Object:
        """Make a Secret that must not be there yet: an apply would overwrite what another run has made by now."""
        made = self._post(wanted)
        known = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": made["metadata"]["resourceVersion"]}}
        try:  # the same once more, so that the next apply knows its own fields
            return self.cluster.apply(known, manager=MANAGER)
        except Refused as exc:
            if "has been modified" in exc.sentence:  # by a run that found it; it has all its values
                return made
            raise

    def _post(self, obj: Object, *, dry_run: bool = False) -> Object:
        query = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return self.cluster.raw("POST", self._folder, body=_new(obj), query=query)

    def _made_anew(self, wanted: Object, live: Object) -> Object:
        """Delete an immutable Secret and make it again. Until that is done, another Secret holds its values."""
        twin = _named(wanted, self._stand_in_name, {STANDS_FOR: self.identity.name})
        if self.check:
            self._post(twin, dry_run=True)
            return wanted
        self._post(twin)
        try:
            self._delete(live)
        except Refused:
            self.drop_stand_in()
            raise
        after = self._created(_new(wanted))
        self.drop_stand_in()
        return after

    def _delete(self, live: Object) -> None:
        metadata = live["metadata"]
        conditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        self.cluster.raw("DELETE", f"{self._folder}/{self.identity.name}", body=body)

    def _without(self, after: Object, keys: Sequence[str]) -> Object:
        """Remove keys that others wrote; an apply removes its own only."""
        left = [key for key in keys if key in (after.get("data") or {})]
        if not left:
            return after
        if self.check:  # a dry run stores nothing that a second dry run could go on from
            return {**after, "data": {key: value for key, value in after["data"].items() if key not in left}}
        body: dict[str, Any] = {"data": dict.fromkeys(left)}
        body["metadata"] = {"resourceVersion": after["metadata"]["resourceVersion"]}
        with naming(self.identity, "changed"):
            return self.cluster.raw(
                "PATCH",
                f"{self._folder}/{self.identity.name}",
                body=body,
                query={"fieldManager": MANAGER},
                content_type=MERGE_PATCH,
            )


def _new(obj: Object) -> Object:
    """An object as it is made, which rests on no version."""
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


def _named(obj: Object, name: str, annotations: dict[str, str]) -> Object:
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "name": name, "annotations": {**metadata["annotations"], **annotations}}}
