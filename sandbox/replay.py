# Serves a synthetic history: metrics by a Prometheus of its own, lines in the sandbox's log store under a mark.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from http import HTTPStatus
from pathlib import Path

from sandbox import probe
from sandbox.cluster import Cluster
from sandbox.components import victoria_logs
from sandbox.errors import SandboxError
from sandbox.files import put
from sandbox.history import MARK, History, stamp
from sandbox.host import cgroups, netns
from sandbox.settings import Settings
from sandbox.shell import environment, run, tail_file

PORT = 9490
WITHIN_S = 60.0
TOLD, PID = "replay.json", "prometheus.pid"
_LONG = "--max-block-duration=960h"  # it reads its source once for each block


def folder(settings: Settings) -> Path:
    """Where it is kept."""
    return settings.state / "history"


def play(settings: Settings, cluster: Cluster, wrong: frozenset[str] = frozenset()) -> Path:
    """Make a history that ends now, and serve it; the file that tells the inventory of it.

    :param wrong: what is wrong in it, of ``history.WRONG``.
    :raises SandboxError: the sandbox lacks what is needed, or what serves it does not answer.
    """
    address = _log_store(settings, cluster)
    history = History(int(time.time()) // 60 * 60, wrong)
    place = folder(settings)
    stop(settings)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    told = _metrics(settings, history, place)
    mark = secrets.token_hex(6)
    lines = "".join(json.dumps(line) + "\n" for line in history.lines(mark))
    path = "/insert/jsonline?_stream_fields=kubernetes.pod_name,synthetic"
    status, said = probe.http_post(settings, address, victoria_logs.PORT, path, lines, kind=victoria_logs.LINES)
    probe.http_status(settings, address, victoria_logs.PORT, "/internal/force_flush")
    if status != HTTPStatus.OK:
        raise SandboxError("replay", f"the log store took no lines ({status} {said[:80]})", remedy="read its log")
    put(place / "actions.json", json.dumps(history.actions(), indent=1))
    put(place / TOLD, json.dumps({**told, "log_labels": {"synthetic": mark}}, indent=1))
    return place / TOLD


def stop(settings: Settings) -> None:
    """End what serves it, and let the inventory know of none."""
    place = folder(settings)
    (place / TOLD).unlink(missing_ok=True)
    with contextlib.suppress(OSError, ValueError):
        pid = int((place / PID).read_text())
        # The number may be another's by now.
        if b"history/data" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + WITHIN_S
            while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                time.sleep(0.05)


def _log_store(settings: Settings, cluster: Cluster) -> str:
    if not settings.netns_file.exists():
        raise SandboxError("replay", "the sandbox is not up", remedy="make sandbox-up PROFILE=full")
    service = cluster.get(victoria_logs.SERVICE)
    if not service:
        raise SandboxError("replay", "this sandbox has no log store", remedy="make sandbox-up PROFILE=full")
    return str(service["spec"]["clusterIP"])


def _metrics(settings: Settings, history: History, place: Path) -> dict[str, object]:
    source, data = place / "metrics.txt", place / "data"
    with source.open("w", encoding="utf-8") as stream:
        stream.writelines(history.text())
    command: list[str | Path] = [settings.bin / "promtool", "tsdb", "create-blocks-from", "--quiet", _LONG]
    run("replay", [*command, "openmetrics", source, data])
    source.unlink()
    put(place / "prometheus.yml", "# It scrapes nothing: what it has is synthetic.\nglobal: {}\n")
    _serve(settings, place)
    return {
        "prometheus": {"url": f"http://history.{settings.domain}:{PORT}"},
        "labels": MARK,
        "go_live": stamp(history.go_live),
        "until": stamp(history.end),
    }


def _serve(settings: Settings, place: Path) -> None:
    log = place / "prometheus.log"
    # Samples of before are half an hour apart, and Prometheus looks back no more than five minutes by itself.
    command = [
        *netns.enter_command(settings), f"{settings.bin}/prometheus", f"--config.file={place}/prometheus.yml",
        f"--storage.tsdb.path={place}/data", "--storage.tsdb.retention.time=90d", "--query.lookback-delta=35m",
        f"--web.listen-address={settings.node_address}:{PORT}", "--log.level=warn",
    ]  # fmt: skip
    joins = [str(file) for file in cgroups.detect(settings.cgroup).enter_files()]
    script = 'for f in $1; do echo $$ >"$f"; done; shift; exec "$@"'  # so that `down` knows it for the sandbox's own
    with log.open("w") as sink:
        server = subprocess.Popen(
            ["sh", "-c", script, "sh", " ".join(joins), *command],
            env=environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
    put(place / PID, str(server.pid))
    end = time.monotonic() + WITHIN_S
    while not probe.http_body(settings, settings.node_address, PORT, "/-/ready"):
        if server.poll() is not None or time.monotonic() > end:
            raise SandboxError("replay", "what serves the history does not answer", log=tail_file(log))
        time.sleep(0.1)
