# Keeps the runs of one environment as objects in a cluster: one ConfigMap for each run and section.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Object
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files, packing
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import (
    DOCUMENT,
    HEADER,
    LATEST,
    Guard,
    Part,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lease import Lease
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.objects import MANAGER, Objects

KEEP = 20  # runs of an environment
LEASE_S = 3600  # longer than the longest task between two records, which is a roll-out (900 s)
DATA = "content.json.gz"
OUTCOME, UNUSABLE = "outcome", "unusable"
_LABEL = "bytebot.production/"
_SLUG = 40  # letters; with the digest a label's value stays within the 63 that it may have


class OnCluster:
    """One object for each part, named by environment, run and part. Those of a closed run are immutable.

    The report's files are written to this machine; the record does not need them again.
    """

    def __init__(
        self, objects: Objects, folder: Path, owner: Owner, *, keep: int = KEEP, lease_s: int = LEASE_S
    ) -> None:
        """Nothing is asked yet.

        :param folder: the environment's on this machine; its name is the environment's.
        :param keep: how many runs are kept; older ones are deleted once they are closed and nothing of them is damaged.
        :param lease_s: seconds after which a run that recorded nothing more counts as ended.
        """
        self.folder = folder
        self.objects = objects
        self.keep = keep
        self._slug = slug(folder.name)
        self._labels = {
            "app.kubernetes.io/managed-by": MANAGER,
            "app.kubernetes.io/component": "record",
            f"{_LABEL}environment": self._slug,
        }
        self._versions: dict[str, str] = {}  # of the objects that were read; empty where there was none
        self.guard: Guard = Lease(objects, f"bytebot-record-{self._slug}", self._labels, owner, lease_s)

    @property
    def where(self) -> str:
        """Environment and namespace."""
        return f"the record of environment {self.folder.name} in namespace {self.objects.namespace}"

    def named(self, run: str, part: str) -> str:
        """Kind, namespace and name of a part's object."""
        return self.objects.named("ConfigMap", self._name(run, part))

    def resolved(self, run: str) -> str:
        """The id of a run; ``latest`` is the newest one."""
        return max(self.headers(), default=run) if run == LATEST else run

    def headers(self) -> dict[str, Part | files.Unusable]:
        """The headers of all runs."""
        found = self._listed({f"{_LABEL}part": HEADER})
        return {run: found[run, HEADER] for run, _part in sorted(found)}

    def sections(self, run: str) -> dict[str, Part | files.Unusable]:
        """All sections of a run."""
        found = self._listed({f"{_LABEL}run": run})
        return {part: found[run, part] for _run, part in sorted(found) if part not in {HEADER, OUTCOME, UNUSABLE}}

    def aside(self, run: str) -> dict[str, str]:
        """The objects that were put aside."""
        there = self.objects.list("ConfigMap", self._of(run, UNUSABLE))
        return {name: self.objects.named("ConfigMap", name) for name in (str(obj["metadata"]["name"]) for obj in there)}

    def read(self, run: str, part: str) -> Part | None:
        """One part."""
        obj = self._get(run, part)
        return None if obj is None else self._content(obj)

    def write(self, run: str, part: str, content: Mapping[str, Any]) -> None:
        """Put a part in the place of the one that was read, and of no other."""
        name = self._name(run, part)
        if name not in self._versions:
            self._get(run, part)
        version = self._versions[name]
        metadata: Object = {"name": name, "labels": self._of(run, part)}
        metadata |= {"resourceVersion": version} if version else {}
        data = packing.packed(self.named(run, part), content)
        self._seen(self.objects.put({"kind": "ConfigMap", "metadata": metadata, "binaryData": {DATA: data}}))

    def put_aside(self, run: str, part: str) -> None:
        """Copy a part's object under another name, then delete it."""
        obj = self._get(run, part)
        if obj is None:
            return
        name = f"{self._name(run, part)}-{UNUSABLE}-{len(self.aside(run)) + 1}"
        copy: Object = {"kind": "ConfigMap", "metadata": {"name": name, "labels": self._of(run, UNUSABLE)}}
        self.objects.put(copy | {key: obj[key] for key in ("data", "binaryData") if key in obj})
        self.objects.delete("ConfigMap", self._name(run, part))
        self._versions[self._name(run, part)] = ""

    def finish(self, run: str) -> None:
        """Make the run's sections immutable, and delete what is older than the runs that are kept.

        The header stays open for a gate that is asked later.
        """
        for obj in self.objects.list("ConfigMap", {**self._labels, f"{_LABEL}run": run}):
            if _part(obj) not in {HEADER, OUTCOME} and not obj.get("immutable"):
                self.objects.put({**obj, "kind": "ConfigMap", "immutable": True})
        headers = self.headers()
        for old in sorted(headers)[: -self.keep]:
            header = headers[old]
            if not isinstance(header, files.Unusable) and header.get("closed"):
                self._delete(old)

    def publish(self, run: str, document: Mapping[str, Any]) -> None:
        """Put the results document into the run's folder on this machine, and what it says into the cluster."""
        files.make_folder(self.folder / run)
        files.write_json(self.folder / run / DOCUMENT, document)
        files.link(self.folder / LATEST, run)
        states = {entry["id"]: entry["state"] for entry in document["controls"]}
        content = {"schema_version": files.SCHEMA, "run": run, "environment": self.folder.name, "states": states}
        self.write(run, OUTCOME, content)

    def outcome(self, run: str) -> Mapping[str, Any] | None:
        """Id and state of the controls of the results document that was published last."""
        content = self.read(run, OUTCOME)
        if content is None:
            return None
        states = content.get("states")
        if not isinstance(states, Mapping) or (content.get("run"), content.get("environment")) != (
            run,
            self.folder.name,
        ):
            raise files.Unusable(f"{self.named(run, OUTCOME)} is not the outcome of this run; delete it.")
        return {"run": {"id": run}, "controls": [{"id": id_, "state": state} for id_, state in states.items()]}

    def rehearse(self, run: str) -> None:
        """Ask the API server by a dry run whether a header could be made."""
        metadata = {"name": self._name(run, HEADER), "labels": self._of("none", HEADER)}
        self.objects.put({"kind": "ConfigMap", "metadata": metadata}, dry_run=True)

    # ------------------------------------------------------------------ inside

    def _listed(self, labels: Mapping[str, str]) -> dict[tuple[str, str], Part | files.Unusable]:
        found: dict[tuple[str, str], Part | files.Unusable] = {}
        for obj in self.objects.list("ConfigMap", {**self._labels, **labels}):
            self._seen(obj)
            try:
                found[_run(obj), _part(obj)] = self._content(obj)
            except files.Unusable as exc:
                found[_run(obj), _part(obj)] = exc
        return found

    def _get(self, run: str, part: str) -> Object | None:
        obj = self.objects.get("ConfigMap", self._name(run, part))
        self._versions[self._name(run, part)] = ""
        if obj:
            self._seen(obj)
        return obj

    def _seen(self, obj: Object) -> None:
        self._versions[str(obj["metadata"]["name"])] = str(obj["metadata"].get("resourceVersion") or "")

    def _content(self, obj: Object) -> Part:
        where = self.objects.named("ConfigMap", str(obj["metadata"]["name"]))
        text = (obj.get("binaryData") or {}).get(DATA)
        if not isinstance(text, str):
            raise files.Unusable(f"{where} holds no {DATA}; restore it from a copy, or judge again.")
        return files.unsealed(where, files.parsed(where, packing.unpacked(where, text)))

    def _delete(self, run: str) -> None:
        """Delete a run, its header last, so that one that was half deleted is deleted the next time."""
        there = self.objects.list("ConfigMap", {**self._labels, f"{_LABEL}run": run})
        if any(_part(obj) == UNUSABLE or self._damaged(obj) for obj in there):
            return
        for obj in sorted(there, key=lambda obj: _part(obj) == HEADER):
            self.objects.delete("ConfigMap", str(obj["metadata"]["name"]))

    def _damaged(self, obj: Object) -> bool:
        try:
            self._content(obj)
        except files.Unusable:
            return True
        return False

    def _of(self, run: str, part: str) -> dict[str, str]:
        return {**self._labels, f"{_LABEL}run": run, f"{_LABEL}part": part}

    def _name(self, run: str, part: str) -> str:
        return f"bytebot-record-{self._slug}-{run}-{part}".lower().replace("_", "-")


def slug(environment: str) -> str:
    """An environment's name as a part of names in a cluster; different ones never become the same."""
    plain = re.sub(r"[^a-z0-9]+", "-", environment.lower())[:_SLUG].strip("-")
    return f"{plain}-{hashlib.sha256(environment.encode()).hexdigest()[:8]}"


def _run(obj: Object) -> str:
    return str(((obj["metadata"]).get("labels") or {}).get(f"{_LABEL}run") or "")


def _part(obj: Object) -> str:
    return str(((obj["metadata"]).get("labels") or {}).get(f"{_LABEL}part") or "")
