# Skeletons of documents: with what the live system knows, without what is secret, and never good enough by themselves.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_access import REVIEW
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import (
    DocumentFacts,
    Entry,
    Live,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import lacking, usual
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import Alert
from ansible_collections.bytebot.production.plugins.module_utils.document_skeletons import (
    FILES,
    OPEN,
    Known,
    Revision,
    skeletons,
)
from ansible_collections.bytebot.production.plugins.module_utils.document_text import MARKDOWN, MARKER, parse
from ansible_collections.bytebot.production.plugins.modules.document_skeleton import _levels

KNOWN = Known(
    "shop", "web", "1.2.0", {"replicas": 2}, {"db": ["password", "username"]},
    [("`web`", "Deployment", "2", "registry.test/web:1.2.0")], [("web", "2", "5")],
    [Revision(2, "deployed", "web 0.1.0", "1.2.0", "2026-11-29", "Upgrade complete")],
    [Alert("ShopDown", "critical", "https://docs.test/down", "the shop | is down")],
    [{"name": "critical", "meaning": "down", "respond_within": "15m"}],
)  # fmt: skip


def test_there_is_one_for_each_document() -> None:
    # Those of the go-live and after it tell of what happened, so that nothing could be generated.
    told = {control for control in CHECKS.controls if control.startswith(("post_go_live.", "go_live.testing."))}
    assert set(FILES) == set(CHECKS.controls) - {REVIEW} - told
    assert set(skeletons(Known())) == {path for path, _title in FILES.values()}


@pytest.mark.parametrize("control", FILES)
def test_what_is_generated_does_not_pass_by_itself(control: str) -> None:
    text = (
        skeletons(KNOWN)[FILES[control][0]].replace("owner:", "owner: me").replace("reviewed:", "reviewed: 2026-11-30")
    )
    for said, given in (
        (OPEN, text.replace(MARKER, "")),
        ("generated", text.replace(OPEN, "Here is what there is to say.")),
    ):
        page = Page("a.md", parse(given.encode(), MARKDOWN, "a.md"))
        facts = DocumentFacts(
            {control: Entry(control, usual(control), (page,))},
            Live(frozenset({"ShopDown"}), versions=("1.2.0",)),
            today=date(2026, 11, 30),
        )
        verdict = CHECKS.judge(facts, [control])[0].verdict
        assert (verdict.state, said in verdict.summary) == ("fail", True), verdict.summary


@pytest.mark.parametrize("control", FILES)
def test_what_people_complete_has_all_sections(control: str) -> None:
    text = skeletons(KNOWN)[FILES[control][0]].replace(OPEN, "Here is what there is to say")
    assert list(lacking((parse(text.encode(), MARKDOWN, "a.md"),), usual(control))) == []


def test_what_the_live_system_knows_stands_in_it() -> None:
    texts = skeletons(KNOWN)
    assert "| 2 | deployed | web 0.1.0 | 1.2.0 | 2026-11-29 | Upgrade complete |" in texts["operations/rollback.md"]
    assert "| `ShopDown` | critical | the shop \\| is down |" in texts["runbooks/alerts.md"]
    assert "| `db` | password, username |" in texts["operations/configuration.md"]
    assert "replicas: 2" in texts["operations/configuration.md"]
    assert "| critical | down | 15m |" in texts["runbooks/incident.md"]
    assert "| web | 2 | 5 |" in texts["runbooks/scaling.md"]


def test_levels_come_from_a_file_or_from_data(tmp_path: Path) -> None:
    (tmp_path / "e.yml").write_text("severities: [{name: a}]\n")
    assert _levels(str(tmp_path / "e.yml")) == _levels({"severities": [{"name": "a"}]}) == [{"name": "a"}]
    assert _levels(None) == []
