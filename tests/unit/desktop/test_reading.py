# OCR in both forms, the test surface's and the tracking's routes, and the desktop's own order.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from bytebot_desktop import actions
from bytebot_desktop.desk import Desk
from bytebot_desktop.input import Move
from bytebot_desktop.ocr import find, words
from bytebot_desktop.settings import Settings, load
from bytebot_desktop.surface import strips

from .fakes import FakeReader, FakeRecorder, FakeSurface, FakeTools

OCR = "/api/v1/cua/vision/ocr"
TABLE = "\n".join(
    [
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext",
        "1\t1\t0\t0\t0\t0\t0\t0\t400\t200\t-1\t",
        '5\t1\t1\t1\t1\t1\t20\t40\t60\t20\t96.5\t"Hello',
        "5\t1\t1\t1\t1\t2\t90\t40\t60\t20\t90\tworld",
        "5\t1\t1\t1\t2\t1\t20\t80\t60\t20\t50\tagain",
        "5\t1\t1\t1\t2\t2\t90\t80\t60\t20\t-1\t ",
    ]
)


def picture() -> str:
    out = io.BytesIO()
    Image.new("RGB", (20, 10)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def test_the_engine_s_table_becomes_text_and_places() -> None:
    text, boxes = words(TABLE, scale=2)
    assert text == '"Hello world\nagain'
    assert boxes[0] == {"text": '"Hello', "x": 10, "y": 20, "width": 30, "height": 10, "confidence": 0.965}
    assert len(boxes) == 3


def test_several_words_are_found_beside_each_other() -> None:
    boxes = words(TABLE)[1]
    found = find("hello WORLD", boxes)
    assert [(box["x"], box["width"], box["confidence"]) for box in found] == [(20, 130, 0.9)]
    assert find("world hello", boxes) == find("", boxes) == find("none", boxes) == []


def test_the_screen_is_read_on_the_same_endpoint(computer: TestClient, reader: FakeReader) -> None:
    def act(**action: Any) -> dict[str, Any]:
        answer = computer.post("/computer-use", json=action)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    options = {"recognitionLevel": "fast", "languages": ["en-US"], "enableBoundingBoxes": False}
    result = act(action="ocr", options=options)["result"]
    assert result.keys() == {"text", "confidence", "boundingBoxes", "processingTimeMs", "method"}
    assert (result["text"], result["boundingBoxes"]) == ("Save As…", [])
    assert reader.asked[0].recognitionLevel == "fast"
    found = act(action="find_text", text="save as", options=options)["result"]
    assert found["found"] is True
    assert found["boundingBoxes"][0]["width"] == 55
    assert act(action="find_text", text="Open")["result"]["found"] is False
    data = act(action="enhanced_screenshot", includeOcr=True, includeTextDetection=True)["data"]
    assert data["ocr"]["text"] == "Save As…"
    assert [box["text"] for box in data["textDetection"]] == ["Save", "As…"]
    assert act(action="enhanced_screenshot")["data"].keys() == {"image"}


def test_the_vision_api_reads_given_pictures(vision: TestClient) -> None:
    body = vision.post(OCR, json={"image": picture(), "recognitionLevel": "fast"}).json()
    assert (body["success"], body["result"]["text"]) == (True, "Save As…")
    data_url = f"data:image/png;base64,{picture()}"
    batch = vision.post(f"{OCR}/batch", json={"images": [picture(), data_url]}).json()
    assert [result["text"] for result in batch["results"]] == ["Save As…"] * 2
    status = vision.get("/api/v1/cua/status").json()
    assert (status["available"], status["accelerator"]) == (True, "cpu")
    assert vision.get("/api/v1/cua/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "body", [{}, {"image": ""}, {"image": "no"}, {"image": "bm8="}, {"image": 5}, {"image": "a", "more": 1}, []]
)
def test_what_is_no_picture_is_a_400(vision: TestClient, body: Any) -> None:
    answer = vision.post(OCR, json=body)
    assert (answer.status_code, answer.json()["success"]) == (400, False)


def test_without_an_engine_it_is_a_503(vision: TestClient, reader: FakeReader) -> None:
    reader.there = False
    answer = vision.post(OCR, json={"image": picture()})
    assert (answer.status_code, answer.json()["success"]) == (503, False)
    assert vision.get("/api/v1/cua/health").status_code == 503
    assert vision.get("/api/v1/cua/status").json()["available"] is False


def test_the_test_surface_says_what_it_is_and_tells_its_events(computer: TestClient, surface: FakeSurface) -> None:
    assert computer.post("/test-surface/show", json={"text": "nonce"}).json() == {"success": True, "testSurface": True}
    assert surface.shown == "nonce"
    surface.log += [{"type": "motion", "x": 1}, {"type": "key", "key": "a"}]
    answer = computer.get("/test-surface/events")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.text == '{"type": "motion", "x": 1}\n{"type": "key", "key": "a"}\n'
    computer.delete("/test-surface/events")
    assert computer.get("/test-surface/events").text == ""
    computer.post("/test-surface/hide")
    assert surface.shown is None
    assert computer.post("/test-surface/show", json={"text": 5}).status_code == 400


@pytest.mark.parametrize("height", [1, 32, 33, 93, 147])
def test_the_surface_paints_a_picture_in_parts_that_a_request_takes(height: int) -> None:
    whole, painted = Image.effect_noise((1920, height), 90).convert("RGB"), Image.new("RGB", (1920, height))
    for top, strip in strips(whole):
        assert 4 * strip.width * strip.height + 24 <= 4 * 65535
        painted.paste(strip, (0, top))
    assert painted.tobytes() == whole.tobytes()


def test_tracking_is_started_and_stopped(computer: TestClient, recorder: FakeRecorder) -> None:
    assert computer.post("/input-tracking/start").json() == {"status": "started"}
    assert recorder.running
    assert computer.post("/input-tracking/stop").json() == {"status": "stopped"}
    assert not recorder.running


def test_actions_do_not_mix_and_a_wait_keeps_nobody_waiting(settings: Settings) -> None:
    async def story() -> list[str]:
        tools, ended = FakeTools(hold=asyncio.Event()), []
        desk = Desk(settings, tools, FakeReader())

        async def perform(name: str, **action: Any) -> None:
            await desk.perform(actions.parsed(action))
            ended.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(perform("held", action="move_mouse", coordinates={"x": 1, "y": 1}))
            group.create_task(perform("next", action="cursor_position"))
            await asyncio.sleep(0)
            await perform("wait", action="wait", duration=1)
            assert ended == ["wait"]
            assert tools.hold
            tools.hold.set()
        assert tools.steps == [Move(1, 1)]
        return ended

    assert asyncio.run(story()) == ["wait", "held", "next"]


def test_settings_name_the_variable_that_is_wrong() -> None:
    assert load({}).desktop.as_posix() == "/home/user/Desktop"
    assert load({"TEST_SURFACE": "false", "PORT": "80"}).port == 80
    with pytest.raises(ValueError, match="VISION_PORT"):
        load({"VISION_PORT": "x"})
    assert "word" not in repr(load({"SERVICE_TOKEN": "word"}))
