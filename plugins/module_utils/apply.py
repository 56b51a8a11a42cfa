# Brings a list of objects to the cluster (or out of it) by server-side apply, and says truthfully what changed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotPermitted,
    NotThere,
    Refused,
    TimedOut,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import (
    Change,
    Identity,
    Object,
    diff,
    identity,
    parse,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import learn_secrets

MANAGER = "bytebot.production"
CRD = "CustomResourceDefinition"
CRD_WAIT_S = 30.0
_POLL_S = 0.25
_FIRST = {"Namespace": 0, CRD: 1}
# What the API server itself keeps with an object: it differs without anybody having changed the object.
_BOOKKEEPING = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
_CONFLICT = re.compile(r'conflicts? with "([^"]+)".*?: ((?:- )?\..*?)(?= conflicts? with "|$)')


# ---------------------------------------------------------------------- what is wanted


def wanted(objects: Sequence[Any], manifests: Sequence[str]) -> list[Object]:
    """The objects given inline and in files, each checked, none twice."""
    given = [(f"objects[{index}]", obj) for index, obj in enumerate(objects)]
    for path in manifests:
        given += [(f"{path}, object {index + 1}", obj) for index, obj in enumerate(_read(path))]
    if not given:
        raise InputError("There is nothing to apply, for objects and manifests hold no object.")
    seen: dict[Identity, str] = {}
    for where, obj in given:
        name = identity(_checked(obj, where))
        if name in seen:
            raise InputError(f"{name} is given twice, as {seen[name]} and as {where}.")
        seen[name] = where
    return [obj for _where, obj in given]


def _read(name: str) -> list[Object]:
    path = Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise InputError(f"There is no manifest at {path}.") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"The manifest {path} is not UTF-8 text.") from exc
    except OSError as exc:
        raise InputError(f"The manifest {path} cannot be read ({exc.strerror}).") from exc
    return parse(text, f"The manifest {path}")


def _checked(obj: Any, where: str) -> Object:
    if not isinstance(obj, dict):
        raise InputError(f"{where} is not an object with apiVersion, kind and metadata.name.")
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    fields = {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata.name": name}
    missing = [key for key, value in fields.items() if not (isinstance(value, str) and value)]
    if missing:
        known = " ".join(str(value) for value in (fields["kind"], name) if value)
        raise InputError(f"{where}{f' ({known})' if known else ''} has no {' and no '.join(missing)}.")
    for part in ("data", "stringData") if obj["kind"] == "Secret" else ():
        if not isinstance(obj.get(part) or {}, Mapping):
            raise InputError(f"{where} (Secret {name}) has {part} that is not a mapping of keys to values.")
    return obj


def placed(cluster: Cluster, objects: Iterable[Object], namespace: str, *, absent: bool = False) -> list[Object]:
    """The objects with ``namespace`` filled in where they live in one and name none."""
    objects = list(objects)
    scopes = {_custom_kind(obj): (obj.get("spec") or {}).get("scope") for obj in objects if obj["kind"] == CRD}
    return [_with_namespace(cluster, obj, namespace, scopes, absent) for obj in objects]


def _with_namespace(cluster: Cluster, obj: Object, namespace: str, scopes: Mapping[Any, Any], absent: bool) -> Object:
    name = identity(obj)
    if name.namespace:
        return obj
    if (name.group, name.kind) in scopes:
        namespaced = scopes[name.group, name.kind] == "Namespaced"
    elif absent and not cluster.serves(obj["apiVersion"], name.kind):
        return obj  # a kind that is not served has no objects to delete
    else:
        with naming(name, "applied"):
            namespaced = cluster.namespaced(obj["apiVersion"], name.kind)
    if not namespaced:
        return obj
    if not namespace:
        raise InputError(
            f"{name} lives in a namespace and names none. Set its metadata.namespace, or namespace for all."
        )
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


def _custom_kind(obj: Object) -> tuple[str, str] | None:
    """The API group and kind that a custom resource definition brings."""
    if obj["kind"] != CRD:
        return None
    spec = obj.get("spec") or {}
    return str(spec.get("group")), str((spec.get("names") or {}).get("kind"))


def ordered(objects: Iterable[Object], *, absent: bool = False) -> list[Object]:
    """Namespaces and definitions first, all else as given; to delete, the other way round."""
    in_order = sorted(objects, key=lambda obj: _FIRST.get(obj["kind"], len(_FIRST)))
    return in_order[::-1] if absent else in_order


# ---------------------------------------------------------------------- what became of it


def settled(obj: Object) -> Object:
    """The object without the API server's bookkeeping and without status: what people and programs set."""
    kept = {key: value for key, value in obj.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _BOOKKEEPING}
    return kept


@dataclass(slots=True)
class Tally:
    """What happened to each object so far, with the objects before and after for the diff."""

    created: list[Identity] = field(default_factory=list)
    changed: list[Identity] = field(default_factory=list)
    deleted: list[Identity] = field(default_factory=list)
    unchanged: list[Identity] = field(default_factory=list)
    not_asked: list[Identity] = field(default_factory=list)
    before: list[Object] = field(default_factory=list)
    after: list[Object] = field(default_factory=list)

    def note(self, name: Identity, before: Object | None, after: Object | None) -> None:
        """Compare an object before and after, and remember what that means."""
        old, new = before and settled(before), after and settled(after)
        if old == new:
            self.unchanged.append(name)
            return
        (self.created if old is None else self.deleted if new is None else self.changed).append(name)
        self.before += [old] if old else []
        self.after += [new] if new else []

    @property
    def change(self) -> Change:
        return Change(tuple(self.created), tuple(self.changed), tuple(self.deleted))

    def report(self) -> dict[str, Any]:
        """The parts of the result that say what changed."""
        unchanged = [str(name) for name in self.unchanged]
        return {"changed": bool(self.change), "changes": {**self.change.to_dict(), "unchanged": unchanged}}

    def result(self, *, with_diff: bool) -> dict[str, Any]:
        """The module's result."""
        shown = {"diff": diff(self.before, self.after, self.change, "")} if with_diff and self.change else {}
        return {**self.report(), "not_asked": [str(name) for name in self.not_asked], **shown}


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies or deletes objects one by one; with ``check`` the API server is asked and nothing is stored."""

    cluster: Cluster
    redactor: Redactor
    check: bool
    force: bool

    def present(self, objects: Sequence[Object]) -> Tally:
        """Apply all, in order."""
        tally = Tally()
        with _telling(tally):
            for obj in ordered(objects):
                self._apply(obj, objects, tally)
        return tally

    def absent(self, objects: Sequence[Object]) -> Tally:
        """Delete all, in the opposite order; one that is being deleted already counts as gone."""
        tally = Tally()
        with _telling(tally):
            for obj in ordered(objects, absent=True):
                self._delete(obj, tally)
        return tally

    def _apply(self, obj: Object, objects: Sequence[Object], tally: Tally) -> None:
        name = identity(obj)
        if self.check and _comes_with_this_call(name, objects, tally):
            tally.not_asked.append(name)
            tally.note(name, None, obj)
            return
        before = self._live(obj)
        refuse_deleting(name, before)
        with naming(name, "applied"):
            after = self.cluster.apply(obj, manager=MANAGER, dry_run=self.check, force=self.force)
        tally.note(name, before, after)
        if obj["kind"] == CRD and name not in tally.unchanged and not self.check:
            self._await_served(obj)

    def _delete(self, obj: Object, tally: Tally) -> None:
        name = identity(obj)
        before = self._live(obj)
        if before is None or before["metadata"].get("deletionTimestamp"):
            tally.unchanged.append(name)
            return
        with naming(name, "deleted"):
            self.cluster.delete(obj["apiVersion"], name.kind, name.name, name.namespace, dry_run=self.check)
        tally.note(name, before, None)

    def _live(self, obj: Object) -> Object | None:
        name = identity(obj)
        with naming(name, "read"):
            live = self.cluster.get(obj["apiVersion"], name.kind, name.name, name.namespace)
        learn_secrets(self.redactor, [live] if live else [], [str(name)])
        return live

    def _await_served(self, definition: Object) -> None:
        """Wait until a definition's kind can be used; the API server needs a moment to begin serving it."""
        until = time.monotonic() + CRD_WAIT_S
        while not (_established(self._live(definition)) and self._served(definition)):
            if time.monotonic() > until:
                raise TimedOut(
                    f"{identity(definition)} was applied and its kind is not served after {CRD_WAIT_S:.0f} s."
                )
            time.sleep(_POLL_S)

    def _served(self, definition: Object) -> bool:
        group, kind = _custom_kind(definition) or ("", "")
        versions = [item["name"] for item in definition["spec"].get("versions") or [] if item.get("served")]
        return all(self.cluster.serves(f"{group}/{version}", kind) for version in versions)


def refuse_deleting(name: Identity, live: Object | None) -> None:
    """Refuse to apply to an object that is on its way out: whatever is applied would vanish with it."""
    if live and live["metadata"].get("deletionTimestamp"):
        raise Refused(f"{name} is being deleted. Wait until it is gone (look at its finalizers), then run this again.")


def _comes_with_this_call(name: Identity, objects: Iterable[Object], tally: Tally) -> bool:
    """Whether an object's namespace or kind would be made by this very call, so that the cluster cannot be asked."""
    new = set(tally.created)
    if any(made.kind == "Namespace" and made.name == name.namespace for made in new):
        return True
    return any(_custom_kind(obj) == (name.group, name.kind) and identity(obj) in new for obj in objects)


def _established(definition: Object | None) -> bool:
    conditions = ((definition or {}).get("status") or {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


# ---------------------------------------------------------------------- errors


@contextmanager
def _telling(tally: Tally) -> Iterator[None]:
    """Add to an error what was changed before it: some objects may be applied already."""
    try:
        yield
    except CollectionError as exc:
        exc.details.update(tally.report())
        raise


@contextmanager
def naming(name: Identity, verb: str) -> Iterator[None]:
    """Begin the sentence of an error with the object that it is about."""
    try:
        yield
    except (NotThere, NotPermitted, Refused) as exc:
        owners = conflict(exc.sentence)
        if owners:
            sentence = (
                f"{name} cannot be {verb}, for {owners}. "
                "Set force to take these fields over, or leave them out of the object."
            )
        else:
            sentence = f"{name} cannot be {verb}: {_continued(exc.sentence)}"
        raise type(exc)(sentence, **exc.details) from exc


def conflict(sentence: str) -> str:
    """Who owns which field, from the API server's message on a conflict; empty for any other message."""
    if "Apply failed with" not in sentence:
        return ""
    owners = _CONFLICT.findall(sentence.rstrip("."))
    return " and ".join(
        f"{manager} owns {', '.join(fields[fields.index('.') :].split(' - '))}" for manager, fields in owners
    )


def _continued(sentence: str) -> str:
    """A sentence made to follow a colon."""
    return sentence[0].lower() + sentence[1:] if sentence[1:2].islower() else sentence
