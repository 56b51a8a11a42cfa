# The base of long modules: each line is shown while the module still runs, none after it, and nothing is left behind.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.progress_line import VARIABLE
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.plugin_utils import live
from ansible_collections.bytebot.production.plugins.plugin_utils.live import LiveAction, Tail, text_of

ROOT = Path(__file__).parents[3]
LONG_S = 30.0  # only a defect waits for so long


class Screen:
    """What was displayed, and by which thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.came = threading.Condition()

    def display(self, text: str) -> None:
        with self.came:
            self.lines.append(text)
            self.came.notify_all()

    def wait_for(self, text: str) -> bool:
        """Whether the line is there, at the latest in a while."""
        with self.came:
            return self.came.wait_for(lambda: text in self.lines, LONG_S)


class Module(LiveAction):
    """A long module, which is a function here, in a folder of its own."""

    def __init__(self, folder: Path, work: Callable[[Progress], dict[str, Any]], **task: Any) -> None:
        fields = {"async_val": 0, "no_log": False, "environment": [], "check_mode": False, "diff": False, **task}
        transport = fields.pop("transport", "local")
        self.folder, self.work = folder, work
        self.named: list[str] = []
        connection = SimpleNamespace(
            transport=transport, has_native_async=False, _shell=SimpleNamespace(tmpdir=None, _IS_WINDOWS=False)
        )
        super().__init__(SimpleNamespace(**fields), connection, None, None, None, None)  # type: ignore[arg-type]

    def _make_tmp_path(self, remote_user: str | None = None) -> str:
        self.folder.mkdir(mode=0o700)
        self._connection._shell.tmpdir = str(self.folder)
        return str(self.folder)

    def _remove_tmp_path(self, tmp_path: Any, force: bool = False) -> None:
        if tmp_path and not list(Path(tmp_path).iterdir()):
            self.folder.rmdir()

    def _execute_module(self, *_args: Any, **more: Any) -> dict[str, Any]:
        environment = {key: value for part in self._task.environment for key, value in part.items()}
        path = environment.get(VARIABLE, "")
        self.named.append(path)
        return self.work(Progress(Redactor(), path)) | {"wrap_async": more.get("wrap_async")}


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    shown = Screen()
    monkeypatch.setattr(live, "Display", lambda: shown)
    return shown


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Any:
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "progress"] == []


VARS = {"ansible_play_hosts_all": ["a"], "inventory_hostname": "a"}


def test_a_line_is_shown_while_the_module_runs(tmp_path: Path, screen: Screen) -> None:
    def work(tell: Progress) -> dict[str, Any]:
        for word in ("first", "second"):
            tell(word)
            assert screen.wait_for(f"  {word}")  # the module goes on only when the line was shown
        return {"changed": True}

    done = Module(tmp_path / "t", work).run(None, VARS)
    assert done["changed"] is True
    assert screen.lines == ["  first", "  second"]
    assert not (tmp_path / "t").exists()


def test_the_last_line_comes_before_the_result(tmp_path: Path, screen: Screen) -> None:
    def work(tell: Progress) -> dict[str, Any]:
        tell("last words")
        return {}

    Module(tmp_path / "t", work).run(None, VARS)
    assert screen.lines == ["  last words"]


def test_the_host_stands_before_the_line_where_there_are_several(tmp_path: Path, screen: Screen) -> None:
    def work(tell: Progress) -> dict[str, Any]:
        tell("here")
        return {}

    Module(tmp_path / "t", work).run(None, {"ansible_play_hosts_all": ["a", "b"], "inventory_hostname": "b"})
    assert screen.lines == ["  [b] here"]


@pytest.mark.parametrize("why", [{"no_log": True}, {"async_val": 60}, {"transport": "ssh"}])
def test_where_nothing_can_or_may_be_shown_the_module_just_runs(
    tmp_path: Path, screen: Screen, why: dict[str, Any]
) -> None:
    module = Module(tmp_path / "t", lambda tell: tell("unseen") or {"changed": False}, **why)  # type: ignore[func-returns-value]
    done = module.run(None, VARS)
    assert done["changed"] is False
    assert bool(done["wrap_async"]) == ("async_val" in why)
    assert module.named == [""]
    assert screen.lines == []


def test_an_error_leaves_no_file_and_no_name(tmp_path: Path, screen: Screen) -> None:
    def work(tell: Progress) -> dict[str, Any]:
        tell("before it broke")
        raise RuntimeError("it broke")

    module = Module(tmp_path / "t", work, environment=[{"HOME": "/here"}])
    with pytest.raises(RuntimeError, match="it broke"):
        module.run(None, VARS)
    assert screen.lines == ["  before it broke"]
    assert not (tmp_path / "t").exists()
    assert module._task.environment == [{"HOME": "/here"}]


def test_a_module_that_tells_nothing(tmp_path: Path, screen: Screen) -> None:
    assert Module(tmp_path / "t", lambda _tell: {"changed": True}).run(None, VARS)["changed"] is True
    assert screen.lines == []


# ---------------------------------------------------------------------- the tail


def test_only_whole_lines_are_shown_each_once(tmp_path: Path) -> None:
    path, shown = tmp_path / "p", Screen()
    with Tail(path, shown.display), path.open("ab", buffering=0) as file:
        file.write(b'{"text": "one"}\n{"text": "tw')
        assert shown.wait_for("one")
        file.write(b'o"}\n{"text": "never ended"}')
        assert shown.wait_for("two")
    assert shown.lines == ["one", "two"]


def test_more_than_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHUNK", 40)
    path, shown = tmp_path / "p", Screen()
    path.write_text("".join(json.dumps({"text": f"line {at}"}) + "\n" for at in range(50)), encoding="utf-8")
    with Tail(path, shown.display):
        pass
    assert shown.lines == [f"line {at}" for at in range(50)]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    shown = Screen()
    (tmp_path / "real").write_text('{"text": "elsewhere"}\n', encoding="utf-8")
    (tmp_path / "p").symlink_to(tmp_path / "real")
    with Tail(tmp_path / "p", shown.display):
        pass
    assert shown.lines == []


@pytest.mark.parametrize("odd", [b"", b"{", b"[]", b"null", b'{"text": 1}', b"{}", b"\xff\xfe", b'{"text": ""}'])
def test_what_is_no_record_is_passed_over(odd: bytes) -> None:
    assert text_of(odd) == ""


def test_a_text_cannot_steer_the_terminal() -> None:
    assert text_of(json.dumps({"text": "a\x1b[2Jb\nc"}).encode()) == "a[2Jb c"


# ---------------------------------------------------------------------- a real play

PLAY = """
- hosts: all
  gather_facts: false
  module_defaults:
    group/bytebot.production.all:
      kubeconfig: "{{ nowhere }}"
  tasks:
    - name: Deploy
      bytebot.production.helm_release:
        name: small
        namespace: shop
        state: absent
        binary_path: /bin/true
      ignore_errors: true  # no cluster is there; which connection each was given is asserted below
      register: deployed
    - name: Judge
      bytebot.production.workload_check:
        namespace: shop
        release: small
      ignore_errors: true  # no cluster is there; which connection each was given is asserted below
      register: judged
    - name: Both were given the group's connection
      ansible.builtin.assert:
        that:
          - deployed is failed and nowhere in deployed.msg
          - judged is failed and nowhere in judged.msg
"""


@pytest.mark.parametrize("keep", ["0", "1"])
def test_the_groups_defaults_reach_modules_with_an_action_and_no_progress_is_left(tmp_path: Path, keep: str) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "KUBE", "K8S_"))},
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote"),
        "ANSIBLE_KEEP_REMOTE_FILES": keep,
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
    command += ["-e", json.dumps({"ansible_python_interpreter": sys.executable, "nowhere": str(tmp_path / "nowhere")})]
    done = subprocess.run([*command, str(playbook)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    left = [path for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    assert [path for path in left if path.name == live.FILE] == []
    assert bool(left) == (keep == "1")  # the folders were those looked into


@pytest.mark.parametrize("fails", [False, True])
def test_no_cycles_are_searched_for_while_the_module_is_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    seen = []

    def put_together(*arguments: Any, **named: Any) -> tuple[Any, ...]:
        seen.append((gc.isenabled(), arguments[1:], named))
        if fails:
            raise RuntimeError("it broke")
        return ("module", "path")

    monkeypatch.setattr(live.ActionBase, "_configure_module", put_together)
    module = Module(tmp_path / "t", lambda _tell: {})
    with pytest.raises(RuntimeError) if fails else nullcontext():
        assert module._configure_module("name", module_args={}, task_vars={}) == ("module", "path")
    assert seen == [(False, ("name",), {"module_args": {}, "task_vars": {}})]
    assert gc.isenabled()
