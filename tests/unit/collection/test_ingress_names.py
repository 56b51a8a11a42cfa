# Names of a release judged from tables of answers, and a name server asked over TCP by its own wire format.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_dns import DnsSeen, judge_dns
from ansible_collections.bytebot.production.plugins.module_utils.clients import dns
from ansible_collections.bytebot.production.plugins.module_utils.clients.dns import Named, answer, ask, question
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_dns import by_library, resolvers

HOST, BALANCER, ELSEWHERE = "api.example.net", "203.0.113.7", "192.0.2.1"
GOOD = Named("NOERROR", (BALANCER,), (), 60)
AWAY = Named("NOERROR", (ELSEWHERE,), (), 60)
MISSING = Named("NXDOMAIN")
SILENT = Named(problem="timed out")
CLOUD = "lb-1.cloud.example"


def judged(
    inside: Named = GOOD,
    outside: Named = GOOD,
    published: tuple[str, ...] = (BALANCER,),
    unseen: dict[str, str] | None = None,
    stated: dict[str, tuple[str, ...]] | None = None,
) -> Verdict:
    seen = DnsSeen(
        {"inside": "10.0.0.10", "outside": "9.9.9.9"},
        {"inside": {HOST: inside}, "outside": {HOST: outside}},
        unseen or {},
        {CLOUD: (BALANCER,)},
        stated or {},
    )
    return judge_dns(seen, [HOST], published, "now")


@pytest.mark.parametrize(
    ("told", "state", "said"),
    [
        (judged(), "pass", "TTL 60 s"),
        (judged(inside=MISSING), "fail", "does not resolve inside (10.0.0.10 says NXDOMAIN)"),
        (judged(outside=MISSING), "fail", "does not resolve outside"),
        (judged(inside=Named("NOERROR")), "fail", "says NOERROR"),  # a name without an address
        (judged(inside=AWAY), "fail", f"leads inside to {ELSEWHERE}, and not to {BALANCER}"),
        (judged(inside=AWAY, outside=AWAY), "fail", "leads outside"),
        (judged(outside=Named("NOERROR", (BALANCER, ELSEWHERE))), "fail", ELSEWHERE),
        (judged(inside=SILENT), "pending", "did not tell"),
        (judged(outside=Named("SERVFAIL")), "pending", "SERVFAIL"),
        (judged(unseen={"inside": "no probe_image is given"}), "pending", "no probe_image"),
        (judged(inside=AWAY, unseen={"outside": "x"}), "fail", ELSEWHERE),
        (judged(published=()), "pending", "published address"),
        (judged(inside=AWAY, stated={"inside": (ELSEWHERE,)}), "pass", "split, as the inventory states"),
        (judged(stated={"inside": (ELSEWHERE,)}), "fail", "leads inside"),
        (judged(published=(CLOUD,)), "pass", CLOUD),  # by the addresses of the balancer's own name
        (judged(inside=Named("NOERROR", ("198.51.100.1",), (CLOUD,)), published=(CLOUD,)), "pass", CLOUD),
    ],
)
def test_names_lead_where_they_must(told: Verdict, state: str, said: str) -> None:
    assert (told.state, said in told.summary) == (state, True), told.summary


# ---------------------------------------------------------------------- the wire

NUMBER = b"\x12\x34"


def named(name: str) -> bytes:
    return b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"


def message(kind: int, *records: tuple[bytes, int, int, bytes], code: int = 0, number: bytes = NUMBER) -> bytes:
    head = number + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
    body = named(HOST) + struct.pack(">HH", kind, 1)
    for owner, what, ttl, data in records:
        body += owner + struct.pack(">HHIH", what, 1, ttl, len(data)) + data
    return head + body


POINTER = b"\xc0\x0c"  # to the name in the question


def test_an_answer_with_an_alias_is_read() -> None:
    alias = named(CLOUD)
    told = answer(
        message(dns.A, (POINTER, dns.CNAME, 300, alias), (alias, dns.A, 20, socket.inet_aton(BALANCER))), NUMBER, dns.A
    )
    assert told == Named("NOERROR", (BALANCER,), (CLOUD,), 20)


def test_a_name_that_is_not_there_is_told() -> None:
    assert answer(message(dns.A, code=3), NUMBER, dns.A) == Named("NXDOMAIN")


@pytest.mark.parametrize(
    "text",
    [
        message(dns.A, number=b"\0\0"),
        message(dns.A, (b"\xc0\x1f" + b"", dns.A, 1, b"")),  # a name that points nowhere
        b"",
        NUMBER + struct.pack(">HHHHH", 0x8380, 0, 0, 0, 0),  # cut off
    ],
)
def test_what_is_no_answer_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        answer(text, NUMBER, dns.A)


@given(st.binary(max_size=80))
def test_no_bytes_break_it_in_another_way(noise: bytes) -> None:
    try:
        answer(NUMBER + noise, NUMBER, dns.A)
    except (ValueError, IndexError, struct.error):
        return


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".net", ""])
def test_what_is_no_name_is_not_asked(name: str) -> None:
    with pytest.raises((ValueError, UnicodeError)):
        question(1, name, dns.A)


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """A name server over TCP that knows the four addresses of one host, and none of six."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                here, _address = listener.accept()
            except OSError:
                return
            with here:
                while len(head := here.recv(2)) == 2:
                    asked = here.recv(struct.unpack(">H", head)[0])
                    kind = struct.unpack(">H", asked[-4:-2])[0]
                    records = [(POINTER, dns.A, 5, socket.inet_aton(BALANCER))] if kind == dns.A else []
                    said = message(kind, *records, number=asked[:2])
                    here.sendall(struct.pack(">H", len(said)) + said)

    Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[:2]
    listener.close()


def test_a_name_server_is_asked_over_tcp(server: tuple[str, int]) -> None:
    assert ask(*server, HOST, 5.0) == Named("NOERROR", (BALANCER,), (), 5)


def test_a_name_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in ask("127.0.0.1", port, HOST, 5.0).problem


def test_the_name_servers_of_a_machine_are_read() -> None:
    text = "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.10\nnameserver  fd00::1\noptions ndots:5\n"
    assert resolvers(text) == ["10.0.0.10", "fd00::1"]


def test_the_library_is_asked_where_no_server_is() -> None:
    assert "127.0.0.1" in by_library("localhost").addresses
