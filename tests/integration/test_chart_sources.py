# A chart from a repository reaches every module and role that reads it, and another one of its version reaches none.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.helm.chart import chart_digest, chart_files
from tests.integration.conftest import AS_ADMIN, ROOT, SANDBOX, Player

CHART = ROOT / "tests" / "benchmark" / "chart"
PLAYBOOK = ROOT / "tests" / "integration" / "playbooks" / "chart_sources.yml"
NAMESPACE = "trial-chart-sources"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A chart repository on this machine; its address."""
    helm = str(SANDBOX / "bin" / "helm")
    for command in (["package", str(CHART), "--destination", str(tmp_path)], ["repo", "index", str(tmp_path)]):
        subprocess.run([helm, *command], check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_chart_has_the_digest_of_its_package(tmp_path: Path) -> None:
    """With what `helm package` rewrites, unpacks and leaves out."""
    chart = tmp_path / "shop"
    shutil.copytree(ROOT / "sandbox" / "chart", chart)
    helm = str(SANDBOX / "bin" / "helm")
    subprocess.run(
        [helm, "package", str(CHART), "--destination", str(chart / "charts")], check=True, capture_output=True
    )
    described = chart / "Chart.yaml"
    needed = [{"name": "benchmark", "version": "0.1.0", "repository": "", "alias": "part"}]
    described.write_text(f"{described.read_text()}\ndependencies: {json.dumps(needed)}\n")
    (chart / ".helmignore").write_text("*.bak\n/notes/\n")
    (chart / "notes").mkdir()
    for name in ("a.bak", "notes/a.txt", "templates/.a.swp"):
        (chart / name).write_text("x")
    (chart / "licences").symlink_to(ROOT / "LICENSES")
    subprocess.run([helm, "package", str(chart), "--destination", str(tmp_path)], check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tgz")
    assert chart_digest(str(archive)) == chart_digest(str(chart))
    assert any(name.startswith("licences/") for name in chart_files(str(archive)))


def test_every_reader_takes_a_chart_from_a_repository(
    play: Player, kubectl: Callable[..., str], repository: str
) -> None:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    variables = {
        "trial_namespace": NAMESPACE,
        "trial_folder": str(CHART),
        "trial_repository": repository,
        "bytebot_helm": str(SANDBOX / "bin" / "helm"),
        **AS_ADMIN,
    }
    try:
        played = play(str(PLAYBOOK), variables=variables)
        assert played.code == 0, played.output[-4000:]
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
