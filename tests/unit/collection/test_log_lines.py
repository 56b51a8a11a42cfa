# Lines of logs, judged by tables; and answers of log stores. Loki's, Elasticsearch's and OpenSearch's are recorded from
# their documentation, and shortened.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.log_facts import (
    FlowSeen,
    LineNames,
    LinesFacts,
    Wrote,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_lines import (
    CHECKS,
    ERRORS,
    FLOW,
    RETENTION,
    STRUCTURED,
    has_zone,
    line_problems,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_search import (
    Kept,
    Line,
    Names,
    searched,
    span_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, SILENT, Service, Told

WORD, TOKEN = "chk0123456789ab", "eyJhbGciOiJub25lIn0.secret.part"


def line(number: str, **other: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-30T03:17:36.272990Z",
        "level": "info",
        "message": "request",
        "service": "bytebot-api",
        "correlationId": f"{WORD}-{number}",
        **other,
    }


ERROR = line("error", level="warn", eventType="AUTHENTICATION_FAILURE")


PINO = {**ERROR, "level": 40}


def wrote(pod: str, *lines: dict[str, Any] | str) -> Wrote:
    return Wrote(pod, tuple(one if isinstance(one, str) else json.dumps(one) for one in lines), (WORD,))


def stored(pod: str, *lines: dict[str, Any]) -> list[Line]:
    return [Line(pod, one, json.dumps(one)) for one in lines]


SEEN = FlowSeen(
    "bytebot-api",
    {f"{WORD}-{one}": f"{WORD}-{one}" for one in ("1", "2", "error")},
    (wrote("api-1", line("1"), ERROR), wrote("api-2", line("2"))),
    Told(data=[*stored("api-1", line("1"), ERROR), *stored("api-2", line("2"))]),
    2.0,
    20.0,
    f"{WORD}-error",
    401,
    {"token": TOKEN, "password": "Pw-planted-one"},
)
FACTS = LinesFacts("https://logs.example.net", "VictoriaLogs", SEEN)


def told(control: str, facts: LinesFacts) -> tuple[str, str]:
    (found,) = CHECKS.judge(facts, [control])
    assert TOKEN not in str(found.verdict)
    return str(found.verdict.state), found.verdict.summary


def seen(**other: Any) -> LinesFacts:
    return replace(FACTS, flow=replace(SEEN, **other))


TEXT = f"timestamp='2026' level='info' correlationId='{WORD}-1'"
PLAIN = replace(SEEN.wrote[0], lines=(TEXT,)), replace(SEEN.wrote[1], lines=(TEXT,))
LOST = tuple(
    Wrote(one.pod, tuple(text.replace(WORD, "another-word-1") for text in one.lines), ("another-word-1",))
    for one in SEEN.wrote
)
LOST_STORED = [replace(one, fields={**one.fields, "correlationId": "another-word-1"}) for one in SEEN.lines]


@pytest.mark.parametrize(
    ("facts", "flow", "structured", "errors"),
    [
        (FACTS, "pass", "pass", "pass"),
        (seen(found=Told(data=stored("api-1", line("1"), ERROR))), "fail", "pass", "pass"),
        (seen(found=Told(data=[])), "fail", "fail", "fail"),
        (seen(found=Told(DENIED, None, "it answers 403")), "pending", "pending", "pending"),
        (seen(found=Told(SILENT, None, "Connection refused")), "fail", "fail", "fail"),
        (seen(found=Told(DENIED, None, "it answers 403"), wrote=(wrote("api-1", "no JSON", ERROR), SEEN.wrote[1])),
         "pending", "fail", "pending"),
        (seen(wrote=(wrote("api-1", line("1", level=30), PINO), wrote("api-2", line("2", level=30))),
              found=Told(data=[*stored("api-1", line("1", level="30"), {**PINO, "level": "40"}),
                               *stored("api-2", line("2", level=30))])), "pass", "pass", "pass"),
        (seen(wrote=(wrote("api-1", line("1", level=30), {**PINO, "level": 30}), SEEN.wrote[1])),
         "pass", "pass", "fail"),
        (seen(wrote=(*SEEN.wrote, Wrote("api-3"))), "inconclusive", "pass", "pass"),
        (seen(wrote=(wrote("api-1", line("1"), ERROR, "Traceback (most recent call last):"), SEEN.wrote[1])),
         "pass", "fail", "pass"),
        (seen(wrote=PLAIN, found=Told(data=[*stored("api-1", {"_msg": TEXT}), *stored("api-2", {"_msg": TEXT})])),
         "pass", "fail", "inconclusive"),
        (seen(wrote=LOST, found=Told(data=LOST_STORED)), "pass", "fail", "fail"),
        (seen(ids={f"{WORD}-1": "another"}), "pass", "fail", "pass"),
        (seen(wrote=(wrote("api-1", line("1", note=TOKEN), ERROR), SEEN.wrote[1])), "pass", "pass", "fail"),
        (seen(wrote=(wrote("api-1", line("1"), {**ERROR, "level": "info"}), SEEN.wrote[1])), "pass", "pass", "fail"),
        (seen(wrote=(wrote("api-1", line("1"), {**ERROR, "eventType": None}), SEEN.wrote[1])), "pass", "pass", "fail"),
        (seen(error_id=""), "pass", "pass", "inconclusive"),
        (seen(gap="Not permitted to get pods/log.", remedy="Allow it."), "pending", "pending", "pending"),
        (seen(broken="nothing listens"), "inconclusive", "inconclusive", "inconclusive"),
        (replace(FACTS, flow=None), "pending", "pending", "pending"),
        (replace(FACTS, unasked="It needs a probe."), "pending", "pending", "pending"),
        (LinesFacts(), "pending", "pending", "pending"),
    ],
)  # fmt: skip
def test_lines(facts: LinesFacts, flow: str, structured: str, errors: str) -> None:
    assert [told(one, facts)[0] for one in (FLOW, STRUCTURED, ERRORS)] == [flow, structured, errors]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (line("1"), ""),
        ("no JSON", "no JSON object"),
        ("[1]", "no JSON object"),
        (line("1", level=""), "without level"),
        (line("1", level="loud"), "'loud'"),
        (line("1", level=30), ""),
        (line("1", level=7), "'7'"),
        (line("1", level=True), "'True'"),
        (line("1", level="Information"), ""),
        (line("1", level="emerg"), ""),
        (line("1", timestamp="2026-11-30T03:17:36"), "no time with a zone"),
        (line("1", timestamp="today"), "no time with a zone"),
    ],
)
def test_one_line(given: dict[str, Any] | str, words: str) -> None:
    found = list(line_problems(given if isinstance(given, str) else json.dumps(given), LineNames()))
    assert bool(found) is bool(words)
    assert words in "".join(found)


@pytest.mark.parametrize(
    ("text", "zoned"),
    [
        ("2026-11-30T03:17:36.123456789Z", True),
        ("2026-11-30T03:17:36+01:00", True),
        ("2026-11-30", False),
        (1.7e9, True),
    ],
)
def test_times_tell_their_zone(text: Any, zoned: bool) -> None:
    assert has_zone(text) is zoned


@pytest.mark.parametrize(
    ("kept", "state"),
    [
        (Kept(Told(data=31 * 86_400.0)), "pass"),
        (Kept(Told(data=None)), "pass"),
        (Kept(Told(data=86_400.0)), "fail"),
        (Kept(Told(DENIED, None, "it answers 403")), "pending"),
        (None, "pending"),
    ],
)
def test_how_long_lines_are_kept(kept: Kept | None, state: str) -> None:
    assert told(RETENTION, replace(FACTS, kept=kept))[0] == state


def test_a_short_wish_is_told_as_weaker() -> None:
    (found,) = CHECKS.judge(replace(FACTS, kept=Kept(Told(data=None)), keep="7d"), [RETENTION])
    assert found.verdict.weaker == ("lines kept for 7d, usual 30d",)


# ---------------------------------------------------------------------------- stores


@dataclass
class Answers:
    """A service that answers as it is told, by the beginning of the path."""

    known: Mapping[str, Any]
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = "https://logs.example.net"

    def json(self, path: str, query: Mapping[str, str] | None = None) -> Told:
        self.asked.append((path, query))
        return next((Told(data=one) for key, one in self.known.items() if path == key), Told("absent", None, "404"))

    text = json

    def post(self, path: str, body: Any) -> Told:
        return self.json(path, body)


def store(kind: str, **known: Any) -> tuple[Any, Answers]:
    answers = Answers({key.replace("__", "/"): one for key, one in known.items()})
    return searched(kind, cast("Service", answers), "logs-*", Names()), answers


def test_victoria_logs() -> None:
    row = {"_msg": "request", "correlationId": f"{WORD}-1", "kubernetes.pod_name": "api-1"}
    metrics = (
        'flag{name="retentionPeriod", value="31d", is_set="true"} 1\nvl_storage_log_min_timestamp_seconds 1.796e+09\n'
    )
    found, answers = store("victoria_logs", __select__logsql__query=json.dumps(row) + "\n", __metrics=metrics)
    told = found.find([WORD], "prod", 1_796_000_000.0)
    assert [(one.pod, one.text) for one in told.data] == [("api-1", "request")]
    assert f'"correlationId":"{WORD}"' in answers.asked[0][1]["query"]
    assert (found.kept().told.data, found.kept().oldest) == (31 * 86_400.0, 1.796e9)


def test_loki() -> None:
    text = json.dumps(line("1"))
    streams = {
        "status": "success",
        "data": {
            "resultType": "streams",
            "result": [{"stream": {"namespace": "prod", "pod": "api-1"}, "values": [["1796000000000000000", text]]}],
        },
    }
    config = "limits_config:\n  retention_period: 744h\ncompactor:\n  retention_enabled: true\n"
    found, _answers = store("loki", __loki__api__v1__query_range=streams, __config=config)
    (one,) = found.find([WORD], "prod", 1_796_000_000.0).data
    assert (one.pod, one.fields["correlationId"]) == ("api-1", f"{WORD}-1")
    assert found.kept().told.data == 744 * 3600.0
    off, _answers = store("loki", __config=config.replace("true", "false"))
    assert off.kept().told.data is None


def test_elasticsearch() -> None:
    hits = {
        "hits": {"hits": [{"_source": {"message": json.dumps(line("1")), "kubernetes": {"pod": {"name": "api-1"}}}}]}
    }
    explained = {"indices": {"logs-1": {"index": "logs-1", "managed": True, "policy": "logs"}}}
    policy = {"logs": {"version": 1, "policy": {"phases": {"hot": {}, "delete": {"min_age": "30d", "actions": {}}}}}}
    streams = {"data_streams": [{"name": "logs-app", "lifecycle": {"enabled": True, "data_retention": "14d"}}]}
    known = {"/logs-*/_search": hits, "/logs-*/_ilm/explain": explained, "/_ilm/policy/logs": policy}
    found = searched("elasticsearch", cast("Service", Answers(known)), "logs-*", Names())
    (one,) = found.find([WORD], "prod", 1_796_000_000.0).data
    assert (one.pod, one.fields["level"]) == ("api-1", "info")
    assert found.kept().told.data == 30 * 86_400.0
    both = searched(
        "elasticsearch", cast("Service", Answers({**known, "/_data_stream/logs-*": streams})), "logs-*", Names()
    )
    assert both.kept().told.data == 14 * 86_400.0


def test_opensearch() -> None:
    explained = {"logs-1": {"index": "logs-1", "policy_id": "hot_delete"}, "total_managed_indices": 1}
    policy = {
        "_id": "hot_delete",
        "policy": {
            "default_state": "hot",
            "states": [
                {"name": "hot", "actions": [], "transitions": [
                    {"state_name": "gone", "conditions": {"min_index_age": "7d"}},
                ]},
                {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
            ],
        },
    }  # fmt: skip
    known = {"/_plugins/_ism/explain/logs-*": explained, "/_plugins/_ism/policies/hot_delete": policy}
    found = searched("opensearch", cast("Service", Answers(known)), "logs-*", Names())
    assert found.kept().told.data == 7 * 86_400.0


@pytest.mark.parametrize(
    ("text", "found"),
    [("744h0m0s", 2_678_400.0), ("30d", 2_592_000.0), ("1.5h", 5400.0), ("", None), ("soon", None), ("0s", 0.0)],
)
def test_lengths_of_time(text: str, found: float | None) -> None:
    assert span_of(text) == found
