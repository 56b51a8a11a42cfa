# The six controls of Secrets over facts: every trap of keys, certificates and credentials, and what is not known.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_login, secrets_tls
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    DATABASE,
    ENCODING,
    JWT,
    REDIS,
    STRENGTH,
    TLS,
    Held,
    JwtKeys,
    Keys,
    Manager,
    SecretFacts,
    SignIn,
    TlsWanted,
    Token,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate

DB, CACHE, JWT_SECRET, TLS_SECRET = (
    "bytebot-db-secret",
    "bytebot-redis-secret",
    "bytebot-jwt-secret",
    "bytebot-tls-secret",
)
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)
HOST = "api.shop.example"
ACCESS, REFRESH, SMALL = (generate.new_private_key("rsa", bits, "") for bits in (2048, 2048, 1024))


def fresh() -> bytes:
    return b64encode(secrets.token_bytes(32))


def pair(key: Any, kind: str) -> dict[str, bytes]:
    names = f"{kind}-token-private-key", f"{kind}-token-public-key"
    return dict(zip(names, (generate.private_pem(key), generate.public_pem(key)), strict=True))


def database(**changes: bytes) -> dict[str, bytes]:
    good = {"username": b"bytebot_user", "password": fresh(), "host": b"postgres.database.svc", "database": b"shop"}
    return {**good, **changes}


GOOD_KEYS = {**pair(ACCESS, "access"), **pair(REFRESH, "refresh")}


def facts(*held: Held, **more: Any) -> SecretFacts:
    return SecretFacts("shop", {one.name: one for one in held}, **more)


def says(given: SecretFacts, control: str) -> Verdict:
    (result,) = CHECKS.judge(given, [control])
    return result.verdict


# ---------------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (database(password=b"$(openssl rand -base64 32)"), "command that was never run"),
        (database(password=fresh() + b"\n"), "line break"),
        (database(password=b64encode(fresh())), "base64 twice"),
        (database(password=b""), "is empty"),
        (database(host=b"localhost"), "is localhost"),
        (database(host=b"127.0.0.1"), "loopback"),
        (database(host=b"not a host"), "no host name"),
        (database(port=b"many"), "no port"),
        (database(**{"ca.crt": b"hello"}), "is no PEM"),
        ({key: value for key, value in database().items() if key != "database"}, "database is missing"),
    ],
)
def test_credentials_that_cannot_work_are_red_without_a_probe(data: dict[str, bytes], said: str) -> None:
    verdict = says(facts(Held(DB, data=data), no_probe="no probe."), DATABASE)
    assert (verdict.state, said in verdict.summary) == ("fail", True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:p@h/db?sslmode=require", "no URL of postgresql"),
        ("postgresql://u:p@db.shop/db", "sslmode"),
        ("postgresql://u:p@db.shop/db?sslmode=prefer", "sslmode"),
        ("postgresql://u@db.shop/db?sslmode=require", "the password"),
        ("postgresql://u:p@localhost/db?sslmode=require", "is localhost"),
        ("postgresql://u:p@db.shop/?sslmode=require", "user or database"),
        ("postgresql://u:p@db.shop:port/db", "no URL that can be read"),
        ("postgresql://u:p%40@db.shop/db?sslmode=require", ""),
    ],
)
def test_a_url_is_read_as_the_contract_says(url: str, said: str) -> None:
    target = secrets_login.target_of({"URL": url.encode()}, Keys("s", dsn="URL"), "postgresql")
    assert said in " ".join(target.problems)
    assert bool(target.problems) is bool(said)
    if not said:
        assert (target.password, target.host, target.port, target.encryption) == ("p@", "db.shop", 5432, "require")


@pytest.mark.parametrize(
    ("sign_in", "state"),
    [
        (None, "pending"),
        (SignIn("works"), "pass"),
        (SignIn("refused", "the database does not exist"), "fail"),
        (SignIn("blocked", "a policy"), "inconclusive"),
        (SignIn("missing", "no psycopg"), "pending"),
        (SignIn("unable", "no image"), "error"),
    ],
)
def test_a_sign_in_decides(sign_in: SignIn | None, state: str) -> None:
    given = facts(Held(DB, data=database()), database_sign_in=sign_in, no_probe="no probe.")
    assert says(given, DATABASE).state == state


def test_what_may_not_be_read_is_pending_and_what_is_not_there_is_red() -> None:
    assert says(facts(denied={DB: "forbidden"}), DATABASE).state == "pending"
    assert says(facts(absent=(DB,)), DATABASE).state == "fail"


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"released": True}, "not_applicable"),
        ({"released": True, "mentions_redis": ("Deployment api",)}, "fail"),
        ({"released": False}, "pending"),
        ({"released": False, "release_problem": "forbidden"}, "pending"),
    ],
)
def test_redis_applies_unless_the_release_says_otherwise(more: dict[str, Any], state: str) -> None:
    assert says(facts(absent=(CACHE,), **more), REDIS).state == state


def test_a_redis_secret_that_is_there_is_judged() -> None:
    held = Held(CACHE, data={"password": fresh(), "host": b"redis.cache.svc"})
    given = facts(held, released=True, redis_sign_in=SignIn("refused", "the user or the password is refused"))
    assert says(given, REDIS).state == "fail"


def test_a_maker_that_is_not_in_step_is_red() -> None:
    held = Held(DB, data=database(), managers=(Manager("ExternalSecret", "db", "Ready is False (no store)"),))
    verdict = says(facts(held, database_sign_in=SignIn("works")), DATABASE)
    assert (verdict.state, "Ready is False (no store)" in verdict.summary) == ("fail", True)


# ---------------------------------------------------------------------- keys of tokens


def swapped(one: str, other: str) -> dict[str, bytes]:
    return {**GOOD_KEYS, one: GOOD_KEYS[other], other: GOOD_KEYS[one]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({key: GOOD_KEYS[key] for key in GOOD_KEYS if key != "refresh-token-public-key"}, "is missing"),
        (swapped("access-token-private-key", "access-token-public-key"), "are swapped"),
        (swapped("access-token-public-key", "refresh-token-public-key"), "crossed"),
        ({**GOOD_KEYS, **pair(ACCESS, "refresh")}, "are the same key"),
        ({**GOOD_KEYS, **pair(SMALL, "access")}, "has 1024 bits"),
        ({**GOOD_KEYS, "access-token-public-key": generate.public_pem(SMALL)}, "is not the public key of"),
        ({**GOOD_KEYS, "access-token-private-key": b"$(cat access-token-private.pem)"}, "never run"),
        ({**GOOD_KEYS, "access-token-private-key": b""}, "is empty"),
        ({**GOOD_KEYS, **pair(generate.new_private_key("ec", 0, "secp256r1"), "access")}, "is no RSA key"),
        (
            {**GOOD_KEYS, "access-token-private-key": GOOD_KEYS["access-token-private-key"].replace(b"\n", b"\\n")},
            "two characters",
        ),
    ],
)
def test_keys_that_do_not_fit_are_red(data: dict[str, bytes], said: str) -> None:
    verdict = says(facts(Held(JWT_SECRET, data=data)), JWT)
    assert (verdict.state, said in verdict.summary) == ("fail", True)


def token(key: Any, alg: str = "RS256") -> str:
    parts = [urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in ({"alg": alg}, {"sub": "1"})]
    signature = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, urlsafe_b64encode(signature).decode().rstrip("=")])


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        (None, "pass"),
        (Token(token(ACCESS)), "pass"),
        (Token(token(REFRESH)), "fail"),
        (Token(token(ACCESS, "none")), "fail"),
        (Token("no token"), "fail"),
        (Token(problem="the login answers HTTP 401"), "inconclusive"),
    ],
)
def test_a_live_token_proves_which_key_signs(asked: Token | None, state: str) -> None:
    assert says(facts(Held(JWT_SECRET, data=GOOD_KEYS), token=asked), JWT).state == state


@pytest.mark.parametrize(("length", "least", "state"), [(64, 64, "pass"), (63, 64, "fail"), (32, 32, "pass")])
def test_a_shared_text_has_the_contracts_length(length: int, least: int, state: str) -> None:
    data = {"JWT_SECRET": secrets.token_hex(64)[:length].encode()}
    verdict = says(facts(Held("s", data=data), jwt=JwtKeys("s", shared="JWT_SECRET", shared_length=least)), JWT)
    assert verdict.state == state
    assert bool(verdict.weaker) is (least < 64)


# ---------------------------------------------------------------------- certificates


def certify(
    name: str, key: Any, issuer: tuple[Any, Any] | None = None, days: tuple[int, int] = (-10, 300), ca: bool = False
) -> Any:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, above = (issuer[0], issuer[1].subject) if issuer else (key, subject)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(above).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + days[0] * DAY).not_valid_after(NOW + days[1] * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def pem(*certs: Any) -> bytes:
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certs)


ROOT_KEY, MIDDLE_KEY, LEAF_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _index in range(4))
ROOT = certify("root", ROOT_KEY, ca=True)
MIDDLE = certify("middle", MIDDLE_KEY, (ROOT_KEY, ROOT), ca=True)
LEAF = certify(HOST, LEAF_KEY, (MIDDLE_KEY, MIDDLE))
DIRECT = certify(HOST, LEAF_KEY, (ROOT_KEY, ROOT))
OWN = certify(HOST, LEAF_KEY)
KEY = generate.private_pem(LEAF_KEY)


def tls_facts(chain: bytes, key: bytes = KEY, trusted: bytes = pem(ROOT), **more: Any) -> SecretFacts:
    held = Held(TLS_SECRET, more.pop("kind", "kubernetes.io/tls"), {"tls.crt": chain, "tls.key": key})
    hosts = more.pop("hosts", (HOST,))
    return facts(held, tls=TlsWanted((TLS_SECRET,), {TLS_SECRET: hosts}, trusted=trusted, **more))


@pytest.mark.parametrize(
    ("given", "state", "said"),
    [
        (tls_facts(pem(LEAF, MIDDLE)), "pass", "chain is whole"),
        (tls_facts(pem(LEAF, MIDDLE, ROOT)), "pass", ""),
        (tls_facts(pem(DIRECT)), "pass", ""),
        (tls_facts(pem(OWN), trusted=b""), "inconclusive", "is its own issuer, which is no CA that this machine knows"),
        (tls_facts(pem(LEAF, MIDDLE, ROOT), trusted=b""), "inconclusive", "no CA that this machine knows"),
        (tls_facts(pem(LEAF, MIDDLE), trusted=b""), "inconclusive", "no CA that this machine knows"),
        (tls_facts(pem(LEAF)), "fail", "cut off"),
        (tls_facts(pem(LEAF), trusted=b""), "fail", "cut off"),
        (tls_facts(pem(OWN)), "fail", "no CA of ca_file"),
        (tls_facts(pem(MIDDLE, LEAF)), "fail", "not the first"),
        (tls_facts(pem(LEAF, ROOT)), "fail", "out of order"),
        (tls_facts(pem(LEAF, MIDDLE), generate.private_pem(OTHER_KEY)), "fail", "does not fit"),
        (tls_facts(pem(LEAF, MIDDLE), hosts=("www.shop.example",)), "fail", "does not cover www.shop.example"),
        (tls_facts(pem(LEAF, MIDDLE), further_hosts=("www.shop.example",)), "fail", "no certificate covers"),
        (tls_facts(pem(LEAF, MIDDLE), kind="Opaque"), "fail", "is of type Opaque"),
        (tls_facts(pem(LEAF, MIDDLE), hosts=()), "pending", "No host is named"),
        (tls_facts(b"nonsense"), "fail", "no certificate"),
        (tls_facts(pem(LEAF, MIDDLE), b"nonsense"), "fail", "no private key"),
        (tls_facts(b""), "fail", "lacks tls.crt"),
        (tls_facts(pem(certify(HOST, LEAF_KEY, (ROOT_KEY, ROOT), (-90, -1)))), "fail", "expired"),
        (tls_facts(pem(certify(HOST, LEAF_KEY, (ROOT_KEY, ROOT), (-70, 20)))), "fail", "30 must be left"),
        (tls_facts(pem(certify(HOST, LEAF_KEY, (ROOT_KEY, ROOT), (-3, 4)))), "pass", ""),
        (tls_facts(pem(certify(HOST, LEAF_KEY, (ROOT_KEY, ROOT), (1, 90)))), "fail", "not valid before"),
    ],
)
def test_certificates(given: SecretFacts, state: str, said: str) -> None:
    verdict = says(given, TLS)
    assert (verdict.state, said in verdict.summary) == (state, True), verdict.summary


@pytest.mark.parametrize(
    ("name", "host", "covered"),
    [
        ("*.shop.example", "api.shop.example", True),
        ("*.shop.example", "a.api.shop.example", False),
        ("*.shop.example", "shop.example", False),
        ("*.example", "shop.example", False),
        ("API.shop.example.", "api.shop.example", True),
        ("*.shop.example", "*.shop.example", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("*.0.0.1", "10.0.0.1", False),
    ],
)
def test_names_cover_hosts_as_rfc_9525_says(name: str, host: str, covered: bool) -> None:
    assert secrets_tls.covers([name], host) is covered


# ---------------------------------------------------------------------- encoding and strength


def test_good_secrets_are_green_and_nothing_of_them_is_told() -> None:
    data = database()
    given = facts(Held(DB, data=data), Held(JWT_SECRET, data=GOOD_KEYS))
    redactor = Redactor()  # one that has learned nothing
    for result in CHECKS.judge(given, [ENCODING, STRENGTH]):
        assert result.verdict.state == "pass"
        assert data["password"].decode() not in json.dumps(result.to_dict(redactor))


def test_a_reused_value_is_named_by_its_places() -> None:
    word = fresh()
    verdict = says(facts(Held("a", data={"password": word}), Held("b", data={"token": word})), STRENGTH)
    assert (verdict.state, "a/password and b/token are the same value" in verdict.summary) == ("fail", True)


def test_one_certificate_in_two_secrets_is_no_reuse() -> None:
    data: Mapping[str, bytes] = {"tls.crt": pem(OWN), "tls.key": KEY}
    kinds = (Held(DB, data=database()), *(Held(name, "kubernetes.io/tls", data) for name in ("a", "b")))
    assert says(facts(*kinds), STRENGTH).state == "pass"


def test_a_weaker_number_is_told() -> None:
    given = replace(facts(Held(DB, data=database())), minimum_bits=128)
    assert says(given, STRENGTH).weaker == ("128 bits wanted, document 256",)


@pytest.mark.parametrize("control", [ENCODING, STRENGTH])
@pytest.mark.parametrize(
    "more", [{"denied": {"x": "forbidden"}}, {"absent": ("x",)}, {"release_problem": "unreadable"}]
)
def test_what_was_not_seen_is_no_pass(control: str, more: dict[str, Any]) -> None:
    assert says(facts(Held(DB, data=database()), **more), control).state == "pending"


def test_nothing_to_judge_is_no_pass() -> None:
    assert {says(facts(), control).state for control in (ENCODING, STRENGTH)} == {"pending"}


def test_a_secret_that_check_mode_does_not_make_is_pending_and_a_forgotten_one_red() -> None:
    made = facts(to_be_made=frozenset({"bytebot-jwt-secret"}))
    assert says(made, "deployment.secrets.jwt").state == "pending"
    assert "check mode makes none" in says(made, "deployment.secrets.jwt").summary
    assert says(made, "deployment.secrets.database").state == "fail"
    assert says(facts(), "deployment.secrets.jwt").state == "fail"
