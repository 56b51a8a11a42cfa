# Documents: what is read of them, and each thing that is wrong with one, by tables.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_description import differences, parsed
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_access import EMERGENCY, REVIEW
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import (
    AccessNow,
    ApiSeen,
    DocumentFacts,
    Entry,
    Live,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import (
    API,
    MONITORING,
    mark_in,
    usual,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.document_names import (
    Reference,
    alerts_named,
    mentions_version,
    references,
)
from ansible_collections.bytebot.production.plugins.module_utils.document_text import HTML, MARKDOWN, PDF, Text, parse
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

TODAY = date(2026, 11, 30)
ROLLBACK = "documentation.deployment.rollback"
FAQ = "documentation.user.faq"
GOOD = """---
owner: Operations
reviewed: 2026-11-01
---
# Rollback

## When to roll back
Errors above one percent for five minutes.

## Steps
```sh
helm rollback shop 3 --namespace shop
```

## Database
Migrations only add, so nothing is undone.

## Verification
All pods are ready, and a task can be made.
"""
SHOP = frozenset({"ShopDown", "Watchdog"})


def read(text: str, kind: str = MARKDOWN) -> Text:
    return parse(text.encode(), kind, "a.md")


def facts(text: str = GOOD, control: str = ROLLBACK, page: dict[str, Any] | None = None, **more: Any) -> DocumentFacts:
    given = {"live": Live(SHOP, versions=("1.2.0",)), "today": TODAY} | more
    pages = (
        (Page("a.md", read(text), **(page or {})),) if text else (Page("a.md", problem="is not there", absent=True),)
    )
    return DocumentFacts({control: Entry(control, usual(control), pages, more.pop("api", None))}, **given)


def judged(given: DocumentFacts, control: str = ROLLBACK) -> tuple[str, str]:
    verdict = CHECKS.judge(given, [control])[0].verdict
    return str(verdict.state), verdict.summary


# ---------------------------------------------------------------------- one document


def test_a_document_in_order_passes_and_keeps_its_hash_and_not_its_text() -> None:
    verdict = CHECKS.judge(facts(page={"sha256": "ab"}), [ROLLBACK])[0].verdict
    assert verdict.state == "pass", verdict.summary
    told = verdict.evidence[0].observed["documents"][0]
    assert (told["sha256"], told["owner"], told["reviewed"]) == ("ab", "Operations", "2026-11-01")
    assert "Migrations" not in str(verdict.evidence[0].observed)


WRONG = [
    ("missing", "", "is not there"),
    ("no section", GOOD.replace("## Database", "## Weather"), "no section on database"),
    (
        "an empty section",
        GOOD.replace("Migrations only add, so nothing is undone.", ""),
        "the section 'Database' is empty",
    ),
    ("a placeholder", GOOD + "\nCall [contact info].\n", "the placeholder [contact info] is left"),
    ("another placeholder", GOOD + "\nCall <name of the lead> then.\n", "the placeholder <name of the lead> is left"),
    ("a note to oneself", GOOD + "\nTODO: say more here.\n", "the placeholder TODO is left"),
    ("an example host", GOOD + "\nAsk api.example.com first.\n", "the placeholder api.example.com is left"),
    ("no owner", GOOD.replace("owner: Operations\n", ""), "it names no owner"),
    ("no date", GOOD.replace("reviewed: 2026-11-01\n", ""), "it does not say when it was last reviewed"),
    ("no day", GOOD.replace("2026-11-01", "last spring"), "'last spring', which is no day"),
    ("a day to come", GOOD.replace("2026-11-01", "2027-11-01"), "which is to come"),
    ("old", GOOD.replace("2026-11-01", "2026-08-01"), "121 days ago, and at most 90 are wanted"),
    (
        "an unknown alert",
        GOOD + "\nWhen the alert `ShopGone` fires, roll back.\n",
        "the alert ShopGone, which no rule has",
    ),
    ("generated", GOOD + "\n<!-- bytebot.production:generated -->\n", "nobody has completed it"),
]


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_with_a_document(text: str, said: str) -> None:
    state, summary = judged(facts(text))
    assert state == "fail"
    assert said in summary


def test_a_dead_link_is_red_and_one_that_cannot_be_followed_is_not_known() -> None:
    assert judged(facts(page={"dead": ("its link b.md leads to nothing",)}))[0] == "fail"
    assert judged(facts(page={"unsure": ("its link could not be followed",)}))[0] == "pending"


def test_what_commands_name_must_be_there() -> None:
    release, namespace = Reference("release", "shop", "shop"), Reference("Namespace", "shop")
    state, summary = judged(facts(live=Live(SHOP, missing=frozenset({release}))))
    assert state == "fail"
    assert "release shop in namespace shop, which is not there" in summary
    state, summary = judged(facts(live=Live(SHOP, unseen={namespace: "not permitted"})))
    assert state == "pending"
    assert "Namespace shop" in summary


def test_without_prometheus_alerts_are_not_known_where_one_is_named() -> None:
    blind = Live(None, "nothing says where Prometheus is")
    assert judged(facts(live=blind))[0] == "pass"
    assert judged(facts(GOOD + "\nThe alert `ShopDown` fires.\n", live=blind))[0] == "pending"


def test_a_control_without_a_document_is_pending_and_names_the_input() -> None:
    state, summary = judged(DocumentFacts(today=TODAY))
    assert state == "pending"
    assert "documents" in summary
    assert {str(one.verdict.state) for one in CHECKS.judge(DocumentFacts(today=TODAY))} == {"pending"}


def test_every_alert_has_a_runbook() -> None:
    text = GOOD.replace(
        "# Rollback", "# Alerts\n## Dashboards\nlook at the overview there\n## Silences\nonly for four hours\n"
    )
    text += "\n## Alerts\n\n| `ShopDown` | look at the pods |\n\nThe `Watchdog` always fires, as it must.\n"
    assert judged(facts(text, MONITORING), MONITORING)[0] == "pass"
    state, summary = judged(facts(text, MONITORING, live=Live(SHOP | {"ShopSlow"})), MONITORING)
    assert state == "fail"
    assert "no runbook says what to do at ShopSlow" in summary
    assert judged(facts(text, MONITORING, live=Live(None, "no Prometheus")), MONITORING)[0] == "pending"


def test_questions_have_answers_and_the_version_is_named() -> None:
    five = "".join(f"## Why {number}?\nBecause of this and that.\n" for number in range(5))
    text = GOOD.partition("# Rollback")[0] + f"# FAQ 1.2.0\n{five}"
    assert judged(facts(text, FAQ), FAQ)[0] == "pass"
    for wrong, said in (
        (text.replace("## Why 3?", "## Because"), "4 questions with answers, 5 are wanted"),
        (text.replace("Because of this and that.\n## Why 1", "\n## Why 1"), "the question 'Why 0?' has no answer"),
        (text.replace("1.2.0", "1.2.01"), "it does not name version 1.2.0"),
    ):
        state, summary = judged(facts(wrong, FAQ), FAQ)
        assert (state, said in summary) == ("fail", True), summary
    assert judged(facts(text, FAQ, live=Live(SHOP, no_versions="not deployed")), FAQ)[0] == "pending"


def test_a_wider_age_is_told() -> None:
    given = facts()
    wide = DocumentFacts(
        {ROLLBACK: Entry(ROLLBACK, usual(ROLLBACK).__class__((), 0, 400), given.entries[ROLLBACK].pages)}, today=TODAY
    )
    assert CHECKS.judge(wide, [ROLLBACK])[0].verdict.weaker == (
        "a review of at most 400 days ago wanted, document: 90",
    )


# ---------------------------------------------------------------------- the API's description

OURS: dict[str, Any] = {
    "openapi": "3.1.0", "info": {"title": "Shop", "version": "1.2.0"}, "servers": [{"url": "https://a.test"}],
    "paths": {"/tasks": {"get": {"summary": "all"}}}, "components": {"schemas": {"Task": {"type": "object"}}},
}  # fmt: skip


def test_descriptions_that_say_the_same() -> None:
    assert differences(OURS, {**OURS, "servers": []}) == []


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({"paths": {"/tasks": {"get": {"summary": "all"}, "post": {}}}}, "POST /tasks is not published"),
        ({"paths": {"/users": {"get": {}}}}, "GET /tasks is published, and the application does not have it"),
        ({"paths": {"/tasks": {"get": {"summary": "none"}}}}, "GET /tasks differs in summary"),
        ({"info": {"version": "1.3.0"}}, "version 1.2.0 is published, and 1.3.0 runs"),
        ({"components": {"schemas": {}}}, "schemas Task differs"),
        ({"security": []}, "security differs"),
    ],
)
def test_descriptions_that_differ(live: dict[str, Any], said: str) -> None:
    assert said in differences(OURS, {**OURS, **live})


def test_what_is_no_description_is_refused() -> None:
    for text in ("[]", "openapi: 3.1.0", "a: [", '{"openapi": "3.1.0", "paths": {}}'):
        with pytest.raises(InputError):
            parsed(text, "openapi.json")


@pytest.mark.parametrize(
    ("api", "state"),
    [
        (ApiSeen(operations=1), "pass"),
        (ApiSeen(differences=("GET /a is not published",)), "fail"),
        (ApiSeen(wrong="it is not there"), "fail"),
        (ApiSeen(gap="not asked"), "pending"),
        (None, "pending"),
    ],
)
def test_the_published_description_is_the_live_one(api: ApiSeen | None, state: str) -> None:
    text = GOOD.replace("# Rollback", "# API 1.2.0") + "\n".join(
        f"\n## {one}\nHere is what there is to say." for one in ("Operations", "Authentication", "Errors", "Limits")
    )
    entry = Entry(API, usual(API), (Page("a.md", read(text)),), api)
    given = DocumentFacts({API: entry}, Live(SHOP, versions=("1.2.0",)), today=TODAY)
    assert judged(given, API)[0] == state


# ---------------------------------------------------------------------- access

BREAK_GLASS = GOOD.replace("owner:", "account: sealed\ntested: 2026-10-01\nowner:") + "\n".join(
    f"\n## {one}\nHere is what there is to say." for one in ("When", "Approval", "How", "Audit", "Afterwards")
)


def test_emergency_access_is_tested_and_names_its_account() -> None:
    assert judged(facts(BREAK_GLASS, EMERGENCY), EMERGENCY)[0] == "pass"
    for wrong, said in (
        (BREAK_GLASS.replace("tested: 2026-10-01\n", ""), "does not say when it was last tested"),
        (BREAK_GLASS.replace("2026-10-01", "2026-01-01"), "at most 180 are wanted"),
        (BREAK_GLASS.replace("account: sealed\n", ""), "names no account"),
    ):
        state, summary = judged(facts(wrong, EMERGENCY), EMERGENCY)
        assert (state, said in summary) == ("fail", True), summary


RECORD = {"reviewed": "2026-10-01", "by": "Security", "interval_days": 90, "subjects": {"User a": ["read"]}}


def reviewed(record: dict[str, Any] | None, now: Any = None, problem: str = "") -> tuple[str, str]:
    given = {"User a": ("read",)} if now is None else now or None
    return judged(DocumentFacts(access=AccessNow("review.yml", record, problem, given), today=TODAY), REVIEW)


def test_a_review_of_access_tells_what_has_changed_since() -> None:
    assert reviewed(RECORD) == (
        "pass", "Access review review.yml: reviewed 2026-10-01 by Security, 1 subjects, and nothing has changed since."
    )  # fmt: skip
    state, summary = reviewed(RECORD, {"User a": ("read", "exec"), "User b": ("read",)})
    assert state == "pass"
    assert "since then User b has come; User a may exec too" in summary
    assert reviewed(RECORD, {})[0] == "pending"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reviewed": "2026-08-01"}, "121 days ago, and at most 90 are wanted"),
        ({"interval_days": 30}, "60 days ago, and at most 30 are wanted"),
        ({"interval_days": None}, "it says no interval"),
        ({"by": ""}, "does not say who reviewed"),
        ({"subjects": {}}, "lists nobody"),
        ({"reviewed": None}, "does not say when it was last reviewed"),
    ],
)
def test_a_review_that_does_not_hold(change: dict[str, Any], said: str) -> None:
    state, summary = reviewed({**RECORD, **change})
    assert state == "fail"
    assert said in summary


def test_a_record_that_is_not_there_is_red() -> None:
    assert reviewed(None, problem="is not there")[0] == "fail"


# ---------------------------------------------------------------------- what is read of a document


def test_a_page_is_read_as_markdown_is() -> None:
    page = """<html><head><meta name="owner" content="Ops"><meta name="reviewed" content="2026-11-01">
    <script>var x = "[contact info]";</script></head><body><h1>Guide</h1><h2 id="steps">Steps</h2>
    <p>Do <code>this</code>
    and that now.</p><pre><code>kubectl get pods -n shop</code></pre><a href="#steps">up</a></body></html>"""
    text = read(page, HTML)
    assert (text.owner, text.reviewed, text.title) == ("Ops", "2026-11-01", "Guide")
    assert [(one.title, one.words) for one in text.sections] == [("Guide", 11), ("Steps", 11)]
    assert "steps" in text.anchors
    assert "kubectl get pods -n shop" in text.commands
    assert not mark_in(text.prose)


def test_a_pdf_is_read_by_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    page = SimpleNamespace(
        extract_text=lambda: "Rollback\nOwner: Ops\nLast reviewed: 2026-11-01\nSteps\nGo back to it."
    )
    monkeypatch.setitem(sys.modules, "pypdf", SimpleNamespace(PdfReader=lambda _: SimpleNamespace(pages=[page])))
    text = parse(b"%PDF-1.7", PDF, "a.pdf")
    assert (text.owner, text.reviewed) == ("Ops", "2026-11-01")
    assert "Steps" in [one.title for one in text.sections]


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="no UTF-8 text"):
        parse(b"\xff\xfe", MARKDOWN, "a.md")


@pytest.mark.parametrize(
    "prose",
    ["- [ ] done", "see [1]", "a [link](there)", "press <br>", "the name of the role", "replace with a new pod"],
)
def test_what_is_no_placeholder(prose: str) -> None:
    assert mark_in(read(prose).prose) == ""


NAMED = [
    ("kubectl get pods -n shop", ["Namespace shop"]),
    ("kubectl logs deploy/api --namespace=shop --tail 5", ["Namespace shop", "Deployment api in namespace shop"]),
    ("kubectl get secret a b -o yaml", ["Secret a", "Secret b"]),
    ("$ helm get values shop --namespace shop | head", ["Namespace shop", "release shop in namespace shop"]),
    ("helm rollback $RELEASE 3 -n <namespace>", []),
    ("kubectl create namespace scratch && kubectl get svc x -n scratch", []),
    ("kubectl exec deploy/api -- cat secret/x", ["Deployment api"]),
    ("sudo kubectl scale deployment/api --replicas 0", ["Deployment api"]),
    ("curl https://a.test/deployment/api", []),
    ("kubectl describe pod api-7fd", []),
]


@pytest.mark.parametrize(("command", "named"), NAMED, ids=[row[0] for row in NAMED])
def test_what_commands_name(command: str, named: list[str]) -> None:
    assert [str(one) for one in references([command])] == named


def test_which_words_are_alerts() -> None:
    text = read(
        "## Alerts\n\n| `HighLoad` | look |\n\n`CrashLoopBackOff` is none, nor a `PrometheusRule`.\n\n### DiskFull\n\n"
        "\n## Other\n\n`JustAName` here.\n\nWhen `CORSViolations` fires, look.\n\n`kubectl get x`\n"
    )
    assert alerts_named(text) == ["CORSViolations", "DiskFull", "HighLoad"]


def test_a_version_is_not_part_of_another() -> None:
    text = read("version v1.0.0, and 11.2.0 or 1.3.0-rc1")
    assert [mentions_version(text, one) for one in ("1.0.0", "1.2.0", "1.3.0", "1.0")] == [True, False, False, False]


# ---------------------------------------------------------------------- fetching


def test_links_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# B\n\n## There\n")
    (tmp_path / "a.md").write_text(
        "# A\n[1](b.md) [2](b.md#there) [3](b.md#gone) [4](c.md) [5](#a) [6](#b) "
        "[7](https://elsewhere.test/x) [8](mailto:a@b)"
    )

    def http(url: str) -> Http:
        return Http(url, ["docs.test"])

    documents = Documents(str(tmp_path), http)
    text, problem = documents.text(documents.fetch("a.md"))
    assert (problem, text is not None) == ("", True)
    found = documents.follow("a.md", text)  # type: ignore[arg-type]
    assert found.dead == (
        "its link b.md#gone leads to no heading there", "its link c.md leads to nothing",
        "its link #b leads to no heading",
    )  # fmt: skip
    assert (found.count, found.foreign) == (7, 1)


def test_a_folder_is_all_its_documents_and_bounds_hold(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    for name in ("a.md", "b.html", "c.txt"):
        (tmp_path / "runbooks" / name).write_text("x")
    documents = Documents(str(tmp_path), lambda url: Http(url, []))
    assert documents.places("runbooks") == ["runbooks/a.md", "runbooks/b.html"]
    (tmp_path / "long.md").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    assert "longer than" in documents.fetch("long.md").problem
    assert documents.fetch("none.md").absent
    with pytest.raises(InputError, match="relative path"):
        Documents("", lambda url: Http(url, [])).fetch("a.md")


class _Asked:
    """Answers by URL, and keeps the headers that it was asked with."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers, self.headers = answers, {}

    def get(self, url: str, *, headers: dict[str, str], follow: int) -> Answer:
        self.headers[url] = headers
        assert follow
        return self.answers[url]


def test_a_document_from_the_web_signs_in_and_its_links_are_followed() -> None:
    base = "https://docs.test/guide"
    page = '<h1>A</h1><a href="b">b</a><a href="c">c</a>'
    asked = _Asked({
        f"{base}/a": Answer(f"{base}/a", 200, {"content-type": "text/html"}, page),
        f"{base}/b": Answer(f"{base}/b", 200, {}, "there"),
        f"{base}/c": Answer(f"{base}/c", 404),
        f"{base}/d?token=x": Answer(f"{base}/d", 403),
    })  # fmt: skip
    documents = Documents("", lambda _: asked, lambda _: {"Authorization": "Bearer t"})  # type: ignore[arg-type,return-value]
    text, _problem = documents.text(documents.fetch(f"{base}/a"))
    assert documents.follow(f"{base}/a", text).dead == ("its link c leads to nothing (404)",)  # type: ignore[arg-type]
    assert asked.headers[f"{base}/a"] == {"Authorization": "Bearer t"}
    refused = documents.fetch(f"{base}/d?token=x")
    assert (refused.problem, "token" in refused.where) == ("answers 403", False)


def test_ages_count_to_the_day() -> None:
    edge = (TODAY - timedelta(days=90)).isoformat()
    assert judged(facts(GOOD.replace("2026-11-01", edge)))[0] == "pass"
