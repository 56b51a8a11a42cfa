# The keys of tokens: which are strong enough, who has them, what a live token says of them, and what is not known.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hmac
import json
import os
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_jwt
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    JWT_KEYS,
    Held,
    JwtKeys,
    KeyUses,
    SecretFacts,
    Token,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_keys import uses_of
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate

NAME = "bytebot-jwt-secret"
API = "Deployment api container api"
HALVES = {half: f"{{}}-token-{half}-key" for half in ("private", "public")}
RSA, OTHER, STRANGE, SMALL = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 2048, 1024))
CURVES = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
_SIGNERS = {
    "RS": lambda key, data, digest: key.sign(data, padding.PKCS1v15(), digest),
    "PS": lambda key, data, digest: key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest),
    "ES": lambda key, data, digest: _raw(key.sign(data, ec.ECDSA(digest)), (key.key_size + 7) // 8),
    "Ed": lambda key, data, _digest: key.sign(data),
}


def _raw(signature: bytes, size: int) -> bytes:
    return b"".join(number.to_bytes(size) for number in utils.decode_dss_signature(signature))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def signed(key: Any, algorithm: str = "RS256") -> str:
    head = f"{_text(json.dumps({'alg': algorithm}).encode())}.{_text(b'{}')}"
    digest = {"384": hashes.SHA384(), "512": hashes.SHA512()}.get(algorithm[2:], hashes.SHA256())
    if isinstance(key, bytes):
        return f"{head}.{_text(hmac.digest(key, head.encode(), 'sha256'))}"
    return f"{head}.{_text(_SIGNERS[algorithm[:2]](key, head.encode(), digest))}"


def keys(access: Any, refresh: Any) -> dict[str, bytes]:
    return {
        HALVES[half].format(name): make(key)
        for name, key in (("access", access), ("refresh", refresh))
        for half, make in (("private", generate.private_pem), ("public", generate.public_pem))
    }


def facts(data: dict[str, bytes] | None = None, **more: Any) -> SecretFacts:
    """In order: two pairs, in one container, and a token signed with the first."""
    data = keys(RSA, OTHER) if data is None else data
    usual: dict[str, Any] = {"released": True, "key_uses": KeyUses((API,)), "token": Token(signed(RSA), url="url")}
    return SecretFacts("shop", {NAME: Held(NAME, data=data)}, **{**usual, **more})


def says(given: SecretFacts) -> Verdict:
    (result,) = CHECKS.judge(given, [JWT_KEYS])
    return result.verdict


def holds(*config_map: str, holders: tuple[str, ...] = (API,)) -> dict[str, Any]:
    return {"key_uses": KeyUses(holders, (config_map,) if config_map else ())}  # type: ignore[arg-type]


def test_in_order() -> None:
    verdict = says(facts())
    assert verdict.state == "pass"
    assert "in Deployment api container api only" in verdict.summary
    assert verdict.summary.endswith("by the first and by no other (RS256).")


@pytest.mark.parametrize(
    ("pair", "algorithm"),
    [((RSA, OTHER), "RS512"), ((RSA, OTHER), "PS384"), (CURVES, "ES256"), (CURVES[::-1], "ES384"), (EDWARDS, "EdDSA")],
)
def test_other_kinds_of_keys_and_signatures(pair: tuple[Any, Any], algorithm: str) -> None:
    assert says(facts(keys(*pair), token=Token(signed(pair[0], algorithm)))).state == "pass"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (keys(RSA, SMALL), "refresh-token-private-key has 1024 bits, 2048 are wanted"),
        (keys(RSA, RSA), "are the same key; two pairs are wanted"),
        ({**keys(RSA, OTHER), "refresh-token-public-key": generate.public_pem(STRANGE)}, "is not the public key of"),
        ({key: value for key, value in keys(RSA, OTHER).items() if "refresh" not in key}, "is missing"),
        (keys(ec.generate_private_key(ec.SECP192R1()), CURVES[0]), "is on a curve of 192 bits, 256 are wanted"),
    ],
)
def test_keys_that_are_wrong(data: dict[str, bytes], said: str) -> None:
    verdict = says(facts(data))
    assert (verdict.state, said in verdict.summary) == ("fail", True), verdict.summary


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (signed(STRANGE), "signed by another key"),
        (signed(OTHER), "signed by another key"),
        (signed(RSA).replace(signed(RSA).partition(".")[0], _text(b'{"alg":"ES256"}')), "signed by another key"),
        (signed(b"text", "HS256"), "signs with HS256, for which there are no pairs"),
        (f"{_text(b'{}')}.{_text(b'{}')}.", "no signed JSON Web Token"),
        ("opaque", "no signed JSON Web Token"),
    ],
)
def test_a_token_of_another_key(token: str, said: str) -> None:
    verdict = says(facts(token=Token(token)))
    assert (verdict.state, said in verdict.summary) == ("fail", True), verdict.summary
    assert "Restart the application" in verdict.remedy


ACCESS = generate.private_pem(RSA).decode()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (holds("settings", "a.pem", ACCESS), "access-token-private-key stands in ConfigMap settings too, under a.pem"),
        (holds("settings", "env", f"KEY={json.dumps(ACCESS)}"), "stands in ConfigMap settings"),
        (holds("settings", "refresh-token-private-key", "other"), "as the private keys are called"),
        (holds(holders=(API, "Job report container report")), "the private keys are in 2 workloads"),
        ({**holds(), "jwt": JwtKeys(signers=("auth",))}, "Deployment api has a private key, and is not among"),
    ],
)
def test_keys_where_they_need_not_be(more: dict[str, Any], said: str) -> None:
    verdict = says(facts(**more))
    assert (verdict.state, said in verdict.summary) == ("fail", True), verdict.summary
    assert ACCESS.splitlines()[3] not in json.dumps([one.observed for one in verdict.evidence])


@pytest.mark.parametrize(
    "more",
    [
        holds("settings", "public.pem", generate.public_pem(RSA).decode()),
        holds("settings", "LOG_LEVEL", "info"),
        holds(holders=(API, "Deployment api container sidecar")),
        {**holds(holders=(API, "Job mint container mint")), "jwt": JwtKeys(signers=("Deployment/api", "mint"))},
    ],
)
def test_what_is_no_fault(more: dict[str, Any]) -> None:
    assert says(facts(**more)).state == "pass"


@pytest.mark.parametrize(
    ("more", "state", "said"),
    [
        ({"token": None}, "pending", "bytebot_login"),
        ({"released": False}, "pending", "Deploy the release first"),
        ({"key_uses": KeyUses(unseen="Not permitted to list ConfigMap.")}, "pending", "Grant list"),
        ({"token": Token(problem="the login answers HTTP 503.")}, "inconclusive", "Look at the login"),
    ],
)
def test_what_is_not_known_is_no_pass(more: dict[str, Any], state: str, said: str) -> None:
    verdict = says(facts(**more))
    assert (verdict.state, said in verdict.remedy) == (state, True)


def test_what_is_red_is_red_whatever_is_not_known() -> None:
    assert says(facts(keys(RSA, SMALL), token=None, released=False, key_uses=None)).state == "fail"


def test_a_shared_text_is_weaker_and_judged_by_its_use() -> None:
    text = b64encode(os.urandom(64))
    wanted = JwtKeys(NAME, shared="jwt-secret")
    good = facts({"jwt-secret": text}, jwt=wanted, token=Token(signed(text, "HS256")))
    assert says(good).state == "pass"
    assert says(good).weaker[0].startswith("one shared text signs tokens")
    assert says(replace(good, token=Token(signed(b"another", "HS256")))).state == "fail"
    assert says(replace(good, token=Token(signed(RSA)))).state == "fail"
    assert says(replace(good, key_uses=KeyUses((API,), (("c", "k", text.decode()),)))).state == "fail"


def test_the_body_of_a_key_is_the_same_however_it_is_wrapped() -> None:
    pem = ACCESS.encode()
    assert secrets_jwt.body(pem) == secrets_jwt.body(pem.replace(b"\n", b"\\n")) == secrets_jwt.body(pem + b"\n\n")
    assert "-----" not in secrets_jwt.body(pem)


# ---------------------------------------------------------------------- who has them


class Kubernetes:
    def __init__(self, *objects: dict[str, Any], forbidden: str = "") -> None:
        self.objects, self.forbidden = objects, forbidden

    def list(self, _api: str, kind: str, _namespace: str) -> list[dict[str, Any]]:
        if kind == self.forbidden:
            raise NotPermitted(f"Not permitted to list {kind}.")
        return [one for one in self.objects if one["kind"] == kind]


def workload(container: dict[str, Any], volumes: Any = (), kind: str = "Deployment") -> dict[str, Any]:
    spec = {"containers": [{"name": "api", **container}, {"name": "beside"}], "volumes": list(volumes)}
    meta = {"name": "api", "namespace": "shop"}
    if kind == "Pod":
        return {"kind": kind, "metadata": meta, "spec": spec, "status": {"phase": "Running"}}
    return {"kind": kind, "metadata": meta, "spec": {"template": {"spec": spec}}}


MOUNT = {"volumeMounts": [{"name": "keys", "mountPath": "/keys"}]}
PUBLIC = [{"key": "access-token-public-key", "path": "p"}]
PRIVATE = [{"key": "access-token-private-key", "path": "p"}]


def volume(items: Any = None, *, projected: bool = False, name: str = NAME) -> list[dict[str, Any]]:
    told = {"items": items} if items else {}
    if projected:
        return [{"name": "keys", "projected": {"sources": [{"secret": {"name": name, **told}}]}}]
    return [{"name": "keys", "secret": {"secretName": name, **told}}]


def variable(key: str) -> dict[str, Any]:
    return {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": NAME, "key": key}}}]}


@pytest.mark.parametrize(
    ("obj", "has"),
    [
        (workload(MOUNT, volume()), True),
        (workload(MOUNT, volume(PRIVATE)), True),
        (workload(MOUNT, volume(PRIVATE, projected=True)), True),
        (workload(MOUNT, volume(), kind="Pod"), True),
        (workload(variable("refresh-token-private-key")), True),
        (workload({"envFrom": [{"secretRef": {"name": NAME}}]}), True),
        (workload(MOUNT, volume(PUBLIC)), False),
        (workload(MOUNT, volume(PUBLIC, projected=True)), False),
        (workload(MOUNT, volume(name="other")), False),
        (workload({}, volume()), False),
        (workload(variable("access-token-public-key")), False),
        (workload({"envFrom": [{"configMapRef": {"name": NAME}}]}), False),
    ],
)
def test_who_has_a_private_key(obj: dict[str, Any], has: bool) -> None:
    found = uses_of(Kubernetes(obj), "shop", JwtKeys())  # type: ignore[arg-type]
    assert found.holders == ((f"{obj['kind']} api container api",) if has else ())
    assert found.unseen == ""


def test_config_maps_are_read_and_what_may_not_be_listed_is_told() -> None:
    one = {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    assert uses_of(Kubernetes(one), "shop", JwtKeys()).config_maps == (("settings", "a", "b"),)  # type: ignore[arg-type]
    denied = uses_of(Kubernetes(one, forbidden="ConfigMap"), "shop", JwtKeys())  # type: ignore[arg-type]
    assert (denied.config_maps, denied.unseen) == ((), "Not permitted to list ConfigMap.")
