# The incident sheet has what one needs on one page, the exact commands, no secret, and says what it does not know.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import Register
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback
from ansible_collections.bytebot.production.plugins.module_utils.incident import (
    Incident,
    Place,
    Revision,
    Way,
    bare,
    commands,
    markdown,
    page,
    sections,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import incident_sheet

PLACE = Place("shop", "shop-production", "bytebot", "inventories/production", "prod", "/k/config")
NOW = Revision(7, "bytebot 1.1.0", "1.1.0", "2026-11-30T10:00:00", ("r/api:1.1.0", "r/desktop:1.1.0"))
OLD = Revision(6, "bytebot 1.0.0", "1.0.0", "2026-11-01T10:00:00")
CONTACTS: dict[str, Any] = {
    "contacts": {
        "operations": {
            "title": "Operations Team Lead",
            "person": {"name": "Ines Okafor", "phone": "+44 20 7946 0101", "email": "ines@shop.test"},
            "deputy": {"name": "[contact info]", "phone": "[contact info]"},
        },
        "security": {"person": {"name": "Amara <b>Diallo</b>", "pager": "amara"}},
    },
}
ESCALATION: dict[str, Any] = {
    "severities": [
        {"name": "critical", "meaning": "users cannot work", "respond_within": "15m",
         "escalate": [{"after": "30m", "to": "executive"}]},
        {"name": "info", "informational": True},
    ],
    "executive": {"person": {"name": "Helena Novak", "phone": "+44 20 7946 0110"}},
}  # fmt: skip
LAST = Rollback("bytebot", datetime(2026, 11, 20, tzinfo=UTC).timestamp(), 41.5, True)
SHEET = Incident(
    PLACE,
    NOW,
    way=Way(OLD, before=("Deployment shop/api init container migrate",), last=LAST),
    contacts=Register("contacts.yml", CONTACTS),
    escalation=Register("escalation.yml", ESCALATION),
    links={"Overview": "https://someone:password@grafana.test/d/x?token=abc#panel", "Runbooks": "/srv/runbooks"},
)


def text_of(sheet: Incident) -> str:
    return markdown(sheet, sections(sheet))


@pytest.mark.parametrize(
    "told",
    [
        "bytebot, revision 7, application 1.1.0, chart bytebot 1.1.0",
        "r/desktop:1.1.0",
        "Ines Okafor, phone +44 20 7946 0101, email ines@shop.test",
        "Helena Novak, phone +44 20 7946 0110",
        "users cannot work; answer within 15m; after 30m executive",
        "revision 6, application 1.0.0",
        "the rollback of 2026-11-20 took 41.5 s and passed",
        "the database does not go back, and these differ: Deployment shop/api init container migrate",
        "https://grafana.test/d/x#panel",
        "/srv/runbooks",
    ],
)
def test_the_page_tells(told: str) -> None:
    plain = text_of(SHEET).replace("\\", "")
    assert told in plain


def test_the_commands_are_exact_and_can_be_copied() -> None:
    playbook, helm = commands(replace(PLACE, environment="the shop"), 6)
    assert shlex.split(playbook) == [
        "ansible-playbook", "-i", "inventories/production", "rollback.yml", "--limit", "the shop",
        "-e", "rollback_to_revision=6", "-e", 'rollback_reason="WHY"',
    ]  # fmt: skip
    assert helm == (
        "helm rollback bytebot 6 --namespace shop-production --kube-context prod --kubeconfig /k/config --wait"
    )
    made = text_of(SHEET)
    assert all(f"      {command}\n" in made for command in commands(PLACE, 6))
    assert commands(Place("a", "b", "c"), 1)[1] == "helm rollback c 1 --namespace b --wait"


def test_no_credentials_stand_in_addresses() -> None:
    for made in (text_of(SHEET), page(SHEET, sections(SHEET))):
        assert "password" not in made
        assert "token" not in made
    assert bare("runbooks/incident.md") == "runbooks/incident.md"
    assert bare("grafana.shop.test/d/1?auth_token=abc") == "grafana.shop.test/d/1"
    assert bare("jo:word@grafana.shop.test/d/1") == "grafana.shop.test/d/1"
    assert bare("//jo:word@grafana.shop.test/d/1") == "//grafana.shop.test/d/1"
    assert bare("mailto:crew@shop.test") == "mailto:crew@shop.test"


def test_a_placeholder_is_nobody() -> None:
    assert "contact info" not in text_of(SHEET)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"now": None, "problem": "Secrets may not be listed"}, "bytebot: Secrets may not be listed"),
        ({"way": Way(why_not="there is one revision only")}, "there is no way back: there is one revision only"),
        ({"way": Way(OLD)}, "no rollback is recorded in this environment"),
        ({"contacts": Register()}, "not known here (in the inventory: bytebot_contacts)"),
        ({"contacts": Register("x.yml", problem="it cannot be read")}, "x.yml: it cannot be read"),
        ({"escalation": Register()}, "bytebot_escalation"),
        ({"links": {}}, "bytebot_incident_links"),
        ({"escalation": Register("e", {"severities": "many"})}, "How urgent"),
        ({"contacts": Register("c", {"contacts": ["a"]})}, "Operations: not known here"),
    ],
)
def test_what_is_not_known_is_said(changes: dict[str, Any], told: str) -> None:
    plain = text_of(replace(SHEET, **changes)).replace("\\", "").replace("**", "")
    assert told in plain


def test_the_page_in_html_is_whole_and_lets_no_mark_up_in() -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            assert tag != "b"
            self.links += [value for name, value in attrs if name == "href"]
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(page(SHEET, sections(SHEET)))
    assert (reader.open, reader.links) == ([], ["https://grafana.test/d/x#panel"])


def test_it_stays_one_page() -> None:
    many = replace(NOW, images=tuple(f"r/i{number}:1" for number in range(60)))
    crowd = replace(SHEET, now=many, links={f"L{number}": "https://x.test" for number in range(60)})
    made = text_of(crowd)
    assert "and 48 more" in made
    assert len(made.splitlines()) < 120


# ---------------------------------------------------------------------------- the module


def made_by(monkeypatch: pytest.MonkeyPatch, dest: Path, history: Any, check_mode: bool = False) -> dict[str, Any]:
    def told(*_given: Any) -> Any:
        if isinstance(history, Exception):
            raise history
        return history

    monkeypatch.setattr(incident_sheet, "history", told)
    monkeypatch.setattr(incident_sheet, "Cluster", lambda *_: SimpleNamespace(get=lambda *_: None))
    given = {name: one.get("default") for name, one in incident_sheet.ARGUMENTS.items()}
    given |= {"environment": "shop", "namespace": "shop", "release": "bytebot", "dest": str(dest), "contacts": CONTACTS}
    module: Any = SimpleNamespace(params=given, check_mode=check_mode, tmpdir="")
    return incident_sheet.write(module, Redactor())


def revision(number: int, status: str, tag: str) -> SimpleNamespace:
    container = {"name": "api", "image": f"r/api:{tag}"}
    spec = {"template": {"spec": {"containers": [container]}}}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}
    return SimpleNamespace(
        name="bytebot", revision=number, status=status, chart_name="bytebot", chart_version=tag, app_version=tag,
        updated="2026-11-30T10:00:00.123Z", objects=(obj,), hooks=(), deploy_hooks=(), description="", good=True,
        rolled_back_to=0, same_as=lambda other: False,
    )  # fmt: skip


def test_the_module_writes_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = [revision(2, "deployed", "1.1"), revision(1, "superseded", "1.0")]
    out = made_by(monkeypatch, tmp_path / "new", known)
    assert (out["rollback_to"], out["changed"]) == (1, True)
    assert [(path.name, path.stat().st_mode & 0o777) for path in sorted((tmp_path / "new").iterdir())] == [
        ("incident.html", 0o600), ("incident.md", 0o600)
    ]  # fmt: skip
    assert "7946" not in str(out)
    assert "7946" in (tmp_path / "new/incident.md").read_text()
    assert "Where to look: Links" in out["not_known"]


def test_check_mode_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert made_by(monkeypatch, tmp_path / "new", [], check_mode=True)["changed"] is True
    assert not (tmp_path / "new").exists()


def test_a_release_that_may_not_be_read_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = made_by(monkeypatch, tmp_path, NotPermitted("Secrets may not be listed."))
    assert out["rollback_to"] == 0
    assert "Secrets may not be listed" in (tmp_path / "incident.md").read_text()


def test_a_folder_that_cannot_be_written_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"dest: .* cannot be written"):
        made_by(monkeypatch, tmp_path / "file", [])
