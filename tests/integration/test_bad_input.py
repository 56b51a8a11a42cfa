# Bad input ends at once with one clear sentence, never a traceback, and nothing half-done.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.integration.conftest import SANDBOX, Player

NO_SERVER = "https://127.0.0.1:1"  # port 1 is never listened on


def _kubeconfig(folder: Path, **changes: Any) -> str:
    """The sandbox's kubeconfig with changes to its cluster or user."""
    loaded = yaml.safe_load((SANDBOX / "admin.kubeconfig").read_text())
    loaded["clusters"][0]["cluster"].update(changes.get("cluster", {}))
    if "user" in changes:
        loaded["users"][0]["user"] = changes["user"]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(loaded))
    return str(path)


def _says(play: Player, sentence: str, **variables: Any) -> None:
    played = play("deploy.yml", "--check", variables=variables)
    assert played.code == 2, played.output[-3000:]
    flat = " ".join(played.output.split())
    assert sentence in flat, played.output[-3000:]
    assert "Traceback" not in played.output


def test_no_kubeconfig(play: Player, tmp_path: Path) -> None:
    _says(play, "There is no kubeconfig at", bytebot_kubeconfig=str(tmp_path / "none"))


def test_kubeconfig_is_not_yaml(play: Player, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{[")
    _says(play, "is not usable", bytebot_kubeconfig=str(tmp_path / "bad"))


def test_wrong_context(play: Player) -> None:
    _says(play, "has no context elsewhere. It has: sandbox.", bytebot_context="elsewhere")


def test_expired_token(play: Player, tmp_path: Path) -> None:
    _says(play, "refused the credentials", bytebot_kubeconfig=_kubeconfig(tmp_path, user={"token": "expired-long-ago"}))


def test_unreachable_server(play: Player, tmp_path: Path) -> None:
    _says(play, "cannot be reached", bytebot_kubeconfig=_kubeconfig(tmp_path, cluster={"server": NO_SERVER}))


def test_no_helm(play: Player, tmp_path: Path) -> None:
    _says(play, "There is no helm program at", bytebot_helm=str(tmp_path / "helm"))


def test_chart_is_not_there(play: Player, tmp_path: Path) -> None:
    _says(play, "There is no chart at", bytebot_chart=str(tmp_path / "chart"))


def test_folder_is_no_chart(play: Player, tmp_path: Path) -> None:
    _says(play, "is not a chart: it has no Chart.yaml", bytebot_chart=str(tmp_path))


def test_values_file_is_not_there(play: Player, tmp_path: Path) -> None:
    _says(play, "There is no values file at", bytebot_values_files=[str(tmp_path / "values.yaml")])


def test_values_are_not_yaml(play: Player, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a: [1\nb: }")
    _says(play, "is not YAML", bytebot_values_files=[str(path)])


def test_host_that_is_not_allowed(play: Player) -> None:
    """Only check mode is run here, so that even a broken guard would send nothing."""
    _says(play, "allowed_hosts", bytebot_base_url="https://elsewhere.bytebot.test")


def test_missing_inputs_are_named(play: Player, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"empty": {"ansible_connection": "local"}}}}))
    played = play("deploy.yml", "--check", inventory=str(inventory))
    assert played.code == 2
    assert "bytebot_namespace" in played.output
    assert "Traceback" not in played.output
