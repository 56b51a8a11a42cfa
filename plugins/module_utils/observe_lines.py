# Makes known requests, reads what each replica wrote of them, and looks for the same lines in the log store.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.checks.log_facts import FlowSeen, LineNames, Wrote
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_lines import arrived
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Fields
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_search import Searched
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

HEADER = "x-correlation-id"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
AT_ONCE, ROUNDS, PAUSE_S = 4, 6, 0.5  # requests for each replica and round; rounds at most
LINES = 400  # of each pod that are read, from the end
WRITTEN_S = 10.0  # for a line to be written and read from the pod


@dataclass
class Lines:
    """Looks for lines of one workload.

    :param within_s: seconds that lines may take to the store.
    """

    cluster: Cluster
    namespace: str
    workload: str
    http: Http
    fields: Fields
    store: Searched
    names: LineNames
    within_s: float
    redactor: Redactor
    path: str = "/api/v1/tasks"
    pause: Callable[[float], None] = time.sleep
    _word: str = field(default_factory=lambda: f"chk{secrets.token_hex(6)}")
    _ids: dict[str, str] = field(default_factory=dict)

    def look(self) -> FlowSeen:
        """Make the requests, wait for their lines, and look."""
        began = time.time()
        planted = {
            "token": f"eyJhbGciOiJub25lIn0.{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(8)}",
            "password": f"Pw-{secrets.token_urlsafe(18)}",
            "e-mail address": f"nobody-{secrets.token_hex(6)}@checklist.invalid",
        }
        for one in planted.values():
            self.redactor.learn(one)
        seen = FlowSeen(self.workload, within_s=self.within_s, planted=planted)
        try:
            pods = self._pods()
            if not pods:
                none = f"No pod of Deployment {self.workload} is ready in {self.namespace}."
                return replace(seen, gap=none, remedy="Name the Deployment that answers requests (workload).")
            failed = self._fail(planted)
            if failed.failure:
                return replace(seen, broken=failed.failure.sentence.rstrip("."))
            wrote = self._reach(pods, planted["token"], began)
            if len(wrote) < len(pods):  # its lines, perhaps that of the error, are only where they were sent
                went = f"A pod of Deployment {self.workload} went while the logs were read."
                return replace(seen, gap=went, remedy="Judge again when it is at rest.")
        except NotPermitted as exc:
            return replace(seen, gap=exc.sentence, remedy="Allow this account to read pods and their logs (pods/log).")
        error_id = f"{self._word}-error" if failed.status == HTTPStatus.UNAUTHORIZED else ""
        seen = replace(seen, ids=dict(self._ids), wrote=wrote, error_id=error_id, error_status=failed.status)
        return self._found(seen, began)

    def _pods(self) -> dict[str, str]:
        """The ready pods of the Deployment, by the ReplicaSets that own them, each with the container that is meant."""
        found = {}
        for one in self.cluster.list("v1", "Pod", self.namespace):
            owners = one["metadata"].get("ownerReferences") or []
            made = any(str(own.get("name") or "").rpartition("-")[0] == self.workload for own in owners)
            states = {str(state.get("type")): state.get("status") for state in _status(one).get("conditions") or []}
            if made and states.get("Ready") == "True" and not one["metadata"].get("deletionTimestamp"):
                found[one["metadata"]["name"]] = _meant(one)
        return dict(sorted(found.items()))

    # ------------------------------------------------------------------ requests

    def _sent(self, number: str, **more: str) -> dict[str, str]:
        name = f"{self._word}-{number}"
        return {HEADER: name, "User-Agent": f"bytebot.production {name}", **more}

    def _fail(self, planted: Mapping[str, str]) -> Answer:
        """A sign-in of nobody, which is an error of its own kind and changes nothing."""
        headers = self._sent("error")
        body = {self.fields.username: planted["e-mail address"], self.fields.password: planted["password"]}
        answer = self.http.request("POST", self.fields.login_path, headers=headers, json=body)
        self._note(headers, answer)
        return answer

    def _note(self, headers: Mapping[str, str], answer: Answer) -> None:
        if not answer.failure:
            self._ids[headers[HEADER]] = answer.headers.get(HEADER, "")

    def _reach(self, pods: Mapping[str, str], token: str, began: float) -> tuple[Wrote, ...]:
        """Make requests until each pod has written of one, as its own log tells."""
        wrote: tuple[Wrote, ...] = ()
        number = 0
        for _round in range(ROUNDS):
            for _number in range(AT_ONCE * len(pods)):
                number += 1
                headers = self._sent(str(number), Authorization=f"Bearer {token}")
                self._note(headers, self.http.get(self.path, headers=headers))
            wrote = self._written(pods, began)
            if all(one.words for one in wrote):
                break
        return wrote

    def _written(self, pods: Mapping[str, str], began: float) -> tuple[Wrote, ...]:
        end = time.monotonic() + WRITTEN_S
        while True:
            rows = [self._wrote(pod, container, began) for pod, container in pods.items()]
            found = tuple(row for row in rows if row is not None)
            told = sum(any(one in line for line in row.lines) for row in found for one in row.words)
            if (all(one.words for one in found) and told) or time.monotonic() >= end:
                return found
            self.pause(PAUSE_S)

    def _wrote(self, pod: str, container: str, began: float) -> Wrote | None:
        """What a pod has written; None where it went meanwhile, as while a Deployment scales in."""
        query = {
            "container": container,
            "sinceSeconds": str(int(time.time() - began) + 1),
            "tailLines": str(LINES),
        }
        try:
            path = f"/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(pod)}/log"
            text = self.cluster.raw_text("GET", path, query=query)
        except (NotThere, Refused):
            if pod in self._pods():
                raise
            return None
        lines = tuple(line for line in text.splitlines() if line.strip())
        ours = [line for line in lines if self._word in line]
        if ours:
            return Wrote(pod, lines, (self._word,))
        own = [str(_object(line).get(self.names.correlation) or "") for line in lines]
        return Wrote(pod, lines, tuple(sorted({one for one in own if len(one) >= len(self._word)}))[:20])

    # ------------------------------------------------------------------ the store

    def _found(self, seen: FlowSeen, since: float) -> FlowSeen:
        words = tuple(dict.fromkeys(word for one in seen.wrote for word in one.words))
        if not words:
            return seen
        began = time.monotonic()
        while True:
            told = self.store.find(words, self.namespace, since - 60)
            seen = replace(seen, found=told, took_s=time.monotonic() - began)
            late = time.monotonic() - began >= self.within_s
            if not told.ok or late or (all(arrived(one, seen) for one in seen.wrote) and self._error_there(seen)):
                return seen
            self.pause(PAUSE_S)

    def _error_there(self, seen: FlowSeen) -> bool:
        """Whether all of the induced error's lines have come that the pods wrote."""
        if not seen.error_id:
            return True
        mine = sum(seen.error_id in line for one in seen.wrote for line in one.lines)
        return sum(1 for line in seen.lines if line.fields.get(self.names.correlation) == seen.error_id) >= mine


def _meant(pod: Mapping[str, Any]) -> str:
    """The container that kubectl takes, too: the one that the pod names, as a mesh that adds its proxy does."""
    names = [str(one["name"]) for one in pod["spec"]["containers"]]
    told = str((pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER) or "")
    return told if told in names else names[0]


def _status(found: Mapping[str, Any]) -> Mapping[str, Any]:
    status = found.get("status")
    return status if isinstance(status, Mapping) else {}


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}
