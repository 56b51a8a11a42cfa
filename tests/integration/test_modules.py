# The playbooks below playbooks/ are the tests; each module is proven on the sandbox's cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from tests.integration.conftest import AS_ADMIN, ROOT, SANDBOX, Player

PLAYBOOKS = ROOT / "tests" / "integration" / "playbooks"


@pytest.mark.parametrize("name", ["helm_release", "helm_rollback"])
@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_helm(play: Player, kubectl: Callable[..., str], helm: str, name: str) -> None:
    namespace, canary = f"trial-{helm}-{name.removeprefix('helm_')}", f"Canary-{secrets.token_hex(8)}"
    kubectl("delete", "namespace", namespace, "--ignore-not-found")
    variables = {"trial_namespace": namespace, "trial_helm": str(SANDBOX / "bin" / helm), "canary": canary, **AS_ADMIN}
    played = play(str(PLAYBOOKS / f"{name}.yml"), "--diff", "-vvv", variables=variables)
    assert played.code == 0, played.output[-4000:]
    shown = played.output.replace(f'"canary": "{canary}"', "")  # -vvv repeats the command line's own variables
    assert canary not in shown


@pytest.mark.parametrize("name", ["kube_apply", "generated_secret"])
def test_module(play: Player, kubectl: Callable[..., str], name: str) -> None:
    namespace = f"trial-{name.replace('_', '-')}"
    kubectl("delete", "namespace", namespace, "--ignore-not-found")
    variables = {"trial_namespace": namespace, **AS_ADMIN}
    played = play(str(PLAYBOOKS / f"{name}.yml"), "--diff", "-vvv", variables=variables)
    assert played.code == 0, played.output[-4000:]
