# Rotation of Secrets on the sandbox's cluster; what Ansible prints at its most talkative holds no value of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable

import pytest

from tests.integration.conftest import AS_ADMIN, ROOT, SANDBOX, Played, Player

PLAYBOOKS = ROOT / "tests" / "integration" / "playbooks"
NAMESPACE = "trial-secrets"


@pytest.mark.parametrize(
    ("name", "secret", "keys"),
    [
        ("rotation", "trial", {"password", "password.previous", "signing", "verifying.previous", "url", "auth"}),
        ("forms", "web", {"tls.crt", "tls.key", "ca.crt"}),
    ],
)
def test_made_secrets(name: str, secret: str, keys: set[str], play: Player, kubectl: Callable[..., str]) -> None:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    variables = {"trial_namespace": NAMESPACE, "trial_kubectl": str(SANDBOX / "bin" / "kubectl"), **AS_ADMIN}
    try:
        played = play(str(PLAYBOOKS / f"generated_secret_{name}.yml"), "--diff", "-vvvv", variables=variables)
        assert played.code == 0, played.output[-4000:]
        stored = json.loads(kubectl("-n", NAMESPACE, "get", "secret", secret, "-o", "json"))["data"]
        assert keys <= stored.keys()
        for encoded in stored.values():
            secret = b64decode(encoded).decode().strip()
            forms = [
                encoded,
                secret,
                json.dumps(secret)[1:-1],
                *(line for line in secret.splitlines() if "---" not in line),
            ]
            assert not [form for form in forms if form in played.output]
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def test_rotate_playbook(play: Player, kubectl: Callable[..., str]) -> None:
    """``rotate.yml`` makes, rotates, restarts what reads, prints no value, and refuses what is not there."""
    namespace = f"{NAMESPACE}-rotate"
    data = {"password": {"random": {}, "rotate": {"overlap": "PT1H"}}, "host": {"value": "Canary-0x11dd"}}
    settings = {"bytebot_namespace": namespace, "bytebot_secrets": [{"name": "app", "data": data}], **AS_ADMIN}

    def stored() -> dict[str, str]:
        return json.loads(kubectl("-n", namespace, "get", "secret", "app", "-o", "json"))["data"]

    def rotate(*arguments: str, **more: str) -> Played:
        played = play("rotate.yml", "--diff", "-vvv", *arguments, variables={**settings, **more})
        for encoded in stored().values():
            assert encoded not in played.output and b64decode(encoded).decode() not in _shown(played.output, settings)
        return played

    kubectl("delete", "namespace", namespace, "--ignore-not-found")
    kubectl("create", "namespace", namespace)
    try:
        assert play("rotate.yml", variables=settings).code == 0
        first = stored()
        reader = ["set", "env", "deployment/reader", "--from=secret/app", "--keys=password"]
        command = ["--", "sh", "-c", "while :; do sleep 1; done"]
        kubectl("-n", namespace, "create", "deployment", "reader", "--image=registry.sandbox/base:1", *command)
        kubectl("-n", namespace, *reader)
        kubectl("-n", namespace, "rollout", "status", "deployment/reader")
        assert "nothing was due" in rotate().output
        foretold = rotate("--check", rotate_secret="app", rotate_key="password")
        assert (foretold.code, foretold.changed, stored()) == (0, 1, first)
        rotated = rotate(rotate_secret="app", rotate_key="password")
        assert rotated.code == 0, rotated.output[-3000:]
        assert f"Restarted: Deployment {namespace}/reader" in " ".join(rotated.output.split())
        second = stored()
        assert second["password.previous"] == first["password"] != second["password"]
        inside = kubectl("-n", namespace, "exec", "deployment/reader", "--", "printenv", "PASSWORD")
        assert inside.strip() == b64decode(second["password"]).decode()
        assert rotate().changed == 0
        for more, sentence in (
            ({"rotate_secret": "nowhere"}, "The inventory has no Secret nowhere. It has: app."),
            ({"rotate_secret": "app", "rotate_key": "host"}, "replace names host, which is not generated here"),
            ({"rotate_key": "password", "bytebot_secrets": []}, "rotate_key needs rotate_secret"),
        ):
            refused = rotate(**more)
            assert refused.code == 2
            assert sentence in " ".join(refused.output.split())
        assert stored() == second
    finally:
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def _shown(output: str, settings: dict[str, object]) -> str:
    """What is printed without the command line's own variables, which -vvv repeats."""
    return output.replace(json.dumps(settings["bytebot_secrets"]), "")
