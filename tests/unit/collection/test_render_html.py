# The page: complete, in order, self-contained, readable, and deaf to whatever the examined system says.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
import report_fixtures as fixtures

from ansible_collections.bytebot.production.plugins.plugin_utils.render import html, view

VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "base"})
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</pre></details></style><script>alert(1)</script>",
    "{{7*7}}{% include '/etc/passwd' %}{{ ''.__class__ }}",
    "javascript:alert(1)",
    "<!-- --><base href=//evil.example>",
    "\x00\x1b[31m\ud800\u202e",
)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def all(self, tag: str, **wanted: str) -> list[Element]:
        found = [each for child in self.inside for each in child.all(tag, **wanted)]
        fits = self.tag == tag and all(self.attributes.get(name.strip("_")) == value for name, value in wanted.items())
        return [self, *found] if fits else found

    def whole(self) -> str:
        return self.text + "".join(child.whole() for child in self.inside)


class Page(HTMLParser):
    """The page as a tree; every tag must be closed by its own end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.every: list[Element] = []
        self.feed(text)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.every.append(element)
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.every.append(element)
        self.open[-1].inside.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(Element("#text", {}, data))


def page_of(document: dict[str, Any]) -> Page:
    return Page(html.render(document))


PLAIN = page_of(fixtures.mixed())
EVERY = page_of(fixtures.every_state())


# ---------------------------------------------------------------------- content


def test_all_controls_stand_in_the_document_s_order() -> None:
    ids = [str(item.attributes["id"]) for item in EVERY.root.all("li", class_="control")]
    assert ids == fixtures.IDS
    assert len(ids) == 204
    titles = [span.whole() for span in EVERY.root.all("span", class_="title")]
    assert titles == [control.title for control in fixtures.KNOWN.controls.values()]


@pytest.mark.parametrize("page", [PLAIN, EVERY], ids=["mixed", "every state"])
def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = [element.attributes["id"] for element in page.every if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    named = [
        name
        for element in page.every
        for attribute in ("aria-labelledby", "for", "aria-describedby")
        if (name := element.attributes.get(attribute))
    ]
    named += [href[1:] for link in page.root.all("a") if (href := link.attributes["href"]) and href.startswith("#")]
    assert set(named) <= set(ids)


def test_every_state_has_a_sign_of_its_own_and_a_word() -> None:
    assert set(view.STATES) == set(fixtures.STATES)
    assert len({look.sign for look in view.STATES.values()}) == len(view.STATES)
    for item in EVERY.root.all("li", class_="control"):
        look = view.STATES[str(item.attributes["data-state"])]
        summary = item.all("summary")[0].all("span", class_="state")[0]
        assert summary.whole().split(maxsplit=1) == [look.sign, look.word]


def test_the_gate_stands_first_with_its_reasons() -> None:
    document = fixtures.mixed()
    text = PLAIN.root.all("body")[0].whole()
    assert "The gate is shut for the stage deploy" in text
    places = [text.index(reason) for reason in document["gate"]["reasons"]]
    assert places == sorted(places)
    assert places[-1] < text.index("204 controls")


@pytest.mark.parametrize(("decision", "words"), [("open", "is open"), ("shut", "is shut"), ("not_assessed", "was not")])
def test_each_decision_has_its_words(decision: str, words: str) -> None:
    document = fixtures.document([], gate={"decision": decision, "stage": None, "reasons": []})
    assert words in page_of(document).root.all("h2", id="gate")[0].whole()


def test_the_counts_are_those_of_the_controls() -> None:
    legend = PLAIN.root.all("ul", class_="legend")[0]
    shown = {
        str(label.all("input")[0].attributes["value"]): int(label.whole().split()[-1])
        for label in legend.all("label")
        if label.all("input", name="state")
    }
    assert shown == {state: count for state, count in fixtures.mixed()["counts"].items() if count}


def test_the_difference_names_what_moved() -> None:
    difference = PLAIN.root.all("section", class_="difference")[0]
    lines = [" ".join(item.whole().split()) for item in difference.all("li")]
    assert lines[0] == "✓ pass → became ✕ fail Readiness probes passing"
    assert len(lines) == 3


def test_many_changes_are_folded_and_a_control_that_is_no_more_has_no_link() -> None:
    document = fixtures.mixed()
    changed = [{"id": id_, "from": "pass", "to": "fail"} for id_ in [*fixtures.IDS[:20], "gone.group.item"]]
    document["previous"] = {"run": "before", "changed": changed}
    difference = page_of(document).root.all("section", class_="difference")[0]
    assert "21 states have changed since run before, 21 for the worse" in difference.all("summary")[0].whole()
    assert len(difference.all("a")) == 20
    assert "gone.group.item" in difference.whole()


def test_a_control_that_is_new_has_no_state_before() -> None:
    document = fixtures.document([fixtures.entry(fixtures.IDS[0], "fail")])
    document["previous"] = {"run": "before", "changed": [{"id": fixtures.IDS[0], "from": None, "to": "fail"}]}
    line = page_of(document).root.all("section", class_="difference")[0].all("li")[0]
    assert line.whole().split()[:5] == ["new", "→", "became", "✕", "fail"]


def test_what_should_be_known_beside_the_states_is_shown() -> None:
    control = fixtures.entry(
        fixtures.IDS[0], "waived", weaker=["2 wanted, document 16"], expires="2026-06-30T00:00:00Z"
    )
    document = fixtures.document([control])
    document["gate"]["notes"] = ["A note of the gate."]
    document["run"]["defects"] = ["A file that cannot be used."]
    text = page_of(document).root.whole()
    assert "weaker than the document: 2 wanted, document 16" in text
    assert "2026-06-30 00:00:00 UTC" in text
    assert text.index("A note of the gate.") < text.index("1 control")
    assert "A file that cannot be used." in text


def test_who_asked_may_not_be_recorded() -> None:
    document = fixtures.document([])
    del document["run"]["requester"], document["run"]["collection_version"]
    assert "not recorded" in page_of(document).root.all("footer")[0].whole()


@pytest.mark.parametrize(("run", "words"), [(None, "no earlier run"), ("before", "No state has changed")])
def test_no_difference_is_said(run: str | None, words: str) -> None:
    document = fixtures.document([], previous={"run": run, "changed": []})
    assert words in page_of(document).root.all("section", class_="difference")[0].whole()


def test_details_show_remedy_evidence_and_time() -> None:
    item = PLAIN.root.all("li", id="deployment.health.ready")[0]
    text = item.whole()
    assert "Look at the Redis ACL of user bytebot" in text
    assert "2026-03-04 09:30:12 UTC" in text
    assert "42 ms" in text
    assert '"wanted": 4' in item.all("pre")[0].whole()
    assert fixtures.evidence("deployment.health.ready")["sha256"] in text


def test_sections_show_their_progress() -> None:
    section = PLAIN.root.all("section", id="section-infrastructure")[0]
    assert "18 of 22 settled, 2 red" in " ".join(section.all("header")[0].whole().split())


@pytest.mark.parametrize("state", fixtures.STATES)
def test_empty_evidence_and_texts_are_no_trouble(state: str) -> None:
    empty = {"evidence": [], "summary": "", "remedy": "", "started": None}
    page = page_of(fixtures.document([fixtures.entry(id_, state, **empty) for id_ in fixtures.IDS[:3]]))
    assert len(page.root.all("li", class_="control")) == 3
    assert not page.root.all("pre")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 ms"), (0.9, "900 ms"), (59.9, "59.9 s"), (61, "1 min 1 s"), (None, "not measured")],
)
def test_spans_are_readable(seconds: float | None, words: str) -> None:
    assert html._span(seconds) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05 UTC"),
        ("yesterday", "yesterday"),
        ("2026-01-02", "2026-01-02"),
        (None, "not yet"),
    ],
)
def test_moments_are_readable(given: str | None, words: str) -> None:
    assert html._moment(given) == words


@pytest.mark.parametrize(("given", "words"), [(0, "no"), (True, "once"), (3, "3 times"), (["a", "b"], "2 times")])
def test_resuming_is_counted(given: Any, words: str) -> None:
    assert html._resumed(given) == words


# ---------------------------------------------------------------------- nothing from outside, nothing let in


def test_the_page_loads_nothing() -> None:
    for element in EVERY.every:
        assert element.tag not in {"link", "img", "iframe", "object", "embed", "base", "audio", "video", "use"}
        for name, value in element.attributes.items():
            assert name not in {"src", "srcset", "data", "action", "style", "poster", "background"}, name
            assert not name.startswith("on"), name
            if name in {"href", "xlink:href"}:
                assert str(value).startswith("#")
    for tag in ("style", "script"):
        text = "".join(element.whole() for element in EVERY.root.all(tag))
        assert not re.search(r"url\(|@import|https?:|fetch\(|XMLHttp|innerHTML|eval\(|\bimport\b", text)


def test_the_policy_permits_this_style_and_this_script_only() -> None:
    policy = next(
        str(meta.attributes["content"])
        for meta in EVERY.root.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (element,) = EVERY.root.all(tag)
        digest = base64.b64encode(hashlib.sha256(element.whole().encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def hostile_document(text: str) -> dict[str, Any]:
    document = fixtures.document([fixtures.entry(id_, "fail", summary=text, remedy=text) for id_ in fixtures.IDS[:3]])
    for control in document["controls"]:
        about = dict.fromkeys(("source", "observed_at", "sha256"), text)
        control["evidence"] = [
            {**about, "observed": observed} for observed in ({"text": text, text: [text, {"deep": text}]}, text)
        ]
        control |= {"title": text, "group_title": text, "section_title": text, "method": text, "level": text}
        control |= {"binds_to": text, "stage": text, "started": text, "weaker": [text], "expires": text}
    document["run"] |= dict.fromkeys(("id", "opened", "updated", "closed", "requester", "collection_version"), text)
    document["environment"] = dict.fromkeys(document["environment"], text)
    document["run"]["defects"] = [text]
    document["gate"] = {"decision": "shut", "stage": text, "reasons": [text], "notes": [text]}
    document["previous"] = {"run": text, "changed": [{"id": text, "from": "pass", "to": "fail"}]}
    return document


def shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(element.tag, tuple(element.attributes)) for element in page.every]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(text: str) -> None:
    inert, page = page_of(hostile_document("harmless")), page_of(hostile_document(text))
    assert shape(page) == shape(inert)
    assert [e.whole() for e in page.root.all("script")] == [e.whole() for e in inert.root.all("script")]
    if text.isprintable():
        first = page.root.all("li", class_="control")[0]
        assert first.all("span", class_="said")[0].whole() == text
        assert first.all("pre")[1].whole() == text
    assert all(str(link.attributes["href"]).startswith("#") for link in page.root.all("a"))


def test_what_calls_itself_safe_markup_is_escaped_too() -> None:
    class Sly(str):
        def __html__(self) -> str:
            return "<script>alert(1)</script>"

    document = fixtures.mixed()
    document["controls"][0]["summary"] = Sly("sly")
    assert shape(page_of(document)) == shape(PLAIN)


# ---------------------------------------------------------------------- readable for everyone


def test_landmarks_headings_and_language() -> None:
    root = EVERY.root
    assert root.all("html")[0].attributes["lang"] == "en"
    assert [len(root.all(tag)) for tag in ("h1", "main", "nav", "footer")] == [1, 1, 1, 1]
    levels = [int(element.tag[1]) for element in EVERY.every if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert root.all("title")[0].whole().startswith("The gate is shut")


def test_without_the_script_everything_is_there_and_no_dead_control_is_shown() -> None:
    for element in EVERY.every:
        if "hidden" in element.attributes:
            assert "data-scripted" in element.attributes
    assert all(not details.attributes for details in EVERY.root.all("details"))
    find = EVERY.root.all("div", class_="find")[0]
    assert "hidden" in find.attributes
    assert all("hidden" in box.attributes for box in EVERY.root.all("input") if box.attributes["type"] == "checkbox")


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_has_enough_contrast(theme: int) -> None:
    style = EVERY.root.all("style")[0].whole()
    block = re.findall(r":root \{(.+?)\}", style, flags=re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
    for name in ("ink", "soft", "link", *view.STATES):
        for ground in ("paper", "raised"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
