# Changes of objects that remember how they were before, so that healing gives back exactly that.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from sandbox.api import ApiError
from sandbox.errors import SandboxError
from sandbox.faults.fault import Act, Hands, nothing
from sandbox.files import put

Object = dict[str, Any]
Change = Callable[[Object], object]
KEPT = "objects.json"
# What the API server gives an object, and nobody else.
ITS_OWN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


def changed(path: str, change: Change, then: Act = nothing) -> Act:
    """Change an object as it was before any fault, so that twice is like once.

    :param then: what makes others follow, as new pods that read it.
    """

    def act(hands: Hands) -> None:
        before = as_it_was(hands, path)
        if before is None:
            raise SandboxError("fault", f"{path} is not there", remedy="make demo deploys it")
        now = copy.deepcopy(before)
        change(now)
        _replace(hands, path, now)
        then(hands)

    return act


def placed(path: str, body: Object) -> Act:
    """Put an object in place of the one that is there, or where none is."""

    def act(hands: Hands) -> None:
        if as_it_was(hands, path) is None:
            hands.apply(path, body)
        else:
            _replace(hands, path, body)

    return act


def restored(*paths: str, then: Act = nothing) -> Act:
    """Give back what was there before, and forget it at the very end; where nothing was kept, nothing was changed."""

    def act(hands: Hands) -> None:
        kept = _kept(hands)
        mine = [path for path in paths if path in kept]
        if not mine:
            return
        for path in mine:
            if (before := kept[path]) is None:
                hands.delete(path)
            else:
                _replace(hands, path, before)
        then(hands)
        put(hands.folder / KEPT, json.dumps({path: kept[path] for path in kept if path not in mine}))

    return act


def as_it_was(hands: Hands, path: str) -> Object | None:
    """The object as it was before any fault, kept from the first time that it is asked for; None where none was."""
    kept = _kept(hands)
    if path not in kept:
        found = _found(hands, path)
        if found is not None:
            meta = {key: value for key, value in found["metadata"].items() if key not in ITS_OWN}
            found = {**{key: value for key, value in found.items() if key != "status"}, "metadata": meta}
        kept[path] = found
        put(hands.folder / KEPT, json.dumps(kept))
    return kept[path]


def steps(*acts: Act) -> Act:
    """One after the other."""

    def act(hands: Hands) -> None:
        for one in acts:
            one(hands)

    return act


def stamped(deployment: Object) -> None:
    """Another pod template, which rolls the pods and means nothing."""
    meta = deployment["spec"]["template"].setdefault("metadata", {})
    meta["annotations"] = {**meta.get("annotations", {}), "bytebot.test/fault": "in"}


def ready(*paths: str) -> Act:
    """Wait until workloads have all the pods that they want, ready and of their newest kind."""

    def act(hands: Hands) -> None:
        for path in paths:
            hands.until(lambda path=path: hands.settled(path), f"{path} has all its pods")  # type: ignore[misc]

    return act


def restarted(path: str) -> Act:
    """A new pod of a StatefulSet of one."""
    return lambda hands: hands.restart(path)


def looked_at(pod: str) -> Act:
    """A new annotation, at which the kubelet looks at the pod's volumes at once and not within its minute."""

    def act(hands: Hands) -> None:
        hands.patch(pod, {"metadata": {"annotations": {"bytebot.test/looked-at": secrets.token_hex(4)}}})

    return act


def _found(hands: Hands, path: str) -> Object | None:
    """None only where the API server says that there is no such object."""
    try:
        found: Object = json.loads(hands.cluster.call("GET", path))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return found


def _replace(hands: Hands, path: str, body: Object) -> None:
    hands.cluster.call("PUT", f"{path}?fieldManager=bytebot-fault", json.dumps(body))


def _kept(hands: Hands) -> dict[str, Object | None]:
    try:
        found: dict[str, Object | None] = json.loads((hands.folder / KEPT).read_text())
    except FileNotFoundError:
        return {}
    return found
