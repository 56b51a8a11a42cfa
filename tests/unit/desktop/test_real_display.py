# The daemon on a real X server: each action is proven by what it does. DESKTOP_URL and DESKTOP_VISION_URL name another
# desktop to be proven instead, as the pod of the sandbox.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio
from PIL import Image

SOURCE = Path(__file__).parents[3] / "sandbox/desktop/src"
ELSEWHERE = os.environ.get("DESKTOP_URL", ""), os.environ.get("DESKTOP_VISION_URL", "")
PROGRAMS = ("Xvfb", "openbox", "xdotool", "xclip", "wmctrl", "tesseract", "mousepad", "xterm", "pcmanfm")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None and not all(ELSEWHERE)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"a real display needs {', '.join(MISSING)}, which is not there")
Event = dict[str, Any]
TRIES = 40


@dataclass
class Daemon:
    """The running daemon."""

    http: httpx.Client
    vision: httpx.Client
    home: Path
    url: str

    def act(self, action: str, **more: Any) -> dict[str, Any]:
        answer = self.http.post("/computer-use", json={"action": action, **more})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert body["success"] is True
        return body

    def events(self, **wanted: Any) -> list[Event]:
        """What the test surface tells, as far as it is like this."""
        lines = self.http.get("/test-surface/events").text.splitlines()
        found = [json.loads(line) for line in lines]
        return [event for event in found if all(event.get(name) == value for name, value in wanted.items())]

    def until(self, look: Callable[[], Any]) -> Any:
        """Programs of the desktop work at their own time: look again until it is so, within a bound."""
        for _ in range(TRIES):
            if found := look():
                return found
            self.act("wait", duration=250)
        raise AssertionError("it does not come to be")

    def sees(self, text: str) -> bool:
        found: bool = self.act("find_text", text=text)["result"]["found"]
        return found

    def file(self, path: str) -> bytes | None:
        answer = self.http.post("/computer-use", json={"action": "read_file", "path": path})
        return base64.b64decode(answer.json()["data"]) if answer.status_code == 200 else None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def ready(child: subprocess.Popen[bytes], url: str) -> None:
    """Return when the desktop is ready; a daemon that has ended never will be."""
    for _ in range(600):
        assert child.poll() is None
        with contextlib.suppress(httpx.ConnectError):
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the desktop does not become ready")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    if all(ELSEWHERE):
        here, there = (httpx.Client(base_url=url, timeout=60) for url in ELSEWHERE)
        with here, there:
            yield Daemon(here, there, Path("/home/user"), ELSEWHERE[0])
        return
    home = tmp_path_factory.mktemp("home")
    port, vision = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "HOME": str(home),
        "DISPLAY": f":{100 + port % 20000}",
        "PORT": str(port),
        "VISION_PORT": str(vision),
    }
    log = home / "daemon.log"
    with log.open("wb") as out:
        child = subprocess.Popen([sys.executable, "-m", "bytebot_desktop"], env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=60) as http, httpx.Client(base_url=f"http://127.0.0.1:{vision}") as other:
        made = Daemon(http, other, home, url)
        ready(child, url)
        yield made
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 0, log.read_text()


@pytest.fixture
def surface(daemon: Daemon) -> Iterator[Daemon]:
    daemon.http.post("/test-surface/show", json={"text": ""})
    daemon.act("move_mouse", coordinates={"x": 5, "y": 5})
    daemon.http.delete("/test-surface/events")
    yield daemon
    daemon.http.post("/test-surface/hide")


def places(events: list[Event]) -> list[tuple[int, int]]:
    return [(event["x"], event["y"]) for event in events]


def test_move_mouse_and_cursor_position(surface: Daemon) -> None:
    for x, y in ((0, 0), (1919, 1079), (640, 480)):
        surface.act("move_mouse", coordinates={"x": x, "y": y})
        assert surface.act("cursor_position")["data"] == {"x": x, "y": y}
    assert places(surface.events(type="motion")) == [(0, 0), (1919, 1079), (640, 480)]


def test_trace_mouse(surface: Daemon) -> None:
    path = [{"x": 100 + 10 * step, "y": 200 + step} for step in range(20)]
    surface.act("trace_mouse", path=path, holdKeys=["shift"])
    moved = surface.events(type="motion")
    assert places(moved) == [(point["x"], point["y"]) for point in path]
    assert {tuple(event["held"]) for event in moved} == {("shift",)}
    assert surface.events(type="button") == []


@pytest.mark.parametrize("button", ["left", "right", "middle"])
def test_click_mouse(surface: Daemon, button: str) -> None:
    at = {"x": 321, "y": 123}
    surface.act("click_mouse", button=button, clickCount=2, coordinates=at, holdKeys=["ctrl", "alt"])
    clicks = surface.events(type="button")
    assert [(event["button"], event["press"]) for event in clicks] == [(button, "down"), (button, "up")] * 2
    assert set(places(clicks)) == {(321, 123)}
    assert all(event["held"] == ["ctrl", "alt"] for event in clicks)
    surface.http.delete("/test-surface/events")
    surface.act("click_mouse", button=button, clickCount=1)
    assert places(surface.events(type="button")) == [(321, 123)] * 2
    assert surface.events(type="button", held=[]) == surface.events(type="button")


def test_press_mouse(surface: Daemon) -> None:
    surface.act("press_mouse", button="left", press="down", coordinates={"x": 50, "y": 60})
    assert [event["press"] for event in surface.events(type="button")] == ["down"]
    surface.act("press_mouse", button="left", press="up")
    assert [event["press"] for event in surface.events(type="button")] == ["down", "up"]


def test_drag_mouse(surface: Daemon) -> None:
    path = [{"x": 10, "y": 10}, {"x": 300, "y": 200}, {"x": 500, "y": 400}]
    surface.act("drag_mouse", path=path, button="left", holdKeys=["shift"])
    told = [event for event in surface.events() if event["type"] != "key"]
    assert [(event["type"], event["x"], event["y"]) for event in told] == [
        ("motion", 10, 10), ("button", 10, 10), ("motion", 300, 200), ("motion", 500, 400), ("button", 500, 400),
    ]  # fmt: skip


@pytest.mark.parametrize("direction", ["up", "down", "left", "right"])
def test_scroll(surface: Daemon, direction: str) -> None:
    surface.act("scroll", direction=direction, scrollCount=3, coordinates={"x": 700, "y": 70})
    turns = surface.events(type="wheel")
    assert [event["direction"] for event in turns] == [direction] * 3
    assert set(places(turns)) == {(700, 70)}


def test_type_keys(surface: Daemon) -> None:
    surface.act("type_keys", keys=["a", "B", "ctrl+s", "enter", "F5", "日"])
    pressed = [(event["key"], event["held"]) for event in surface.events(type="key", press="down")]
    assert [one for one in pressed if one[0] not in {"Shift_L", "Control_L"}] == [
        ("a", []), ("B", ["shift"]), ("s", ["ctrl"]), ("Return", []), ("F5", []), ("U65E5", []),
    ]  # fmt: skip


def test_press_keys(surface: Daemon) -> None:
    surface.act("press_keys", keys=["ctrl", "shift"], press="down")
    surface.act("click_mouse", button="left", clickCount=1)
    surface.act("press_keys", keys=["shift", "ctrl"], press="up")
    surface.act("click_mouse", button="left", clickCount=1)
    assert [event["held"] for event in surface.events(type="button", press="down")] == [["shift", "ctrl"], []]


def test_type_text_reaches_a_program(daemon: Daemon) -> None:
    nonce = uuid.uuid4().hex
    daemon.act("application", application="terminal")
    daemon.act("type_text", text=f"printf '%s|%s' '{nonce}' 'Grüße {{}}~@€' > typed.txt\n")
    assert daemon.until(lambda: daemon.file("typed.txt")).decode() == f"{nonce}|Grüße {{}}~@€"
    daemon.act("type_text", text="exit\n", delay=5)


def test_text_typed_and_pasted_into_the_editor_is_seen_and_saved(daemon: Daemon) -> None:
    word = "Zebra" + uuid.uuid4().hex[:6].translate(str.maketrans("0123456789", "ghkmnprtxy"))
    daemon.act("application", application="vscode")
    daemon.act("type_text", text=f"{word} typed ")
    daemon.act("paste_text", text="pasted ✓ 日本 🎉")
    daemon.until(lambda: daemon.sees("typed pasted"))
    daemon.act("type_keys", keys=["ctrl+s"])
    daemon.until(lambda: daemon.sees("Encoding:"))
    daemon.act("type_text", text="edited.txt")

    def saved() -> bytes | None:
        # The dialog takes no Enter while it still looks for files of that name; once it has, the file needs its time.
        if daemon.sees("Encoding:"):
            daemon.act("type_keys", keys=["enter"])
            daemon.act("wait", duration=1500)
        return daemon.file("edited.txt")

    assert daemon.until(saved).decode() == f"{word} typed pasted ✓ 日本 🎉"
    daemon.act("type_keys", keys=["ctrl+q"])
    daemon.until(lambda: not daemon.sees("Mousepad"))


def test_more_characters_than_there_are_spare_keys(daemon: Daemon) -> None:
    text = "".join(chr(code) for code in range(0x3B1, 0x3C9)) + "".join(chr(code) for code in range(0x430, 0x450))
    daemon.act("application", application="terminal")
    daemon.act("type_text", text=f"printf %s '{text}' > greek.txt\n")
    assert daemon.until(lambda: daemon.file("greek.txt")).decode() == text
    daemon.act("type_text", text="exit\n")


def test_applications_and_the_empty_desktop(daemon: Daemon) -> None:
    daemon.act("application", application="directory")
    daemon.until(lambda: daemon.sees("Bookmarks"))
    daemon.act("application", application="desktop")
    daemon.until(lambda: not daemon.act("ocr")["result"]["text"])
    answer = daemon.http.post("/computer-use", json={"action": "application", "application": "1password"})
    assert (answer.status_code, answer.json()["success"]) == (500, False)


def test_wait_holds_up_nobody_else(daemon: Daemon) -> None:
    order: queue.SimpleQueue[str] = queue.SimpleQueue()
    with ThreadPoolExecutor(2) as pool:
        waited = pool.submit(lambda: (daemon.act("wait", duration=1500), order.put("wait")))
        pool.submit(lambda: (daemon.act("cursor_position"), order.put("other"))).result()
        waited.result()
    assert [order.get(), order.get()] == ["other", "wait"]


def test_write_and_read_file(daemon: Daemon) -> None:
    content = os.urandom(100_000)
    told = daemon.act("write_file", path="bytes.bin", data=base64.b64encode(content).decode())
    assert str(daemon.home / "Desktop/bytes.bin") in told["message"]
    if not all(ELSEWHERE):
        assert (daemon.home / "Desktop/bytes.bin").read_bytes() == content
    read = daemon.act("read_file", path=str(daemon.home / "Desktop/bytes.bin"))
    assert (base64.b64decode(read["data"]), read["size"], read["name"]) == (content, 100_000, "bytes.bin")


def test_a_screenshot_shows_what_is_there_and_both_forms_of_ocr_read_it(surface: Daemon) -> None:
    empty = surface.act("screenshot")["data"]["image"]
    nonce = f"Nonce {uuid.uuid4().int % 10**8:08d}"
    surface.http.post("/test-surface/show", json={"text": nonce})
    image = surface.act("screenshot")["data"]["image"]
    assert image != empty
    picture = Image.open(io.BytesIO(base64.b64decode(image)))
    assert (picture.format, picture.size) == ("PNG", (1920, 1080))
    for level in ("accurate", "fast"):
        result = surface.act("ocr", options={"recognitionLevel": level, "languages": ["en-US"]})["result"]
        # Nothing else is on the screen: neither the pointer nor an edge of the picture.
        assert result["text"] == nonce, level
        assert 0 < result["confidence"] <= 1
    boxes = surface.act("find_text", text=nonce)["result"]["boundingBoxes"]
    middle = (boxes[0]["x"] + boxes[0]["width"] / 2, boxes[0]["y"] + boxes[0]["height"] / 2)
    assert middle == (pytest.approx(960, abs=30), pytest.approx(540, abs=30))
    enhanced = surface.act("enhanced_screenshot", includeOcr=True, includeTextDetection=True)["data"]
    assert nonce in enhanced["ocr"]["text"]
    assert enhanced["textDetection"]
    body = surface.vision.post("/api/v1/cua/vision/ocr", json={"image": image}, timeout=60).json()
    assert body["success"] is True
    assert nonce in body["result"]["text"]
    batch = surface.vision.post("/api/v1/cua/vision/ocr/batch", json={"images": [image, empty]}, timeout=60).json()
    assert [nonce in result["text"] for result in batch["results"]] == [True, False]


def test_tracking_tells_what_is_done_until_it_is_stopped(surface: Daemon) -> None:
    heard: queue.Queue[Event] = queue.Queue()
    client = socketio.Client()
    client.on("input_action", heard.put)
    client.connect(surface.url, transports=["polling"])
    try:
        assert surface.http.post("/input-tracking/start").json() == {"status": "started"}
        surface.act("click_mouse", button="right", clickCount=1, coordinates={"x": 77, "y": 88})
        surface.act("type_keys", keys=["q"])
        told = [heard.get(timeout=20) for _ in range(5)]
        assert [event["type"] for event in told] == ["move", "click", "click", "key", "key"]
        assert {(event["x"], event["y"]) for event in told} == {(77, 88)}
        assert (told[1]["button"], told[3]["key"]) == ("right", "q")
        assert surface.http.post("/input-tracking/stop").json() == {"status": "stopped"}
        surface.act("type_keys", keys=["w"])
        assert surface.http.post("/input-tracking/start").json() == {"status": "started"}
        surface.act("type_keys", keys=["e"])
        assert heard.get(timeout=20)["key"] == "e"
        surface.http.post("/input-tracking/stop")
    finally:
        client.eio.disconnect(abort=True)


@pytest.mark.skipif(all(ELSEWHERE), reason="the daemon that is killed must be an own one")
def test_a_window_manager_that_is_gone_is_no_ready_desktop_and_ends_the_daemon(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "HOME": str(tmp_path),
        "DISPLAY": f":{100 + port % 20000}", "PORT": str(port), "VISION_PORT": str(free_port()),
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "bytebot_desktop"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    ready(child, f"http://127.0.0.1:{port}")
    listed = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(child.pid)], capture_output=True, text=True, check=True
    )
    found = [line.split()[0] for line in listed.stdout.splitlines() if line.split()[1] == "openbox"]
    os.kill(int(found[0]), signal.SIGKILL)
    assert child.wait(timeout=30) == 1
    assert child.stdout
    assert b"openbox has ended" in child.stdout.read()
