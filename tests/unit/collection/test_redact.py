# No secret survives in any form, and ordinary texts about Kubernetes stay readable.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import State
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor, Word

CANARY = "k4nary/+ \"quoted\" & 'odd'=Ünd\ttab"
PEM_LINES = [f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{number}+/abcdefghijklmno" for number in range(5)]
PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(PEM_LINES) + "\n-----END PRIVATE KEY-----\n"


def knowing(*values: str | bytes) -> Redactor:
    redactor = Redactor()
    for value in values:
        redactor.learn(value)
    return redactor


# ---------------------------------------------------------------------- learned values

FORMS = {
    "raw": CANARY,
    "base64": base64.b64encode(CANARY.encode()).decode(),
    "base64 for URLs, no padding": base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("="),
    "quoted for a URL": quote(CANARY, safe=""),
    "quoted for a path": quote(CANARY),
    "quoted for a form": quote_plus(CANARY),
    "JSON": json.dumps(CANARY),
    "JSON with its letters": json.dumps(CANARY, ensure_ascii=False),
    "YAML in single quotes": "'" + CANARY.replace("'", "''") + "'",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_value_is_masked_in_every_form(form: str) -> None:
    masked = knowing(CANARY).text(f"before {form} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "k4nary" not in masked
    assert form.strip("\"'")[:12] not in masked


def test_padding_of_base64_may_be_there_or_not() -> None:
    encoded = base64.b64encode(b"seven77").decode()
    assert knowing("seven77").text(encoded.rstrip("=")) == MASK


def test_a_pem_is_masked_line_by_line_and_quoted() -> None:
    redactor = knowing(PEM)
    for line in PEM_LINES:
        assert line not in redactor.text(f"a log: {line} goes on")
    for whole in (PEM, quote(PEM, safe=""), json.dumps(PEM), base64.b64encode(PEM.encode()).decode()):
        assert "MIIEvQ" not in redactor.text(whole)
    assert redactor.text("-----BEGIN CERTIFICATE-----") == "-----BEGIN CERTIFICATE-----"


def test_short_lines_of_a_value_are_masked_however_it_is_indented() -> None:
    redactor = knowing("user one\npass two\n")
    assert "pass two" not in redactor.text("data:\n    user one\n    pass two\n")
    assert redactor.text("a user one day") == "a user one day"


def test_a_long_value_is_masked_where_yaml_folds_it() -> None:
    phrase = " ".join(f"word{number}" for number in range(40))
    assert "word7" not in knowing(phrase).text(yaml.safe_dump({"motto": phrase}, width=60))


def test_learned_with_its_newline_and_met_without() -> None:
    assert "hunter22" not in knowing("hunter22\n").text("it was hunter22.")
    assert "hunter22" not in knowing(b"hunter22\n").text("it was hunter22.")


def test_values_are_masked_in_plain_data_and_in_its_keys() -> None:
    given_data = {"hunter22": ["hunter22", ("hunter22", {"deep": b"raw hunter22"})], "set": {"hunter22"}, "n": 1}
    masked = knowing("hunter22").data(given_data)
    assert "hunter22" not in repr(masked)
    assert masked["n"] == 1


def test_equal_sets_give_equal_lists() -> None:
    assert Redactor().data({"b", "a", "c"}) == ["a", "b", "c"]


def test_a_value_that_begins_another_leaves_no_rest_of_it() -> None:
    assert knowing("hunter", "hunter22-and-more").text("hunter22-and-more") == MASK


def test_the_shortest_that_is_masked() -> None:
    assert knowing("abcd").text("abcd") == MASK
    assert knowing("public line\n0123456789abcdef\n").text("> 0123456789abcdef <") == f"> {MASK} <"
    assert Redactor().text("password=abcd") == f"password={MASK}"
    assert Redactor().data({"password": "abcd"}) == {"password": MASK}


def test_short_and_empty_values_are_not_learned() -> None:
    redactor = knowing("", "abc", "   a  ", "****", "************")
    redactor.learn(None)
    assert redactor.text("abc a **** end") == "abc a **** end"


def test_words_of_the_collection_are_no_secret_whatever_a_secret_is() -> None:
    """A password `fail` must not turn a red control into an unknown one."""
    redactor = knowing("fail", "deployment", "pass")
    masked = redactor.data({"control": Word("deployment.health.pods"), "state": State.FAIL, "summary": "fail"})
    assert masked == {"control": "deployment.health.pods", "state": "fail", "summary": MASK}


def leaves(data: Any) -> list[str]:
    """All texts in plain data, its keys too."""
    if isinstance(data, dict):
        return [leaf for key, item in data.items() for leaf in (key, *leaves(item))]
    return [leaf for item in data for leaf in leaves(item)] if isinstance(data, list) else [data]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=40)
LEARNABLE = TEXTS.filter(lambda text: len(text.strip()) >= 4 and text.strip().strip("*"))


@settings(deadline=None, max_examples=150)
@given(secrets=st.lists(LEARNABLE, min_size=1, max_size=4), around=st.lists(TEXTS, min_size=2, max_size=5))
@example(secrets=["a********x", "hunter22"], around=["a", "x"])  # masking the one makes the other
def test_no_learned_value_survives(secrets: list[str], around: list[str]) -> None:
    redactor = knowing(*secrets)
    text = "".join(f"{here}{secrets[number % len(secrets)]}" for number, here in enumerate(around))
    masked = redactor.text(text)
    data = redactor.data({text: [text, {"k": text}]})
    for secret in secrets:
        assert secret not in masked
        assert not [leaf for leaf in leaves(data) if secret in leaf]
    assert redactor.text(masked) == masked
    assert redactor.data(data) == data


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "password",
                "token",
                ": ",
                "=",
                '"',
                "'",
                "\n",
                " ",
                ",",
                "{",
                "}",
                "****",
                MASK,
                "abcd",
                "name: ",
                "value: ",
            ]
        ),
        max_size=14,
    ).map("".join)
)
def test_masking_twice_is_masking_once(text: str) -> None:
    once = Redactor().text(text)
    assert Redactor().text(once) == once


# ---------------------------------------------------------------------- texts that look like secrets

LEAKS = {
    "YAML": "password: Xy7secret",
    "environment": "DB_PASSWORD=Xy7secret",
    "environment, a cloud's": "AWS_SECRET_ACCESS_KEY=Xy7secret",
    "INI": "password = Xy7secret",
    "JSON": '{"password":"Xy7secret","user":"u"}',
    "JSON, wide": '{"password" : "Xy7secret"}',
    "JSON, blanks in it": '{"apiKey": "one Xy7secret two"}',
    "JSON, cut off": '{"token": "Xy7secret',
    "JSON in JSON": r'"{\"password\":\"Xy7secret\"}"',
    "Python": "{'passwd': 'Xy7secret'}",
    "a comma inside": "password: abcd,Xy7secret",
    "a semicolon inside": "password=abcd;Xy7secret",
    "half masked": "token=****Xy7secret",
    "begins as null": "secret: null-Xy7secret",
    "block of YAML": "data:\n  password: |\n    first line\n    Xy7secret\n  other: 1\n",
    "variable of a container": "env:\n- name: DB_PASSWORD\n  value: one Xy7secret\n",
    "variable of a container, JSON": '{"name":"API_TOKEN","value":"Xy7secret"}',
    "URL": "postgres://bytebot:Xy7secret@db:5432/x",
    "URL, @ in the password": "postgres://bytebot:p@Xy7secret@db/x",
    "URL, / in the password": "postgres://bytebot:p/Xy7secret@db/x",
    "URL, no user": "redis://:Xy7secret@cache:6379",
    "header": "Authorization: Basic Xy7secret",
    "header, bearer": "authorization: bearer Xy7secret",
    "bearer alone": "sent Bearer Xy7secretXy7secret to it",
    "cookie": "Set-Cookie: sid=Xy7secret; Path=/",
    "JSON Web Token": "got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJYeTdzZWNyZXQifQ.Xy7secret",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nXy7secret\n-----END RSA PRIVATE KEY-----",
    "private key, cut off": "-----BEGIN PRIVATE KEY-----\nXy7secret",
    "PGP key": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nXy7secret\n-----END PGP PRIVATE KEY BLOCK-----",
    "API key": "sk-ant-Xy7secretXy7secret",
    "two in a line": "token: abcdef, password: Xy7secret",
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    masked = Redactor().text(text)
    assert "Xy7secret" not in masked
    assert MASK in masked


ORDINARY = [
    "token expired",
    "the token has expired: get new credentials",
    "passwords: 12 characters at least",
    "secretName: bytebot-tls-secret",
    "secretKeyRef:\n  key: password\n  name: bytebot-db-secret\n",
    "valueFrom: {secretKeyRef: {key: password, name: bytebot-db-secret}}",
    "imagePullSecrets:\n- name: regcred\n",
    "imagePullSecret: regcred",
    "existingSecret: bytebot-db-secret",
    "volumes:\n- name: tls\n  secret:\n    secretName: bytebot-tls-secret\n",
    "secret: {secretName: bytebot-jwt-secret, defaultMode: 0440}",
    '{"secret":{"defaultMode":420,"secretName":"bytebot-tls-secret"}}',
    "{'secret': {'secretName': 'bytebot-tls-secret'}}",
    "- serviceAccountToken:\n    expirationSeconds: 3607\n    path: token\n",
    "automountServiceAccountToken: false",
    "kind: TokenReview",
    "tokenReview: authentication.k8s.io/v1",
    'secrets "bytebot-db-secret" is forbidden: User "ci" cannot get resource "secrets"',
    'MountVolume.SetUp failed for volume "db-secret" : secret "bytebot-db-secret" not found',
    'MountVolume.SetUp failed for volume "tls-secret" : references non-existent secret key: tls.key',
    "couldn't find key password in Secret bytebot-production/bytebot-db-secret",
    "Secret bytebot-production/bytebot-db-secret: admission refuses it",
    "Secret bytebot-production/bytebot-db-secret cannot be applied: it is immutable",
    "password: {{ .Values.database.password }}",
    "Bearer authentication required",
    'WWW-Authenticate: Bearer realm="registry"',
    "https://registry.example.com:5000/v2/app@sha256:0123456789abcdef",
    "http://npm.example.com:4873/@scope/package",
    "https://api.bytebot.com/health/ready",
    "name: DB_PASSWORD\nvalueFrom:\n  secretKeyRef: {}\n",
    '{"password":null,"token":""}',
    "password: '******** (changed)'",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_stay_readable(text: str) -> None:
    assert Redactor().text(text) == text


def test_only_the_secret_is_taken_out_of_a_text() -> None:
    text = "host: db\npassword: hunter22\nuser: bytebot\n"
    assert Redactor().text(text) == f"host: db\npassword: {MASK}\nuser: bytebot\n"
    assert Redactor().text('{"password":"hunter22","user":"u"}') == f'{{"password":"{MASK}","user":"u"}}'
    assert Redactor().text("postgres://u:hunter22@db/x") == f"postgres://u:{MASK}@db/x"


def test_fields_of_plain_data_are_masked_by_their_key() -> None:
    masked = Redactor().data(
        {
            "password": "hunter22",
            "Authorization": "Basic dXNlcjpwYXNz",
            "clientSecret": "hunter22",
            "env": [{"name": "API_TOKEN", "value": "hunter22"}, {"name": "LOG_LEVEL", "value": "info"}],
            "secret": {"secretName": "bytebot-tls-secret"},
            "existingSecret": "bytebot-db-secret",
            "token": None,
            "access_key": "none",
        }
    )
    assert "hunter22" not in repr(masked)
    assert "dXNlcjpwYXNz" not in repr(masked)
    assert masked["env"][1] == {"name": "LOG_LEVEL", "value": "info"}
    assert masked["secret"] == {"secretName": "bytebot-tls-secret"}
    assert (masked["existingSecret"], masked["token"], masked["access_key"]) == ("bytebot-db-secret", None, "none")


def test_values_of_a_chart_are_learned_where_their_keys_say_so() -> None:
    redactor = Redactor()
    redactor.learn_marked(
        {
            "db": {"password": "hunter22", "host": "postgres"},
            "tokens": [1],
            "api": [{"token": "t0k3n"}],
            "pin": {"secret": 4711},
        }
    )
    text = redactor.text("'hunter22' does not match, nor t0k3n nor 4711 at postgres")
    assert text == f"'{MASK}' does not match, nor {MASK} nor {MASK} at postgres"


# ---------------------------------------------------------------------- the frame of every module


class Exit(Exception):
    pass


class FakeModule:
    def __init__(self, **params: Any) -> None:
        self.params: dict[str, Any] = params
        self.said: dict[str, Any] = {}

    def exit_json(self, **outcome: Any) -> None:
        self.said = outcome
        raise Exit

    def fail_json(self, **outcome: Any) -> None:
        self.said = {"failed": True, **outcome}
        raise Exit


def frame(work: Any, **params: Any) -> FakeModule:
    module = FakeModule(**params)
    with pytest.raises(Exit):
        run_module(module, work)  # type: ignore[arg-type]
    return module


def test_a_result_and_the_repeated_parameters_are_redacted() -> None:
    def work(_module: Any, redactor: Redactor) -> dict[str, Any]:
        redactor.learn("hunter22")
        return {"msg": "it is hunter22"}

    module = frame(work, values={"greeting": "hunter22", "db": {"password": "s3cr3t"}}, name="bytebot")
    assert module.said == {"msg": f"it is {MASK}"}
    assert module.params == {"values": {"greeting": MASK, "db": {"password": MASK}}, "name": "bytebot"}


@pytest.mark.parametrize("error", [InputError("bad hunter22", seen=["hunter22"]), RuntimeError("bad hunter22")])
def test_an_error_is_one_redacted_sentence(error: Exception) -> None:
    def work(_module: Any, redactor: Redactor) -> dict[str, Any]:
        redactor.learn("hunter22")
        raise error

    module = frame(work, values={"x": "hunter22"})
    assert module.said["failed"] is True
    assert f"bad {MASK}" in module.said["msg"]
    assert "hunter22" not in repr(SimpleNamespace(**vars(module)))
