# Controls that users write as data: read with the place of each defect, judged, recorded, gated, and never counted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.bytebot.production.plugins.action import checklist_report
from ansible_collections.bytebot.production.plugins.module_utils.checks import own as checks
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import custom_check as module
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue, gate, own
from ansible_collections.bytebot.production.plugins.plugin_utils.record import document
from ansible_collections.bytebot.production.plugins.plugin_utils.render import html, junit, markdown
from tests.unit.collection.fakes import FakeCluster, _Status
from tests.unit.collection.record_fixtures import KNOWN, NOW, PODS, header, kept, result

ROOT = Path(__file__).resolve().parents[3]
CANARY = "Canary-0x7f3a-own"
TOLD = {"title": "Two replicas", "level": "must", "stage": "deploy", "remedy": "Scale it."}
QUOTA = {"kubernetes": {"kind": "ConfigMap", "name": "limits", "namespace": "default"}}


def control(query: str = "data.pods", source: Any = None, /, **expect: Any) -> dict[str, Any]:
    base = {"id": "own.quota.pods", "title": "Pods are bounded", "query": query}
    return {**base, "source": source or QUOTA, "expect": expect or {"exists": True}}


def objects() -> tuple[dict[str, Any], ...]:
    secret = {"token": b64encode(CANARY.encode()).decode()}
    return (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "limits", "namespace": "default", "labels": {"tier": "a"}},
            "data": {"pods": "100", "memory": "2Gi", "names": "a,b"},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "token", "namespace": "default"},
            "data": secret,
        },
    )


def run(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster, *controls: Any, **options: Any) -> dict[str, Any]:
    """One run of the module over a cluster, as its frame lets the result leave."""
    monkeypatch.setattr(module, "Cluster", lambda *_: cluster)
    check = options.pop("check", False)
    given = {name: spec.get("default") for name, spec in module.ARGUMENTS.items()}
    given |= {"namespace": "default", "controls": list(controls), **options}
    redactor = Redactor()
    task = SimpleNamespace(params=given, tmpdir="/tmp", check_mode=check)
    answer: dict[str, Any] = redactor.data(module.check(task, redactor))
    return answer


def state(monkeypatch: pytest.MonkeyPatch, one: Any, **options: Any) -> tuple[str, str]:
    (found,) = run(monkeypatch, FakeCluster(*objects()), one, **options)["results"]
    return found["state"], found["summary"]


# ---------------------------------------------------------------------- judging


def test_where_nothing_is_judged_controls_are_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster()
    answer = run(monkeypatch, cluster, control(), judge=False)
    assert (answer["results"], answer["api_requests"]) == ([], 0)
    with pytest.raises(InputError, match=r"own\.quota\.pods"):
        run(monkeypatch, cluster, control("data.[x"), judge=False)


@pytest.mark.parametrize(
    ("query", "expect", "wanted"),
    [
        ("data.pods", {"equals": "100"}, "pass"),
        ("data.pods", {"equals": 100}, "fail"),
        ("to_number(data.pods)", {"equals": 100}, "pass"),
        ("data.pods", {"not_equals": "99"}, "pass"),
        ("data.pods", {"not_equals": "100"}, "fail"),
        ("data.pods", {"at_most": 100, "at_least": 1}, "pass"),
        ("data.pods", {"at_most": 99}, "fail"),
        ("data.memory", {"at_least": "2048Mi"}, "pass"),
        ("data.memory", {"at_least": "3Gi"}, "fail"),
        ("data.names", {"at_least": 1}, "error"),
        ("data.names", {"contains": "b"}, "pass"),
        ("data.names", {"contains": "c"}, "fail"),
        ("keys(data)", {"contains": "pods"}, "pass"),
        ("data.names", {"matches": "^a,"}, "pass"),
        ("data.names", {"matches": "^b"}, "fail"),
        ("data", {"matches": "a"}, "error"),
        ("data.none", {"exists": False}, "pass"),
        ("data.none", {"exists": True}, "fail"),
        ("data.pods", {"exists": False}, "fail"),
        ("keys(data)[?@ == 'none']", {"empty": True}, "pass"),
        ("keys(data)", {"empty": True}, "fail"),
        ("keys(data)", {"empty": False}, "pass"),
        # a slip in the query must not fulfil what is expected
        ("data.none", {"empty": True}, "inconclusive"),
        ("data.none", {"not_equals": "x"}, "inconclusive"),
        ("data.none", {"equals": "x"}, "fail"),
        ("data.none", {"equals": None}, "pass"),
        ("length(data.none)", {"at_least": 1}, "error"),
    ],
)
def test_what_is_found_is_held_against_what_is_expected(
    query: str, expect: dict[str, Any], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state(monkeypatch, control(query, **expect))[0] == wanted


def test_an_object_that_is_not_there_passes_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"kubernetes": {"kind": "ConfigMap", "name": "nothing"}}
    for expect in ({"equals": "1"}, {"empty": True}, {"not_equals": "1"}, {"exists": True}, {"at_most": 5}):
        assert state(monkeypatch, control("data.pods", absent, **expect))[0] == "fail"
    assert state(monkeypatch, control("@", absent, exists=False))[0] == "pass"


def test_a_list_is_asked_by_labels_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"kubernetes": {"kind": "ConfigMap"}}
    cluster = FakeCluster(*objects())
    first = control("length(@)", source, equals=1)
    found = run(monkeypatch, cluster, first, {**first, "id": "own.quota.again"})
    assert [one["state"] for one in found["results"]] == ["pass", "pass"]
    assert cluster.requests == 1
    labelled = {"kubernetes": {"kind": "ConfigMap", "labels": "tier=a"}}
    seen = checks.parse([control("@", labelled)], "controls", "shop")[0].source
    assert str(seen) == "LIST ConfigMap in namespace shop with tier=a"


@pytest.mark.parametrize("query", ["data.token", "@", "[].data", "items[].data", "stringData", "values(data)[0]"])
@pytest.mark.parametrize("named", [True, False])
def test_no_query_sees_the_value_of_a_secret(query: str, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"kubernetes": {"kind": "Secret", **({"name": "token"} if named else {})}}
    text = json.dumps(run(monkeypatch, FakeCluster(*objects()), control(query, source, equals="x")))
    assert CANARY not in text
    assert b64encode(CANARY.encode()).decode() not in text


def test_a_secret_under_another_spelling_is_masked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster(*objects())
    cluster._kinds["v1", "SecretList"] = ("secrets", True)  # as the dynamic client knows it
    source = {"kubernetes": {"kind": "SecretList"}}
    found = run(monkeypatch, cluster, control("[].data.token | [0]", source, exists=True))
    assert found["results"][0]["state"] == "pass"
    assert b64encode(CANARY.encode()).decode() not in json.dumps(found)


def test_the_keys_of_a_secret_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"kubernetes": {"kind": "Secret", "name": "token"}}
    assert state(monkeypatch, control("keys(data)", source, equals=["token"]))[0] == "pass"


def test_what_may_not_be_read_is_pending_and_names_the_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidding(FakeCluster):
        def _get(self, *_: Any) -> Any:
            raise _Status(403, 'User "x" cannot get resource "configmaps"')

    (found,) = run(monkeypatch, Forbidding(), control())["results"]
    assert (found["state"], "configmaps" in found["summary"]) == ("pending", True)
    (unknown,) = run(monkeypatch, FakeCluster(), control("@", {"kubernetes": {"kind": "Widget"}}))["results"]
    assert unknown["state"] == "error"


# ---------------------------------------------------------------------- URLs


@contextmanager
def served(handle: Callable[[Any], None]) -> Iterator[str]:
    """A server on this machine that answers GET: its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_url_is_asked_with_a_secret_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def handle(request: Any) -> None:
        asked.append(request.headers.get("Authorization", ""))
        body = json.dumps({"version": "1.2.3", "echo": asked[-1]}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Set-Cookie", "a=b")
        request.end_headers()
        request.wfile.write(body)

    with served(handle) as url:
        auth = {"secret": "token", "token_key": "token"}
        one = control("body.version", {"url": f"{url}/x?y=z", "auth": auth}, matches=r"^1\.")
        answer = run(monkeypatch, FakeCluster(*objects()), one, allowed_hosts=["127.0.0.1"])
        echoed = control("[status, headers, body]", {"url": url, "auth": auth}, empty=True)
        told = run(monkeypatch, FakeCluster(*objects()), echoed, allowed_hosts=["127.0.0.1"])
        assert state(monkeypatch, one, allowed_hosts=["127.0.0.1"], check=True)[0] == "pending"
    assert answer["results"][0]["state"] == "pass"
    assert asked[0] == f"Bearer {CANARY}"
    assert CANARY not in json.dumps([answer, told])
    assert "set-cookie" not in json.dumps(told)
    assert len(asked) == 2


def test_a_url_of_another_host_is_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster(*objects())
    with pytest.raises(InputError, match=r"own\.quota\.pods, source: elsewhere\.test .* not in allowed_hosts"):
        run(
            monkeypatch,
            cluster,
            control("@", {"url": "https://elsewhere.test"}),
            allowed_hosts=["a.test"],
        )
    assert cluster.requests == 0


def test_a_url_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    one = control("status", {"url": "http://127.0.0.1:1/"}, equals=200)
    assert state(monkeypatch, one, allowed_hosts=["127.0.0.1"])[0] == "error"


def test_a_missing_credential_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = {"secret": "nothing", "username_key": "u", "password_key": "p"}
    one = control("status", {"url": "http://127.0.0.1:1/", "auth": auth}, equals=200)
    assert state(monkeypatch, one, allowed_hosts=["127.0.0.1"])[0] == "pending"


# ---------------------------------------------------------------------- defects, with their place


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"query": "data.[pods"},
            r"c\.yml, own\.quota\.pods: query 'data\.\[pods' is no JMESPath expression, column 11",
        ),
        ({"query": "data.'x"}, r"c\.yml, own\.quota\.pods: query .* column 6"),
        (
            {"expect": {"matches": "a("}},
            r"c\.yml, own\.quota\.pods, expect: matches is no regular expression, column 2",
        ),
        ({"expect": {"at_least": "many"}}, "at_least is 'many', which is no number"),
        ({"expect": {"is": 1}}, "expect: is is unknown"),
        ({"expect": {}}, "expect"),
        ({"id": "deployment.execution.pods"}, r"id must be own\.<group>\.<item>"),
        ({"level": "may"}, "level is 'may'"),
        ({"stage": "later"}, "stage is 'later'"),
        ({"source": {}}, "give either kubernetes or url"),
        ({"source": {"kubernetes": {"name": "x"}}}, "kind is missing"),
        ({"source": {"kubernetes": {"kind": "Pod", "name": "x", "labels": "a=b"}}}, "not both"),
        ({"source": {"url": "https://x", "auth": {"secret": "x"}}}, "auth: give secret, and token_key"),
        ({"weight": 3}, "weight is unknown"),
        ({"title": " "}, "title must be a text"),
    ],
)
def test_a_defect_says_where_it_is(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        checks.parse([{**control(), **change}], "c.yml", "default")


def test_files_are_read_and_no_id_may_stand_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump([control()]))
    found = run(monkeypatch, FakeCluster(*objects()), files=[str(path)])
    assert [one["control"] for one in found["results"]] == ["own.quota.pods"]
    with pytest.raises(InputError, match=r"own\.quota\.pods stands twice"):
        run(monkeypatch, FakeCluster(*objects()), control(), files=[str(path)])
    with pytest.raises(InputError, match="cannot be read"):
        run(monkeypatch, FakeCluster(), files=[str(tmp_path / "none.yml")])


def test_the_stages_are_the_catalogues() -> None:
    assert checks.STAGES == catalogue.STAGES


def test_the_examples_of_the_page_are_read() -> None:
    page = (ROOT / "docs" / "own-controls.md").read_text()
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    lists = [block["bytebot_own_controls"] for block in blocks if "bytebot_own_controls" in block]
    assert sum(len(checks.parse(one, "page", "shop")) for one in lists) >= 4


# ---------------------------------------------------------------------- recorded, reported, gated


def written(own_state: str, level: str = "must", stage: str = "deploy") -> dict[str, Any]:
    told = {**TOLD, "level": level, "stage": stage}
    given = kept(result(PODS), result("own.quota.pods", own_state, own=told), result("own.web.answers", own=TOLD))
    asked = {"stage": "deploy", "policy": gate.Policy().to_dict()}
    made = document.build(header(gate=asked), given, KNOWN, NOW)
    jsonschema.validate(made, json.loads((ROOT / "docs" / "results.schema.json").read_text()))
    return made


def test_own_controls_stand_apart_and_are_not_counted(tmp_path: Path) -> None:
    made = written("fail")
    assert len(made["controls"]) == sum(made["counts"].values()) == 204
    assert [(one["id"], one["state"], one["own"]) for one in made["own_controls"]] == [
        ("own.quota.pods", "fail", True),
        ("own.web.answers", "pass", True),
    ]
    assert document.build(header(), kept(result(PODS)), KNOWN, NOW)["own_controls"] == []
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text()
    assert "own.quota" not in markdown.render(made, KNOWN, text)
    page = html.render(made)
    assert (">Own Controls<" in page, "204 controls" in page) == (True, True)
    assert 'classname="own.quota" name="pods: Two replicas"' in junit.render(made)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(made))
    assert document.read(path)["own_controls"] == made["own_controls"]


@pytest.mark.parametrize(
    ("own_state", "level", "stage", "shuts"),
    [
        ("fail", "must", "deploy", True),
        ("error", "must", "deploy", True),
        ("pending", "must", "deploy", True),
        ("inconclusive", "must", "preflight", True),
        ("pass", "must", "deploy", False),
        ("fail", "should", "deploy", False),
        ("fail", "must", "validate", False),
    ],
)
def test_own_controls_are_gated_as_the_others(own_state: str, level: str, stage: str, shuts: bool) -> None:
    decided = gate.replay(written(own_state, level, stage))
    assert any("own.quota.pods" in line for line in decided.reasons) is shuts
    noted = any("own.quota.pods" in line for line in decided.notes)
    assert noted is (own_state == "fail" and level == "should")


def test_own_controls_alone_do_not_assess_a_stage() -> None:
    given = kept(result("own.quota.pods", own=TOLD))
    asked = header(gate={"stage": "deploy", "policy": {}})
    assert document.build(asked, given, KNOWN, NOW)["gate"]["decision"] == gate.NOT_ASSESSED


@pytest.mark.parametrize(
    "told",
    [None, {}, {**TOLD, "level": "may"}, {**TOLD, "stage": "later"}, {**TOLD, "more": "x"}, {**TOLD, "title": ""}],
)
def test_a_result_that_says_nothing_of_its_control_is_refused(told: Any) -> None:
    with pytest.raises(InputError, match=r"own\.quota\.pods"):
        kept(result("own.quota.pods", own=told))


def test_an_edited_result_is_not_believed(tmp_path: Path) -> None:
    made = written("fail")
    made["own_controls"][0]["state"] = "pass"
    path = tmp_path / "results.json"
    path.write_text(json.dumps(made))
    with pytest.raises(Exception, match="was changed after it was written"):
        document.read(path)


def test_the_terminal_shows_them_as_a_section() -> None:
    results = [result(PODS), result("own.quota.pods", "fail", own=TOLD, remedy="Scale it.")]
    shown = checklist_report._report({"results": results, "sections": ["deployment"]})
    assert "Own Controls" in shown["msg"]
    assert "FAIL   Two replicas" in shown["msg"]
    assert shown["msg"].endswith("Own controls: 1 fail.")
    assert "1 of 30 controls judged: 1 pass" in shown["msg"] or "controls judged: 1 pass" in shown["msg"]
    assert shown["failed_must_controls"] == ["own.quota.pods"]
    assert own.extended(KNOWN, [result(PODS)]) is KNOWN
