# Rotation of Secrets on the sandbox's cluster; what Ansible prints at its most talkative holds no value of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable

from tests.integration.conftest import AS_ADMIN, ROOT, SANDBOX, Player

PLAYBOOK = ROOT / "tests" / "integration" / "playbooks" / "generated_secret_rotation.yml"
NAMESPACE = "trial-secret-rotation"


def test_rotation(play: Player, kubectl: Callable[..., str]) -> None:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    variables = {"trial_namespace": NAMESPACE, "trial_kubectl": str(SANDBOX / "bin" / "kubectl"), **AS_ADMIN}
    try:
        played = play(str(PLAYBOOK), "--diff", "-vvvv", variables=variables)
        assert played.code == 0, played.output[-4000:]
        stored = json.loads(kubectl("-n", NAMESPACE, "get", "secret", "trial", "-o", "json"))["data"]
        assert {"password", "password.previous", "signing", "verifying.previous", "url", "auth"} <= stored.keys()
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
