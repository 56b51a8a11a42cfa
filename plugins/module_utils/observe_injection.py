# Puts texts into the inputs that an API's description names, as a signed-in user, and keeps what the answers show.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.bytebot.production.plugins.module_utils import injection_texts as texts
from ansible_collections.bytebot.production.plugins.module_utils.checks.injection import (
    Finding,
    InjectionFacts,
    Point,
    Seen,
    decides,
    hits,
    waits,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.canary import Canary
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Identity, body_of
from ansible_collections.bytebot.production.plugins.module_utils.injection_inputs import (
    NOBODY,
    Operation,
    Parameter,
    inputs,
)
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description

IDS = "id"
PAGES = 20  # of what an earlier run left, at most
ORDER = (True, False, False, True, True, False)  # of conditions that hold
PLAIN = "probe"  # where a text is wanted, and none is tried


@dataclass(frozen=True, slots=True)
class InjectionScope:
    """What may be tried, and how much of it.

    :param write_paths: where things may be made, by the beginning of a path; empty where nothing may.
    :param skip: patterns of paths that are left out.
    :param seconds: for all of it; :param requests: at most.
    """

    login_path: str = "/api/v1/auth/login"
    write_paths: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    seconds: float = 1800.0
    requests: int = 5000
    longest_pause_s: float = 90.0


@dataclass
class _Kept:
    """What has been seen so far."""

    tried: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)


class Injection:
    """One round of texts through one application."""

    def __init__(
        self,
        http: Http,
        users: Sequence[Identity],
        description: Description,
        scope: InjectionScope,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is sent yet.

        :param users: signed in; the first one that may asks, and any of them may remove what was made.
        """
        self._http, self._users, self._description, self._scope, self._sleep = http, users, description, scope, sleep
        self._kept, self._sent, self._ends = _Kept(), 0, time.monotonic() + scope.seconds
        self._made: dict[str, str] = {}
        self._slept: Counter[str] = Counter()  # inputs that wait as long as a text says, by what is to blame
        self._own, self._who = "", users[0]

    def facts(self, canary: Canary | None) -> InjectionFacts:
        """Try every input, and remove what was made."""
        chosen = [one for one in inputs(self._description) if self._may(one)]
        try:
            self._sweep(chosen)
            self._own = self._task(chosen)
            for operation in chosen:
                for parameter in operation.parameters:
                    if _takes_text(parameter):
                        self._input(operation, parameter, canary)
        finally:
            self._sweep(chosen)
        kept = self._kept
        listened = self._listened(canary)
        if canary is not None and not listened:
            kept.untried.append("addresses in texts: the listener itself is not reached")
        return InjectionFacts(
            self._http.base_url,
            kept.tried,
            tuple(dict.fromkeys(kept.findings)),
            tuple(dict.fromkeys(kept.unanswered)),
            tuple(dict.fromkeys(kept.untried)),
            listened,
            tuple(self._made),
        )

    # ------------------------------------------------------------------ what is tried

    def _may(self, operation: Operation) -> bool:
        if any(re.search(pattern, operation.path) for pattern in self._scope.skip):
            return False
        if operation.path == self._scope.login_path:
            return operation.method == "POST"
        writes = operation.method in ("POST", "PUT", "PATCH") and operation.path.startswith(
            self._scope.write_paths or ("\0",)
        )
        return operation.method == "GET" or writes

    def _input(self, operation: Operation, parameter: Parameter, canary: Canary | None) -> None:
        point = Point(operation.method, operation.path, parameter.place, parameter.name)
        made = texts.marks()
        plain = None
        for user in self._users:
            self._who = user
            plain = self._put(operation, parameter, made.word)
            if plain is None or plain.status != HTTPStatus.FORBIDDEN:  # the first one who may
                break
        if plain is None:
            return
        stores = operation.method != "GET" and operation.path != self._scope.login_path
        for text in texts.texts(made, stored=stores):
            seen = self._put(operation, parameter, text)
            if seen is None:
                return
            for cause, said in hits(made, plain, seen):
                self._found(cause, point, said, text)
            for cause, said in hits(made, plain, (self._stored() if stores else None) or plain):
                self._found(cause, point, f"stored: {said}", text)
        self._conditions(operation, parameter, point)
        self._pauses(operation, parameter, point)
        if canary is not None:
            self._address(operation, parameter, point, canary)

    def _conditions(self, operation: Operation, parameter: Parameter, point: Point) -> None:
        word = texts.marks().word
        true, false = texts.conditions(word)
        asked = [(holds, self._put(operation, parameter, true if holds else false)) for holds in ORDER]
        answers = [(holds, seen) for holds, seen in asked if seen is not None]
        if len(answers) == len(asked) and decides(answers):
            self._found("sql", point, "a condition that was added decides the answer", true)

    def _pauses(self, operation: Operation, parameter: Parameter, point: Point) -> None:
        word = texts.marks().word
        for cause, form in texts.SLEEPERS:
            if self._is_found(cause, point):
                continue
            if self._slept[cause] >= texts.SLEPT_ENOUGH:
                told = f"texts that wait ({cause}) at further inputs: {texts.SLEPT_ENOUGH} that obey them are enough"
                self._kept.untried.append(told)
                continue
            taken = []
            for seconds in texts.PAUSES:
                text = form.format(word=word, seconds=seconds)
                seen = self._put(operation, parameter, text)
                if seen is None:
                    return
                taken.append((seconds, seen.seconds))
                if seconds and not waits([taken[0], taken[-1]]):
                    break
            else:
                self._found(cause, point, "the answer waits as long as the text says", text)
                self._slept[cause] += 1

    def _address(self, operation: Operation, parameter: Parameter, point: Point, canary: Canary) -> None:
        word = texts.marks().word
        self._put(operation, parameter, f"{canary.url}/{word}")
        if word in canary.asked:
            self._found("address", point, "an address in the text is asked", f"{canary.url}/{word}")

    def _listened(self, canary: Canary | None) -> bool:
        """Whether the listener can be reached at all: else that nobody came says nothing."""
        if canary is None:
            return False
        import requests

        word = texts.marks().word
        try:
            requests.get(f"{canary.url}/{word}", timeout=5, proxies={"http": ""})
        except requests.RequestException:
            return False
        return word in canary.asked

    # ------------------------------------------------------------------ requests

    def _put(self, operation: Operation, parameter: Parameter, text: str) -> Seen | None:
        """Send a text; None where the bounds are met, or no answer came."""
        point = str(Point(operation.method, operation.path, parameter.place, parameter.name))
        answer = self._asked(operation, parameter, text)
        if answer is None:
            self._kept.untried.append("the time or the number of requests that is allowed was over")
            return None
        if answer.failure and answer.failure.kind != "timeout":
            self._kept.unanswered.append(f"{point} ({answer.failure.sentence.rstrip('.')})")
            return None
        self._kept.tried[point] = self._kept.tried.get(point, 0) + 1
        self._remember(operation, answer)
        return _seen(answer)

    def _asked(self, operation: Operation, parameter: Parameter, text: str) -> Answer | None:
        path, headers, body = self._request(operation, parameter, text)
        while self._sent < self._scope.requests and time.monotonic() <= self._ends:
            self._sent += 1
            answer = self._http.request(operation.method, path, headers=headers, json=body)
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                return answer
            if not self._paused(answer):
                return None
        return None

    def _paused(self, answer: Answer) -> bool:
        """Wait until a limit is over, where its answer says when, and it is soon."""
        wanted = answer.headers.get("retry-after", "")
        if not wanted.isdecimal() or int(wanted) > self._scope.longest_pause_s:
            return False
        self._sleep(float(wanted))
        return True

    def _request(
        self, operation: Operation, parameter: Parameter, text: str
    ) -> tuple[str, dict[str, str], dict[str, Any] | None]:
        path, query = operation.path, {}
        headers = dict(self._who.headers) if operation.path != self._scope.login_path else {}
        for one in operation.parameters:
            mine = one.name == parameter.name and one.place == parameter.place
            value = text if mine else str(self._description.sample(one.schema, PLAIN))
            if one.place == "path":
                value = value if mine else self._own or NOBODY
                path = path.replace(f"{{{one.name}}}", quote(value, safe=""))
            elif one.place == "query" and (mine or one.required):
                query[one.name] = value
            elif one.place == "header" and (mine or one.required):
                headers[one.name] = value.replace("\r", "").replace("\n", "")  # what a client cannot send
        body: dict[str, Any] | None = None
        if fields := operation.at("body"):
            body = {one.name: self._description.sample(one.schema, PLAIN) for one in fields if one.required}
            if parameter.place == "body":
                body[parameter.name] = text
            for one in fields:  # what is made can be told by its mark
                if (
                    one.required
                    and one.name != parameter.name
                    and isinstance(body.get(one.name), str)
                    and not one.schema.get("enum")
                ):
                    body[one.name] = f"{texts.MARK} {body[one.name]}"[: int(one.schema.get("maxLength") or 200)]
        return path + (f"?{urlencode(query)}" if query else ""), headers, body

    # ------------------------------------------------------------------ what is made, and removed

    def _task(self, chosen: Sequence[Operation]) -> str:
        """The id of a thing of our own, for paths that want one; empty where none may be made."""
        for operation in chosen:
            if operation.method == "POST" and operation.path in self._scope.write_paths and operation.at("body"):
                first = operation.at("body")[0]
                answer = self._asked(operation, first, f"{texts.MARK} to be looked at")
                if answer is not None:
                    self._remember(operation, answer)
                    return str(body_of(answer).get(IDS) or "")
        return ""

    def _remember(self, operation: Operation, answer: Answer) -> None:
        known = body_of(answer).get(IDS)
        if operation.method == "POST" and answer.status == HTTPStatus.CREATED and isinstance(known, str):
            self._made[f"{operation.path}/{quote(known, safe='')}"] = known

    def _stored(self) -> Seen | None:
        """What was made last, as it is read."""
        if not self._made or self._sent >= self._scope.requests:
            return None
        self._sent += 1
        return _seen(self._http.get(list(self._made)[-1], headers=self._users[0].headers))

    def _sweep(self, chosen: Sequence[Operation]) -> None:
        """Remove what this run or an earlier one made: all that carries the mark, page by page."""
        lists = [one.path for one in chosen if one.method == "GET" and one.path in self._scope.write_paths]
        for _page in range(PAGES):
            for path in lists:
                self._made.update(self._marked(path))
            before = len(self._made)
            for path in list(self._made):
                if any(self._gone(path, user) for user in self._users):
                    del self._made[path]
            if len(self._made) == before:  # nothing was left, or what is left stays
                return

    def _gone(self, path: str, user: Identity) -> bool:
        answer = self._http.request("DELETE", path, headers=user.headers)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS and self._paused(answer):
            answer = self._http.request("DELETE", path, headers=user.headers)
        return answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)

    def _marked(self, path: str) -> Iterator[tuple[str, str]]:
        for user in self._users:
            answer = self._http.get(f"{path}?limit=100", headers=user.headers)
            for one in _things(answer):
                if isinstance(one, dict) and texts.MARK in str(one) and isinstance(one.get(IDS), str):
                    yield f"{path}/{quote(one[IDS], safe='')}", one[IDS]

    def _is_found(self, cause: str, point: Point) -> bool:
        return any((one.cause, one.point) == (cause, str(point)) for one in self._kept.findings)

    def _found(self, cause: str, point: Point, said: str, text: str) -> None:
        if self._is_found(cause, point):
            return
        self._kept.findings.append(Finding(cause, str(point), said, _curl(self._http.base_url, point, text)))


def _things(answer: Answer) -> list[Any]:
    """The things of a list, whether it stands alone or under a name."""
    import json

    try:
        found = json.loads(answer.body)
    except ValueError:
        return []
    if isinstance(found, dict):
        found = next((one for one in found.values() if isinstance(one, list)), [])
    return found if isinstance(found, list) else []


def _takes_text(parameter: Parameter) -> bool:
    """Any input but the token, which has tests of its own."""
    if parameter.place == "header":
        return parameter.name.lower() not in ("authorization", "cookie", "content-type")
    return True


def _seen(answer: Answer) -> Seen:
    return Seen(
        answer.status, answer.headers.get("content-type", ""), dict(answer.headers), answer.body, answer.elapsed_s
    )


def _curl(base: str, point: Point, text: str) -> str:
    """How to see it again, by somebody who has a token."""
    quoted = text.replace("'", "'\\''")
    head = f'curl -s -X {point.method} -H "Authorization: Bearer $TOKEN"'
    if point.place == "query":
        return f"{head} -G --data-urlencode '{point.name}={quoted}' '{base}{point.path}'"
    if point.place == "path":
        return f"{head} '{base}{point.path.replace(f'{{{point.name}}}', quote(text, safe=''))}'"
    if point.place == "header":
        return f"{head} -H '{point.name}: {quoted}' '{base}{point.path}'"
    return f"{head} --json '{{\"{point.name}\": …}}' '{base}{point.path}'  # with the text: {text}"
