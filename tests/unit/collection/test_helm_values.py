# Values as helm takes them: order, standard input, bad files in one sentence, and which of them are secret.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor


def file(folder: Path, text: str | bytes, name: str = "values.yaml") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_files_keep_their_order_and_inline_values_win(tmp_path: Path) -> None:
    one, two = file(tmp_path, "a: 1\n", "z.yaml"), file(tmp_path, "a: 2\n", "a.yaml")
    values = Values.checked([one, two], {"a": 3})
    assert values.arguments() == ["--values", one, "--values", two, "--values", "-"]
    assert json.loads(values.stdin() or "") == {"a": 3}


@pytest.mark.parametrize("inline", [None, {}])
def test_without_inline_values_nothing_is_sent(inline: dict[str, Any] | None) -> None:
    values = Values.checked([], inline)
    assert (values.arguments(), values.stdin()) == ([], None)
    assert values.upgrade_arguments() == ["--reset-values"]  # helm would keep those of the last revision


def test_types_and_nulls_survive_the_way_to_helm() -> None:
    inline = {"null": None, "number": 1, "text": "1", "bool": True, "list": [1, {"a": "ü"}]}
    assert json.loads(Values.checked([], inline).stdin() or "") == inline


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "a: 1\n", "date: 2024-13-45\n", "when: 10:30\n"])
def test_good_files(tmp_path: Path, text: str) -> None:
    assert Values.checked([file(tmp_path, text)], None).files


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n", "holds a list, where keys and values are needed"),
        ("hunter22", "holds a str, where keys"),
        ("a: [1\nb: hunter22 }", "is not YAML: line 2"),
        ("{{ .Values }}", "is not YAML"),
        (b"a: \xff\xfe", "cannot be read: it is not UTF-8 text"),
    ],
)
def test_bad_files_are_one_sentence_that_repeats_nothing(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        Values.checked([file(tmp_path, text)], None)
    assert "hunter22" not in refused.value.sentence


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no values file at"):
        Values.checked([str(tmp_path / "none.yaml")], None)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        Values.checked([str(tmp_path)], None)


def test_secrets_of_files_and_of_inline_values_are_taught(tmp_path: Path) -> None:
    name = file(tmp_path, "db: {password: hunter22, host: postgres}\nexistingSecret: bytebot-db-secret\n")
    redactor = Redactor()
    values = Values.checked([name], {"api": {"token": "t0k3n"}})
    values.teach(redactor)
    text = redactor.text("hunter22 t0k3n postgres bytebot-db-secret")
    assert text == f"{MASK} {MASK} postgres bytebot-db-secret"
    assert "hunter22" not in repr(values)
