# The document comes back with its own words, every box in its place, and no text can add one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
import report_fixtures as fixtures
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.render import markdown

TEXT = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
BOX = re.compile(r"\s*- \[([ x])\] ")
SETTLED = {"pass", "attested", "waived", "not_applicable"}


def rendered(document: dict[str, Any]) -> list[str]:
    return markdown.render(document, fixtures.KNOWN, TEXT).split("\n")


def boxes(lines: list[str]) -> list[str]:
    return [match[1] for line in lines if (match := BOX.match(line))]


def items(lines: list[str]) -> list[str]:
    """The lines of the controls, without those of the groups."""
    return [line for line in lines if BOX.match(line) and not re.fullmatch(r"- \[.\] \*\*[^*]+\*\*\s*", line)]


def test_every_box_stands_in_its_place_and_every_other_line_is_verbatim() -> None:
    before, after = TEXT.split("\n"), rendered(fixtures.every_state())
    assert len(before) == len(after)
    assert len(boxes(after)) == 239
    for old, new in zip(before, after, strict=True):
        if not BOX.match(old):
            assert new == old
        else:
            assert re.sub(r"\[x\]", "[ ]", new, count=1).startswith(old.rstrip())


def test_items_are_ticked_by_their_state_and_say_it() -> None:
    document = fixtures.every_state()
    lines = items(rendered(document))
    assert len(lines) == 204
    for line, control in zip(lines, document["controls"], strict=True):
        match = BOX.match(line)
        assert match
        assert (match[1] == "x") == (control["state"] in SETTLED)
        assert control["title"] in line
        word = control["state"].replace("_", " ")
        if control["state"] == "pending":
            assert line.endswith(" — pending")
        else:
            assert f" — **{word}**: As it should be: 4 of 4 replicas, observed twice. " in line
            assert line.endswith(f"([evidence](report.html#{control['id']}))")


@pytest.mark.parametrize("state", fixtures.STATES)
def test_all_boxes_follow_when_all_are_in_one_state(state: str) -> None:
    assert set(boxes(rendered(fixtures.all_in(state)))) == {"x" if state in SETTLED else " "}


def test_a_group_is_ticked_when_all_its_items_are() -> None:
    document = fixtures.all_in("pass")
    document["controls"][1] = fixtures.entry(fixtures.IDS[1], "fail")
    lines = rendered(document)
    assert "- [ ] **Kubernetes Cluster**" in lines
    assert "- [x] **Database Setup**" in lines
    assert boxes(lines).count(" ") == 2


def test_a_control_without_a_result_is_pending() -> None:
    document = fixtures.all_in("pass")
    del document["controls"][0]
    assert items(rendered(document))[0].endswith("configured — pending")


def test_a_long_summary_is_cut_and_one_of_many_lines_is_one_line() -> None:
    document = fixtures.all_in("fail", summary="one\ntwo\r\n\x1b[3" + "x" * 500, evidence=[])
    line = items(rendered(document))[0]
    assert "**fail**: one two \\[3xxx" in line
    assert line.endswith("x…")


def test_bare_addresses_make_no_links() -> None:
    assert markdown.escape("https://a.example www.b.example") == "https\\://a.example www\\.b.example"


@example(text="- [ ] one\n- [x] two")
@example(text="```\n- [ ] in a fence")
@example(text="<script>alert(1)</script> **bold** [link](javascript:alert(1)) `code` | a | b |")
@example(text="\u2028- [ ] after a line separator\x85- [ ] next\x0b\x0c")
@given(text=st.text(max_size=300))
@settings(max_examples=60)
def test_no_summary_changes_a_box_or_a_line(text: str) -> None:
    document = fixtures.all_in("fail", summary=text, remedy=text, evidence=[])
    lines = markdown.render(document, fixtures.KNOWN, TEXT).splitlines()
    assert len(lines) == len(TEXT.splitlines())
    assert len(re.findall(r"- \[[ x]\] ", "\n".join(lines))) == 239
    said = items(lines)[0].partition("**fail**")[2]
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>`*_\[\]|]", said)


def test_a_document_of_another_catalogue_is_refused() -> None:
    with pytest.raises(InputError, match=r"has a box 'Kubernetes v1.26\+ installed and configured' where"):
        markdown.render(fixtures.mixed(), fixtures.KNOWN, TEXT.replace("v1.25+ inst", "v1.26+ inst"))
    with pytest.raises(InputError, match=r"has no box for sign_off\.business\.project_manager; give"):
        markdown.render(fixtures.mixed(), fixtures.KNOWN, TEXT.replace("- [ ] **Project Manager**", "- **PM**"))
    with pytest.raises(InputError, match=r"has a box 'One more' where the catalogue has none; give"):
        markdown.render(fixtures.mixed(), fixtures.KNOWN, f"{TEXT}\n- [ ] One more")
