# Asks the operations of a description one by one, follows what it makes until it is removed, and leaves nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, TypeAlias

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import (
    AS_DESCRIBED,
    ERROR,
    MISTAKE,
    ErrorShape,
    Life,
    Seen,
    form_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Identity
from ansible_collections.bytebot.production.plugins.module_utils.clients.oversized import oversized
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Case, Description, Operation
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

MARK = "bytebot-api-check"
PAGES = 10  # of a list, at most, where something is looked for
OPEN_CASES = 4  # mistakes that are tried where nobody is signed in: such limits are low
MEBIBYTE = 1 << 20
SWEEPS = 2

SendLarge: TypeAlias = Callable[[Http, str, Mapping[str, str], int], Answer]


@dataclass(frozen=True, slots=True)
class Driven:
    """How the operations are asked.

    :param bodies: bodies by operation (``POST /path``), where one that is made from the description is not taken.
    :param skip: operations that are not asked. :param last: those that end the session, asked when all else is done.
    :param id_field: the field of an object's id.
    :param body_limit: MiB that a body may have at most; 0 where too large a one is not tried.
    """

    bodies: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    last: tuple[str, ...] = ("POST /api/v1/auth/logout",)
    id_field: str = "id"
    body_limit: int = 0


@dataclass(frozen=True, slots=True)
class Oversized:
    """A body of so many bytes, of which no more is sent than it takes to get an answer."""

    length: int


class Asker:
    """Sends requests, each with an id of its own, and looks at each answer's form."""

    def __init__(
        self,
        http: Http,
        shape: ErrorShape,
        patience_s: float,
        pause: Callable[[float], None] = time.sleep,
        send_large: SendLarge = oversized,
    ) -> None:
        self._http, self._shape, self._pause, self._send_large = http, shape, pause, send_large
        self._until = time.monotonic() + patience_s

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], *, body: Any = None, raw: bytes | None = None
    ) -> tuple[Answer, tuple[str, ...]]:
        """One answer and what is wrong with its form; who is told to come back later does so, within the patience."""
        while True:
            sent = str(uuid.uuid4())
            given = {**headers, self._shape.header: sent} if self._shape.header else dict(headers)
            if isinstance(raw, Oversized):
                answer = self._send_large(self._http, path, given, raw.length)
            else:
                answer = self._http.request(method, path, headers=given, json=body, data=raw)
            wait = self._told_to_wait(answer)
            if wait is None:
                return answer, form_of(answer.status, answer.headers, answer.body, sent, self._shape)
            self._pause(wait)

    def error(self, case: str, method: str, path: str, headers: Mapping[str, str], data: bytes | None) -> Seen:
        """An answer that must be an error."""
        answer, form = self.ask(method, path, headers, raw=data)
        return Seen(f"{method} {path}", ERROR, case, answer.status, form=form, problem=_problem(answer))

    def _told_to_wait(self, answer: Answer) -> float | None:
        said = answer.headers.get("retry-after", "")
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS or not said.isdecimal():
            return None
        return float(said) if time.monotonic() + float(said) < self._until else None


class Drive:
    """Everything that is asked of one description, as one user."""

    def __init__(
        self, asker: Asker, description: Description, driven: Driven, who: Identity, redactor: Redactor
    ) -> None:
        self._asker, self._described, self._driven, self._who = asker, description, driven, who
        self.mark = f"{MARK}-{secrets.token_hex(5)}"
        # Upper and lower case, digits and signs, as policies want them; never shown.
        self._password = f"Aa1-{secrets.token_urlsafe(24)}"
        redactor.learn(self._password)
        self._by_name = {one.name: one for one in description.operations if one.name not in driven.skip}
        self.operations = tuple(self._by_name)
        self._last = [self._by_name.pop(name) for name in driven.last if name in self._by_name]
        self.seen: list[Seen] = []
        self.lives: list[Life] = []
        self.left: list[str] = []
        self.cleaned = 0
        self._made: list[str] = []

    # ------------------------------------------------------------------ all operations

    def read_all(self) -> None:
        """Operations that only read, and need no object of this check's own."""
        for one in self._by_name.values():
            if self._reads(one):
                self._ask(one, one.path, AS_DESCRIBED, must=True)
                for name, odd in self._described.odd_queries(one):
                    self._ask(one, f"{one.path}?{name}={odd}", MISTAKE, f"an unknown {name} in its query")

    def write_all(self, *, mistakes: bool) -> None:
        """All others: first what has a life to be followed, then the rest; nothing that they make stays."""
        roots = [one for one in self._by_name.values() if self._item_of(one)]
        for one in roots:
            self.cleaned += self._clean(one.path, MARK)
        try:
            for one in roots:
                self._live(one, mistakes=mistakes)
            done = {one.operation for one in self.seen if one.kind == AS_DESCRIBED}
            for one in self._by_name.values():
                if one.name not in done:
                    case = "an id that nobody has" if one.variables else ""
                    self._ask(one, self._unknown(one), AS_DESCRIBED, case, body=self._body(one))
                if mistakes and one.body is not None and not one.variables:
                    self._mistakes(one, one.path)
            if mistakes and self._driven.body_limit:
                self._too_large()
        finally:
            for path in reversed(self._made):
                with contextlib.suppress(CollectionError):  # what stays is looked for below, and told
                    self._plain("DELETE", path)
            for one in roots * SWEEPS:  # an answer may have been lost, and what it told of be there
                with contextlib.suppress(CollectionError):
                    self._clean(one.path, self.mark)
        self.left = [name for one in roots if (name := self._there(one.path, self.mark))]
        if still := next((one for one in self._by_name.values() if one.secured and self._reads(one)), None):
            self._ask(still, still.path, AS_DESCRIBED, "at the end", must=True)
        for one in self._last:
            self._ask(one, self._unknown(one), AS_DESCRIBED, "at the end", body=self._body(one))

    @staticmethod
    def _reads(one: Operation) -> bool:
        return one.method == "GET" and not one.variables

    # ------------------------------------------------------------------ a life

    def _item_of(self, one: Operation) -> str:
        """The path of the objects that an operation makes, where they can be removed; empty where not."""
        if one.method != "POST" or one.variables:
            return ""
        items = [
            other.path
            for other in self._by_name.values()
            if other.method == "DELETE" and other.path.rpartition("/")[0] == one.path and len(other.variables) == 1
        ]
        return items[0] if items else ""

    def _live(self, make: Operation, *, mistakes: bool) -> None:
        item, sent = self._item_of(make), self._body(make)
        if self.mark not in json.dumps(sent):
            self.lives.append(Life(make.path, "its body has no place for a mark, by which it is found again"))
            return
        answer = self._ask(make, make.path, AS_DESCRIBED, body=sent, must=True)
        made = _object(answer)
        id_ = made.get(self._driven.id_field)
        if not isinstance(id_, str | int) or not answer.succeeded:
            why = f"POST {make.path} answers {answer.status}" + (
                "" if answer.succeeded else " to the body that was tried"
            )
            self.lives.append(Life(make.path, _problem(answer) or why))
            return
        path = item.replace(f"{{{Operation('GET', item).variables[0]}}}", str(id_))
        self._made.append(path)
        self.lives.append(self._followed(make, item, path, sent, mistakes=mistakes))

    def _followed(self, make: Operation, item: str, path: str, sent: Any, *, mistakes: bool) -> Life:
        read = self._by_name.get(f"GET {item}")
        lost = _differs(sent, _object(self._ask(read, path, AS_DESCRIBED, must=True))) if read else ()
        unchanged: tuple[str, ...] = ()
        for method in ("PATCH", "PUT"):
            if change := self._by_name.get(f"{method} {item}"):
                new = self._body(change)
                self._ask(change, path, AS_DESCRIBED, body=new, must=True)
                unchanged = _differs(new, _object(self._ask(read, path, AS_DESCRIBED, must=True))) if read else ()
        for one in self._by_name.values():
            if one.path.startswith(item) and (one.path != item or one.method in {"PATCH", "PUT"}):
                self._below(one, path, item, mistakes=mistakes)
        remove = self._by_name[f"DELETE {item}"]
        removed = self._ask(remove, path, AS_DESCRIBED, must=True)
        after = self._ask(read, path, AS_DESCRIBED, "what was removed").status if read else 0
        if removed.succeeded:
            self._made.remove(path)
        listed = bool(self._there(make.path, self.mark))
        return Life(make.path, "", lost, unchanged, removed.status, after, listed, _problem(removed))

    def _below(self, one: Operation, path: str, item: str, *, mistakes: bool) -> None:
        """An operation on the object, or on what belongs to it."""
        full = self._unknown(one, path + one.path.removeprefix(item))
        if one.path != item:
            self._ask(one, full, AS_DESCRIBED, body=None if one.body is None else self._body(one))
        if mistakes and one.body is not None:
            self._mistakes(one, full)

    # ------------------------------------------------------------------ mistakes

    def _mistakes(self, one: Operation, path: str) -> None:
        for number, case in enumerate(self._described.mistakes(one, self._body(one))):
            if one.secured or number < OPEN_CASES:
                self._mistake(one, path, case)

    def _mistake(self, one: Operation, path: str, case: Case) -> None:
        answer = self._ask(one, path, MISTAKE, case.why, body=case.body, raw=case.raw, media=case.media)
        id_ = _object(answer).get(self._driven.id_field)
        if one.method == "POST" and answer.succeeded and isinstance(id_, str | int) and self._item_of(one):
            self._made.append(f"{one.path}/{id_}")

    def _too_large(self) -> None:
        one = next((one for one in self._by_name.values() if one.body is not None and self._item_of(one)), None)
        if one:
            large = Oversized(self._driven.body_limit * MEBIBYTE + 1)
            self._mistake(one, one.path, Case("a body that is too large", raw=large))
            # What stands before the application may refuse it, in a form of its own. The body is no good JSON either,
            # so that no other refusal tells of a limit.
            wanted = int(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self.seen[-1] = replace(self.seen[-1], departures=(), form=(), wanted=wanted)

    # ------------------------------------------------------------------ asking

    def _ask(
        self,
        one: Operation,
        path: str,
        kind: str,
        case: str = "",
        *,
        body: Any = None,
        raw: bytes | None = None,
        media: str = "application/json",
        must: bool = False,
    ) -> Answer:  # fmt: skip
        headers = self._who.headers if one.secured else {}
        if raw is not None:
            headers = {**headers, "Content-Type": media}
        answer, form = self._asker.ask(one.method, path, headers, body=body, raw=raw)
        departures: list[str] = []
        if not answer.failure:
            kept = answer.headers.get("content-type", "")
            departures = self._described.departures(one, answer.status, kept, answer.body)
        self.seen.append(
            Seen(
                one.name,
                kind,
                case,
                answer.status,
                tuple(one.responses),
                tuple(departures),
                form,
                must,
                _problem(answer),
            )
        )
        return answer

    def _plain(self, method: str, path: str) -> Answer:
        return self._asker.ask(method, path, self._who.headers)[0]

    def _body(self, one: Operation) -> Any:
        """The given body, or one that is made from the description."""
        if one.body is None:
            return None
        given = self._driven.bodies.get(one.name)
        if given is None:
            return self._described.sample(one.body, self.mark)
        return filled(given, {"mark": self.mark, "password": self._password})

    def _unknown(self, one: Operation, path: str = "") -> str:
        """The path with ids that nobody has."""
        made = path or one.path
        for name in one.variables:
            made = made.replace(f"{{{name}}}", str(uuid.uuid4()))
        return made

    # ------------------------------------------------------------------ leaving nothing

    def _clean(self, path: str, mark: str) -> int:
        found = [id_ for id_, _name in self._marked(path, mark)]
        return sum(self._plain("DELETE", f"{path}/{id_}").succeeded for id_ in found)

    def _there(self, path: str, mark: str) -> str:
        return next((f"{path}/{id_}" for id_, _name in self._marked(path, mark)), "")

    def _marked(self, path: str, mark: str) -> Iterator[tuple[str, str]]:
        """The ids of a list's objects that have a mark, page by page where it has pages."""
        listing = self._by_name.get(f"GET {path}")
        if listing is None:
            return
        known = {one.get("name"): one for one in listing.parameters if one.get("in") == "query"}
        most = known.get("limit", {}).get("schema", {}).get("maximum")
        for page in range(1, PAGES + 1):
            query = [f"limit={most}"] if most else []
            query += [f"page={page}"] if "page" in known else []
            rows = _rows(self._plain("GET", path + ("?" + "&".join(query) if query else "")))
            for row in rows:
                if mark in json.dumps(row) and isinstance(row.get(self._driven.id_field), str | int):
                    yield str(row[self._driven.id_field]), mark
            if not most or len(rows) < most or "page" not in known:
                return


# ---------------------------------------------------------------------- answers


def filled(body: Any, values: Mapping[str, str]) -> Any:
    """A given body with its placeholders filled."""
    if isinstance(body, Mapping):
        return {key: filled(one, values) for key, one in body.items()}
    if isinstance(body, list):
        return [filled(one, values) for one in body]
    if isinstance(body, str):
        for name, value in values.items():
            body = body.replace(f"<{name}>", value)
    return body


def _problem(answer: Answer) -> str:
    return answer.failure.sentence if answer.failure else ""


def _object(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _rows(answer: Answer) -> list[dict[str, Any]]:
    """The objects of a list, which may stand under one key of an object."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return []
    if isinstance(found, dict):
        found = next((one for one in found.values() if isinstance(one, list)), [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _differs(sent: Any, back: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that were sent and are in the answer with another value; what is a moment may be written otherwise."""
    if not isinstance(sent, dict):
        return ()
    plain = {key: value for key, value in sent.items() if isinstance(value, str | int) and not _moment(value)}
    return tuple(sorted(key for key, value in plain.items() if key in back and back[key] != value))


def _moment(value: Any) -> bool:
    return isinstance(value, str) and value[:2] == "20" and "T" in value
