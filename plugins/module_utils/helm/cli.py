# Runs the helm program: argument lists only, secrets by standard input or a private file, a scrubbed environment.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    ProgramMissing,
    Unreachable,
)

_KLOG_NOISE = re.compile(r"[WI]\d{4} ")  # klog: severity, month and day
OLDEST = (3, 14)  # the first release with `--dry-run=server` for install and upgrade as used here (Helm 3.13) and fixes
# Both become the program that is named after the parent's process id, unless that parent is dead. PYTHON also asks for
# SIGTERM when it dies (prctl(2), PR_SET_PDEATHSIG = 1), as setpriv does for SHELL in a tenth of the time.
SHELL = ("/bin/sh", "-c", 'test "$PPID" = "$0" && exec "$@"')
PYTHON = (
    sys.executable,
    "-ISc",
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execvp(sys.argv[2], sys.argv[2:])",
)
# The API server is asked about every object by a dry run; for its own validation helm loads the whole OpenAPI document,
# which takes longer than the rendering itself.
UNVALIDATED = "--disable-openapi-validation"
STOP_GRACE_S = 20.0  # helm marks the release as failed before it ends; only then is it killed
KEPT_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
KEPT_HELM = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_DRIVER", "HELM_REGISTRY_CONFIG",
             "HELM_REPOSITORY_CONFIG", "HELM_REPOSITORY_CACHE", "HELM_PLUGINS")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Completed:
    """How one run of a program ended."""

    code: int
    stdout: str
    stderr: str
    stopped: str = ""  # why the run was ended from here, empty where it ended by itself


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster and namespace that helm works on."""

    namespace: str
    kubeconfig: str = ""
    context: str = ""

    def arguments(self) -> list[str]:
        return ["--namespace", self.namespace, *(["--kube-context", self.context] if self.context else [])]


class Runner(Protocol):
    """Runs a program; tests put their own in its place."""

    def __call__(
        self,
        arguments: Sequence[str],
        stdin: str | None,
        environment: Mapping[str, str],
        should_stop: Callable[[], str] | None = None,
        *,
        unwanted: threading.Event | None = None,
    ) -> Completed: ...


def run_program(
    arguments: Sequence[str],
    stdin: str | None,
    environment: Mapping[str, str],
    should_stop: Callable[[], str] | None = None,
    *,
    unwanted: threading.Event | None = None,
) -> Completed:
    """Run a program to its end.

    :param should_stop: asked twice a second while the program runs; a non-empty answer ends the program politely
        (SIGTERM, which makes helm mark the release as failed) and is returned as ``stopped``. Such a program changes
        something, so it also ends (SIGTERM) with whoever started it, even where that one is killed.
    :param unwanted: set where nobody waits for the program any longer; it only reads, and is killed.
    """
    try:
        process = subprocess.Popen(
            [*(_bound() if should_stop and sys.platform == "linux" else ()), *arguments],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as exc:
        raise ProgramMissing(f"The program {arguments[0]} cannot be started: {exc.strerror}.") from exc
    with process:
        try:
            return _followed(process, stdin, should_stop, unwanted)
        finally:
            _end(process)  # whatever happened here, nothing goes on behind the caller's back


def _bound() -> list[str]:
    """What binds the program that is named after it to the life of this process."""
    return [*binder(), str(os.getpid())]


@cache
def binder() -> Sequence[str]:
    """By util-linux' setpriv where it can (2.33 and newer can, BusyBox cannot), else by Python."""
    setpriv = (shutil.which("setpriv") or "", "--pdeathsig", "TERM", "--")
    if setpriv[0]:
        tried = subprocess.run([*setpriv, *SHELL, str(os.getpid()), "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return (*setpriv, *SHELL)
    return PYTHON


def _followed(
    process: subprocess.Popen[str],
    stdin: str | None,
    should_stop: Callable[[], str] | None,
    unwanted: threading.Event | None,
) -> Completed:
    pending_input, reason, stopped_at = stdin, "", 0.0
    while True:
        try:
            stdout, stderr = process.communicate(pending_input, timeout=0.5 if should_stop or unwanted else None)
            return Completed(process.returncode, stdout, stderr, reason)
        except subprocess.TimeoutExpired:
            pending_input = None
            if unwanted and unwanted.is_set():
                process.kill()
            elif should_stop and not reason and (reason := should_stop()):
                process.send_signal(signal.SIGTERM)
                stopped_at = time.monotonic()
            elif reason and time.monotonic() - stopped_at > STOP_GRACE_S:
                process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


@dataclass
class HelmCli:
    """The helm program against one target. ``runner`` is replaced in tests; ``processes`` counts what was started."""

    binary: str
    target: Target
    runner: Runner = run_program
    processes: int = field(default=0, init=False)
    _unwanted: threading.Event = field(default_factory=threading.Event, init=False)

    def call(
        self, *arguments: str, stdin: str | None = None, should_stop: Callable[[], str] | None = None
    ) -> Completed:
        """Run helm; a failure is raised with helm's own words."""
        return self._checked(arguments[0], self.attempt(*arguments, stdin=stdin, should_stop=should_stop))

    def attempt(
        self, *arguments: str, stdin: str | None = None, should_stop: Callable[[], str] | None = None
    ) -> Completed:
        """Run helm and return however it ended."""
        return self._started(arguments, stdin, should_stop)

    def _started(
        self,
        arguments: Sequence[str],
        stdin: str | None,
        should_stop: Callable[[], str] | None = None,
        unwanted: threading.Event | None = None,
    ) -> Completed:
        self.processes += 1
        command = [self.binary, *arguments, *self.target.arguments()]
        return self.runner(command, stdin, self._environment(), should_stop, unwanted=unwanted)

    @staticmethod
    def _checked(verb: str, done: Completed) -> Completed:
        if done.code != 0 and not done.stopped:
            raise _failure(verb, done)
        return done

    def begin(self, *arguments: str, stdin: str | None = None) -> Callable[[], Completed]:
        """Start helm and go on; what is returned waits for its end, and raises what :meth:`call` raises."""
        with_one = ThreadPoolExecutor(1, thread_name_prefix="helm")
        begun = with_one.submit(
            lambda: self._checked(arguments[0], self._started(arguments, stdin, unwanted=self._unwanted))
        )
        with_one.shutdown(wait=False)
        return begun.result

    def forget(self) -> None:
        """End what was begun and is waited for no more."""
        self._unwanted.set()

    def call_json(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run helm with ``--output json`` and parse what it prints."""
        return self.begin_json(*arguments, stdin=stdin)()

    def begin_json(self, *arguments: str, stdin: str | None = None) -> Callable[[], Any]:
        """Start helm with ``--output json`` and go on; what is returned waits, and parses what it printed."""
        end = self.begin(*arguments, "--output", "json", stdin=stdin)

        def parsed() -> Any:
            text = end().stdout
            try:
                return json.loads(text)
            except ValueError as exc:
                # what it printed is not repeated: a rendered release holds Secrets
                raise CommandFailed(f"helm {arguments[0]} printed {len(text)} characters that are no JSON.") from exc

        return parsed

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in (*KEPT_ENVIRONMENT, *KEPT_HELM) if key in os.environ}
        if self.target.kubeconfig:
            kept["KUBECONFIG"] = self.target.kubeconfig
        return kept


def find_helm(wanted: str = "") -> str:
    """The path of the helm program: the one named, else the first on PATH."""
    found = shutil.which(wanted or "helm")
    if not found:
        where = f"at {wanted}" if wanted else "on PATH"
        raise ProgramMissing(
            f"There is no helm program {where}. Install Helm 3.14 or newer (or 4), or set binary_path "
            "(in the inventory: bytebot_helm) to it."
        )
    return found


def parse_version(text: str) -> tuple[int, int, int]:
    """The version in the output of ``helm version``, with or without ``--short``."""
    match = re.search(r"v(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not match:
        raise CommandFailed(f"helm version printed no version: {text[:200]!r}.")
    major, minor, patch = (int(part or 0) for part in match.groups())
    return major, minor, patch


def require_supported(version: tuple[int, int, int]) -> None:
    """Refuse a helm older than what the collection is tested with."""
    if version[:2] < OLDEST:
        found = ".".join(str(part) for part in version)
        raise InputError(f"helm {found} is too old. Install Helm {OLDEST[0]}.{OLDEST[1]} or newer, or 4.")


def chart_path(path: str) -> Path:
    """A chart given as folder or archive, checked to be there."""
    chart = Path(path).expanduser()
    if not chart.exists():
        raise InputError(
            f"There is no chart at {chart}. Set chart (in the inventory: bytebot_chart) to its folder or archive."
        )
    if chart.is_dir() and not (chart / "Chart.yaml").is_file():
        raise InputError(f"{chart} is not a chart: it has no Chart.yaml.")
    return chart


def _failure(verb: str, done: Completed) -> Exception:
    text = clean_stderr(done.stderr) or f"it ended with code {done.code} and no message"
    network = re.search(r"cluster unreachable|connection refused|no such host|i/o timeout", text, re.IGNORECASE)
    if network and "webhook" not in text:
        what = "the chart's registry or repository" if verb == "pull" else "the cluster"
        return Unreachable(f"helm {verb} cannot reach {what}: {text}.")
    return CommandFailed(f"helm {verb} failed: {text}.", helm_exit_code=done.code)


def clean_stderr(text: str) -> str:
    """What helm says, without its warnings' noise and its leading ``Error:``."""
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and not line.startswith(("WARNING:", "level=WARN")) and not _KLOG_NOISE.match(line)
    ]
    return "; ".join(re.sub(r"^Error: ", "", line).strip() for line in lines).rstrip(".")[-1500:]
