# Observes what users' own controls look at: objects of the Kubernetes API (Secrets without values) and allowed URLs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.own import Address, Objects, Own, judge
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http, shown_url
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    NotPermitted,
    NotThere,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import masked
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Result,
    Verdict,
    errored,
    pending,
    utc_now,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of

Object = dict[str, Any]


class Observer:
    """Looks at each source once, however many controls ask about it.

    :param http: makes the client for a URL; raises where its host is not allowed.
    """

    def __init__(self, cluster: Cluster, redactor: Redactor, http: Callable[[str], Http], *, probe: bool) -> None:
        self._cluster, self._redactor, self._http, self._probe = cluster, redactor, http, probe
        self._seen: dict[str, tuple[Any, str]] = {}

    def permit(self, controls: Sequence[Own]) -> None:
        """Refuse URLs that may not be asked, before anything is.

        :raises InputError: naming the control.
        """
        for one in controls:
            if isinstance(one.source, Address):
                try:
                    self._http(one.source.url)
                except InputError as exc:
                    raise InputError(f"{one.id}, source: {exc.sentence}") from exc

    def judged(self, control: Own) -> Result:
        """One control, judged by what its source shows now."""
        started, began = utc_now(), time.monotonic()
        verdict = self._verdict(control)
        return Result(control.id, verdict, started, time.monotonic() - began)

    def _verdict(self, control: Own) -> Verdict:
        source = control.source
        if isinstance(source, Address) and not self._probe:
            return pending("It needs a probe, and check mode sends none.")
        try:
            if isinstance(source, Address):
                return self._of_url(control, source)
            document, at = self._objects(source)
        except NotPermitted as exc:
            return pending(f"It could not be looked at: {exc.sentence}", "Grant that verb to this account.")
        except NotThere as exc:
            return errored(f"It could not be looked at: {exc.sentence}", "Correct api_version and kind.")
        return judge(control, document, str(source), at)

    # ------------------------------------------------------------------ objects

    def _objects(self, source: Objects) -> tuple[Any, str]:
        key = repr(source)
        if key not in self._seen:
            self._seen[key] = (self._asked(source), utc_now())
        return self._seen[key]

    def _asked(self, source: Objects) -> Any:
        plural, namespaced = self._cluster.resource(source.api_version, source.kind)
        place = source.namespace if namespaced else ""
        hidden = plural == "secrets"
        if source.name:
            found = self._cluster.get(source.api_version, source.kind, source.name, place)
            return None if found is None else _open(found, hidden)
        chosen = self._cluster.list(source.api_version, source.kind, place, labels=source.labels)
        return [_open(one, hidden) for one in chosen]

    # ------------------------------------------------------------------ URLs

    def _of_url(self, control: Own, source: Address) -> Verdict:
        http, shown = self._http(source.url), f"GET {shown_url(source.url)}"
        headers, problem = self._headers(source)
        if problem:
            return pending(problem, "Create that Secret with that key, or correct auth.")
        at = utc_now()
        answer = http.get(source.url, headers=headers)
        if answer.failure:
            seen = Evidence(shown, {"failure": answer.failure.label}, at)
            said = f"It could not be asked: {answer.failure.sentence}"
            return errored(said, "Make it answer, or correct the URL.", seen)
        try:
            body: Any = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = answer.body
        kept = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        return judge(control, {"status": answer.status, "headers": kept, "body": body}, shown, at)

    def _headers(self, source: Address) -> tuple[dict[str, str], str]:
        """The header that signs in, or why there is none."""
        auth = source.auth
        if not auth:
            return {}, ""
        name, namespace = auth["secret"], auth["namespace"]
        data = data_of(self._cluster.get("v1", "Secret", name, namespace) or {})
        keys = [auth[key] for key in ("token_key", "username_key", "password_key") if auth.get(key)]
        if missing := [key for key in keys if not data.get(key)]:
            return {}, f"Secret {namespace}/{name} is not there, or has no key {', '.join(missing)}."
        for key in keys:
            if key != auth.get("username_key"):
                self._redactor.learn(data[key].strip())
        if auth.get("token_key"):
            return {"Authorization": f"Bearer {data[auth['token_key']].decode().strip()}"}, ""
        pair = b":".join((data.get(auth.get("username_key", ""), b"").strip(), data[auth["password_key"]].strip()))
        encoded = b64encode(pair).decode()
        self._redactor.learn(encoded)
        return {"Authorization": f"Basic {encoded}"}, ""


def _open(obj: Object, hidden: bool) -> Object:
    """The object as a query may see it: a Secret keeps its keys and none of its values, however its kind was spelt."""
    if "items" in obj and isinstance(obj["items"], list):
        return {**obj, "items": [_open(one, hidden) for one in obj["items"]]}
    whole = masked({**obj, "kind": "Secret"}) if hidden else obj
    metadata = {key: value for key, value in (whole.get("metadata") or {}).items() if key != "managedFields"}
    return {**whole, "metadata": metadata}
