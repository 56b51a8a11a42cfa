# What users do with tasks that are worked on: files, messages, takeover, execution, and the desktop through the API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from bytebot_app import scrape
from bytebot_app.background import background_app
from bytebot_app.computer import ComputerFailed, HttpComputer, Unreachable
from bytebot_app.health import Health
from bytebot_app.metrics import Metrics
from bytebot_app.scrape import Scrape
from bytebot_app.settings import Settings
from bytebot_app.worker import Beat, Limits, Worker
from bytebot_app.workplace import Workplace

from .memory import Dependencies, FixedPool, MemoryStore
from .test_metrics import scraped, value
from .work_memory import MemoryComputer, MemoryJobs, MemoryTurn, MemoryWork

TASKS = "/api/v1/tasks"
COMPUTER = "/api/v1/computer-use"
MOVE = {"action": "move_mouse", "coordinates": {"x": 1, "y": 2}}
AsUser = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "FRESH_S", 0.0)


def make(client: TestClient, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = client.post(TASKS, json={"description": "take a screenshot", **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def work_on_all(place: Workplace) -> None:
    assert isinstance(place.work, MemoryWork)
    worker = Worker(place.work, place.jobs, MemoryTurn(), place.computer, Metrics(), Limits(take=1), "pod")

    async def turns() -> None:
        while await worker.turn():
            pass

    asyncio.run(turns())


def test_a_task_is_queued_worked_on_and_tells_its_story(client: TestClient, as_user: AsUser, place: Workplace) -> None:
    me = as_user()
    task = make(client, me)
    assert task["queuedAt"] is not None
    assert value(scraped(client), "bytebot_task_queue_length") == 1
    assert client.get(f"{TASKS}/in-progress", headers=me).json() is None
    work_on_all(place)
    detail = client.get(f"{TASKS}/{task['id']}", headers=me).json()
    assert (detail["status"], detail["model"], detail["error"]) == ("COMPLETED", "deterministic-task-runner", None)
    assert detail["executedAt"] <= detail["completedAt"]
    assert detail["result"]["steps"][0]["instruction"] == "take a screenshot"
    blocks = [block["type"] for message in detail["messages"] for block in message["content"]]
    assert blocks == ["tool_use", "tool_result", "image", "text"]
    assert {message["taskId"] for message in detail["messages"]} == {task["id"]}
    assert client.get(f"{TASKS}/{task['id']}/messages", headers=me).json() == detail["messages"]
    assert value(scraped(client), "bytebot_task_queue_length") == 0


def test_a_queue_that_is_down_loses_no_task(client: TestClient, as_user: AsUser, place: Workplace) -> None:
    assert isinstance(place.jobs, MemoryJobs)
    me = as_user()
    place.jobs.down = True
    task = make(client, me)
    assert (task["status"], task["queuedAt"]) == ("PENDING", None)
    assert value(scraped(client), "bytebot_task_queue_length") != 0  # no number, and not none waiting
    assert client.delete(f"{TASKS}/{task['id']}", headers=me).status_code == 204
    task = make(client, me)
    place.jobs.down = False
    work_on_all(place)
    assert client.get(f"{TASKS}/{task['id']}", headers=me).json()["status"] == "COMPLETED"


def test_files_come_with_a_form_and_lie_on_the_desktop(client: TestClient, as_user: AsUser, place: Workplace) -> None:
    assert isinstance(place.computer, MemoryComputer)
    content = bytes(range(200))
    files = [("files", ("a.bin", content, "application/x-own")), ("files", ("b.txt", b"text"))]
    form = {"description": 'read file "b.txt"', "priority": "HIGH"}
    answer = client.post(TASKS, data=form, files=files, headers=as_user())
    assert answer.status_code == 201, answer.text
    assert (answer.json()["priority"], answer.json()["status"]) == ("HIGH", "PENDING")
    assert isinstance(place.work, MemoryWork)
    kept = place.work.kept[answer.json()["id"]]
    assert [(file["name"], file["type"], file["size"]) for file in kept] == [
        ("a.bin", "application/x-own", 200), ("b.txt", "text/plain", 4),
    ]  # fmt: skip
    work_on_all(place)
    assert base64.b64decode(place.computer.files["a.bin"]) == content
    # A form without files is a form as well.
    boundary = {**as_user(), "Content-Type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\nscreenshot\r\n--x--\r\n'
    assert client.post(TASKS, content=body, headers=boundary).status_code == 201


@pytest.mark.parametrize(
    ("form", "files", "field"),
    [
        ({}, [], "description"),
        ({"description": "  "}, [], "description"),
        ({"description": "a", "priority": "ASAP"}, [], "priority"),
        ({"description": "a", "createdBy": "b"}, [], "createdBy"),
        ({"description": ["a", "b"]}, [], "description"),
        ({"description": "a"}, [("file", ("a", b""))], "file"),
        ({"description": "a"}, [("files", ("../a", b""))], "files"),
        ({"description": "a"}, [("files", (".bashrc", b""))], "files"),
        ({"description": "a\0"}, [], "description"),
    ],
)
def test_a_wrong_form_is_refused_and_named(
    client: TestClient, as_user: AsUser, store: MemoryStore, form: Any, files: Any, field: str
) -> None:
    answer = client.post(TASKS, data=form, files=files or [("files", ("a.txt", b""))], headers=as_user())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")
    assert field in [detail["field"] for detail in answer.json()["error"]["details"]]
    assert store.rows == {}


def test_a_form_that_cannot_be_read_is_a_400_and_needs_its_permission_first(
    client: TestClient, as_user: AsUser
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post(TASKS, content=b"nonsense", headers={**as_user(), **headers}).status_code == 400
    assert client.post(TASKS, content=b"nonsense", headers={**as_user("viewer"), **headers}).status_code == 403
    assert client.post(TASKS, content=b"nonsense", headers=headers).status_code == 401
    many = [("files", (f"{number}.txt", b"")) for number in range(21)]
    assert client.post(TASKS, data={"description": "a"}, files=many, headers=as_user()).status_code == 400
    big = [("files", ("a.txt", b"x" * 5000))]
    assert client.post(TASKS, data={"description": "a"}, files=big, headers=as_user()).status_code == 413


def test_a_task_whose_files_cannot_be_kept_is_none(
    client: TestClient, as_user: AsUser, store: MemoryStore, place: Workplace
) -> None:
    import psycopg

    assert isinstance(place.work, MemoryWork)
    place.work.broken = psycopg.OperationalError("down")
    files = [("files", ("a.txt", b""))]
    assert client.post(TASKS, data={"description": "a"}, files=files, headers=as_user()).status_code == 503
    assert store.rows == {}


def test_the_user_helps_and_gives_the_task_back(client: TestClient, as_user: AsUser, place: Workplace) -> None:
    me = as_user()
    task = make(client, me, description="Book a flight")
    path = f"{TASKS}/{task['id']}"
    work_on_all(place)
    assert {name: client.get(path, headers=me).json()[name] for name in ("status", "control")} == {
        "status": "NEEDS_HELP", "control": "USER",
    }  # fmt: skip
    said = client.post(f"{path}/messages", json={"content": "take a screenshot"}, headers=me)
    assert (said.status_code, said.json()["role"]) == (201, "USER")
    assert said.json()["content"] == [{"type": "text", "text": "take a screenshot"}]
    back = client.patch(path, json={"control": "ASSISTANT"}, headers=me).json()
    assert (back["status"], back["control"]) == ("PENDING", "ASSISTANT")
    work_on_all(place)
    assert client.get(path, headers=me).json()["status"] == "COMPLETED"


def test_what_the_user_has_taken_over_is_not_worked_on(client: TestClient, as_user: AsUser, place: Workplace) -> None:
    me = as_user()
    task = make(client, me)
    path = f"{TASKS}/{task['id']}"
    assert client.patch(path, json={"control": "USER"}, headers=me).json()["control"] == "USER"
    work_on_all(place)
    assert client.get(path, headers=me).json()["status"] == "PENDING"
    client.patch(path, json={"control": "ASSISTANT"}, headers=me)
    work_on_all(place)
    assert client.get(path, headers=me).json()["status"] == "COMPLETED"
    assert client.patch(path, json={"control": "NOBODY"}, headers=me).status_code == 400


def test_a_cancelled_task_leaves_the_queue_and_another_priority_moves_it(
    client: TestClient, as_user: AsUser, place: Workplace
) -> None:
    assert isinstance(place.jobs, MemoryJobs)
    me = as_user()
    first, second, third = (make(client, me)["id"] for _ in range(3))
    client.patch(f"{TASKS}/{first}", json={"status": "CANCELLED"}, headers=me)
    client.patch(f"{TASKS}/{third}", json={"priority": "URGENT"}, headers=me)
    assert place.jobs.ids == [third, second]
    client.delete(f"{TASKS}/{third}", headers=me)
    client.patch(f"{TASKS}/{first}", json={"status": "PENDING"}, headers=me)
    assert place.jobs.ids == [second, first]


def test_execute_runs_a_task_again_or_before_its_time(client: TestClient, as_user: AsUser, place: Workplace) -> None:
    me = as_user()
    task = make(client, me, type="SCHEDULED", scheduledFor="2099-01-01T00:00:00Z")
    path = f"{TASKS}/{task['id']}"
    assert task["queuedAt"] is None
    work_on_all(place)
    assert client.get(path, headers=me).json()["status"] == "PENDING"
    assert client.post(f"{path}/execute", headers=as_user("viewer")).status_code == 403
    for _ in range(2):
        answer = client.post(f"{path}/execute", headers=me)
        assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
        work_on_all(place)
        assert client.get(path, headers=me).json()["status"] == "COMPLETED"
    assert client.post(f"{TASKS}/{task['id'][::-1]}/execute", headers=me).status_code == 404


def test_a_task_that_a_worker_has_stays_with_it(
    client: TestClient, as_user: AsUser, store: MemoryStore, place: Workplace
) -> None:
    me = as_user()
    task = make(client, me)
    asyncio.run(place.work.claim(task["id"], "worker", 1000))
    assert client.get(f"{TASKS}/in-progress", headers=me).json()["id"] == task["id"]
    assert client.get(f"{TASKS}/in-progress", headers=as_user("other")).json() is None
    answer = client.post(f"{TASKS}/{task['id']}/execute", headers=me)
    assert (answer.status_code, answer.json()["status"]) == (200, "IN_PROGRESS")


def test_the_model_is_marked_as_a_stand_in(client: TestClient, as_user: AsUser) -> None:
    (model,) = client.get(f"{TASKS}/models", headers=as_user()).json()
    assert model.keys() == {"provider", "name", "title"}
    assert "stands in" in model["title"]


def test_others_neither_read_nor_write_messages(client: TestClient, as_user: AsUser) -> None:
    task = make(client, as_user())
    path = f"{TASKS}/{task['id']}/messages"
    assert client.get(path, headers=as_user("other")).status_code == 403
    assert client.post(path, json={"content": "a"}, headers=as_user("other")).status_code == 403
    assert client.post(path, json={"content": "a"}, headers=as_user("viewer")).status_code == 403
    for body in ({}, {"content": ""}, {"content": " "}, {"content": 1}, {"content": "a", "role": "ASSISTANT"}):
        assert client.post(path, json=body, headers=as_user()).status_code == 400


@pytest.mark.parametrize(
    ("user", "control", "view"), [("admin", 200, 200), ("operator", 200, 200), ("viewer", 403, 200)]
)
def test_the_desktop_is_used_by_who_may(
    client: TestClient, as_user: AsUser, place: Workplace, user: str, control: int, view: int
) -> None:
    me = as_user(user)
    assert client.post(COMPUTER, json=MOVE, headers=me).status_code == control
    answer = client.post(COMPUTER, json={"action": "cursor_position"}, headers=me)
    assert (answer.status_code, answer.json()["success"]) == (view, True)
    assert answer.json()["data"] == ({"x": 1, "y": 2} if control == 200 else {"x": 0, "y": 0})
    elevated = client.post(COMPUTER, json={**MOVE, "isElevated": True}, headers=me)
    assert elevated.status_code == (200 if user == "admin" else 403)
    assert client.post(COMPUTER, json={}, headers=me).status_code == 400


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (ComputerFailed(400, "path: Field required"), 400, "VALIDATION_FAILED"),
        (ComputerFailed(500, "/home/user/x cannot be read"), 500, "INTERNAL_ERROR"),
        (Unreachable("ConnectError"), 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_a_failed_operation_has_the_api_s_own_shape(
    client: TestClient, as_user: AsUser, place: Workplace, failure: ComputerFailed, status: int, code: str
) -> None:
    assert isinstance(place.computer, MemoryComputer)
    place.computer.failure = failure
    answer = client.post(COMPUTER, json=MOVE, headers=as_user())
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("home" in answer.text, "ConnectError" in answer.text) == (False, False)


def desktop(answer: httpx.Response | Exception, metrics: Metrics, token: str = "") -> HttpComputer:
    def answered(request: httpx.Request) -> httpx.Response:
        assert request.headers.get("authorization", "") == (f"Bearer {token}" if token else "")
        if isinstance(answer, Exception):
            raise answer
        return answer

    settings = Settings(bytebot_desktop_base_url="http://desktop:9990", desktop_service_token=SecretStr(token))
    return HttpComputer(settings, metrics, httpx.MockTransport(answered))


def operations(metrics: Metrics, kind: str, status: str) -> float | None:
    labels = {"operation_type": kind, "status": status}
    return metrics.registry.get_sample_value("bytebot_computer_operations_total", labels)


def test_every_operation_is_counted_with_its_end() -> None:
    metrics = Metrics()
    fine = desktop(httpx.Response(200, json={"success": True, "data": {"x": 1}}), metrics, token="word")
    assert asyncio.run(fine.act("cursor_position"))["data"] == {"x": 1}
    assert operations(metrics, "cursor_position", "success") == 1
    failures: list[tuple[httpx.Response | Exception, int]] = [
        (httpx.Response(400, json={"success": False, "error": "bad"}), 400),
        (httpx.Response(500, json={"success": False, "error": "bad"}), 500),
        (httpx.Response(200, json={"success": False, "error": "bad"}), 200),
        (httpx.Response(200, json=[]), 200),
        (httpx.Response(502, text="<html>"), 503),
        (httpx.ConnectError("down"), 503),
    ]
    for answer, status in failures:
        with pytest.raises(ComputerFailed) as failed:
            asyncio.run(desktop(answer, metrics).act("scroll"))
        assert failed.value.status == status
    assert operations(metrics, "scroll", "failure") == len(failures)
    with pytest.raises(Unreachable):
        asyncio.run(HttpComputer(Settings(), metrics).act("x" * 30))
    assert operations(metrics, "other", "failure") == 1


def test_a_worker_is_ready_while_its_heart_beats_and_what_it_needs_answers(
    settings: Settings, store: MemoryStore, dependencies: Dependencies
) -> None:
    ask = dependencies.ask

    class Loop:
        beat = Beat()
        stopping = asyncio.Event()

        async def run(self) -> None: ...

    loop, metrics = Loop(), Metrics()
    health = Health("1.2.3", ask("database"), ask("redis"), ask("migrated"), patience=0.2)
    app = background_app(settings, loop, health, Scrape(metrics, FixedPool(), store, MemoryJobs()))
    with TestClient(app) as client:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["heartbeat"]) == (503, {"status": "error"})
        assert client.get("/health/live").status_code == 200  # it has not had the time to beat
        loop.beat.mark()
        answer = client.get("/health/ready").json()
        assert (answer["status"], answer["heartbeat"]["status"]) == ("ok", "ok")
        dependencies.failures["redis"] = OSError("down")
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["checks"]["redis"]["status"]) == (503, "error")
        assert client.get("/health/startup").status_code == 503
        assert "bytebot_task_queue_length 0.0" in client.get("/metrics").text
