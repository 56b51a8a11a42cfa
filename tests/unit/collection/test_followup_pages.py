# Records that are told in pages: by the header Link, by a token, by an offset; none is left out unnoticed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_record
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup_facts import (
    CRITICAL,
    TICKETS,
    Collected,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import (
    SILENT,
    WRONG,
    Login,
    Service,
    Told,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_followup import observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules.followup_check import _RECORD

URL = "https://t.test/tickets?state=all"
Answers = Callable[[str], Told]


@pytest.fixture(name="asked")
def _asked(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    world = SimpleNamespace(urls=[], answers=None)

    class Asked:
        def __init__(self, _http: Any, _login: Any) -> None: ...

        def json(self, url: str) -> Told:
            world.urls.append(url)
            return cast(Told, world.answers(url))

    monkeypatch.setattr(observe_record, "Service", Asked)
    return world


def collected(world: SimpleNamespace, answers: Answers, **options: Any) -> Collected:
    world.answers = answers
    given = {"go_live": "2026-10-01T08:00:00Z", "answer_hours": 8, "allowed_hosts": ["t.test", "other.test"],
             "ca_file": None, "resolve": {}, "timeout": 1.0, "messages": None, "training": None,
             TICKETS: {"url": URL, **options}}  # fmt: skip
    return observe(given, _RECORD, Redactor()).collected[TICKETS]


def ids(found: Collected) -> list[str]:
    return [one["id"] for one in found.entries]


def one(name: str) -> dict[str, str]:
    return {"id": name}


def test_the_header_link_is_followed(asked: SimpleNamespace) -> None:
    second = "https://t.test/tickets?page=2"
    pages = {URL: Told(data=[one("a")], more=second), second: Told(data=[one("b")])}
    found = collected(asked, pages.__getitem__, fields={"list": "@"})
    assert (ids(found), asked.urls) == (["a", "b"], [URL, second])


@pytest.mark.parametrize(
    ("told", "options", "second"),
    [
        ({"nextPageToken": "a/b+c="}, {}, f"{URL}&nextPageToken=a%2Fb%2Bc%3D"),
        ({"nextPageToken": "x"}, {"page_parameter": "pageToken"}, f"{URL}&pageToken=x"),
        ({"next_page": "https://t.test/tickets?page=2"}, {}, "https://t.test/tickets?page=2"),
        ({"next": "/tickets?page=2"}, {}, "https://t.test/tickets?page=2"),
        ({"next": "?page=2"}, {}, "https://t.test/tickets?page=2"),
        ({"meta": {"more": 2}}, {"fields": {"next": "meta.more"}, "page_parameter": "page"}, f"{URL}&page=2"),
        ({"total": 2}, {"offset_parameter": "startAt"}, f"{URL}&startAt=1"),
    ],
)
def test_a_token_or_an_address_in_the_record_is_followed(
    asked: SimpleNamespace, told: dict[str, Any], options: dict[str, Any], second: str
) -> None:
    pages = {URL: Told(data={"tickets": [one("a")], **told}), second: Told(data={"tickets": [one("b")]})}
    found = collected(asked, pages.__getitem__, **options)
    assert (ids(found), found.problem, asked.urls) == (["a", "b"], "", [URL, second])


@pytest.mark.parametrize("more", ["https://t.test:443/tickets?page=2", "https://T.test/tickets?page=2"])
def test_the_same_place_written_otherwise_is_followed(asked: SimpleNamespace, more: str) -> None:
    pages = {URL: Told(data={"tickets": [one("a")]}, more=more), more: Told(data={"tickets": [one("b")]})}
    assert ids(collected(asked, pages.__getitem__)) == ["a", "b"]


def test_a_token_replaces_the_one_of_before(asked: SimpleNamespace) -> None:
    def answers(url: str) -> Told:
        more = {"": "1", "1": "2"}.get(url.partition("nextPageToken=")[2])
        return Told(data={"tickets": [one(str(more))], "nextPageToken": more})

    assert ids(collected(asked, answers)) == ["1", "2", "None"]
    assert asked.urls == [URL, f"{URL}&nextPageToken=1", f"{URL}&nextPageToken=2"]


@pytest.mark.parametrize(
    ("second", "kind"), [(Told(SILENT, None, "nothing listens"), SILENT), (Told(WRONG, None, "it answers 500"), WRONG)]
)
def test_a_page_that_is_not_told_is_no_end(asked: SimpleNamespace, second: Told, kind: str) -> None:
    first = Told(data={"tickets": [one("a")], "nextPageToken": "x"})
    found = collected(asked, lambda url: first if url == URL else second)
    assert found.told is not None
    assert (found.told.kind, found.entries) == (kind, ())


@pytest.mark.parametrize(
    ("told", "more", "said"),
    [
        ({"nextPageToken": "x"}, "", "its next page is one that was told before"),
        ({}, "https://other.test/tickets", "its next page is at other.test, which is not signed in to"),
        ({}, "http://t.test/tickets", "its next page is at t.test, which is not signed in to"),
        ({}, "https://t.test:8443/tickets", "its next page is at t.test, which is not signed in to"),
        ({}, "https://x:y@t.test/tickets", "its next page is at t.test, which is not signed in to"),
        ({}, "https://t.test:x/tickets", "Port could not be cast"),
        ({"next": {"href": "x"}}, "", "its next page is told neither by an address nor by a token"),
        ({}, "https://[t.test/tickets", "Invalid IPv6 URL"),
        ({"total": 7}, "", "it has 7 entries, and told 1 of them"),
        ({"total": 7}, None, "it has more than 100 pages"),
    ],
)
def test_what_cannot_be_followed_is_an_error_and_no_end(
    asked: SimpleNamespace, told: dict[str, Any], more: str | None, said: str
) -> None:
    numbers = iter(range(1000))

    def answers(_url: str) -> Told:
        following = f"https://t.test/tickets?page={next(numbers)}" if more is None else more
        return Told(data={"tickets": [] if more is None else [one("a")], **told}, more=following)

    found = collected(asked, answers)
    assert found.told is not None
    assert said in (found.told.cause or found.problem)
    assert "other.test" not in " ".join(asked.urls)


def test_no_more_than_the_most_entries_are_asked_for(asked: SimpleNamespace) -> None:
    found = collected(asked, lambda url: Told(data={"tickets": [one("a")] * 1500, "nextPageToken": f"{len(url)}"}))
    assert (len(asked.urls), "3000 entries, and at most 2000 are read" in found.problem) == (2, True)


def test_a_file_with_one_page_of_several_is_no_whole_record(tmp_path: Path, asked: SimpleNamespace) -> None:
    path = tmp_path / "tickets.json"
    path.write_text(json.dumps({"tickets": [one("a")], "nextPageToken": "x"}))
    found = collected(asked, lambda _url: Told(), url=None, path=str(path))
    assert found.told is not None
    assert "it is one page of several" in found.told.cause


@pytest.mark.parametrize(
    ("link", "more"),
    [
        ('<https://t.test/a?page=2>; rel="next", <https://t.test/a?page=9>; rel="last"', "https://t.test/a?page=2"),
        ('<https://t.test/a?page=1>; rel="prev"; title="next"', ""),
        ("</a?page=2,3>; title=x; rel=next", "https://t.test/a?page=2,3"),
        ('<?page=2>; rel="last next"', "https://t.test/b?page=2"),
        ("", ""),
        ("nonsense", ""),
        # An address that is none: what is read of a record in pages tells it, and nothing else breaks at it.
        ('<http://[t.test/a?page=2>; rel="next"', "http://[t.test/a?page=2"),
    ],
)
def test_the_next_page_by_the_header(link: str, more: str) -> None:
    answer = Answer("https://t.test/b?page=1", 200, {"link": link} if link else {}, "[]")
    http = SimpleNamespace(base_url="https://t.test", request=lambda *_given, **_more: answer)
    assert Service(cast(Http, http), Login()).json("/b").more == more


@pytest.mark.parametrize("word", ["critical", "blocker", "urgent", "p0", "p1", "sev0", "sev-0", "sev1", "sev-1"])
def test_usual_words_for_what_is_critical_are_known(word: str) -> None:
    assert word in CRITICAL
