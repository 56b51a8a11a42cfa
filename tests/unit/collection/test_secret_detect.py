# Texts that look like secrets, and those that only stand beside them: every form has its row, on both sides.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import secrets
import string
from hashlib import sha256, sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.secret_detect import (
    FORMS,
    form,
    in_text,
    in_words,
    suspect,
)

ALNUM = string.ascii_letters + string.digits


def letters(count: int, alphabet: str = ALNUM) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# Made anew for each run, so that nothing that looks like a token stands in this file.
MADE = {
    "a private key in PEM": "-----BEGIN " + "EC PRIVATE KEY-----\nMHc\n-----END",
    "a JSON Web Token": ".".join((base64url(b'{"alg":"HS256"}'), base64url(b'{"sub":"1234567"}'), letters(43))),
    "an Anthropic API key": "sk-ant-" + "api03-" + letters(40),
    "an OpenAI API key": "sk-" + "proj-" + letters(40),
    "an AWS access key id": "AKIA" + letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "a GitHub token": "ghp_" + letters(36),
    "a GitLab token": "glpat-" + letters(20),
    "a Slack token": "xoxb-" + letters(24, string.digits),
    "a Slack webhook": "https://hooks.slack.com/services/" + "T0000000/B0000000/" + letters(24),
    "a Google API key": "AIza" + letters(35),
    "a Stripe key": "sk_live_" + letters(24),
    "an npm token": "npm_" + letters(36),
    "a PyPI token": "pypi-AgEIcHlwaS5vcmc" + letters(60),
    "a Vault token": "hvs." + letters(24),
    "a SendGrid key": f"SG.{letters(22)}.{letters(43)}",
    "an age secret key": "AGE-SECRET-KEY-1" + letters(58, string.ascii_uppercase + string.digits),
}


def test_every_form_has_its_example() -> None:
    assert list(MADE) == [name for name, _pattern in FORMS]


@pytest.mark.parametrize(("name", "text"), MADE.items(), ids=list(MADE))
def test_a_known_form_is_found_anywhere_and_never_told(name: str, text: str) -> None:
    assert form(f'{{"harmless": "{text}"}}') == name
    why = suspect("ANYTHING", text)
    assert why == f"looks like {name}"
    assert text not in why


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgres://user:hunter2horse@db:5432/shop", True),
        ("redis://:hunter2horse@cache:6379", True),
        ("amqp://user:hunter2horse@mq/%2f", True),
        ("postgres://user@db:5432/shop", False),
        ("postgres://user:$(DB_PASSWORD)@db/shop", False),
        ("postgres://user:${DB_PASSWORD}@db/shop", False),
        ("postgres://user:********@db/shop", False),
        ("https://registry.example:8443/@scope/package", False),
        ("http://host:3000/users/@me", False),
    ],
)
def test_a_password_in_a_url(url: str, found: bool) -> None:
    assert bool(form(url)) is found


RANDOM = base64.b64encode(sha256(b"nobody's secret").digest()).decode()  # one and the same in each run
SUSPECT = [
    ("DB_PASSWORD", "hunter2horse"),
    ("DB_PASSWORD", "changeme"),
    ("dbPassword", "correct-horse"),
    ("password", "12345678"),
    ("ENCRYPTION_KEY", "not so secret phrase"),
    ("API_KEY", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ("SESSION_SECRET", RANDOM),
    ("TOKEN", letters(20)),
    ("SETTING", RANDOM),
    ("PLAIN", base64url(sha512(b"nobody's secret").digest())),
    ("secretKey", RANDOM),
]


@pytest.mark.parametrize(("key", "value"), SUSPECT, ids=[row[0] for row in SUSPECT])
def test_what_looks_like_a_secret(key: str, value: str) -> None:
    why = suspect(key, value)
    assert why
    assert value not in why


HARMLESS = [
    ("DB_PASSWORD", ""),
    ("DB_PASSWORD", "$(DB_PASSWORD_FROM_SECRET)"),
    ("DB_PASSWORD", "${DB_PASSWORD}"),
    ("DB_PASSWORD", "{{ .Values.password }}"),
    ("DB_PASSWORD", "vault:secret/data/db#password"),
    ("DB_PASSWORD", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-x"),
    ("DB_PASSWORD", "********"),
    ("DB_PASSWORD_FILE", "/run/secrets/db"),
    ("PASSWORD", "/run/secrets/db"),
    ("PASSWORD_MIN_LENGTH", "12"),
    ("PASSWORD_POLICY", "strict"),
    ("PASSWORD_HASH", "argon2id"),
    ("password_encryption", "scram-sha-256"),
    ("TOKEN_TTL", "15m"),
    ("TOKEN_TTL", "PT15M"),
    ("TOKEN_ISSUER", "bytebot"),
    ("ACCESS_TOKEN_LIFETIME", "900"),
    ("MAX_TOKENS", "4096"),
    ("MAX_TOKENS", "128000"),
    ("TOKENIZER", "cl100k_base"),
    ("TOKENIZERS_PARALLELISM", "false"),
    ("REQUIRE_PASSWORD", "true"),
    ("existingSecret", "bytebot-db-secret"),
    ("imagePullSecret", "registry-credentials"),
    ("secretName", "bytebot-tls-secret"),
    ("secretKeyRef", "bytebot-jwt-secret"),
    ("passwordKey", "password"),
    ("tokenUrl", "https://login.test/oauth/token"),
    ("SECRET_STORE", "aws-secrets"),
    ("JWT_PUBLIC_KEY", RANDOM),
    ("AUTH_HEADER", "Bearer"),
    ("IMAGE", "registry.test/bytebot/api@sha256:" + "0123456789abcdef" * 4),
    ("GIT_COMMIT", "0123456789abcdef0123456789abcdef01234567"),
    ("REQUEST_ID", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ("SETTING", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ("SETTING", "0123456789abcdef" * 4),
    ("CONFIG_SHA256", RANDOM),
    ("ca", RANDOM),
    ("caBundle", RANDOM),
    ("CLASS", "org.springframework.boot.autoconfigure.SpringBootApplication"),
    ("PATH_LIKE", "usr/local/share/Some/Deep/Path/With/Numbers1"),
    ("SENTENCE", "The quick brown fox jumps over 13 lazy dogs"),
    ("SWITCH", "enable-Feature-One-and-Feature-Two-in-Zone-1"),
    ("HOST", "very-long-host-name-1234567890abcdef.eu-west-1.elb.amazonaws.test"),
    ("LOG_LEVEL", "info"),
]


@pytest.mark.parametrize(("key", "value"), HARMLESS, ids=[f"{key}={value[:24]}" for key, value in HARMLESS])
def test_what_is_no_secret(key: str, value: str) -> None:
    assert suspect(key, value) == ""


def test_a_name_of_an_object_is_no_secret() -> None:
    assert suspect("SIGNING_SECRET", "bytebot-jwt-secret", frozenset({"bytebot-jwt-secret"})) == ""


FILES = [
    ("an environment file", f"HOST=db\nexport DB_PASSWORD={RANDOM}\n", ["app at DB_PASSWORD"]),
    ("YAML", f"db:\n  host: db\n  password: '{RANDOM}'\n", ["app at password"]),
    ("JSON", f'{{\n "host": "db",\n "apiToken": "{RANDOM}",\n "n": 1\n}}\n', ["app at apiToken"]),
    ("properties", "spring.datasource.password = hunter2horse\nspring.x = 1\n", ["app at spring.datasource.password"]),
    ("a token in a comment", f"# {MADE['a GitHub token']}\nx: 1\n", ["app"]),
    ("a comment behind it", "password_encryption = 'scram-sha-256'   # (change requires restart)\nx = 1\n", []),
    ("nothing", "host: db\npassword: ${DB_PASSWORD}\ntoken_ttl: 15m\n", []),
    ("one line of it", f"password={RANDOM}", ["app"]),
    ("a certificate", "-----BEGIN CERTIFICATE-----\n" + RANDOM + "\n-----END CERTIFICATE-----\n", []),
]


@pytest.mark.parametrize(("text", "places"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_files(text: str, places: list[str]) -> None:
    assert [place for place, _why in in_text("app", text)] == places


WORDS = [
    (["serve", "--db-password=hunter2horse"], ["flag db-password"]),
    (["serve", "--db-password", "hunter2horse"], ["flag db-password"]),
    (["serve", "--token-file=/run/secrets/token", "--token-ttl", "15m"], []),
    (["sh", "-c", "exec serve --api-key hunter2horsebattery"], ["word 3"]),
    (["serve", "--password", "--verbose"], []),
    (["serve", "--password=$(DB_PASSWORD)"], []),
    (["curl", "--user", MADE["an AWS access key id"]], ["word 3"]),
    (["curl", "-H", "Authorization: Bearer " + MADE["a JSON Web Token"]], ["word 3"]),
    (["serve", "postgres://user:hunter2horse@db/shop"], ["word 2"]),
]


@pytest.mark.parametrize(("words", "places"), WORDS, ids=[" ".join(row[0])[:14] for row in WORDS])
def test_words_of_a_command(words: list[str], places: list[str]) -> None:
    assert [place for place, _why in in_words(words)] == places


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_the_text_it_is_told_without_any_part_of_it(key: str, value: str) -> None:
    for place, why in in_text(key, value):
        assert len(value.strip()) < 12 or value.strip() not in place + why or value.strip() in key
