# Texts in inputs: each weakness is found in an application that has it, and none in one that has not.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import injection_texts
from ansible_collections.bytebot.production.plugins.module_utils.checks.injection import (
    CHECKS,
    Finding,
    InjectionFacts,
    Marks,
    Seen,
    decides,
    hits,
    waits,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.canary import listening
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Identity
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.injection_inputs import inputs
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_injection import Injection, InjectionScope
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description
from ansible_collections.bytebot.production.plugins.module_utils.openapi_given import description_of

BASE, TASKS = "https://api.shop.test", "/api/v1/tasks"
NEW = {
    "type": "object",
    "required": ["description"],
    "properties": {"description": {"$ref": "#/components/schemas/Text"}},
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "components": {
        "schemas": {
            "Text": {"type": "string", "minLength": 3},
            "New": NEW,
            "Ring": {"$ref": "#/components/schemas/Ring"},
        }
    },
    "paths": {
        TASKS: {
            "get": {"parameters": [{"in": "query", "name": "status", "schema": {"enum": ["PENDING"]}}]},
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}}
            },
        },
        f"{TASKS}/{{id}}": {
            "parameters": [
                {"in": "path", "name": "id", "required": True, "schema": {"type": "string", "format": "uuid"}}
            ],
            "get": {},
            "delete": {},
        },
        f"{TASKS}/{{id}}/execute": {"post": {}},
        "/api/v1/users": {"post": {}},
    },
}
SCOPE = InjectionScope(write_paths=(TASKS,), skip=("/execute$",))
Wrong = Callable[[str, Answer], Answer]


def same(_text: str, answer: Answer) -> Answer:
    return answer


class Application:
    """Keeps tasks, and refuses what is no status or id; what it does wrong is given."""

    base_url = BASE

    def __init__(self, wrong: Wrong = same) -> None:
        self.wrong, self.sent, self.keeps, self.page = wrong, 0, False, 100
        self.tasks: dict[str, str] = {"0": "somebody else's"}

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, follow: int = 0) -> Answer:
        return self.request("GET", path, headers=headers)

    def request(self, method: str, path: str, *, headers: Any = None, json: Any = None) -> Answer:
        self.sent += 1
        answer = self._served(method, path, json)
        text = unquote(path.replace("+", " ")) + " " + str((json or {}).get("description", ""))
        return self.wrong(text, answer)

    def _served(self, method: str, path: str, given: Any) -> Answer:
        parts = urlsplit(path)
        name = unquote(parts.path.removeprefix(TASKS).strip("/"))
        if method == "DELETE":
            return self._answer(204 if self.tasks.pop(name, None) and not self.keeps else 403 if self.keeps else 404)
        if method == "POST":
            known = str(len(self.tasks) + self.sent)
            self.tasks[known] = given["description"]
            return self._answer(201, {"id": known, "description": given["description"]})
        if name:
            found = self.tasks.get(name)
            return self._answer(404) if found is None else self._answer(200, {"id": name, "description": found})
        if "status" in parse_qs(parts.query):
            return self._answer(400, {"error": "no status"})
        newest = list(reversed(self.tasks.items()))[: self.page]
        return self._answer(200, [{"id": key, "description": text} for key, text in newest])

    def _answer(self, status: int, body: Any = None) -> Answer:
        return Answer(BASE, status, {"content-type": "application/json"}, json.dumps(body) if body is not None else "")


def facts(application: Application, **changes: Any) -> InjectionFacts:
    scope = replace(SCOPE, **changes)
    with listening("127.0.0.1") as canary:
        return Injection(application, [Identity("admin", "t")], Description(DOCUMENT), scope, lambda _s: None).facts(
            canary
        )  # type: ignore[arg-type]


def judged(found: InjectionFacts) -> Verdict:
    return CHECKS.judge(found)[0].verdict


def quoted(text: str, answer: Answer) -> Answer:
    return replace(answer, status=500, body='syntax error at or near "x"') if text.count("'") % 2 else answer


def falls(text: str, answer: Answer) -> Answer:
    return replace(answer, status=500, body="{}") if '"' in text else answer


def united(text: str, answer: Answer) -> Answer:
    found = re.search(r"UNION SELECT '(\w+)'\|\|'(\w+)'", text)
    return replace(answer, body=found[1] + found[2]) if found else answer


def conditional(text: str, answer: Answer) -> Answer:
    found = re.search(r"'(\d)'='(\d)", text)
    return replace(answer, status=200, body="x" * (199 if found[1] == found[2] else 0)) if found else answer


def sleeping(text: str, answer: Answer) -> Answer:
    found = re.search(r"pg_sleep\(([\d.]+)\)", text)
    return replace(answer, elapsed_s=0.01 + (float(found[1]) if found else 0))


def shell(text: str, answer: Answer) -> Answer:
    found = re.search(r";sleep ([\d.]+)", text)
    return replace(answer, elapsed_s=0.3 + (float(found[1]) if found else 0))


def braces(text: str, answer: Answer) -> Answer:
    found = re.search(r"\{\{(\d+)\*(\d+)\}\}", text)
    return replace(answer, body=str(int(found[1]) * int(found[2]))) if found else answer


def page(text: str, answer: Answer) -> Answer:
    return (
        replace(answer, headers={"content-type": "text/html"}, body=f"<p>{text}</p>")
        if answer.status == 400
        else answer
    )


def stored(_text: str, answer: Answer) -> Answer:
    return replace(answer, headers={"content-type": "text/html"}) if answer.status == 200 else answer


def broken(text: str, answer: Answer) -> Answer:
    found = re.search(r"\r\n([\w-]+): (\w+)", text)
    return replace(answer, headers={**answer.headers, found[1]: found[2]}) if found else answer


def climbs(text: str, answer: Answer) -> Answer:
    return replace(answer, body="root:x:0:0:root:/root:/bin/sh") if "../../" in text else answer


def asks(text: str, answer: Answer) -> Answer:
    import requests

    if found := re.search(r"http://127[\d.:]+/\w+", text):
        requests.get(found[0], timeout=5)
    return answer


@pytest.mark.parametrize(
    ("wrong", "cause", "said"),
    [
        (quoted, "sql", "the database's error comes out"),
        (falls, "crash", "answers 500"),
        (united, "sql", "a statement that was added"),
        (conditional, "sql", "a condition that was added"),
        (sleeping, "sql", "waits as long as the text says"),
        (shell, "command", "waits as long as the text says"),
        (braces, "template", "a product in braces"),
        (page, "markup", "markup comes back in a page"),
        (stored, "markup", "stored: markup comes back"),
        (broken, "header", "a header of its own"),
        (climbs, "path", "the system's file"),
        (asks, "address", "an address in the text is asked"),
    ],
)
def test_each_weakness_is_found_where_it_is(wrong: Wrong, cause: str, said: str) -> None:
    found = facts(Application(wrong))
    assert cause in {one.cause for one in found.findings}
    told = judged(found)
    assert (told.state, any(said in one.said for one in found.findings)) == ("fail", True), found.findings
    assert all(one.curl.startswith("curl ") and "Bearer $TOKEN" in one.curl for one in found.findings)


def test_where_enough_inputs_wait_no_more_are_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(text: str, answer: Answer) -> Answer:
        asked.append(text)
        return sleeping(text, answer)

    asked: list[str] = []
    everywhere = facts(Application(told))
    assert everywhere.untried == (), "three inputs, which is not more than enough"
    assert not [text for text in asked if "OR SLEEP" in text], "one text that makes it wait is enough for an input"
    monkeypatch.setattr(injection_texts, "SLEPT_ENOUGH", 1)
    one = facts(Application(sleeping))
    assert (judged(one).state, len(one.findings)) == ("fail", 1)
    assert one.untried == ("texts that wait (sql) at further inputs: 1 that obey them are enough",)


def test_a_careful_application_has_none_and_keeps_nothing() -> None:
    application = Application()
    found = facts(application)
    told = judged(found)
    assert (told.state, found.findings, found.left) == ("pass", (), ()), told.summary
    assert application.tasks == {"0": "somebody else's"}
    assert set(found.tried) == {
        f"GET {TASKS} (query status)",
        f"POST {TASKS} (body description)",
        f"GET {TASKS}/{{id}} (path id)",
    }


def test_what_an_earlier_run_left_is_removed() -> None:
    application = Application()
    application.tasks["9"] = f"{injection_texts.MARK} left by a run that was killed"
    facts(application)
    assert application.tasks == {"0": "somebody else's"}


def test_more_than_one_page_of_an_earlier_run_is_removed() -> None:
    application = Application()
    application.page = 3
    application.tasks.update({f"old-{number}": f"{injection_texts.MARK} {number}" for number in range(8)})
    facts(application)
    assert application.tasks == {"0": "somebody else's"}


def test_what_may_be_stored_bears_the_mark() -> None:
    made = injection_texts.marks()
    stored = [*injection_texts.texts(made, stored=True), *injection_texts.conditions(made.word)]
    stored += [form.format(word=made.word, seconds=3) for _cause, form in injection_texts.SLEEPERS]
    assert all(injection_texts.MARK in text for text in stored)


def test_what_cannot_be_removed_is_told() -> None:
    application = Application()
    application.keeps = True
    told = judged(facts(application))
    assert (told.state, "could not be removed" in told.summary) == ("fail", True)


def test_without_leave_nothing_is_made() -> None:
    application = Application()
    found = facts(application, write_paths=())
    assert not any(point.startswith("POST") for point in found.tried)
    assert application.tasks == {"0": "somebody else's"}


@pytest.mark.parametrize("changes", [{"requests": 20}, {"seconds": 0.0}])
def test_what_the_bounds_leave_out_is_told(changes: dict[str, Any]) -> None:
    told = judged(facts(Application(), **changes))
    assert (told.state, "was over" in told.summary or "no input" in told.summary) == ("inconclusive", True)


def test_an_application_that_falls_silent_is_never_green() -> None:
    def silent(_text: str, answer: Answer) -> Answer:
        return replace(answer, status=0, body="", failure=Failure("refused", "nothing listens there."))

    assert judged(facts(Application(silent))).state == "inconclusive"


def test_a_limit_is_waited_for() -> None:
    pauses: list[float] = []
    calls = [0]

    def limited(_text: str, answer: Answer) -> Answer:
        calls[0] += 1
        return replace(answer, status=429, headers={"retry-after": "7"}) if calls[0] % 50 == 0 else answer

    application = Application(limited)
    round_ = Injection(application, [Identity("admin", "t")], Description(DOCUMENT), SCOPE, pauses.append)  # type: ignore[arg-type]
    assert judged(round_.facts(None)).state == "pass"
    assert set(pauses) == {7.0}


def test_none_is_tried_where_nobody_may() -> None:
    assert judged(InjectionFacts(BASE, problem="openapi is not given.", remedy="Set it.")).state == "pending"
    assert judged(InjectionFacts(BASE)).state == "inconclusive"


def test_many_findings_are_told_shortly() -> None:
    many = tuple(Finding("sql", f"GET /{number}", "waits") for number in range(9))
    assert "and 5 more" in judged(InjectionFacts(BASE, {"GET /": 1}, many)).summary


# ---------------------------------------------------------------------- marks

MARKS = Marks("bbprobe12ab", (10821, 11409), ("aabb", "ccdd"))
JSON = "application/json"


@pytest.mark.parametrize(
    ("seen", "causes"),
    [
        (Seen(200, JSON, {}, "aabb ccdd 12345"), set()),
        (Seen(200, JSON, {}, MARKS.tag), set()),
        (Seen(200, "text/html", {}, "&lt;svg id=bbprobe12ab&gt;"), set()),
        (Seen(200, "text/html; charset=utf-8", {}, MARKS.tag), {"markup"}),
        (Seen(200, "", {}, MARKS.tag), {"markup"}),
        (Seen(200, "", {"x-content-type-options": "nosniff"}, MARKS.tag), set()),
        (Seen(500, JSON, {}, ""), {"crash"}),
        (Seen(500, JSON, {}, "ORA-01756: quoted string not properly terminated"), {"sql"}),
        (Seen(400, JSON, {}, "You have an error in your SQL syntax"), {"sql"}),
        (Seen(200, JSON, {}, "x 123456789 y"), {"template"}),
        (Seen(200, JSON, {MARKS.header: "1"}, ""), {"header"}),
        (Seen(200, "text/plain", {}, "root:x:0:0:root"), {"path"}),
    ],
)
def test_marks(seen: Seen, causes: set[str]) -> None:
    assert {cause for cause, _said in hits(MARKS, Seen(200, JSON), seen)} == causes


def test_what_a_plain_word_shows_too_is_no_mark() -> None:
    loud = Seen(500, JSON, {}, f"syntax error at or near {MARKS.product} {MARKS.joined} root:x:0:0:")
    assert list(hits(MARKS, loud, loud)) == []


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ([(0, 0.1), (1.5, 1.6), (3, 3.1)], True),
        ([(0, 0.1), (1.5, 0.1)], False),
        ([(0, 2.9), (1.5, 3.0), (3, 3.1)], False),
        ([(0, 0.1), (1.5, 3.2), (3, 0.1)], False),
        ([(0, 5.0)], False),
    ],
)
def test_waits(asked: list[tuple[float, float]], waited: bool) -> None:
    assert waits(asked) is waited


def test_a_condition_must_decide_both_times() -> None:
    full, empty = Seen(200, JSON, {}, "x" * 90), Seen(200, JSON, {}, "")
    said = (True, False, False, True)
    assert decides(list(zip(said, [full, empty, empty, full], strict=True)))
    assert not decides(list(zip(said, [full, empty, full, empty], strict=True))), "as replicas that take turns"
    assert not decides(list(zip(said, [full, full, full, full], strict=True)))
    assert not decides(list(zip(said, [full, empty, full, full], strict=True)))


def test_a_time_that_is_there_or_not_yet_decides_nothing() -> None:
    long, short = Seen(201, JSON, {}, "x" * 453), Seen(201, JSON, {}, "x" * 431)
    assert not decides([(True, long), (False, short), (False, short), (True, long)])


# ---------------------------------------------------------------------- the inputs


def test_what_a_description_names() -> None:
    names = {
        (one.method, one.path): [(p.place, p.name) for p in one.parameters] for one in inputs(Description(DOCUMENT))
    }
    assert names["POST", TASKS] == [("body", "description")]
    assert names["DELETE", f"{TASKS}/{{id}}"] == [("path", "id")]


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read"), ("{]", "is no JSON")])
def test_a_description_that_is_none_is_told(tmp_path: Any, text: str | None, said: str) -> None:
    path = tmp_path / "openapi.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        description_of({"file": str(path)}, None)  # type: ignore[arg-type]


def test_no_description_is_none() -> None:
    assert description_of({"file": None, "url": None}, None) is None  # type: ignore[arg-type]


def test_a_listener_that_cannot_listen_is_told() -> None:
    with pytest.raises(InputError, match="canary_address: nothing can listen"), listening("192.0.2.1"):
        pass
