# Tests of checks/health.py (tables of answers, each reason to fail its own case) and of observe_health.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks import bodies, health
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_facts import (
    Endpoint,
    Facts,
    Movement,
    Policy,
    Probe,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure, Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import State, Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_health import Plan, Prober
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor

NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00.000Z"
BASE = "https://api.bytebot.test"
LIVE = {"status": "ok", "timestamp": STAMP, "uptime": 12.5, "version": "1.0.0", "pid": 7}
OK = {"status": "ok", "responseTime": "2ms"}
READY = {"status": "ok", "timestamp": STAMP, "checks": {"database": OK, "redis": OK}}
STEPS = {"database_migrations": "completed", "websocket_server": "listening", "job_queue": "connected"}
STARTUP = {"status": "ok", "timestamp": STAMP, "initialization": STEPS}
POLICY = Policy(families=("http_requests_total", "http_request_duration_seconds", "process_cpu_seconds_total"))
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def page(count: float = 5, start: float = 100.25) -> str:
    return f"""# TYPE http_requests_total counter
http_requests_total{{code="200"}} {count}
http_requests_total{{code="500"}} 1
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{{le="+Inf"}} 3
http_request_duration_seconds_sum 0.5
http_request_duration_seconds_count 3
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.5
# TYPE process_start_time_seconds gauge
process_start_time_seconds {start}
"""


def answer(body: Any, **changes: Any) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    ready = Answer(f"{BASE}/health", 200, {"content-type": "application/json"}, text, 0.02, NOW, "10.0.0.1")
    return replace(ready, **changes)


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


def judge(name: str, reply: Answer, policy: Policy = POLICY, movement: Movement | None = None) -> Verdict:
    moved = movement or Movement(10, (("a", 5.0),), (("a", 16.0),))
    facts = Facts(policy, {name: Probe(reply, {"right": 1})}, moved)
    return {"live": health.live, "ready": health.ready, "startup": health.startup, "metrics": health.metrics}[name](
        facts
    )


def red(verdict: Verdict, reason: str, state: State = State.FAIL) -> None:
    assert verdict.state == state, verdict.summary
    assert reason in verdict.summary and verdict.remedy and verdict.evidence, verdict.summary


# ---------------------------------------------------------------------- what every route must do


@pytest.mark.parametrize(("name", "body"), [("live", LIVE), ("ready", READY), ("startup", STARTUP)])
class TestEveryRoute:
    def test_right(self, name: str, body: dict[str, Any]) -> None:
        verdict = judge(name, answer(body))
        assert verdict.state == State.PASS and "20 ms" in verdict.summary and not verdict.remedy

    @pytest.mark.parametrize("value", ["error", "OK", None, True, {"a": 1}, "x" * 100])
    def test_200_with_another_status_in_the_body(self, name: str, body: dict[str, Any], value: Any) -> None:
        verdict = judge(name, answer({**body, "status": value}))
        red(verdict, "its body says status")
        assert "x" * 61 not in verdict.summary

    @pytest.mark.parametrize("text", ["", "ok", "[]", "<html>hello</html>", "null", "[" * 100_000])
    def test_a_body_that_is_no_object(self, name: str, body: dict[str, Any], text: str) -> None:
        red(judge(name, answer(text)), "not the promised JSON object")

    @pytest.mark.parametrize("status", [404, 500, 502, 503, 401, 302, 204])
    def test_another_code(self, name: str, body: dict[str, Any], status: int) -> None:
        red(judge(name, answer(body, status=status)), f"answered {status} where 200 is promised")

    @pytest.mark.parametrize("stamp", [None, 5, "yesterday", "2027-01-15T08:00:00", ""])
    def test_a_timestamp_that_is_none(self, name: str, body: dict[str, Any], stamp: Any) -> None:
        red(judge(name, answer({**body, "timestamp": stamp})), "no time with a zone")

    @pytest.mark.parametrize(("at", "words"), [(NOW + 60, "60 s old"), (NOW - 60, "60 s in the future")])
    def test_a_timestamp_of_another_time(self, name: str, body: dict[str, Any], at: float, words: str) -> None:
        red(judge(name, answer(body, at=at)), words)

    def test_slow(self, name: str, body: dict[str, Any]) -> None:
        red(judge(name, answer(body, elapsed_s=2.5)), "took 2.50 s, and 2 s are allowed")

    @pytest.mark.parametrize("why", ["expired", "hostname", "unknown_ca", "handshake"])
    def test_a_certificate_failure(self, name: str, body: dict[str, Any], why: str) -> None:
        red(judge(name, answer("", status=0, failure=Failure("tls", "The reason.", why))), "no answer: The reason.")

    @pytest.mark.parametrize("kind", ["dns", "refused", "unreachable", "timeout", "protocol", "too_large"])
    def test_no_answer(self, name: str, body: dict[str, Any], kind: str) -> None:
        red(judge(name, answer("", status=0, failure=Failure(kind, "The reason."))), "The reason.")


# ---------------------------------------------------------------------- each route's own promises


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("uptime", [None, "12", True, -1, float("nan"), float("inf")]),
        ("pid", [None, "7", 0, 1.5, True]),
        ("version", [None, "", 1]),
    ],
)
def test_live_fields(key: str, values: list[Any]) -> None:
    red(judge("live", answer(without(LIVE, key))), f"has {key} nothing")
    for value in values:
        red(judge("live", answer({**LIVE, key: value})), f"has {key} ")


def test_live_version_wanted() -> None:
    assert judge("live", answer(LIVE), replace(POLICY, version="1.0.0")).state == State.PASS
    red(judge("live", answer(LIVE), replace(POLICY, version="1.1.0")), "version '1.0.0', and '1.1.0' is wanted")


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        (None, "does not name the dependency database"),
        ([], "does not name the dependency database"),
        ({"database": OK}, "does not name the dependency redis"),
        ({"database": OK, "redis": {"status": "error"}}, "its dependency redis has status 'error'"),
        ({"database": OK, "redis": "ok"}, "its dependency redis has status nothing"),
        ({"database": OK, "redis": OK, "ane_service": {"status": "down"}}, "its dependency ane_service has status"),
    ],
)
def test_ready_dependencies(checks: Any, reason: str) -> None:
    red(judge("ready", answer({**READY, "checks": checks})), reason)


def test_not_ready_names_the_cause() -> None:
    body = {**READY, "status": "error", "checks": {"database": {"status": "error"}, "redis": OK}}
    red(judge("ready", answer(body, status=503)), "names database as not ok")


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (None, "database_migrations is nothing"),
        (without(STEPS, "database_migrations"), "database_migrations is nothing"),
        ({**STEPS, "database_migrations": "connected"}, "database_migrations is 'connected'"),
        ({**STEPS, "job_queue": "starting"}, "the step job_queue is 'starting'"),
        ({**STEPS, "job_queue": None}, "the step job_queue is nothing"),
        ({**STEPS, "job_queue": ["connected"]}, "the step job_queue is a JSON list"),
    ],
)
def test_startup_steps(steps: Any, reason: str) -> None:
    red(judge("startup", answer({**STARTUP, "initialization": steps})), reason)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(body=json_values.map(json.dumps) | st.text(), name=st.sampled_from(["live", "ready", "startup", "metrics"]))
def test_any_other_body_neither_passes_nor_breaks(body: str, name: str) -> None:
    kind = {"content-type": TEXT if name == "metrics" else "application/json"}
    verdict = judge(name, answer(body, headers=kind))
    assert verdict.state == State.FAIL
    verdict.summary.encode()


@given(values=st.fixed_dictionaries(dict.fromkeys(("timestamp", "uptime", "pid", "version", "checks"), json_values)))
def test_any_value_of_a_promised_field_does_not_break(values: dict[str, Any]) -> None:
    for name in ("live", "ready", "startup"):
        reply = answer({"status": "ok", "timestamp": STAMP, **values})
        judge(name, reply).summary.encode()


# ---------------------------------------------------------------------- metrics


def metrics(body: str, kind: str = TEXT, movement: Movement | None = None) -> Verdict:
    return judge("metrics", answer(body, headers={"content-type": kind}), movement=movement)


@pytest.mark.parametrize("kind", [TEXT, "text/plain", 'Text/Plain; version="0.0.4"'])
def test_metrics_right(kind: str) -> None:
    verdict = metrics(page(), kind)
    assert verdict.state == State.PASS and "grew by 11 over 10 requests" in verdict.summary


def test_openmetrics_right() -> None:
    body = page().replace("http_requests_total counter", "http_requests counter")
    body = body.replace("process_cpu_seconds_total counter", "process_cpu_seconds counter") + "# EOF\n"
    kind = "application/openmetrics-text; version=1.0.0"
    assert metrics(body, kind).state == State.PASS
    red(metrics(body.replace("# EOF\n", ""), kind), "cannot be read as metrics")


@pytest.mark.parametrize("kind", ["", "text/html", "application/json", "text/plain; version=9", "text/plainer"])
def test_metrics_of_another_content_type(kind: str) -> None:
    red(metrics(page(), kind), "no exposition format")


@pytest.mark.parametrize("body", ["<html><body>Bytebot</body></html>", "", "\n", "a{b=1", "# TYPE x counter 5"])
def test_metrics_that_are_none(body: str) -> None:
    assert metrics(body).state == State.FAIL


def test_metrics_without_a_wanted_family() -> None:
    red(metrics(page().replace("process_cpu", "process_xpu")), "lacks the metric families process_cpu_seconds_total")


def test_a_family_without_samples_counts() -> None:
    body = page().replace("process_cpu_seconds_total 1.5\n", "")
    assert metrics(body).state == State.PASS


def test_processes_of_the_same_start_are_told_apart_by_their_first_counter() -> None:
    made = ["# TYPE a_created gauge\na_created 7.25\n", "# TYPE a_created gauge\na_created 7.5\n"]
    kind = {"content-type": "text/plain; version=0.0.4"}
    first, second = (bodies.scrape(answer(page() + more, headers=kind), "http_requests_total") for more in made)
    assert first.process != second.process


def test_the_moving_counter_is_summed_over_labels() -> None:
    read = bodies.scrape(answer(page(5, 100.25), headers={"content-type": TEXT}), "http_requests_total")
    assert (read.value, read.process, read.problem) == (6.0, "100.25", "")


@pytest.mark.parametrize(
    ("movement", "state", "reason"),
    [
        (Movement(10, (("a", 5),), (("a", 15),)), State.PASS, ""),
        (Movement(10, (("a", 5), ("b", 1)), (("b", 6), ("a", 10))), State.PASS, ""),
        (Movement(10, (("", 5), ("", 6)), (("", 16),)), State.PASS, ""),
        (Movement(10, (("a", 5),), (("a", 5),)), State.FAIL, "grew by 0 while 10"),
        (Movement(10, (("", 5), ("", 5)), (("", 5),)), State.FAIL, "grew by 0 while 10"),
        (Movement(10, (("a", 5),), (("a", 14),)), State.FAIL, "grew by 9 while 10"),
        (Movement(10, (("a", 5),), (("a", 1),)), State.INCONCLUSIVE, "goes up and down"),
        (Movement(10, (("a", 5),), (("a", 7), ("b", 3))), State.INCONCLUSIVE, "not every process"),
        (Movement(10, (("", 5), ("", 90), ("", 6)), (("", 95),)), State.INCONCLUSIVE, "goes up and down"),
        (Movement(10, (("a", 5), ("a", 90), ("a", 6)), (("a", 95),)), State.INCONCLUSIVE, "goes up and down"),
        (Movement(0, (("a", 5),), (("a", 50),)), State.INCONCLUSIVE, "could not be compared"),
        (Movement(10), State.INCONCLUSIVE, "could not be compared"),
    ],
)
def test_movement(movement: Movement, state: State, reason: str) -> None:
    verdict = metrics(page(), movement=movement)
    assert (verdict.state, reason in verdict.summary) == (state, True), verdict.summary


# ---------------------------------------------------------------------- public addresses

ROOT = Endpoint("https://app.bytebot.test/", contains="<title>Bytebot</title>")
HTML = "<html><title>Bytebot</title></html>"


def public(reply: Answer, wanted: Endpoint) -> Verdict:
    return health.endpoints(Facts(POLICY, endpoints=((wanted, Probe(reply, {"right": 1})),)))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (HTML, ROOT),
        (LIVE, Endpoint(BASE, jmespath="status == 'ok' && version && pid")),
        ("Bytebot", Endpoint(BASE, contains="Bytebot")),
    ],
)
def test_endpoint_right(body: Any, wanted: Endpoint) -> None:
    assert public(answer(body), wanted).state == State.PASS


@pytest.mark.parametrize(
    ("reply", "wanted", "reason"),
    [
        (answer("404 page not found\n", status=404), ROOT, "own page for an unknown host or path"),
        (answer("default backend - 404", status=404), ROOT, "default backend"),
        (answer("<h1>Welcome to nginx!</h1>"), ROOT, "nginx's welcome page"),
        (answer("<html>Other</html>"), ROOT, "without the expected text"),
        (answer(HTML, status=302), ROOT, "answered 302 where 200"),
        (answer(HTML, status=0, failure=Failure("tls", "Expired.", "expired")), ROOT, "Expired."),
        (answer(HTML), replace(ROOT, url="http://app.bytebot.test/"), "is not https"),
        (answer(HTML), replace(ROOT, url="https://10.0.0.1/"), "is an address and not a name"),
        (answer(HTML), replace(ROOT, url="https://[::1]/"), "is an address and not a name"),
        (answer({"status": "error"}), Endpoint(BASE, jmespath="status == 'ok'"), "does not hold"),
        (answer(HTML), Endpoint(BASE, jmespath="status == 'ok'"), "does not hold"),
        (answer({"a": []}), Endpoint(BASE, jmespath="a"), "does not hold"),
        (answer({"a": 1}), Endpoint(BASE, jmespath="length(a)"), "does not hold"),
    ],
)
def test_endpoint_wrong(reply: Answer, wanted: Endpoint, reason: str) -> None:
    red(public(reply, wanted), reason)


def test_one_wrong_among_right_ones_is_red_and_named() -> None:
    right, wrong = (ROOT, Probe(answer(HTML))), (replace(ROOT, url="https://b.test/"), Probe(answer("", status=503)))
    verdict = health.endpoints(Facts(POLICY, endpoints=(right, wrong)))
    red(verdict, "answered 503")
    assert len(verdict.evidence) == 2


def test_a_query_is_not_shown() -> None:
    wanted = Endpoint("https://app.bytebot.test/?key=hunter2hunter2", contains="Bytebot")
    verdict = public(answer("x", url=wanted.url), wanted)
    assert "hunter2" not in str(verdict)


def test_expressions_are_checked() -> None:
    assert bodies.expression_problem("status == 'ok'") == bodies.expression_problem("") == ""
    assert bodies.expression_problem("status ==")


# ---------------------------------------------------------------------- asking until right


class FakeHttp:
    """Answers by path from a script; the last answer repeats."""

    base_url = BASE

    def __init__(self, script: dict[str, list[Answer]], pods: int = 1, counting: bool = True) -> None:
        self.script, self.asked, self.counting = script, list[str](), counting
        self.counts, self.turn = [3.0] * pods, cycle(range(pods))

    def url_of(self, path: str) -> str:
        return f"{BASE}{path}"

    def permit(self, url: str) -> None:
        if not url.startswith(BASE):
            raise InputError(f"{url} is not allowed.")

    def get(self, path: str) -> Answer:
        path = path.removeprefix(BASE)
        self.asked.append(path)
        pod = next(self.turn)
        self.counts[pod] += self.counting
        if path == "/metrics" and path not in self.script:
            return answer(page(self.counts[pod], 100.5 + pod), headers={"content-type": TEXT})
        queue = self.script[path]
        return queue.pop(0) if len(queue) > 1 else queue[0]


def prober(http: FakeHttp, *names: str, settle: float = 5.0, redactor: Redactor | None = None) -> Prober:
    plan = Plan(
        POLICY, {name: f"/{name}" for name in names}, (Endpoint(f"{BASE}/live", jmespath="pid"),), "/live", 10, settle
    )
    real: Any = http
    typed: Http = real
    return Prober(typed, plan, redactor or Redactor(), pause=lambda _seconds: None)


def test_a_moment_of_502_is_waited_out_and_counted() -> None:
    http = FakeHttp({"/live": [answer("", status=502), answer("", status=503), answer(LIVE)]})
    facts = prober(http, "live").facts()
    assert facts.probes["live"].attempts == {"HTTP 502, not as wanted": 1, "right": 1}
    assert health.live(facts).state == State.PASS and "right at attempt 2" in health.live(facts).summary
    assert health.endpoints(facts).state == State.PASS


def test_what_stays_wrong_ends_with_the_time() -> None:
    http = FakeHttp({"/live": [answer(LIVE)], "/ready": [answer({}, status=503)]})
    facts = prober(http, "live", "ready", settle=0.05).facts()
    assert health.live(facts).state == State.PASS and health.ready(facts).state == State.FAIL
    assert sum(facts.probes["ready"].attempts.values()) > 1 and http.asked.count("/live") == 2


@pytest.mark.parametrize("pods", [1, 2, 3, 5])
def test_moving_values_are_found_behind_any_number_of_pods(pods: int) -> None:
    facts = prober(FakeHttp({"/live": [answer(LIVE)]}, pods), "metrics").facts()
    assert health.metrics(facts).state == State.PASS, health.metrics(facts).summary
    assert len(dict(facts.movement.before)) == pods


@pytest.mark.parametrize("pods", [1, 3])
def test_stale_values_are_found(pods: int) -> None:
    http = FakeHttp({"/live": [answer(LIVE)]}, pods, counting=False)
    verdict = health.metrics(prober(http, "metrics", settle=0.01).facts())
    assert verdict.state == State.FAIL and "grew by 0" in verdict.summary


def test_a_metrics_page_that_is_html_is_scraped_once_per_attempt() -> None:
    http = FakeHttp({"/live": [answer(LIVE)], "/metrics": [answer("<html>", headers={"content-type": "text/html"})]})
    facts = prober(http, "metrics", settle=0.01).facts()
    assert health.metrics(facts).state == State.FAIL
    assert http.asked.count("/metrics") == sum(facts.probes["metrics"].attempts.values())


def test_known_requests_end_with_the_first_that_gets_no_answer() -> None:
    lost = answer("", status=0, failure=Failure("timeout", "Late."))
    http = FakeHttp({"/live": [answer(LIVE), answer(LIVE), lost]})
    assert prober(http, "metrics", settle=0.0).facts().movement.made == 2


def test_nothing_is_sent_where_one_url_is_not_allowed() -> None:
    http = FakeHttp({"/live": [answer(LIVE)]})
    real: Any = http
    with pytest.raises(InputError):
        Prober(real, Plan(POLICY, {"live": "/live"}, (Endpoint("https://evil.test/", contains="x"),)), Redactor())
    assert not http.asked


def test_a_secret_in_a_body_does_not_come_out() -> None:
    redactor = Redactor()
    redactor.learn("correct horse battery staple")
    padding = "x" * 590  # the secret stands across the excerpt's end
    body = {"status": "error", "note": padding[:540] + "correct horse battery staple", "password": "hunter2hunter2"}
    http = FakeHttp({"/live": [answer(body)]})
    facts = prober(http, "live", settle=0.0, redactor=redactor).facts()
    results = [result.to_dict(redactor) for result in health.CHECKS.judge(facts, ["deployment.health.live"])]
    text = json.dumps(results)
    assert "correct" not in text and "hunter2" not in text and MASK in text
    assert results[0]["state"] == "fail"
