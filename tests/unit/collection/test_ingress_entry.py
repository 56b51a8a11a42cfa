# The public way in judged from tables of connections, certificates and versions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_entry import (
    Arrival,
    Controller,
    EntrySeen,
    judge_certificate,
    judge_load_balancer,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.tls import Certificate, Handshake

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ADDRESS = {"192.0.2.10"}
MODERN = (("TLSv1.0", False), ("TLSv1.1", False), ("TLSv1.2", True), ("TLSv1.3", True))


def when(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")


LEAF = Certificate("CN=shop", "CN=ca", ("api.shop.test",), when(-30), when(60), "EC", 256, "ecdsa", "ab" * 32)
SHOWN = Handshake("TLSv1.3", "x", (LEAF,), False, True)
HERE = Arrival("api.shop.test", "192.0.2.10", "", "", SHOWN, 404, MODERN)
GOOD = EntrySeen((HERE,), controllers=(Controller("ingress/nginx", 2),), now=NOW.timestamp())


def with_leaf(**changes: Any) -> Arrival:
    return replace(HERE, shown=replace(SHOWN, chain=(replace(LEAF, **changes),)))


def unverified(why: str) -> Arrival:
    return replace(HERE, shown=replace(SHOWN, verified=False, why=why, reason="self-signed"))


def versions(**taken: bool | None) -> Arrival:
    known = {**dict(MODERN), **{f"TLSv1.{name[1:]}": value for name, value in taken.items()}}
    return replace(HERE, versions=tuple(known.items()))


@pytest.mark.parametrize(
    ("seen", "published", "state", "said"),
    [
        (GOOD, ADDRESS, "pass", "ingress/nginx has 2 ready"),
        (replace(GOOD, controllers=None), ADDRESS, "pass", "answers for api.shop.test"),
        (GOOD, set(), "fail", "no address is published"),
        (replace(GOOD, arrivals=(replace(HERE, silent="Connection refused"),)), ADDRESS, "fail", "nothing answers"),
        (replace(GOOD, controllers=(Controller("ingress/nginx", 0),)), ADDRESS, "fail", "no ready endpoints"),
        (replace(GOOD, controllers=None, arrivals=(replace(HERE, status=503),)), ADDRESS, "inconclusive", "a proxy"),
        (replace(GOOD, arrivals=(replace(HERE, status=503),)), ADDRESS, "pass", "published"),
        (replace(GOOD, refused=("api.shop.test",)), ADDRESS, "pending", "may not be asked"),
        (EntrySeen(unasked="check mode sends no probe"), ADDRESS, "pending", "check mode"),
    ],
)
def test_the_load_balancer(seen: EntrySeen, published: set[str], state: str, said: str) -> None:
    told = judge_load_balancer(seen, published, "now")
    assert (told.state, said in told.summary) == (state, True), told.summary


@pytest.mark.parametrize(
    ("arrival", "state", "said"),
    [
        (HERE, "pass", "verifies until"),
        (unverified("expired"), "fail", "has expired"),
        (unverified("unknown_ca"), "fail", "not signed by a trusted CA"),
        (unverified("hostname"), "fail", "for another name"),
        (unverified("certificate"), "fail", "does not verify (self-signed)"),
        (with_leaf(not_after=when(9)), "fail", "expires in 9 days"),
        (with_leaf(not_before=when(-3), not_after=when(6)), "pass", "verifies"),
        (with_leaf(key_type="RSA", key_bits=1024), "fail", "1024 bits, 2048 are wanted"),
        (with_leaf(key_type="ED25519", key_bits=256), "pass", "ED25519"),
        (versions(_0=True), "fail", "TLSv1.0 is accepted"),
        (versions(_0=True, _1=True), "fail", "TLSv1.0 and TLSv1.1 are accepted"),
        (versions(_2=False, _3=False), "fail", "neither TLSv1.2 nor TLSv1.3"),
        (versions(_0=None), "inconclusive", "cannot be tried"),
        (replace(HERE, shown=None, untaken="no handshake"), "fail", "no TLS is spoken"),
        (replace(HERE, shown=None, silent="refused"), "inconclusive", "cannot be reached"),
    ],
)
def test_the_certificate(arrival: Arrival, state: str, said: str) -> None:
    told = judge_certificate(replace(GOOD, arrivals=(arrival,)), ADDRESS, "now")
    assert (told.state, said in told.summary) == (state, True), told.summary


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"managed": (("shop", ""),)}, "pass"),
        ({"managed": (("shop", "DoesNotExist: the issuer refuses"),)}, "fail"),
        ({"unread": True}, "pending"),
        ({"arrivals": ()}, "inconclusive"),
    ],
)
def test_what_cert_manager_says_counts(changes: dict[str, Any], state: str) -> None:
    assert judge_certificate(replace(GOOD, **changes), ADDRESS, "now").state == state
