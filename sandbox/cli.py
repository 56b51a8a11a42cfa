# The command line: every end is worded, no traceback reaches the caller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from sandbox import preflight, probe, replay, signers, status
from sandbox.cluster import Cluster
from sandbox.components import kwok
from sandbox.errors import PreflightError, SandboxError, Stopped
from sandbox.faults import FAULTS, Faults
from sandbox.faults.fault import Hands
from sandbox.files import put
from sandbox.host import cgroups, netns
from sandbox.lifecycle import Sandbox
from sandbox.pki import Pki
from sandbox.progress import Progress
from sandbox.scale import Scale, Size
from sandbox.settings import Settings, load, wrong_switches
from sandbox.shell import environment
from sandbox.traffic import Traffic

FAILED, PREFLIGHT, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    words = parser().parse_args(arguments)
    settings = load()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return dispatch(words, settings)
    except PreflightError as error:
        print("The sandbox cannot work here, and nothing was touched:", file=sys.stderr)
        for cause in error.causes:
            print(f"  - {cause}", file=sys.stderr)
        return PREFLIGHT
    except (SandboxError, Stopped) as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\ninterrupted; `python -m sandbox up` goes on from here, `down` clears all away", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as error:  # noqa: BLE001 - the promise is that nobody meets a traceback
        return _unforeseen(settings, error)


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m sandbox", description="A real one-node Kubernetes on this machine.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="build what is missing, start everything, wait until it answers")
    up.add_argument("--progress", choices=["auto", "plain"], default="auto", help="plain: only whole lines")
    commands.add_parser("down", help="stop everything and leave nothing behind but the data")
    commands.add_parser("status", help="what runs, or what is left behind")
    commands.add_parser("reset", help="down, and delete all state but binaries and image archives")
    commands.add_parser("build", help="only build binaries and image archives")
    commands.add_parser("env", help="shell lines that set KUBECONFIG and PATH")
    inside = commands.add_parser("ns", help="run a command in the cluster's network namespace")
    inside.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    fault = commands.add_parser("fault", help="put a fault in, so that it can be seen what it turns red")
    fault.add_argument("name", metavar="NAME")
    commands.add_parser("faults", help="list the faults")
    commands.add_parser("heal", help="take the fault out")
    traffic = commands.add_parser("traffic", help="ask as users do, around a go-live, and tell when it is")
    traffic.add_argument("--seconds", type=_count, default=70, metavar="N", help="before the go-live, and after it")
    commands.add_parser("replay", help="serve a synthetic history of a month, for the reviews after go-live")
    commands.add_parser("signers", help="make demo signers, whose signatures count in a sandbox only")
    sign = commands.add_parser("sign", help="answer statements with yes and sign them as demo signers")
    sign.add_argument("files", nargs="+", type=Path, metavar="FILE")
    scale = commands.add_parser(
        "scale", help="fill the cluster with nodes and pods that only the API knows, or remove them"
    )
    scale.add_argument("way", choices=["up", "down"])
    for name, number in dataclasses.asdict(Size()).items():
        scale.add_argument(f"--{name.replace('_', '-')}", type=_count, default=number, metavar="N")
    control = commands.add_parser("ctl", help="supervisorctl")
    control.add_argument("words", nargs=argparse.REMAINDER, metavar="ARG")
    return root


def dispatch(words: argparse.Namespace, settings: Settings) -> int:
    if causes := wrong_switches():
        raise PreflightError(causes)
    if words.command == "env":
        print(f"export KUBECONFIG={settings.kubeconfig} PATH={settings.bin}:$PATH")
        return 0
    if words.command == "faults":
        print("\n".join(f"{fault.name:<30} {fault.says}" for fault in FAULTS.values()))
        return 0
    if words.command in {"signers", "sign"}:
        print("\n".join(map(str, _signed(settings, words))))
        return 0
    if os.geteuid() != 0 and words.command not in {"up", "build"}:
        raise PreflightError([preflight.NOT_ROOT])
    if words.command == "ns":
        return _inside(settings, words.words)
    if words.command in {"fault", "heal"}:
        with _alone(" faults"):
            return _fault(Faults(settings), words)
    if words.command == "traffic":
        _ask_around(settings, words.seconds)
        return 0
    if words.command == "replay":
        with _alone(" faults"):
            print(replay.play(settings, Cluster(settings, Pki(settings.pki))))
        return 0
    if words.command == "scale":
        with _alone(" scale"):
            return _scale(settings, words)
    progress = Progress(live=words.command == "up" and words.progress == "auto" and sys.stderr.isatty())
    sandbox = Sandbox(settings, progress)
    if words.command == "status":
        text, code = status.status(sandbox)
        print(text)
        return code
    if words.command == "ctl":
        return sandbox.ctx.supervisor.control(words.words)
    return _change(sandbox, words.command)


def _fault(faults: Faults, words: argparse.Namespace) -> int:
    if words.command == "heal":
        healed = faults.heal()
        print(f"healed: {', '.join(healed)}" if healed else "there was no fault")
        return 0
    fault = faults.put(words.name)
    red = f"It turns red: {', '.join(fault.turns_red)}." if fault.turns_red else "No control judges it yet."
    print(f"{fault.name}: {fault.says}. {red}")
    print(f"See it with: make {'demo' if fault.playbook == 'deploy' else 'verify'}; take it out with: make heal")
    return 0


def _signed(settings: Settings, words: argparse.Namespace) -> list[Path]:
    return signers.sign(settings, words.files) if words.command == "sign" else [signers.make(settings)]


def _scale(settings: Settings, words: argparse.Namespace) -> int:
    scale = Scale(Cluster(settings, Pki(settings.pki)), lambda line: print(line, flush=True))
    if words.way == "down":
        scale.down()
        return 0
    if not probe.healthy(settings, kwok.HEALTH_PORT):
        raise SandboxError("scale", "kwok does not run here", remedy="make sandbox-up PROFILE=full")
    scale.up(Size(words.nodes, words.pods, words.role_bindings))
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _change(sandbox: Sandbox, command: str) -> int:
    progress = sandbox.ctx.progress
    if command in {"up", "build"}:
        with _alone(f" {sandbox.settings.state}"):
            sandbox.check(only_build=command == "build")
            sandbox.build()
    if command == "build":
        progress.line("all binaries and images are built")
        return 0
    with _alone():
        _change_machine(sandbox, command)
    return 0


def _change_machine(sandbox: Sandbox, command: str) -> None:
    progress = sandbox.ctx.progress
    if command == "up":
        seconds = sandbox.up()
        print(status.report(sandbox, seconds))
        print(f'API {sandbox.settings.api_url}; for a shell: eval "$(python -m sandbox env)"')
    elif command == "down":
        replay.stop(sandbox.settings)
        sandbox.down()
        progress.line("down")
    elif command == "reset":
        sandbox.reset()
        progress.line("down, and all state deleted; binaries and image archives are kept")


def _ask_around(settings: Settings, seconds: int) -> None:
    """Let users ask for a while before a go-live and after it; the moment is told as an input of the playbooks."""
    at = time.time() + seconds
    told = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    print(f"-e '{json.dumps({'bytebot_go_live': {'at': told}})}'", flush=True)
    pki = Pki(settings.pki)
    with Traffic(Hands(settings, Cluster(settings, pki), pki)) as traffic:
        traffic.go_on(2 * seconds)


def _inside(settings: Settings, words: Sequence[str]) -> int:
    if not settings.netns_file.exists():
        raise SandboxError("ns", "the sandbox is not up", remedy="run `python -m sandbox up`")
    if not words:
        raise SandboxError("ns", "no command was given", remedy="`python -m sandbox ns CMD ...`")
    # So that `down` knows it for one of the sandbox's own.
    for file in cgroups.detect(settings.cgroup).enter_files():
        file.write_text(str(os.getpid()))
    env = environment()
    env["PATH"] = f"{settings.bin}:{env['PATH']}"
    command = [*netns.enter_command(settings), *words]
    os.execvpe(command[0], command, env)


@contextmanager
def _alone(what: str = "") -> Iterator[None]:
    """One change at a time. An abstract socket goes with its process, however that ends."""
    with socket.socket(socket.AF_UNIX) as mark:
        try:
            mark.bind(f"\0bytebot-sandbox{what}")
        except OSError as error:
            what, remedy = "another `python -m sandbox` is changing it just now", "wait until that one is done"
            raise SandboxError("sandbox", what, remedy=remedy) from error
        yield


def _unforeseen(settings: Settings, error: Exception) -> int:
    where = settings.log / "crash.log"
    try:
        put(where, "".join(traceback.format_exception(error)))
    except OSError:
        print(f"failed: {type(error).__name__}: {error}", file=sys.stderr)
    else:
        print(f"failed: {type(error).__name__}: {error}\n  what to do: the details are in {where}", file=sys.stderr)
    return FAILED


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
