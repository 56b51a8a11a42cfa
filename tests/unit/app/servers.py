# PostgreSQL and Redis for tests that ask the real ones; without their programs the tests are skipped and say so.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

OWNER = "postgres"  # it refuses to run as root


@contextmanager
def postgres() -> Iterator[Path]:
    """A new cluster that listens on a socket in the yielded folder only."""
    tools = _postgres_tools()
    account: dict[str, Any] = {}
    # Not pytest's folder: that one is closed to other accounts.
    folder = Path(tempfile.mkdtemp(prefix="bytebot-postgres-"))
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam(OWNER)
        except KeyError:
            pytest.skip(f"there is no account {OWNER} to run it as")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    made = [tools / "initdb", "--pgdata", data, "--username=test", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    control = [tools / "pg_ctl", "--pgdata", data, "--wait"]
    try:
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **account)
        subprocess.run([*control, "--log", log, "--options", options, "start"], check=True, cwd=folder, **account)
        try:
            yield folder
        finally:
            subprocess.run([*control, "--mode=immediate", "stop"], check=True, cwd=folder, **account)
    finally:
        shutil.rmtree(folder)


@contextmanager
def redis() -> Iterator[int]:
    """A new server on a port of 127.0.0.1."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        pytest.skip("there is neither redis-server nor valkey-server")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bytebot-redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            try:
                assert any("ready to accept connections" in line.lower() for line in running.stdout)
                yield port
            finally:
                running.terminate()


def _postgres_tools() -> Path:
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found and not versions:
        pytest.skip("there is no PostgreSQL (initdb)")
    return Path(found).resolve().parent if found else versions[-1].parent
