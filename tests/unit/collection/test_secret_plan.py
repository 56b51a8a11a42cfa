# What is kept, made, refused: tables over the plan, and properties of what is generated.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.made import KeyPair
from ansible_collections.bytebot.production.plugins.module_utils.secret.plan import Plan, plan, stamps
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec, parse

EC_A, EC_B = (generate.new_private_key("ec", 0, "secp256r1") for _ in range(2))
ED = generate.new_private_key("ed25519", 0, "")
RSA = generate.new_private_key("rsa", 2048, "")
RSA_WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
GOOD = generate.random_text(32, "base64").encode()


def pem(key: object) -> bytes:
    return generate.private_pem(key)


def public(key: object) -> bytes:
    return generate.public_pem(key)


def spec(**options: object) -> Spec:
    base = {"namespace": "trial", "name": "app", "type": "Opaque", "state": "present"}
    return parse({**base, **options})


def pair(private: str = "private", public_key: str = "public", **options: object) -> dict[str, object]:
    return {"algorithm": "ec", "private_key": private, "public_key": public_key, **options}


def actions(done: Plan) -> dict[str, str]:
    return {step.key: str(step.action) for step in done.steps}


# ---------------------------------------------------------------------- random values


@given(
    st.integers(generate.LEAST_BYTES, 128),
    st.sampled_from(generate.ENCODINGS),
)
@settings(max_examples=80)
def test_random_text_has_its_length_carries_its_entropy_and_passes_its_own_check(count: int, encoding: str) -> None:
    text = generate.random_text(count, encoding)
    expected, alphabet = {
        "base64": (4 * math.ceil(count / 3), 64),
        "base64url": (math.ceil(count * 8 / 6), 64),
        "hex": (2 * count, 16),
        "alphanumeric": (math.ceil(count * 8 / math.log2(62)), 62),
    }[encoding]
    assert len(text) == expected
    assert len(text.rstrip("=")) * math.log2(alphabet) >= count * 8
    assert generate.text_flaw(text.encode(), count, encoding) == ""
    assert text != generate.random_text(count, encoding)


@given(st.integers(22, 200))
@settings(max_examples=30)
def test_alphanumeric_text_has_the_length_asked_for(length: int) -> None:
    text = generate.random_text(32, "alphanumeric", length)
    assert len(text) == length
    assert set(text) <= set(generate.ALPHANUMERIC)
    assert generate.text_flaw(text.encode(), 32, "alphanumeric", length) == ""
    assert "weaker" in generate.text_flaw(text[:-1].encode(), 32, "alphanumeric", length)


@given(st.integers(generate.LEAST_BYTES, 64), st.sampled_from(generate.ENCODINGS))
@settings(max_examples=40)
def test_one_byte_less_is_too_weak(count: int, encoding: str) -> None:
    weak = generate.random_text(count, encoding).encode()
    assert "weaker" in generate.text_flaw(weak, count + 1, encoding)


@pytest.mark.parametrize("encoding", generate.ENCODINGS)
def test_random_text_uses_its_whole_alphabet(encoding: str) -> None:
    seen = set("".join(generate.random_text(64, encoding) for _ in range(60)).replace("=", ""))
    assert len(seen) == {"hex": 16, "alphanumeric": 62}.get(encoding, 64)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"$(openssl rand -base64 32)", "never run"),
        (b"$(openssl rand -base64 32)\n", "never run"),
        (b"{{ password }}", "never run"),
        (b"<YOUR_PASSWORD>", "never run"),
        (GOOD + b"\n", "is not base64 text"),
        (b"changeme", "is weaker than 32 random bytes"),
        (b"YWFh" * 16, "is weaker than 32 random bytes"),
        (b"p@ssw0rd!", "is not base64 text"),
        (b"\xff\xfe" * 40, "is not base64 text"),
    ],
)
def test_random_values_that_are_not_kept(value: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(spec(data={"password": {"random": {}}}), {"password": value}, {})
    assert caught.value.sentence.startswith("Key password of Secret trial/app ")
    assert reason in caught.value.sentence
    assert "name password in replace" in caught.value.sentence
    if value.strip():
        assert value.decode("utf-8", "replace").strip() not in caught.value.sentence


def test_a_good_value_is_kept_and_a_replaced_one_is_made() -> None:
    wanted = {"data": {"password": {"random": {}}}}
    kept = plan(spec(**wanted), {"password": GOOD}, {})
    assert (actions(kept), kept.complete()) == ({"password": "kept"}, {"password": GOOD})
    replaced = plan(spec(**wanted, replace=["password"]), {"password": GOOD}, {})
    assert actions(replaced) == {"password": "made"}
    assert replaced.complete()["password"] not in (GOOD, b"")


# ---------------------------------------------------------------------- key pairs


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"algorithm": "rsa", "bits": 2048}, "RSAPrivateKey"),
        ({"algorithm": "ec", "curve": "secp384r1"}, "ECPrivateKey"),
        ({"algorithm": "ed25519"}, "Ed25519PrivateKey"),
    ],
)
def test_pairs_match_differ_and_are_kept(options: dict[str, object], kind: str) -> None:
    wanted = spec(key_pairs=[pair("a", "a-pub", **options), pair("b", "b-pub", **options)])
    first = plan(wanted, {}, {})
    values = first.complete()
    assert actions(first) == dict.fromkeys(("a", "a-pub", "b", "b-pub"), "made")
    for name in ("a", "b"):
        loaded = serialization.load_pem_private_key(values[name], None)
        assert kind in type(loaded).__name__
        assert values[name].startswith(b"-----BEGIN PRIVATE KEY-----")  # PKCS#8
        assert values[f"{name}-pub"].startswith(b"-----BEGIN PUBLIC KEY-----")  # SubjectPublicKeyInfo
        again = serialization.load_pem_public_key(values[f"{name}-pub"])
        assert (
            again.public_bytes_raw() == loaded.public_key().public_bytes_raw()
            if kind.startswith("Ed")
            else (again.public_numbers() == loaded.public_key().public_numbers())
        )
    assert values["a"] != values["b"]
    second = plan(wanted, values, {})
    assert set(actions(second).values()) == {"kept"}
    assert second.complete() == values


def test_a_missing_public_key_is_made_from_its_private_key() -> None:
    done = plan(spec(key_pairs=[pair()]), {"private": pem(EC_A)}, {})
    assert actions(done) == {"private": "kept", "public": "made"}
    assert done.complete() == {"private": pem(EC_A), "public": public(EC_A)}


def test_keys_in_older_forms_are_kept() -> None:
    old_private = RSA.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    old_public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    live = {"private": old_private, "public": old_public}
    done = plan(spec(key_pairs=[pair(algorithm="rsa", bits=2048)]), live, {})
    assert (set(actions(done).values()), done.complete()) == ({"kept"}, live)


ENCRYPTED = EC_A.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
)


@pytest.mark.parametrize(
    ("live", "options", "key", "reason"),
    [
        ({"private": pem(EC_A), "public": public(EC_B)}, {}, "public", "does not match its private key private"),
        ({"private": pem(EC_A), "public": b"rubbish"}, {}, "public", "does not match"),
        ({"private": pem(EC_A), "public": b"$(openssl ec -pubout)"}, {}, "public", "never run"),
        ({"private": public(EC_A), "public": pem(EC_A)}, {}, "private", "is not a private key"),
        ({"private": b"$(openssl genrsa 2048)"}, {}, "private", "never run"),
        ({"private": b"", "public": public(EC_A)}, {}, "private", "is empty"),
        ({"private": ENCRYPTED}, {}, "private", "is not a private key in PEM without password"),
        ({"public": public(EC_A)}, {}, "public", "whose private key private is missing"),
        ({"private": pem(ED)}, {}, "private", "is not a key of algorithm ec"),
        ({"private": pem(EC_A)}, {"curve": "secp521r1"}, "private", "secp256r1 where secp521r1"),
        ({"private": pem(RSA_WEAK)}, {"algorithm": "rsa", "bits": 2048}, "private", "1024 bits where 2048"),
        ({"private": pem(RSA)}, {"algorithm": "rsa"}, "private", "2048 bits where 3072"),
    ],
)
def test_keys_that_are_not_kept(live: dict[str, bytes], options: dict[str, object], key: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(spec(key_pairs=[pair(**options)]), live, {})
    sentence = caught.value.sentence
    assert sentence.startswith(f"Key {key} of Secret trial/app ")
    assert reason in sentence
    assert "in replace" in sentence
    assert "BEGIN" not in sentence


@pytest.mark.parametrize("live", [{"private": pem(EC_A), "public": public(EC_B)}, {"public": public(EC_B)}])
def test_replacing_the_private_key_makes_a_new_pair(live: dict[str, bytes]) -> None:
    done = plan(spec(key_pairs=[pair()], replace=["private"]), live, {})
    values = done.complete()
    assert actions(done) == {"private": "made", "public": "made"}
    assert generate.matches(generate.load_private(values["private"]), values["public"])
    assert values["private"] != pem(EC_A)


def test_replacing_the_public_key_alone_repairs_it() -> None:
    live = {"private": pem(EC_A), "public": public(EC_B)}
    done = plan(spec(key_pairs=[pair()], replace=["public"]), live, {})
    assert actions(done) == {"private": "kept", "public": "made"}
    assert done.complete() == {"private": pem(EC_A), "public": public(EC_A)}


@pytest.mark.parametrize(
    ("options", "live", "keys"),
    [
        (
            {"key_pairs": [pair("a", "a-pub"), pair("b", "b-pub")]},
            {"a": pem(EC_A), "a-pub": public(EC_A), "b": pem(EC_A), "b-pub": public(EC_A)},
            "a and b",
        ),
        ({"data": {"x": {"random": {}}, "y": {"random": {}}}}, {"x": GOOD, "y": GOOD}, "x and y"),
    ],
)
def test_one_secret_under_two_keys_is_refused(options: dict[str, object], live: dict[str, bytes], keys: str) -> None:
    with pytest.raises(Refused, match=f"Keys {keys} of Secret trial/app hold the same secret"):
        plan(spec(**options), live, {})
    second = keys.rsplit(" ", maxsplit=1)[-1]
    assert actions(plan(spec(**options, replace=[second]), live, {}))[second] == "made"


# ---------------------------------------------------------------------- given values, keys that are not listed


@pytest.mark.parametrize(
    ("live", "action"),
    [({}, "made"), ({"host": b"db"}, "kept"), ({"host": b"old"}, "updated"), ({"host": b""}, "updated")],
)
def test_given_values_are_compared(live: dict[str, bytes], action: str) -> None:
    done = plan(spec(data={"host": {"value": "db"}}), live, {"host": b"db"})
    assert actions(done) == {"host": action}
    assert done.complete() == {"host": b"db"}


def test_a_command_that_nobody_ran_is_not_written() -> None:
    with pytest.raises(InputError, match="key password of Secret trial/app is the literal text of a command") as caught:
        plan(spec(data={"password": {"value": "x"}}), {}, {"password": b"$(openssl rand -base64 32)"})
    assert "openssl" not in caught.value.sentence


def test_unlisted_keys_stay_unless_pruned() -> None:
    live = {"host": b"db", "other": b"x"}
    wanted = {"data": {"host": {"value": "db"}}}
    assert actions(plan(spec(**wanted), live, {"host": b"db"})) == {"host": "kept"}
    pruned = plan(spec(**wanted, prune=True), live, {"host": b"db"})
    assert (actions(pruned), pruned.removed) == ({"host": "kept", "other": "removed"}, ("other",))


# ---------------------------------------------------------------------- when a key was made


def test_times_follow_what_happened() -> None:
    done = plan(
        spec(data={"host": {"value": "db"}, "password": {"random": {}}, "found": {"random": {}}}),
        {"host": b"old", "password": GOOD, "found": generate.random_text(32, "base64").encode()},
        {"host": b"db"},
    )
    recorded = json.dumps({"host": "T0", "password": "T0", "gone": "T0"})
    times = json.loads(stamps(recorded, done.steps, done.complete(), "T1"))
    assert times == {"host": "T1", "password": "T0"}  # of "found" no time is known, and none is made up


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", "7"])
def test_a_broken_record_is_begun_anew(broken: str) -> None:
    done = plan(spec(data={"host": {"value": "db"}}), {}, {"host": b"db"})
    assert json.loads(stamps(broken, done.steps, ["host"], "T1")) == {"host": "T1"}


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "nothing to keep"),
        ({"data": {"a": "CANARY"}}, "data.a names no source; give one of value, file"),
        ({"data": {"a": {}}}, "data.a names no source"),
        ({"data": {"a": {"value": "CANARY", "file": "/x"}}}, "data.a names value and file"),
        ({"data": {"a": {"value": "CANARY", "length": 3}}}, "data.a has no option length; it takes value"),
        ({"data": {"a": {"value": True}}}, "data.a.value is not a text"),
        ({"data": {"a": {"value": ["CANARY"]}}}, "data.a.value is not a text"),
        ({"data": {"a": {"file": ""}}}, "data.a.file is not a text, or it is empty"),
        ({"data": {"a": {"file": "/x", "strip_newline": "maybe"}}}, "strip_newline is neither true nor false"),
        ({"data": {"a": {"secret": {"name": "x", "key": "y"}}}}, "data.a.secret lacks namespace"),
        ({"data": {"a": {"secret": "x"}}}, "data.a.secret does not hold options (key, name, namespace)"),
        ({"data": {"a": {"random": {"bytes": 15}}}}, "data.a.random.bytes is not a number from 16 to 4096"),
        ({"data": {"a": {"random": {"bytes": True}}}}, "data.a.random.bytes is not a number"),
        (
            {"data": {"a": {"random": {"encoding": "rot13"}}}},
            "encoding is none of base64, base64url, hex, alphanumeric",
        ),
        ({"data": {"a": {"random": {"length": 30}}}}, "length counts characters of alphanumeric text; give bytes"),
        ({"data": {"a": {"random": {"encoding": "alphanumeric", "length": 21}}}}, "length is not a number from 22"),
        (
            {"data": {"a": {"random": {"encoding": "alphanumeric", "length": 30, "bytes": 32}}}},
            "has both bytes and length",
        ),
        ({"data": {"a b": {"value": "x"}}}, "'a b' cannot be a key"),
        ({"data": {"private": {"value": "x"}}, "key_pairs": [pair()]}, "private is given twice"),
        ({"key_pairs": [pair("same", "same")]}, "same is given twice"),
        ({"key_pairs": [pair(bits=2048)]}, "key_pairs[0].bits is for algorithm rsa only"),
        ({"key_pairs": [pair(algorithm="ed25519", curve="secp256r1")]}, "curve is for algorithm ec only"),
        ({"data": {"a": {"value": "x"}}, "replace": ["a"]}, "replace names a, which is not generated here"),
        ({"data": {"a": {"random": {}}}, "replace": ["b"]}, "Generated are: a."),
        ({"data": {"a": {"random": {}}}, "labels": {"helm.sh/chart": "x"}}, "labels cannot hold helm.sh/chart"),
        ({"data": {"a": {"random": {}}}, "labels": {"app.kubernetes.io/managed-by": "Helm"}}, "who manages the Secret"),
    ],
)
def test_options_that_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(CollectionError) as caught:
        spec(**options)
    assert isinstance(caught.value, InputError)
    assert sentence in caught.value.sentence
    assert "CANARY" not in caught.value.sentence


def test_defaults_of_sources() -> None:
    parsed = spec(data={"a": {"random": None}, "n": {"value": 5432}}, key_pairs=[pair(algorithm="rsa")])
    assert [(made.word, made.keys) for made in parsed.made] == [("random", ("a",)), ("key_pair", ("private", "public"))]
    assert len(plan(spec(data={"a": {"random": None}}), {}, {}).complete()["a"]) == 44
    assert parsed.made[1] == KeyPair("private", "public", "rsa", 3072)
    assert parsed.given[0].read("", None) == b"5432"
