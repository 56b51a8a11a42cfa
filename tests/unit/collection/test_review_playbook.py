# The playbook of reviews, run without a cluster: by tags that no review bears nothing is judged, and it must say so.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def played(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = {
        "ansible_python_interpreter": sys.executable,
        "bytebot_environment_kind": "sandbox",
        "bytebot_organization": "Acme",
        "bytebot_namespace": "prod",
        "bytebot_release": "bytebot",
        "bytebot_reports_dir": str(folder),
        "bytebot_allowed_hosts": [],
        "bytebot_base_url": "https://api.shop.test",
        "bytebot_chart": str(folder),
        "bytebot_hosts": [],
    }
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "a,", "-c", "local"]
    command += [str(ROOT / "playbooks/review.yml"), "-e", json.dumps(given), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_tags_that_no_review_bears_are_no_green(tmp_path: Path) -> None:
    done = played(tmp_path, "--tags", "moth")
    assert done.returncode, done.stdout
    assert "No review was judged: --tags takes day, week, month or post_go_live." in done.stdout
