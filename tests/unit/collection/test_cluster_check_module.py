# The module cluster_check in its own process: wrong inputs are one sentence, and nothing is asked of a cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODULE = "ansible_collections.bytebot.production.plugins.modules.cluster_check"
COLLECTIONS = Path(__file__).parents[3] / ".collections"
SERVER = {"host": "http://127.0.0.1:9", "namespace": "shop", "release": "bytebot"}  # nothing listens there


def run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    arguments = {**SERVER, **options, "_ansible_remote_tmp": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minimum_version": "new"}, "minimum_version new is no version"),
        ({"minimum_cpu": "lots"}, "minimum_cpu lots is no Kubernetes quantity"),
        ({"minimum_memory": "32GB"}, "minimum_memory 32GB is no Kubernetes quantity"),
        ({"chart": "/nowhere"}, "There is no chart at /nowhere"),
        ({"only": ["infrastructure.cluster.other"]}, "is not settled by cluster_check"),
        ({}, "cannot be reached"),
    ],
)
def test_a_wrong_input_is_one_sentence(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    answer = run(tmp_path, **options)
    assert answer["failed"]
    assert said in answer["msg"]
