# Keeps collections of the API as they are now: one LIST, then a WATCH from there, anew where the server has forgotten.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from sandbox.api import ApiError

Thing = TypeVar("Thing")
PAUSE_S = 1.0
LOST = (OSError, http.client.HTTPException)
TROUBLES = (*LOST, ApiError, ValueError, KeyError)


class Watchable(Protocol):
    """What is needed of `sandbox.api.Api`."""

    def call(self, method: str, path: str) -> str: ...

    def watch(self, path: str, version: str) -> Iterator[dict[str, Any]]: ...


class Collection(Generic[Thing]):
    """All objects of one kind, as far as `parse` tells of them.

    :param changed: called after a change of what `parse` tells; other changes of the objects are passed over.
    """

    def __init__(
        self,
        path: str,
        parse: Callable[[dict[str, Any]], Thing],
        changed: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.path = path
        # Why what is here may be old; empty while the watch is on.
        self.trouble = "not listed yet"
        self.listed = False
        self._parse, self._changed, self._say = parse, changed, say
        self._things: dict[tuple[str, str], Thing] = {}
        self._lock = threading.Lock()
        self._version = ""

    def things(self) -> list[Thing]:
        with self._lock:
            return list(self._things.values())

    def follow(self, api: Watchable, stop: threading.Event) -> None:
        """Until `stop`. A lost watch goes on where it was; what the server has forgotten, or what cannot be read, is
        listed again."""
        while not stop.is_set():
            try:
                if not self._version:
                    self._list(api)
                events = api.watch(self.path, self._version)
                self._report("")
                for event in events:
                    self._take(event)
                    if stop.is_set():
                        return
            except TROUBLES as error:
                if not isinstance(error, LOST):
                    self._version = ""
                if isinstance(error, ApiError) and error.status == http.client.GONE:
                    continue
                self._report(f"{type(error).__name__}: {error}")
                stop.wait(PAUSE_S)

    def _list(self, api: Watchable) -> None:
        found = json.loads(api.call("GET", self.path))
        things = {_key(one): self._parse(one) for one in found.get("items") or []}
        with self._lock:
            differs, self._things = things != self._things, things
        first, self.listed = not self.listed, True
        self._version = found["metadata"]["resourceVersion"]
        if first or differs:
            self._changed()

    def _take(self, event: dict[str, Any]) -> None:
        kind, found = event["type"], event["object"]
        if kind == "ERROR":
            raise ApiError(int(found.get("code") or 0), str(found.get("message")))
        if kind != "BOOKMARK":
            key = _key(found)
            thing = None if kind == "DELETED" else self._parse(found)
            with self._lock:
                differs = thing != self._things.get(key)
                if thing is None:
                    self._things.pop(key, None)
                else:
                    self._things[key] = thing
            if differs:
                self._changed()
        self._version = found["metadata"]["resourceVersion"]

    def _report(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            self._say(f"{self.path}: {trouble}; tried again every {PAUSE_S:g} s")
        self.trouble = trouble


def _key(found: dict[str, Any]) -> tuple[str, str]:
    return found["metadata"].get("namespace") or "", found["metadata"]["name"]
