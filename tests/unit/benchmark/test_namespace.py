# The namespace is the benchmark's own or it is left alone; the first sign of a missing image is kept.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.cluster import LABEL, FirstSign, Namespace
from tests.benchmark.errors import Broken


def namespace(folder: Path, answers: dict[str, Any]) -> Namespace:
    """A kubectl that notes what it is asked and answers by the verb."""
    for verb, answer in answers.items():
        (folder / verb).write_text(json.dumps(answer))
    kubectl = folder / "kubectl"
    kubectl.write_text(f'#!/bin/sh\ncd {folder}\nshift 3\necho "$@" >>asked\nif [ -f "$1" ]; then cat "$1"; fi\n')
    kubectl.chmod(0o700)
    return Namespace(kubectl, folder / "kubeconfig", "sandbox", "mine")


def verbs(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "asked").read_text().splitlines()]


def found(labels: dict[str, str]) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": "mine", "labels": labels}}]}


def test_it_is_made_and_removed_even_where_the_benchmark_breaks(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="it broke"), namespace(tmp_path, {"get": {"items": []}}).made():
        raise Broken("it broke")
    assert verbs(tmp_path) == ["get", "create", "label", "delete"]


def test_what_an_earlier_run_left_is_removed_first(tmp_path: Path) -> None:
    with namespace(tmp_path, {"get": found({LABEL: "true"})}).made():
        pass
    assert verbs(tmp_path) == ["get", "delete", "create", "label", "delete"]


def test_another_ones_namespace_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="is not the benchmark's"), namespace(tmp_path, {"get": found({"a": "b"})}).made():
        pass
    assert verbs(tmp_path) == ["get"]


@pytest.mark.parametrize(
    ("status", "observed", "version"),
    [
        ({"updatedReplicas": 1, "readyReplicas": 1}, 2, "7"),
        ({"updatedReplicas": 1, "readyReplicas": 0}, 2, ""),
        ({"updatedReplicas": 0, "readyReplicas": 1}, 2, ""),
        ({"updatedReplicas": 1, "readyReplicas": 1}, 1, ""),
    ],
)
def test_a_version_is_deployed_where_its_pods_are_ready(
    tmp_path: Path, status: dict[str, int], observed: int, version: str
) -> None:
    container = {"env": [{"name": "VERSION", "value": "7"}]}
    spec = {"replicas": 1, "template": {"spec": {"containers": [container]}}}
    live = {"metadata": {"generation": 2}, "spec": spec, "status": {**status, "observedGeneration": observed}}
    assert namespace(tmp_path, {"get": live}).deployed_version("one") == version


def test_only_a_waiting_container_is_a_sign() -> None:
    sign = FirstSign()
    sign.follow(iter(['{"image":"ErrImagePull"}\n', '{"reason":"ContainerCreating"}\n']))
    assert sign.at is None
    sign.follow(iter(['{"waiting":{"reason":"ErrImagePull"}}\n']))
    first = sign.at
    sign.follow(iter(['{"waiting":{"reason":"ImagePullBackOff"}}\n']))
    assert first is not None
    assert sign.at == first
