# The one supervisor of all processes: its configuration, its start, and questions to it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import probe
from sandbox.errors import SandboxError
from sandbox.files import put
from sandbox.host import cgroups, mounts, netns
from sandbox.settings import Settings
from sandbox.shell import tail_file

START_S = 20.0
STOP_S = 40.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Program:
    """One supervised process. `fingerprint` changes when its configuration files do, which restarts it."""

    name: str
    command: tuple[str, ...]
    log: Path
    fingerprint: str = ""


@dataclass(frozen=True)
class State:
    """What the supervisor says of a process."""

    name: str
    state: str
    pid: int
    started: int
    says: str


def fingerprint(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def render_config(settings: Settings, programs: Sequence[Program]) -> str:
    """Nothing starts by itself: the order of start is the sandbox's. After that the supervisor restarts what dies."""
    s = settings
    sections = [
        "; written by python -m sandbox",
        "[supervisord]",
        f"logfile={s.log}/supervisord.log",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        f"pidfile={s.run}/supervisord.pid",
        f"childlogdir={s.log}",
        "",
        "[unix_http_server]",
        f"file={s.supervisor_socket}",
        "chmod=0600",
        "",
        "[supervisorctl]",
        f"serverurl=unix://{s.supervisor_socket}",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for program in programs:
        sections += [
            "",
            f"[program:{program.name}]",
            f"command={shlex.join(program.command).replace('%', '%%')}",
            f'environment=SANDBOX_CONFIG="{program.fingerprint}"',
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            "startretries=3",
            "stopwaitsecs=20",
            f"stdout_logfile={program.log}",
            "stdout_logfile_maxbytes=20MB",
            "stdout_logfile_backups=1",
            "redirect_stderr=true",
        ]
    return "\n".join(sections) + "\n"


class Supervisor:
    """Talks to supervisord over its socket."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.config = settings.conf / "supervisord.conf"

    def alive(self) -> bool:
        """A socket file alone proves nothing; someone must answer."""
        if not probe.unix_socket_open(self._settings.supervisor_socket):
            return False
        try:
            return bool(self._rpc().supervisor.getPID())
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def configure(self, programs: Sequence[Program]) -> None:
        """Writes the configuration; a running supervisor takes over what changed."""
        put(self.config, render_config(self._settings, programs))
        if not self.alive():
            return
        rpc = self._rpc().supervisor
        groups: Any = rpc.reloadConfig()
        added, altered, removed = groups[0]
        for name in [*altered, *removed]:
            rpc.stopProcessGroup(name)
            rpc.removeProcessGroup(name)
        for name in [*added, *altered]:
            rpc.addProcessGroup(name)

    def launch(self) -> None:
        """supervisord in the network namespace, the sandbox's cgroup and a mount namespace of its own."""
        s = self._settings
        mounts.make_folders(s)
        joins = [f"echo $$ >{file}" for file in cgroups.detect(s.cgroup).enter_files()]
        script = "\n".join([*joins, mounts.private_view(s), 'exec "$@"'])
        command = [
            *netns.enter_command(s), "unshare", "--mount", "--", "sh", "-c", script, "sandbox",
            sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config),
        ]  # fmt: skip
        env = {"PATH": f"{s.bin}:{PATH}", "HOME": str(s.state), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, env=env, cwd="/", text=True, capture_output=True, check=False)
        end = time.monotonic() + START_S
        while done.returncode == 0 and time.monotonic() < end:
            if self.alive():
                return
            time.sleep(0.05)
        log = [*done.stderr.splitlines(), *tail_file(s.log / "supervisord.log")][-15:]
        raise SandboxError("supervisor", "supervisord did not start", log=log, remedy="read the lines above")

    def start(self, name: str) -> None:
        """Returns at once; whether it works is for the component's probe to say."""
        try:
            self._rpc().supervisor.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise SandboxError(name, f"the supervisor could not start it: {fault.faultString}") from fault

    def stop(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                self._rpc().supervisor.stopProcess(name)
            except (xmlrpc.client.Error, OSError, http.client.HTTPException):
                continue

    def state(self, name: str) -> State:
        return self._state(self._rpc().supervisor.getProcessInfo(name))

    def states(self) -> dict[str, State]:
        rpc: Any = self._rpc().supervisor.getAllProcessInfo()
        return {info["name"]: self._state(info) for info in rpc}

    def shut_down(self) -> None:
        """Bounded: whoever is left afterwards is killed by its cgroup."""
        try:
            pid = int(str(self._rpc().supervisor.getPID()))
            self._rpc().supervisor.shutdown()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return
        end = time.monotonic() + STOP_S
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.05)

    def control(self, words: Sequence[str]) -> int:
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.config), *words]
        return subprocess.run(command, env=dict(os.environ), check=False).returncode

    @staticmethod
    def _state(info: Any) -> State:
        fields: Mapping[str, Any] = info
        says = str(fields["spawnerr"] or fields["description"])
        return State(str(fields["name"]), str(fields["statename"]), int(fields["pid"]), int(fields["start"]), says)

    def _rpc(self) -> xmlrpc.client.ServerProxy:
        return xmlrpc.client.ServerProxy(
            "http://localhost/RPC2", transport=_UnixTransport(self._settings.supervisor_socket)
        )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(STOP_S)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        del host
        return _UnixConnection(self._path)
