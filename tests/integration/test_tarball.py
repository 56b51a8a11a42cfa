# The built tarball, installed elsewhere, does the same as the checkout.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.conftest import BIN, ROOT, Player


def test_the_installed_collection_deploys(tmp_path: Path) -> None:
    built = sorted((ROOT / "build").glob("bytebot-production-*.tar.gz"))
    assert built, "there is no tarball: run make dist"
    install = [
        str(BIN / "ansible-galaxy"),
        "collection",
        "install",
        "--offline",
        "--no-deps",
        "--force",
        "-p",
        str(tmp_path),
        str(built[-1]),
    ]
    subprocess.run(install, check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "ansible_collections" / "bytebot" / "production" / "playbooks" / "deploy.yml").is_file()
    played = Player(folder=tmp_path, collections=tmp_path)("bytebot.production.deploy")
    assert played.code == 0, played.output[-4000:]
    assert "pass" in played.output
