# A small application asked by its description: what is made is followed and removed, whatever it does wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.api_drive import MARK, Asker, Drive, Driven
from ansible_collections.bytebot.production.plugins.module_utils.checks.api import CHECKS, ENDPOINTS, VALIDATION
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import ApiFacts, ErrorShape
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Identity
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

THING = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string", "maxLength": 60}},
}
MADE = {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "string"}}}


def answers(*codes: str, schema: Any = None) -> dict[str, Any]:
    first, *others = codes
    content = {"content": {"application/json": {"schema": schema}}} if schema else {}
    return {first: content, **{code: {} for code in others}}


BODY = {"content": {"application/json": {"schema": THING}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "security": [{"bearer": []}],
    "paths": {
        "/things": {
            "get": {"responses": answers("200", "401", schema={"type": "array", "items": MADE})},
            "post": {"requestBody": BODY, "responses": answers("201", "400", "413", "415", schema=MADE)},
        },
        "/things/{id}": {
            "get": {"responses": answers("200", "404", schema=MADE)},
            "patch": {"requestBody": BODY, "responses": answers("200", "400", "404", "415", schema=MADE)},
            "delete": {"responses": answers("204", "404")},
        },
        "/session": {"delete": {"responses": answers("204")}},
    },
}


class Application:
    """Keeps things; ``wrong`` says in which way it does not as it should."""

    base_url = "https://api.shop.test"

    def __init__(self, wrong: str = "", left: int = 0) -> None:
        self.wrong, self.things, self.number = wrong, {}, 0
        self.sent: list[str] = []
        self.busy = 1 if wrong == "busy" else 0
        for _number in range(left):
            self.made({"name": f"{MARK}-of-before"})
        self.made({"name": "somebody's own"})

    def made(self, body: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        self.things[str(self.number)] = {"id": str(self.number), **body}
        return self.things[str(self.number)]

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None, data: Any = None
    ) -> Answer:
        self.sent.append(f"{method} {path}")
        given = dict(headers or {})
        if self.busy and method == "POST":
            self.busy -= 1
            return self.said(given, 429, {"error": {"code": "X", "message": "x"}}, {"retry-after": "1"})
        status, body = self.does(method, urlsplit(path).path, given, json, data)
        return self.said(given, status, body)

    def does(self, method: str, path: str, headers: dict[str, str], given: Any, data: Any) -> tuple[int, Any]:
        if path == "/session":
            return 204, None
        id_ = path.removeprefix("/things").strip("/")
        if id_ and id_ not in self.things:
            return 404, None
        if method == "GET":
            return 200, self.things[id_] if id_ else list(self.things.values())
        if method == "DELETE":
            if self.wrong != "keeps":
                del self.things[id_]
            return 204, None
        return self.takes(id_, headers, given, data)

    def takes(self, id_: str, headers: dict[str, str], given: Any, data: Any) -> tuple[int, Any]:
        if data is not None and headers.get("Content-Type") != "application/json" and self.wrong != "any type":
            return 415, None
        try:
            body = json.loads(data) if data is not None else given
        except ValueError:
            body = None
        good = isinstance(body, dict) and set(body) == {"name"} and isinstance(body["name"], str)
        if not (good and len(body["name"]) <= 60):
            if self.wrong == "takes all" and isinstance(body, dict) and "name" in body:
                return 201, self.made(body)
            return 500 if self.wrong == "breaks" else 400, None
        if id_:
            self.things[id_] |= {} if self.wrong == "forgets" else body
            return 200, self.things[id_]
        return 201, self.made(body)

    @staticmethod
    def said(sent: dict[str, str], status: int, body: Any, more: Mapping[str, str] | None = None) -> Answer:
        if status >= 400 and body is None:
            body = {"error": {"code": "NO", "message": "no"}}
        headers = {"content-type": "application/json", "x-correlation-id": sent.get("x-correlation-id", "")}
        return Answer("", status, {**headers, **(more or {})}, "" if body is None else json.dumps(body))


def too_large(application: Any, path: str, headers: Mapping[str, str], length: int) -> Answer:
    assert (path, length) == ("/things", (1 << 20) + 1)
    application.sent.append(f"POST {path}")
    kept = {"content-type": "text/html"}  # of what stands before the application
    return Answer("", 400, kept) if application.wrong == "no limit" else Answer("", 413, kept)


def driven(application: Application, **options: Any) -> tuple[Drive, dict[str, str]]:
    """What was seen, and the states that it comes to."""
    waited: list[float] = []
    asker = Asker(application, ErrorShape(), 60.0, waited.append, too_large)  # type: ignore[arg-type]
    given = Driven(last=("DELETE /session",), body_limit=1, **options)
    drive = Drive(asker, Description(DOCUMENT), given, Identity("admin", "token-of-admin"), Redactor())
    drive.read_all()
    drive.write_all(mistakes=True)
    facts = ApiFacts(
        application.base_url,
        drive.operations,
        tuple(drive.seen),
        tuple(drive.lives),
        left=tuple(drive.left),
    )
    results = CHECKS.judge(facts, [ENDPOINTS, VALIDATION])
    assert "token-of-admin" not in json.dumps([one.to_dict(Redactor()) for one in results])
    return drive, {one.control.rpartition(".")[2]: str(one.verdict.state) for one in results}


def test_a_sound_application_is_green_and_keeps_nothing() -> None:
    application = Application(left=3)
    drive, states = driven(application)
    assert states == {"endpoints": "pass", "validation": "pass"}
    assert [one["name"] for one in application.things.values()] == ["somebody's own"]
    assert drive.cleaned == 3
    assert application.sent[-1] == "DELETE /session"


@pytest.mark.parametrize(
    ("wrong", "control"),
    [
        ("keeps", "endpoints"),
        ("forgets", "endpoints"),
        ("takes all", "validation"),
        ("any type", "validation"),
        ("breaks", "validation"),
        ("no limit", "validation"),
    ],
)
def test_each_flaw_is_red_where_it_belongs(wrong: str, control: str) -> None:
    application = Application(wrong)
    _drive, states = driven(application, bodies={"PATCH /things/{id}": {"name": "<mark> changed"}})
    assert states[control] == "fail"
    if wrong != "keeps":
        assert [one for one in application.things.values() if MARK in one["name"]] == []


def test_who_is_told_to_come_back_later_does() -> None:
    _drive, states = driven(Application("busy"))
    assert states == {"endpoints": "pass", "validation": "pass"}


def test_what_is_left_out_is_not_asked() -> None:
    application = Application()
    drive, _states = driven(application, skip=("PATCH /things/{id}",))
    assert not [one for one in application.sent if re.match("PATCH", one)]
    assert "PATCH /things/{id}" not in drive.operations
