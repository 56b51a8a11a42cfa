# Runs last: no secret of the sandbox stands in anything that the tests wrote, nor in what the application logged.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import LOGS, ROOT, SANDBOX, Player

NAMESPACE = "bytebot-production"
PUBLIC_KEYS = {
    "username",
    "host",
    "database",
    "ca.crt",
    "tls.crt",
    "access-token-public-key",
    "refresh-token-public-key",
}


@pytest.fixture(scope="module")
def secrets(kubectl: Callable[..., str]) -> dict[str, list[str]]:
    """Every secret value of the release, in the forms in which it could leak."""
    found: dict[str, list[str]] = {}
    for item in json.loads(kubectl("-n", NAMESPACE, "get", "secrets", "-o", "json"))["items"]:
        if item["type"] == "helm.sh/release.v1":
            continue
        for key, encoded in item["data"].items():
            if key not in PUBLIC_KEYS:
                found[f"{item['metadata']['name']}/{key}"] = _forms(base64.b64decode(encoded).decode())
    assert len(found) >= 6, "the release's Secrets are not there: run the deployment tests first"
    return found


def _forms(value: str) -> list[str]:
    lines = [line for line in value.splitlines() if len(line) > 16 and "-----" not in line]
    return [*(lines or [value.strip()]), base64.b64encode(value.encode()).decode()[:64]]


def _leaks(secrets: dict[str, list[str]], name: str, text: str) -> list[str]:
    return [f"{secret} in {name}" for secret, forms in secrets.items() if any(form in text for form in forms)]


def test_the_grep_can_find(secrets: dict[str, list[str]]) -> None:
    one = next(iter(secrets.values()))[0]
    assert _leaks(secrets, "a text", f"before {one} after")


def test_nothing_that_the_tests_wrote_holds_a_secret(secrets: dict[str, list[str]], play: Player) -> None:
    assert play("deploy.yml", "--diff", "-vvvv").code == 0
    assert play("deploy.yml", "--check", "--diff", "-vvvv").code == 0
    written = [
        path for folder in (LOGS, ROOT / "reports", Path("/tmp")) for path in folder.rglob("*") if _readable(path)
    ]
    assert any(LOGS in path.parents for path in written)
    assert [leak for path in written for leak in _leaks(secrets, str(path), _text(path))] == []


def test_the_application_logs_no_secret(secrets: dict[str, list[str]], kubectl: Callable[..., str]) -> None:
    log = kubectl(
        "-n", NAMESPACE, "logs", "-l", "app=bytebot", "--all-containers", "--tail=-1", "--max-log-requests=20"
    )
    assert log, "the application wrote nothing"
    assert _leaks(secrets, "the application's log", log) == []


def test_the_sandbox_logs_no_secret(secrets: dict[str, list[str]]) -> None:
    """The audit log and the components' logs; request bodies must not be in them."""
    for path in (SANDBOX / "log").glob("*"):
        if _readable(path):
            assert _leaks(secrets, path.name, path.read_text(errors="replace")) == []


def _text(path: Path) -> str:
    """What stands in a file; others work in the same folder, so it may have gone since it was found."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _readable(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and path.stat().st_size < 64 * 2**20
    except OSError:
        return False
