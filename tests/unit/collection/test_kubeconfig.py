# A kubeconfig that cannot be used is told in one sentence, before anything is sent.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError


def kubeconfig(folder: Path, text: str | None = None, **changes: Any) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "hunter22"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        **changes,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config) if text is None else text)
    return str(path)


def refused(folder: Path, path: str, context: str = "") -> str:
    with pytest.raises(InputError) as failed:
        Cluster(Connection(kubeconfig=path, context=context), str(folder))
    assert "hunter22" not in failed.value.sentence
    return failed.value.sentence


def test_a_good_kubeconfig(tmp_path: Path) -> None:
    assert Cluster(Connection(kubeconfig=kubeconfig(tmp_path)), str(tmp_path)).server == "https://127.0.0.1:1"


def test_no_kubeconfig(tmp_path: Path) -> None:
    assert "There is no kubeconfig at" in refused(tmp_path, str(tmp_path / "none"))
    assert "There is no kubeconfig at" in refused(tmp_path, str(tmp_path))


def test_a_wrong_context_names_the_right_ones(tmp_path: Path) -> None:
    assert "has no context there. It has: here." in refused(tmp_path, kubeconfig(tmp_path), "there")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("token: hunter22\n  x: {[", "it is not YAML"),
        ("{[", "it is not YAML"),
        ("hunter22", "it holds no keys and values"),
        ("- hunter22", "it holds no keys and values"),
        ("", "it holds no keys and values"),
        ("apiVersion: v1\n", "is not usable"),
        ("current-context: here\ncontexts: hunter22\n", "is not usable"),
        ("current-context: here\ncontexts: [{name: here}]\n", "is not usable"),
    ],
)
def test_an_unusable_kubeconfig_is_one_sentence_that_repeats_nothing(tmp_path: Path, text: str, words: str) -> None:
    sentence = refused(tmp_path, kubeconfig(tmp_path, text))
    assert words in sentence
    assert "\n" not in sentence


def test_a_kubeconfig_of_odd_bytes(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(b"\xff\xfe\x00")
    assert "is not usable" in refused(tmp_path, str(path))


def test_an_unreadable_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads everything, so the refusal is played."""
    path = kubeconfig(tmp_path)

    def denied(*_args: Any, **_more: Any) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(Path, "read_text", denied)
    assert refused(tmp_path, path) == f"The kubeconfig {path} cannot be read: Permission denied."


def test_a_missing_ca_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no CA certificate at"):
        Cluster(Connection(host="https://127.0.0.1:1", ca_cert=str(tmp_path / "ca.crt")), str(tmp_path))
