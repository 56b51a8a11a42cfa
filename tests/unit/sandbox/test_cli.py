# The command line ends with words and the promised status, never with a traceback.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import cli, lifecycle, starting, status
from sandbox.component import Component, Context
from sandbox.errors import PreflightError, SandboxError, Stopped
from sandbox.progress import Progress, table
from sandbox.settings import Settings
from sandbox.shell import run, tail_file

CHECKOUT = Path(cli.__file__).resolve().parent.parent


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[BaseException]:
    """`status` raises what the test puts here."""
    errors: list[BaseException] = []

    def raise_it(_: object) -> tuple[str, int]:
        raise errors[0]

    monkeypatch.setattr(status, "status", raise_it)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(cli, "load", lambda: settings)
    return errors


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PreflightError(["No Go.", "No root."]), 2, ["nothing was touched", "- No Go.", "- No root."]),
        (SandboxError("etcd", "it fell", log=["line 1"], remedy="look"), 1, ["etcd: it fell", "line 1", "to do: look"]),
        (KeyboardInterrupt(), 130, ["interrupted", "up", "down"]),
        (ZeroDivisionError("oh"), 1, ["ZeroDivisionError: oh", "crash.log"]),
    ],
)
def test_every_end_is_worded(
    error: BaseException, code: int, words: list[str], failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(error)
    assert cli.main(["status"]) == code
    said = capsys.readouterr().err
    assert [word for word in words if word not in said] == []
    assert "Traceback" not in said


def test_without_root_nothing_is_said_of_what_cannot_be_seen(
    failing: list[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(AssertionError("it looked"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["status"]) == 2
    assert "must run as root" in capsys.readouterr().err


def test_the_details_of_the_unforeseen_are_kept(
    failing: list[BaseException], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(ZeroDivisionError("oh"))
    cli.main(["status"])
    assert "ZeroDivisionError: oh" in (settings.log / "crash.log").read_text()


def test_env_prints_lines_for_the_shell(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "env"],
        cwd=CHECKOUT,
        env={**os.environ, "SANDBOX_DIR": str(tmp_path)},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == f"export KUBECONFIG={tmp_path}/admin.kubeconfig PATH={tmp_path}/bin:$PATH\n"


def test_two_changes_at_once_are_refused() -> None:
    mark = f"test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0bytebot-sandbox{mark}")
        with pytest.raises(SandboxError, match="changing it just now"), cli._alone(mark):
            pytest.fail("both went on")
    with cli._alone(mark):
        pass


def test_a_polite_kill_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt):
        cli._interrupt(signal.SIGTERM, None)


def test_the_first_failure_stops_the_rest_and_is_the_one_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = lifecycle.Sandbox(settings, Progress(out=io.StringIO()))
    started: list[str] = []

    def start(ctx: Context, component: Component) -> None:
        started.append(component.name)
        if component.name == "etcd":
            raise SandboxError("etcd", "no room")
        if component.name == "registry":
            assert ctx.stop.wait(5)
            raise Stopped("registry")

    monkeypatch.setattr(starting, "start", start)
    with pytest.raises(SandboxError, match="no room"):
        box._start_all()
    assert sorted(started) == ["etcd", "registry"]


def test_a_failing_command_tells_its_last_lines(tmp_path: Path) -> None:
    script = "import sys; [print(f'line {n}') for n in range(40)]; sys.exit(3)"
    with pytest.raises(SandboxError) as caught:
        run("web", [sys.executable, "-c", script], what="the trial")
    assert caught.value.what == "the trial ended with status 3"
    assert caught.value.log == tuple(f"line {n}" for n in range(25, 40))
    log = tmp_path / "log"
    with pytest.raises(SandboxError) as caught:
        run("web", [sys.executable, "-c", script], log=log)
    assert caught.value.log[-1] == "line 39"
    assert tail_file(log, 2) == ["line 38", "line 39"]


def test_a_missing_program_is_told_by_name() -> None:
    with pytest.raises(SandboxError, match="no-such-program-here is not there"):
        run("web", ["no-such-program-here"])


def test_a_step_tells_its_seconds_and_only_when_it_went_well() -> None:
    out = io.StringIO()
    progress = Progress(out=out)
    with progress.step("etcd"):
        pass
    with pytest.raises(ValueError, match="x"), progress.step("registry"):
        raise ValueError("x")
    assert "etcd" in out.getvalue()
    assert "ready after 0.0 s" in out.getvalue()
    assert "registry" not in out.getvalue()


def test_a_long_step_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.progress.SIGN_OF_LIFE_S", 0.01)
    out = io.StringIO()
    progress = Progress(out=out)
    with progress.long_step("building x"):
        while "still at it" not in out.getvalue():
            pass
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("building x ...")
    assert "building x: done in" in lines[-1]


def test_tables_align_numbers_to_the_right() -> None:
    assert table(["name", "MiB"], [["a", "5"], ["long name", "120"]]).splitlines() == [
        "name       MiB",
        "a            5",
        "long name  120",
    ]
