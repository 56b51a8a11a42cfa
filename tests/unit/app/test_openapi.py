# The API document and what is served are the same.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings

PUBLIC = {"/health/live", "/health/ready", "/health/startup", "/metrics", "/api/v1/auth/login", "/api/v1/auth/refresh"}
ROUTES = {
    ("/health/live", "get"), ("/health/ready", "get"), ("/health/startup", "get"), ("/metrics", "get"),
    ("/api/v1/auth/login", "post"), ("/api/v1/auth/refresh", "post"), ("/api/v1/auth/logout", "post"),
    ("/api/v1/auth/permissions", "get"), ("/api/v1/auth/check-permission", "post"),
    ("/api/v1/auth/change-password", "post"), ("/api/v1/users", "get"), ("/api/v1/users", "post"),
    ("/api/v1/users/{user_id}", "get"), ("/api/v1/users/{user_id}", "delete"),
    ("/api/v1/users/{user_id}/roles", "post"), ("/api/v1/users/{user_id}/roles/{role_id}", "delete"),
    ("/api/v1/roles", "get"), ("/api/v1/roles", "post"), ("/api/v1/roles/{role_id}", "delete"),
    ("/api/v1/tasks", "get"), ("/api/v1/tasks", "post"),
    ("/api/v1/tasks/in-progress", "get"), ("/api/v1/tasks/models", "get"), ("/api/v1/computer-use", "post"),
    ("/api/v1/tasks/{task_id}/execute", "post"), ("/api/v1/tasks/{task_id}/messages", "get"),
    ("/api/v1/tasks/{task_id}/messages", "post"),
    ("/api/v1/tasks/{task_id}", "get"), ("/api/v1/tasks/{task_id}", "patch"), ("/api/v1/tasks/{task_id}", "delete"),
}  # fmt: skip


def test_every_documented_operation_is_served_and_guarded_as_it_says(app: FastAPI, client: TestClient) -> None:
    paths = app.openapi()["paths"]
    assert {(path, method) for path, item in paths.items() for method in item} == ROUTES
    for path, method in ROUTES:
        operation = paths[path][method]
        assert ("security" in operation) == (path not in PUBLIC), path
        assert "422" not in operation["responses"]
        answer = client.request(method, path.replace("{task_id}", "6e1a4c5e-7d0b-4f0e-9a55-0f8b2b1a7f3c"))
        assert str(answer.status_code) in operation["responses"], (path, method, answer.status_code)
        assert answer.status_code not in (404, 405)
        if path not in PUBLIC:
            assert answer.status_code == 401


def test_a_task_is_documented_as_json_and_as_a_form(app: FastAPI) -> None:
    content = app.openapi()["paths"]["/api/v1/tasks"]["post"]["requestBody"]["content"]
    assert content.keys() == {"application/json", "multipart/form-data"}
    assert content["multipart/form-data"]["schema"]["properties"].keys() == {"description", "priority", "files"}


def test_the_document_is_served_only_where_it_is_wanted(
    app: FastAPI, client: TestClient, settings: Settings, parts: Parts
) -> None:
    assert client.get("/api/docs").json() == app.openapi()
    with TestClient(create_app(settings.model_copy(update={"enable_swagger": False}), parts)) as closed:
        for path in ("/api/docs", "/docs", "/redoc", "/openapi.json"):
            assert closed.get(path).status_code == 404


def test_the_command_prints_the_document_without_any_configuration(app: FastAPI) -> None:
    source = str(Path(__file__).parents[3] / "sandbox/app/src")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": source}
    command = [sys.executable, "-m", "bytebot_app", "openapi"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["paths"] == app.openapi()["paths"]


def test_the_document_that_is_kept_is_the_one_that_the_command_prints() -> None:
    """Checks are given the file: `python -m bytebot_app openapi > sandbox/app/openapi.json` renews it."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root / "sandbox/app/src")}
    command = [sys.executable, "-m", "bytebot_app", "openapi"]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
    assert json.loads(done.stdout) == json.loads((root / "sandbox/app/openapi.json").read_text())
