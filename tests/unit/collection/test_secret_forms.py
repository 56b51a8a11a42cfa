# Values that are composed or issued: connection strings, password files, certificates; read back by those who use them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import builtins
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import bcrypt
import pytest
from cryptography import x509 as library
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing, Refused
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.plan import Plan, plan
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import Clock
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec, parse, shown

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=60)


def spec(**options: Any) -> Spec:
    return parse({"namespace": "trial", "name": "app", "type": "Opaque", "state": "present", **options})


def reasons(done: Plan) -> dict[str, str]:
    return {step.key: step.reason for step in done.steps if step.action != "kept"}


def actions(done: Plan) -> dict[str, str]:
    return {step.key: str(step.action) for step in done.steps}


# ---------------------------------------------------------------------- connection strings


DSN = {
    "scheme": "postgresql",
    "username": {"key": "username"},
    "password": {"key": "password"},
    "host": "db.example",
    "port": 5432,
    "database": {"key": "database"},
    "query": {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/ca file.crt"},
}
PARTS = {"username": {"value": "x"}, "password": {"value": "x"}, "database": {"value": "x"}}


def dsn(values: dict[str, bytes], **changes: Any) -> str:
    options = {key: value for key, value in {**DSN, **changes}.items() if value is not None}
    wanted = spec(data={**{key: {"value": "x"} for key in values}, "url": {"dsn": options}})
    return plan(wanted, {}, values).complete()["url"].decode()


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=200)
def test_whatever_the_parts_are_clients_read_them_back(user: str, password: str, database: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    values = {"username": user, "password": password, "database": database}
    if any(not value.strip() or generate.leftover(value.encode()) for value in values.values()):
        return
    url = dsn({key: value.encode() for key, value in values.items()})
    read = urlsplit(url)
    assert (unquote(read.username or ""), unquote(read.password or "")) == (user, password)
    assert (read.scheme, read.hostname, read.port) == ("postgresql", "db.example", 5432)
    assert unquote(read.path.removeprefix("/")) == database
    assert dict(parse_qsl(read.query)) == DSN["query"]
    assert conninfo_to_dict(url) == {
        "user": user,
        "password": password,
        "host": "db.example",
        "port": "5432",
        "dbname": database,
        **DSN["query"],
    }


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        (
            {"scheme": "rediss", "username": None, "port": 6379, "database": "0", "query": None},
            "rediss://:p%40@db.example:6379/0",
        ),
        ({"host": "::1", "port": None, "query": None, "database": None}, "postgresql://u:p%40@[::1]"),
        ({"host": "[fd00::2]", "password": None, "query": None}, "postgresql://u@[fd00::2]:5432/d%2F"),
        ({"username": None, "password": None, "query": {}}, "postgresql://db.example:5432/d%2F"),
        ({"query": {"a b": "c&d=e", "n": 5}}, "postgresql://u:p%40@db.example:5432/d%2F?a%20b=c%26d%3De&n=5"),
    ],
)
def test_forms_of_connection_strings(changes: dict[str, Any], url: str) -> None:
    assert dsn({"username": b"u", "password": b"p@", "database": b"d/"}, **changes) == url


def test_a_connection_string_follows_its_parts() -> None:
    wanted = spec(data={**PARTS, "url": {"dsn": DSN}})
    values = {"username": b"u", "password": b"one", "database": b"d"}
    live = plan(wanted, {}, values).complete()
    assert set(actions(plan(wanted, live, values)).values()) == {"kept"}
    turned = plan(wanted, live, {**values, "password": b"two"})
    assert actions(turned) == {"username": "kept", "password": "updated", "database": "kept", "url": "updated"}
    assert b":two@" in turned.complete()["url"]
    made = spec(data={**PARTS, "password": {"random": {}}, "url": {"dsn": DSN}}, replace=["password"])
    values.pop("password")
    live["password"] = generate.random_text(32, "base64").encode()
    again = plan(made, live, values)
    assert actions(again)["url"] == "updated"
    finished = again.complete()
    assert unquote(urlsplit(finished["url"].decode()).password or "") == finished["password"].decode()
    assert finished["password"] != live["password"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scheme": "postgresql"}, "data.url.dsn lacks host"),
        ({**DSN, "scheme": "Not One"}, "data.url.dsn.scheme is no scheme"),
        ({**DSN, "password": "CANARY"}, "data.url.dsn.password does not name the key that holds it"),
        ({**DSN, "username": True}, "data.url.dsn.username is neither a text nor the key"),
        ({**DSN, "username": {"key": "nowhere"}}, "data.url is composed of the key nowhere, which is not listed"),
        (
            {**DSN, "username": {"key": "url"}},
            "of the key url, which is not listed, or is composed itself",
        ),
        ({**DSN, "query": ["x"]}, "data.url.dsn.query is not a mapping"),
        ({**DSN, "query": {"ssl": True}}, "data.url.dsn.query is not a mapping of names to texts"),
        ({**DSN, "path": "x"}, "data.url.dsn has no option path"),
        ({**DSN, "host": "db example"}, "Key url of Secret trial/app has a host that is neither"),
        ({**DSN, "host": "db@elsewhere"}, "Key url of Secret trial/app has a host that is neither"),
        ({**DSN, "port": 65536}, "Key url of Secret trial/app has a port that is no number"),
    ],
)
def test_connection_strings_that_are_refused(options: dict[str, Any], sentence: str) -> None:
    values = {"username": b"u", "password": b"p", "database": b"d"}
    with pytest.raises(InputError) as caught:
        plan(spec(data={**PARTS, "url": {"dsn": options}}), {}, values).complete()
    assert sentence in caught.value.sentence
    assert "CANARY" not in caught.value.sentence


def test_nothing_of_a_connection_string_but_literal_values_is_hidden_in_the_invocation() -> None:
    assert shown({"url": {"dsn": DSN}}) == {"url": {"dsn": DSN}}


# ---------------------------------------------------------------------- password files


USERS = {"users": {"admin": "password", "viewer": "other"}}


def test_a_password_file_is_kept_while_its_passwords_are() -> None:
    wanted = spec(data={"password": {"random": {}}, "other": {"value": "x"}, "auth": {"htpasswd": USERS}})
    first = plan(wanted, {}, {"other": b"seen"}).complete()
    lines = dict(line.split(":", 1) for line in first["auth"].decode().splitlines())
    assert set(lines) == {"admin", "viewer"}
    assert bcrypt.checkpw(first["password"], lines["admin"].encode())
    assert bcrypt.checkpw(b"seen", lines["viewer"].encode())
    assert all(line.startswith("$2y$10$") for line in lines.values())
    again = plan(wanted, first, {"other": b"seen"})
    assert (set(actions(again).values()), again.complete()) == ({"kept"}, first)
    assert actions(plan(wanted, first, {"other": b"another"}))["auth"] == "updated"


@pytest.mark.parametrize(
    "auth",
    [
        b"",
        b"admin:plain\n",
        b"admin:$apr1$x$y\n",
        b"viewer:{}\nadmin:{}\nmore:{}\n",
        b"admin:{}\n",
        b"admin:{}\nviewer:{}",
    ],
)
def test_a_password_file_that_says_otherwise_is_made_anew(auth: bytes) -> None:
    wanted = spec(data={"password": {"value": "x"}, "other": {"value": "x"}, "auth": {"htpasswd": USERS}})
    known = bcrypt.hashpw(b"not it", bcrypt.gensalt(rounds=10))
    live = {"password": b"one", "other": b"two", "auth": auth.replace(b"{}", known)}
    done = plan(wanted, live, {"password": b"one", "other": b"two"})
    assert actions(done)["auth"] == "updated"


def test_a_higher_cost_makes_it_anew_and_a_lower_one_does_not() -> None:
    def at(cost: int) -> Spec:
        return spec(data={"password": {"value": "x"}, "auth": {"htpasswd": {"users": {"a": "password"}, "cost": cost}}})

    live = {"password": b"one", **plan(at(11), {}, {"password": b"one"}).complete()}
    assert actions(plan(at(10), live, {"password": b"one"}))["auth"] == "kept"
    assert actions(plan(at(12), live, {"password": b"one"}))["auth"] == "updated"


@pytest.mark.parametrize(
    ("options", "password", "sentence"),
    [
        ({}, b"p", "data.auth.htpasswd lacks users"),
        ({"users": {}}, b"p", "users is not a mapping"),
        ({"users": {"a:b": "password"}}, b"p", "holds a colon"),
        ({"users": {"a": "nowhere"}}, b"p", "data.auth is composed of the key nowhere"),
        ({"users": {"a": "password"}, "cost": 4}, b"p", "cost is not a number from 10 to 16"),
        (
            {"users": {"a": "password"}},
            b"p" * 73,
            "Key auth of Secret trial/app has a password that bcrypt",
        ),
    ],
)
def test_password_files_that_are_refused(options: dict[str, Any], password: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        plan(
            spec(data={"password": {"value": "x"}, "auth": {"htpasswd": options}}), {}, {"password": password}
        ).complete()


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "bcrypt":
            raise ImportError("No module named bcrypt")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    options = {"users": {"a": "password"}}
    with pytest.raises(LibraryMissing, match="bcrypt"):
        plan(spec(data={"password": {"value": "x"}, "auth": {"htpasswd": options}}), {}, {"password": b"p"}).complete()


# ---------------------------------------------------------------------- certificates


CA = {"authority": True}
LEAF = {"dns_names": ["api.example", "*.api.example"], "ip_addresses": ["10.0.0.1"], "issuer_certificate": "chain"}


def tls(*certificates: dict[str, Any], **options: Any) -> Spec:
    return spec(certificates=list(certificates), **options)


def certificate(pem: bytes) -> library.Certificate:
    return library.load_pem_x509_certificate(pem)


def at(days: float = 0) -> Clock:
    return Clock(NOW + timedelta(days=days))


@pytest.mark.parametrize(
    "kind",
    [
        {"algorithm": "ec"},
        {"algorithm": "ec", "curve": "secp384r1"},
        {"algorithm": "rsa", "bits": 2048},
        {"algorithm": "ed25519"},
    ],
)
def test_an_authority_and_its_leaf_are_made_and_kept(kind: dict[str, Any], tmp_path: Path) -> None:
    wanted = tls({**LEAF, **kind}, {**CA, **kind})  # in any order
    first = plan(wanted, {}, {}, at())
    values = first.complete()
    assert set(actions(first).values()) == {"made"}
    assert set(values) == {"ca.crt", "ca.key", "tls.crt", "tls.key", "chain"}
    assert values["chain"] == values["ca.crt"]
    ca, leaf = certificate(values["ca.crt"]), certificate(values["tls.crt"])
    leaf.verify_directly_issued_by(ca)
    assert generate.load_private(values["tls.key"]).public_key() == leaf.public_key()
    get = leaf.extensions.get_extension_for_class
    names = get(library.SubjectAlternativeName)
    assert names.critical and names.value.get_values_for_type(library.DNSName) == ["api.example", "*.api.example"]
    assert [str(one) for one in names.value.get_values_for_type(library.IPAddress)] == ["10.0.0.1"]
    assert not get(library.BasicConstraints).value.ca
    assert list(get(library.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = get(library.KeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign
    assert usage.key_encipherment is (kind["algorithm"] == "rsa")
    rules = ca.extensions.get_extension_for_class(library.BasicConstraints)
    assert rules.critical and (rules.value.ca, rules.value.path_length) == (True, 0)
    assert ca.extensions.get_extension_for_class(library.KeyUsage).value.key_cert_sign
    assert leaf.not_valid_after_utc == NOW + timedelta(days=90)
    assert ca.not_valid_after_utc == NOW + timedelta(days=3650)
    second = plan(wanted, values, {}, at())
    assert (set(actions(second).values()), second.complete()) == ({"kept"}, values)
    (tmp_path / "chain.pem").write_bytes(values["tls.crt"] + values["tls.key"])
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tmp_path / "chain.pem")


def test_a_client_believes_the_leaf_by_its_authority(tmp_path: Path) -> None:
    """A real handshake in memory, with the client's own check of chain and name."""
    values = plan(tls(CA, LEAF), {}, {}).complete()
    (tmp_path / "leaf.pem").write_bytes(values["tls.crt"] + values["tls.key"])
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(tmp_path / "leaf.pem")
    believing = ssl.create_default_context(cadata=values["chain"].decode())
    for name, believed in (("api.example", True), ("x.api.example", True), ("other.example", False)):
        assert _handshake(serving, believing, name) is believed


def _handshake(serving: ssl.SSLContext, believing: ssl.SSLContext, name: str) -> bool:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = believing.wrap_bio(back, there, server_hostname=name)
    server = serving.wrap_bio(there, back, server_side=True)
    pending = [client, server]
    for _round in range(10):
        for side in list(pending):
            try:
                side.do_handshake()
                pending.remove(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return not pending


@pytest.mark.parametrize(
    ("days", "anew", "reason"),
    [
        (0, set(), ""),
        (59.9, set(), ""),
        (60.1, {"tls.crt", "tls.key", "chain"}, "it ends in 29 days"),
        (91, {"tls.crt", "tls.key", "chain"}, "it has ended"),
    ],
)
def test_a_leaf_is_renewed_before_it_ends(days: float, anew: set[str], reason: str) -> None:
    wanted = tls(CA, LEAF)
    live = plan(wanted, {}, {}, at()).complete()
    later = plan(wanted, live, {}, at(days))
    assert {step.key for step in later.steps if step.action == "made"} == anew
    assert set(reasons(later).values()) == ({reason} if reason else set())
    values = later.complete()
    assert (values["ca.crt"], values["ca.key"]) == (live["ca.crt"], live["ca.key"])
    assert set(later.rotated) == anew
    assert set(actions(plan(wanted, values, {}, at(days))).values()) == {"kept"}
    due = {item.key: item.at for item in later.due(values)}
    assert due["tls.key"] == NOW + timedelta(days=(days if anew else 0) + 60)
    assert due["ca.key"] == NOW + timedelta(days=3650 - 365)


def test_a_new_authority_signs_anew_and_its_certificate_before_stays_until_it_ends() -> None:
    wanted = tls(CA, LEAF)
    live = plan(wanted, {}, {}, at()).complete()
    later = plan(wanted, live, {}, at(3650 - 364))
    assert reasons(later)["ca.crt"] == "it ends in 364 days"
    values = later.complete()
    assert values["ca.crt.previous"] == live["ca.crt"] != values["ca.crt"] == values["chain"]
    assert "ca.key.previous" not in values and "tls.crt.previous" not in values
    certificate(values["tls.crt"]).verify_directly_issued_by(certificate(values["ca.crt"]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dns_names": ["api.example", "more.example"]}, "its names are others now"),
        ({"ip_addresses": []}, "its names are others now"),
        ({"usages": ["client"]}, "its usages are others now"),
    ],
)
def test_a_leaf_follows_its_options(changes: dict[str, Any], reason: str) -> None:
    live = plan(tls(CA, LEAF), {}, {}, at()).complete()
    done = plan(tls(CA, {**LEAF, **changes}), live, {}, at())
    assert reasons(done) == dict.fromkeys(("tls.key", "tls.crt", "chain"), reason)
    assert set(actions(plan(tls(CA, {**LEAF, **changes}), done.complete(), {}, at())).values()) == {"kept"}


def test_replacing_the_authority_renews_what_it_signed() -> None:
    live = plan(tls(CA, LEAF), {}, {}, at()).complete()
    done = plan(tls(CA, LEAF, replace=["ca.key"]), live, {}, at())
    assert reasons(done)["tls.crt"] == "its authority (key ca.crt) is another one now"
    values = done.complete()
    certificate(values["tls.crt"]).verify_directly_issued_by(certificate(values["ca.crt"]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tls.key": b"$(openssl genrsa)"}, "Key tls.key of Secret trial/app is the literal text of a command"),
        ({"tls.key": b"rubbish"}, "Key tls.key of Secret trial/app is not a private key"),
        ({"tls.crt": b"rubbish"}, "Key tls.crt of Secret trial/app is not a certificate in PEM"),
        ({"tls.key": None}, "whose private key tls.key is missing"),
        ({"tls.crt": "ca.crt"}, "Key tls.crt of Secret trial/app does not match its private key"),
        (
            {"ca.crt": "tls.crt", "ca.key": "tls.key"},
            "Key ca.crt of Secret trial/app is a certificate that may",
        ),
    ],
)
def test_what_no_one_can_use_is_neither_kept_nor_replaced(change: dict[str, Any], sentence: str) -> None:
    live = plan(tls(CA, LEAF), {}, {}, at()).complete()
    for key, value in change.items():
        live[key] = live[value] if isinstance(value, str) else value
    live = {key: value for key, value in live.items() if value is not None}
    with pytest.raises(Refused) as caught:
        plan(tls(CA, LEAF), live, {}, at())
    assert sentence in caught.value.sentence


@pytest.mark.parametrize(
    ("certificates", "sentence"),
    [
        ([LEAF], "has no authority: ca.crt and ca.key is not listed"),
        ([{**LEAF, "issuer": {"namespace": "x"}}], "certificates[0].issuer has a namespace and no name"),
        ([CA, {"dns_names": []}], "certificates[1] has neither dns_names nor ip_addresses"),
        ([CA, {"dns_names": ["a b"]}], "'a b' is no DNS name"),
        ([CA, {"dns_names": ["a.*.example"]}], "is no DNS name"),
        ([CA, {"ip_addresses": ["10.0.0.256"]}], "'10.0.0.256' is no IP address"),
        ([CA, {**LEAF, "days": 30}], "renew_before_days (30) is not below days (30)"),
        ([CA, {**LEAF, "days": 0}], "days is not a number from 1"),
        ([CA, {**LEAF, "days": 400}], "is to hold for 400 days, and its authority is renewed only 365 days before"),
        ([{**CA, "dns_names": ["x"]}], "certificates[0].dns_names is for a leaf only"),
        ([CA, {**LEAF, "common_name": "x"}], "certificates[1].common_name is for an authority only"),
        ([CA, {**LEAF, "bits": 2048}], "certificates[1].bits is for algorithm rsa only"),
        ([CA, CA], "The key ca.key is given twice"),
    ],
)
def test_certificates_that_are_refused(certificates: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        tls(*certificates)
    assert sentence in caught.value.sentence
