# A real PostgreSQL and a real Redis on 127.0.0.1, for tests that ask them; skipped where the programs are not there.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.unit.collection.throwaway_ca import Authority

OWNER = "postgres"  # PostgreSQL refuses to run as root
HOST = "db.shop"
LOCAL = "local all all trust"


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port


@dataclass
class Postgres:
    """A server whose rules of sign-in, settings and roles a test may change."""

    folder: Path
    port: int
    ca: Authority
    control: list[Any]
    account: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """How the superuser comes in, by the socket."""
        return f"postgresql://test@/postgres?host={self.folder}&port={self.port}"

    def admit(self, *lines: str) -> None:
        """Replace pg_hba.conf."""
        (self.folder / "data" / "pg_hba.conf").write_text("\n".join((LOCAL, *lines)) + "\n", encoding="utf-8")
        self.reload()

    def sql(self, *statements: str) -> None:
        with psycopg.connect(
            host=str(self.folder), port=self.port, user="test", dbname="postgres", autocommit=True
        ) as one:
            for statement in statements:
                one.execute(statement)

    def certificate(self, host: str, **times: Any) -> None:
        """Show the certificate of another host, or one of other times."""
        shown = self.folder / "server.pem"
        shutil.copy(self.ca.issue(host, **times), shown)
        shown.chmod(0o600)
        if self.account:
            os.chown(shown, self.account["user"], self.account["group"])
        self.reload()

    def reload(self) -> None:
        """Let it read its files; the next connection is served by the new ones."""
        before = self._loaded()
        subprocess.run([*self.control, "reload"], check=True, capture_output=True, cwd=self.folder, **self.account)
        while self._loaded() == before:
            pass

    def _loaded(self) -> Any:
        with psycopg.connect(host=str(self.folder), port=self.port, user="test", dbname="postgres") as one:
            row = one.execute("SELECT pg_conf_load_time()").fetchone()
        return row and row[0]


@contextmanager
def postgres(authority: Path) -> Iterator[Postgres]:
    """A new cluster with TLS on a port of 127.0.0.1; its superuser ``test`` comes in by the socket."""
    tools, account = _postgres_tools(), _account()
    folder = Path(tempfile.mkdtemp(prefix="bytebot-postgres-"))  # pytest's own is closed to other accounts
    if account:
        os.chown(folder, account["user"], account["group"])
    data, port = folder / "data", free_port()
    control = [tools / "pg_ctl", "--pgdata", data, "--wait"]
    server = Postgres(folder, port, Authority(authority), control, account)
    shown = folder / "server.pem"
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off", "ssl": "on",
        "ssl_cert_file": shown, "ssl_key_file": shown, "max_connections": 40, "password_encryption": "scram-sha-256",
    }  # fmt: skip
    try:
        made = [tools / "initdb", "--pgdata", data, "--username=test", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **account)
        with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        shutil.copy(server.ca.issue(HOST), shown)
        shown.chmod(0o600)
        if account:
            os.chown(shown, account["user"], account["group"])
        start = [*control, "--log", folder / "log", "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
        try:
            yield server
        finally:
            stop = [*control, "--mode=immediate", "stop"]
            subprocess.run(stop, check=True, capture_output=True, cwd=folder, **account)
    finally:
        shutil.rmtree(folder)


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    try:
        owner = pwd.getpwnam(OWNER)
    except KeyError:
        pytest.skip(f"there is no account {OWNER} to run PostgreSQL as")
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _postgres_tools() -> Path:
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found and not versions:
        pytest.skip("there is no PostgreSQL (initdb)")
    return Path(found).resolve().parent if found else versions[-1].parent


@contextmanager
def redis(*options: str, acl: tuple[str, ...] = (), shell: str = "") -> Iterator[int]:
    """A new server on a port of 127.0.0.1, with lines of an ACL file, and where wanted started by a shell."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        pytest.skip("there is neither redis-server nor valkey-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bytebot-redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, *options]
        if acl:
            users = Path(folder) / "users.acl"
            users.write_text("\n".join(acl) + "\n", encoding="utf-8")
            command += ["--aclfile", str(users)]
        if shell:
            command = ["sh", "-ec", f'{shell}; exec "$@"', "sh", *command]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            try:
                assert any("ready to accept connections" in line.lower() for line in running.stdout)
                yield port
            finally:
                running.terminate()
