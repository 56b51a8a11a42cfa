# Placeholders are found wherever they stand, Secrets' values are never told, and nothing passes that was not read.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import Page
from ansible_collections.bytebot.production.plugins.module_utils.checks.placeholders_left import (
    CHECKS,
    LeftFacts,
    SecretFlaw,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.document_text import Text
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_placeholders import observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.fakes import FakeCluster

NAMESPACE = "shop"
PAGE = Page("runbook.md", Text("markdown", prose="Call the lead at +44 20 7946 0101."))
API = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": NAMESPACE}, "spec": {}}
VALUES = {"global": {"domain": "api.shop.test"}}
GOOD = LeftFacts(NAMESPACE, "bytebot", VALUES, objects=(API,), hosts=("api.shop.test",), pages=(PAGE,))


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app", "namespace": NAMESPACE}, "data": data}


def ingress(host: str) -> dict[str, Any]:
    meta = {"name": "app", "namespace": NAMESPACE}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta,
        "spec": {"rules": [{"host": host}]},
    }


def judged(facts: LeftFacts) -> Verdict:
    (result,) = CHECKS.judge(facts)
    return result.verdict


def test_what_has_no_placeholder_passes_and_says_what_was_read() -> None:
    found = judged(replace(GOOD, objects=(API, config_map(level="info"), ingress("api.shop.test")), secrets=3))
    assert found.state == "pass"
    assert "3 live objects, 3 Secrets, 1 hosts and 1 documents" in found.summary


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": {"smtp": {"host": "mail.example.com"}}}, "value smtp.host is a placeholder (mail.example.com)"),
        ({"values": {"owner": "<your name>"}}, "value owner is a placeholder"),
        ({"objects": (config_map(key="changeme"),)}, "ConfigMap shop/app.data.key is a placeholder (changeme)"),
        ({"objects": (config_map(url="TODO"),)}, "(TODO)"),
        ({"objects": (ingress("bytebot.example.com"),)}, "Ingress shop/app.spec.rules[0].host"),
        ({"hosts": ("api.example.org",)}, "host api.example.org is a placeholder"),
        (
            {"flaws": (SecretFlaw("db", "password", "is a placeholder that nobody filled in"),)},
            "key password of Secret db",
        ),
        ({"pages": (replace(PAGE, text=Text("markdown", prose="Call [contact info].")),)}, "runbook.md still has"),
    ],
)
def test_each_placeholder_is_red_and_named(changes: dict[str, Any], said: str) -> None:
    found = judged(replace(GOOD, **changes))
    assert found.state == "fail"
    assert said in found.summary


def test_a_value_that_objects_repeat_is_told_once() -> None:
    twice = replace(GOOD, values={"a": "x.example.com"}, objects=(config_map(a="x.example.com"),))
    assert judged(twice).summary.count("example.com") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": None, "no_values": "there is no release"}, "there is no release"),
        ({"unread": {"Secret": "not permitted"}}, "Secrets could not be read"),
        ({"objects": (config_map(),)}, "no workload of it is there"),
        ({"hosts": ()}, "needs input hosts"),
        ({"pages": None}, "needs input documents"),
        ({"pages": (Page("gone.md", problem="is not there", absent=True),)}, "gone.md is not there"),
    ],
)
def test_what_was_not_read_does_not_pass(changes: dict[str, Any], said: str) -> None:
    found = judged(replace(GOOD, **changes))
    assert found.state == "pending"
    assert said in found.summary
    assert judged(replace(GOOD, **changes, flaws=(SecretFlaw("a", "b", "is a placeholder"),))).state == "fail"


def test_values_of_secrets_are_judged_and_stay_where_they_are(tmp_path: Path) -> None:
    good = [b64encode(secrets.token_bytes(32)).decode() for _index in range(20)]
    bad = "your-token-here"

    def secret(name: str, kind: str, data: dict[str, str]) -> dict[str, Any]:
        packed = {key: b64encode(value.encode()).decode() for key, value in data.items()}
        meta = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": meta, "data": packed}

    cluster = FakeCluster(
        secret("good", "Opaque", {f"key-{index}": value for index, value in enumerate(good)}),
        secret("bad", "Opaque", {"token": bad, "host": "db.example.com"}),
        secret("account", "kubernetes.io/service-account-token", {"token": "changeme"}),
        config_map(ca="-----BEGIN CERTIFICATE-----\nchangeme\n-----END CERTIFICATE-----\n"),
        namespaces=(NAMESPACE,),
    )
    redactor = Redactor()
    facts = observe(cluster, redactor, Documents(str(tmp_path), None), (NAMESPACE, "bytebot"), (("a.test",), None))  # type: ignore[arg-type]
    assert [(one.secret, one.key) for one in facts.flaws] == [("bad", "token"), ("bad", "host")]
    assert facts.secrets == 2
    told = str(redactor.data(judged(facts).evidence[0].observed)) + judged(facts).summary
    assert bad not in told
    assert "db.example.com" not in told
    assert "certificate" not in judged(facts).summary.lower()


ALERTMANAGER = """
receivers:
  - name: room
    slack_configs:
      - title: '{{ template "slack.title" . }}'
        text: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}{{ .CommonLabels.Values | join ", " }}'
"""
WORKFLOW = """
on: push
jobs:
  build:
    steps:
      - run: make
        env:
          GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}
"""
GO = '{{ define "slack.title" }}\n{{ .CommonLabels.alertname }}\n{{ end }}\n'


def in_secret(folder: Path, key: str, text: str) -> list[str]:
    """What is wrong with the value of a Secret."""
    meta = {"name": "app", "namespace": NAMESPACE}
    data = {key: b64encode(text.encode()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": data}
    cluster = FakeCluster(secret, namespaces=(NAMESPACE,))
    facts = observe(cluster, Redactor(), Documents(str(folder), None), (NAMESPACE, "b"), (("a.test",), None))  # type: ignore[arg-type]
    return [one.flaw for one in facts.flaws]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("alertmanager.yaml", ALERTMANAGER),
        ("slack.tmpl", GO),
        ("mail.html", "Dear {{ name }},\nyour desktop is ready.\n"),
        ("build.yml", WORKFLOW),
        ("grafana.ini", "[smtp]\nuser = bytebot\npassword = ${SMTP_PASSWORD}\n"),
    ],
)
def test_a_file_of_templates_in_a_secret_is_no_leftover(key: str, text: str, tmp_path: Path) -> None:
    assert in_secret(tmp_path, key, text) == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("password", "{{ db_password }}"),
        ("password", "{{ db_password }}\n\n"),
        ("password", "# set by the pipeline\n{{ db_password }}\n"),
        ("password", "---\n{{ db_password }}\n"),
        ("host", "db.{{ domain }}"),
        ("url", "postgres://u:${PASSWORD}@db/x"),
        ("slack.tmpl", "{{ title }}"),
        ("password", "{{ if production }}\n{{ db_password }}\n{{ end }}"),
        ("app.yml", "host: db\npassword: {{ .Values.database.password }}\n"),
        ("app.yml", "host: {{ .Release.Name }}-db\nport: 5432\n"),
        ("app.yml", 'host: db\nurl: {{- include "app.url" . }}\n'),
        (".env", "DB_HOST=db\nDB_PASSWORD={{ db_password }}\n"),
        ("app.json", '{\n  "host": "db",\n  "apiKey": "{{ api_key | default(\'\') }}",\n}'),
        ("alertmanager.yaml", ALERTMANAGER.replace("room", "changeme")),
        ("app.yml", "your-db-password-here\nport: 5432\n"),
    ],
)
def test_a_template_that_nobody_filled_is_a_leftover(key: str, text: str, tmp_path: Path) -> None:
    assert len(in_secret(tmp_path, key, text)) == 1


def test_registers_are_read_without_their_comments(tmp_path: Path) -> None:
    (tmp_path / "people.yml").write_text("# TODO: ask them\nlead: {name: '[contact info]'}\n")
    (tmp_path / "good.yml").write_text("# TODO: ask them\nlead: {name: Ines Okafor}\n")
    read = Documents(str(tmp_path), None)  # type: ignore[arg-type]
    facts = observe(
        FakeCluster(namespaces=(NAMESPACE,)),
        Redactor(),
        read,
        (NAMESPACE, "b"),
        (("a.test",), ("people.yml", "good.yml")),
    )
    found = judged(facts)
    assert "people.yml still has [contact info]" in found.summary
    assert "good.yml" not in found.summary


def test_what_stands_beside_a_certificate_in_a_secret_is_judged(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"
    data = {"app.yml": f"ca: |\n  {pem}password: changeme\n", "ca.crt": pem}
    packed = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": "app", "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": packed}
    cluster = FakeCluster(secret, namespaces=(NAMESPACE,))
    facts = observe(cluster, Redactor(), Documents(str(tmp_path), None), (NAMESPACE, "b"), (("a.test",), None))  # type: ignore[arg-type]
    assert [(one.secret, one.key) for one in facts.flaws] == [("app", "app.yml")]


def test_an_option_on_a_line_of_its_own_is_no_comment() -> None:
    script = "exec redis-server \\\n  --requirepass changeme\n"
    assert judged(replace(GOOD, objects=(config_map(run=script),))).state == "fail"
    assert (
        judged(
            replace(
                GOOD,
                objects=(
                    API,
                    config_map(sql="-- changeme\n---- TODO ----\nSELECT 1;\n"),
                ),
            )
        ).state
        == "pass"
    )


def test_a_key_that_is_called_status_is_read() -> None:
    assert judged(replace(GOOD, objects=(config_map(status="changeme"),))).state == "fail"
    assert judged(replace(GOOD, values={"page": [{"status": "status.example.com"}]})).state == "fail"
    assert (
        judged(
            replace(
                GOOD,
                objects=(
                    API,
                    {**config_map(), "status": {"message": "TODO"}},
                ),
            )
        ).state
        == "pass"
    )
