# Faults of the application that take a text for more than text, each seen by a visitor.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import socket
import time
from http import HTTPStatus

from sandbox.faults.app_visit import TASKS, Answer, Look, Visitor, planted
from sandbox.faults.fault import NAMESPACE, Hands
from sandbox.faults.keeping import steps
from sandbox.shell import run

SLEEPS_S, LISTENS_S = 2, 5.0
WAY_OUT = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/sandbox-way-out"


def _described(visitor: Visitor, text: str) -> Answer:
    """The answer to a task of this text; it is removed."""
    answer = visitor.ask("POST", TASKS, {"description": text}, token=visitor.token())
    if answer.status == HTTPStatus.CREATED:
        visitor.ask("DELETE", f"{TASKS}/{answer.json['id']}", token=visitor.token("admin"))
    return answer


def _broken_by_quote(visitor: Visitor) -> bool:
    return "unterminated" in _described(visitor, "it's").text


def _sleeps(text: str) -> Look:
    """Whether it takes at least as long as the text says, and the same text without it does not."""

    def took(visitor: Visitor, said: str) -> float:
        token = visitor.token()
        began = time.monotonic()
        visitor.ask("GET", f"{TASKS}?status={said}", token=token)
        return time.monotonic() - began

    def look(visitor: Visitor) -> bool:
        return took(visitor, text.format(SLEEPS_S)) - took(visitor, text.format(0)) > SLEEPS_S / 2

    return look


def _works_out(visitor: Visitor) -> bool:
    return bool(_described(visitor, "{{1337*7}}").json["description"] == "9359")


def _asked(visitor: Visitor, text: str) -> Answer:
    return visitor.ask("GET", f"{TASKS}?status={text}", token=visitor.token())


def _climbs(visitor: Visitor) -> bool:
    return "root:x:0:0" in _asked(visitor, "../../../etc/passwd").text


def _decides(visitor: Visitor) -> bool:
    true, false = (_asked(visitor, text) for text in ("x%27+OR+%277%27%3D%277", "x%27+AND+%277%27%3D%278"))
    return bool(true.status == false.status == HTTPStatus.OK and true.json and not false.json)


def _stored_as_page(visitor: Visitor) -> bool:
    made = visitor.ask("POST", TASKS, {"description": "<svg id=look>"}, token=visitor.token())
    try:
        read = visitor.ask("GET", f"{TASKS}/{made.json['id']}", token=visitor.token())
    finally:
        visitor.ask("DELETE", f"{TASKS}/{made.json['id']}", token=visitor.token("admin"))
    return read.headers.get_content_type() == "text/html" and "<svg id=look>" in read.text


def _makes_header(visitor: Visitor) -> bool:
    return _asked(visitor, "x%0D%0AX-Look%3A+here").headers["X-Look"] == "here"


def _asks_machine(visitor: Visitor) -> bool:
    """Whether a listener of the machine's own is asked, whose address a text names."""
    s = visitor.hands.settings
    with socket.create_server((s.machine_address, 0)) as server:
        server.settimeout(LISTENS_S)
        _asked(visitor, f"http%3A%2F%2F{s.machine_address}%3A{server.getsockname()[1]}%2Flook")
        try:
            server.accept()[0].close()
        except TimeoutError:
            return False
    return True


def _way_out(hands: Hands) -> None:
    """The policies of the release let nothing out to the machine; a policy beside them does."""
    to = {"ipBlock": {"cidr": f"{hands.settings.machine_address}/32"}}
    spec = {"podSelector": {"matchLabels": {"app": "bytebot"}}, "policyTypes": ["Egress"], "egress": [{"to": [to]}]}
    meta = {"name": WAY_OUT.rpartition("/")[2], "namespace": NAMESPACE}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    hands.apply(WAY_OUT, body)
    run("fault", ["ip", "route", "replace", *_way_back(hands)])


def _no_way_out(hands: Hands) -> None:
    hands.delete(WAY_OUT)
    if run("fault", ["ip", "route", "show", *_way_back(hands)]).strip():
        run("fault", ["ip", "route", "del", *_way_back(hands)])


def _way_back(hands: Hands) -> tuple[str, ...]:
    """The machine has no route to pods; with this one its answers find them."""
    s = hands.settings
    return s.pod_network, "via", s.node_address, "dev", s.machine_interface


def _reflects(visitor: Visitor) -> bool:
    answer = _asked(visitor, "%3Cb%3Elook%3C%2Fb%3E")
    return "<b>look</b>" in answer.text and answer.headers.get_content_type() == "text/html"


INJECTION = "security_testing.web.injection"
_FORGERY = planted("server_side_request_forgery", "an address in a text is asked", _asks_machine, INJECTION)
FAULTS = (
    planted("sql_injection_error", "a quote in a text shows the database's error", _broken_by_quote, INJECTION),
    planted("sql_injection_time", "a text can let the database sleep", _sleeps("pg_sleep({})"), INJECTION),
    planted("sql_injection_boolean", "a condition in a filter decides what is listed", _decides, INJECTION),
    planted(
        "sql_injection_union", "a statement that a text adds is answered",
        lambda visitor: "abcd" in _asked(visitor, "x%27+UNION+SELECT+%27ab%27%7C%7C%27cd%27").text, INJECTION,
    ),
    planted("command_injection_time", "a text can let a shell sleep", _sleeps("a%3B+sleep+{}"), INJECTION),
    planted("template_injection", "a product in a text's braces is worked out", _works_out, INJECTION),
    planted("path_traversal", "a text that climbs to /etc/passwd shows the file", _climbs, INJECTION),
    planted("xss_stored", "a task is read as a web page", _stored_as_page, INJECTION),
    planted("xss_header", "a line break in a filter makes a header", _makes_header, INJECTION),
    planted("input_reflected_as_html", "errors repeat the input as HTML", _reflects, INJECTION),
    dataclasses.replace(
        _FORGERY, put=steps(_way_out, _FORGERY.put), heal=steps(_FORGERY.heal, _no_way_out), mark="",
    ),
)  # fmt: skip
