# The image of the sandbox's own pods has all that its programs import.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.build import pods
from sandbox.settings import Settings

SOURCES = [*pods.SHARED, *(path for path in pods.tree_files(pods.PODS) if path.suffix == ".py")]
REQUIRED = {re.split(r"[<>=]", line)[0] for line in pods.REQUIRED.read_text().splitlines() if not line.startswith("#")}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(pods.PACKAGE)))
def test_a_program_imports_nothing_that_the_image_lacks(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        if top == "sandbox":
            assert name in {"sandbox", "sandbox.api", "sandbox.watch"} or name.startswith("sandbox.pods"), name
        else:
            assert top in sys.stdlib_module_names | REQUIRED, name


def test_the_layer_is_a_package_that_python_can_import(settings: Settings, tmp_path: Path) -> None:
    pods.Programs().write(settings, tmp_path / "layer.tar", tmp_path / "log")
    with tarfile.open(tmp_path / "layer.tar") as layer:
        layer.extractall(tmp_path, filter="data")
    code = "import sandbox.pods.object_state.exporter as e, sandbox; print(e.__file__, len(sandbox.__path__))"
    source = tmp_path / "opt/pods/src"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(source)},
        cwd="/",
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(str(source))


def test_another_program_is_another_tag() -> None:
    assert re.fullmatch(r"1-[0-9a-f]{12}", pods.TAG)
    assert pods.TAG.endswith(
        pods.tree_hash([*pods.SHARED, pods.REQUIRED, *pods.tree_files(pods.PODS)], pods.PACKAGE)[:12]
    )
    fewer = pods.tree_hash([*pods.SHARED, *pods.tree_files(pods.PODS)[1:]], pods.PACKAGE)
    assert not pods.TAG.endswith(fewer[:12])
