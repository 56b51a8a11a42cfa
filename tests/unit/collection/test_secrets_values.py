# Single values of Secrets: every trap is seen, and no good secret, whatever it is made of, is called bad.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_strength as strength
from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_values as values
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate

GOOD = b64encode(secrets.token_bytes(32)).decode()
PEM = generate.private_pem(generate.new_private_key("ec", 0, "secp256r1"))


@settings(max_examples=500)
@given(some.randoms(use_true_random=True), some.integers(32, 64))
def test_no_random_secret_is_called_bad(chance: object, count: int) -> None:
    raw = bytes(chance.getrandbits(8) for _index in range(count))  # type: ignore[attr-defined]
    for text in (b64encode(raw).decode(), urlsafe_b64encode(raw).decode().rstrip("="), raw.hex()):
        assert strength.flaws("password", text, 256, 32) == []
        assert values.encoding_flaws("password", text.encode()) == []
    letters = "".join(chance.choice(generate.ALPHANUMERIC) for _index in range(43))  # type: ignore[attr-defined]
    assert strength.flaws("password", letters, 256, 32) == []


@pytest.mark.parametrize("begin", ["tbd+", "TBD/", "tbd-", "ToDo+", "todo-", "xXxX", "fixme/"])
def test_a_random_secret_may_begin_like_a_placeholder(begin: str) -> None:
    assert strength.flaws("password", begin + secrets.token_urlsafe(32), 256, 32) == []


@given(some.binary(max_size=80), some.sampled_from(["password", "tls.crt", "note", "jwt-secret"]))
def test_any_value_is_judged_and_none_is_told(value: bytes, key: str) -> None:
    text = value.decode("utf-8", "replace")
    told = " ".join([*values.encoding_flaws(key, value), *strength.flaws(key, text, 256, 0)])
    if len(text.strip()) > 8 and text.strip() not in ("password",):
        assert text.strip() not in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$(openssl rand -base64 32)", "command that was never run"),
        ("prefix-$(cat file)", "command that was never run"),
        ("{{ .Values.password }}", "left over from a template"),
        ("${DATABASE_PASSWORD}", "left over from a template"),
        ("<PASSWORD>", "left over from a template"),
        ("$DB_PASSWORD", "left over from a template"),
        ("your-jwt-secret-at-least-32-characters-long", "placeholder"),
        ("change-this-in-production", "placeholder"),
        ("REPLACE_WITH_REAL_VALUE", "placeholder"),
        ("changeme", "placeholder"),
        ("TODO", "placeholder"),
        ("todo: set me before go-live", "placeholder"),
        ("tbd-by-the-database-team", "placeholder"),
        ("xxxx-xxxx-xxxx-xxxx", "placeholder"),
        ("xxxxxxxxxxxxxxxx1", "placeholder"),
        ("password", "well-known"),
        ("P@ssw0rd123", "well-known"),
        ("Welcome2024!", "well-known"),
        ("admin", "well-known"),
        ("a" * 64, "bits at most"),
        ("abc" * 30, "bits at most"),
        ("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "bits at most"),
        ("bytebot-production-database-password-2024-super-secret", "bits at most"),
        ("correct horse battery staple", "bits at most"),
        (GOOD[:20], "bits at most"),
        (f"{GOOD}\n", "ends in a line break"),
        (b64encode(GOOD.encode()).decode(), "base64 twice"),
        ("", "is empty"),
        ("  ", "is empty"),
    ],
)
def test_a_weak_secret_is_told_why(text: str, said: str) -> None:
    assert any(said in flaw for flaw in strength.flaws("password", text, 256, 0))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("username", b64encode(b"bytebot_user"), "base64 twice"),
        ("username", b"YWRtaW4=", "base64 twice"),
        ("host", b64encode(b"postgres.database.svc.cluster.local"), "base64 twice"),
        ("key.pem", b64encode(PEM), "base64 twice"),
        ("username", b"bytebot_user\n", "line break"),
        ("password", b"one\r\n", "line break"),
        ("greeting", "grüße".encode("latin-1"), "not UTF-8"),
        ("greeting", "\ufeffhello".encode(), "byte order mark"),
        ("greeting", b"a\x00b", "control characters"),
        ("tls.crt", b"hello", "is no PEM"),
        ("ca.crt", b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n", "no base64"),
        ("ca.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        ("key.pem", PEM.replace(b"\n", b"\\n"), "two characters"),
        ("key.pem", PEM.replace(b"\n", b" "), "line breaks are lost"),
        ("key.pem", PEM[:80], "cut off"),
        ("jwt", PEM[:80], "cut off"),
    ],
)
def test_a_badly_encoded_value_is_told_why(key: str, value: bytes, said: str) -> None:
    assert any(said in flaw for flaw in values.encoding_flaws(key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("username", b"bytebot_user"),
        ("username", b"postgres"),
        ("database", b"bytebot1"),
        ("host", b"postgres.database.svc.cluster.local"),
        ("password", GOOD.encode()),
        ("access-token-private-key", PEM),
        ("config", b"a: 1\nb: 2\n"),
        ("encryption-key", secrets.token_hex(32).encode()),
    ],
)
def test_a_good_value_is_left_alone(key: str, value: bytes) -> None:
    assert values.encoding_flaws(key, value) == []


def test_binary_is_permitted_where_it_is_named() -> None:
    assert values.encoding_flaws("store.p12", b"\xff\x00", binary=True) == []


@pytest.mark.parametrize(
    ("key", "is_secret"),
    [
        ("password", True), ("DATABASE_PASSWORD", True), ("jwt-secret", True), ("ENCRYPTION_KEY", True),
        ("anthropic-api-key", True), ("GITHUB_TOKEN", True), ("username", False), ("host", False), ("tls.crt", False),
        ("access-token-public-key", False), ("database", False),
    ],
)  # fmt: skip
def test_which_keys_hold_secrets(key: str, is_secret: bool) -> None:
    assert strength.is_secret_key(key) is is_secret


def test_a_providers_key_has_the_providers_form() -> None:
    assert strength.flaws("openai-api-key", "sk-" + secrets.token_urlsafe(20), 256, 0) == []
    assert strength.flaws("openai-api-key", "sk-short", 256, 0)
    assert strength.flaws("openai-api-key", "your-openai-api-key", 256, 0)


def test_of_a_url_the_password_counts() -> None:
    assert strength.password_in_url("postgresql://u:p%40ss@h/db") == "p@ss"
    assert strength.password_in_url("no url") is None
