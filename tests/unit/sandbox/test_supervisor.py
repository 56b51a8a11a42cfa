# The supervisor's configuration, and what a process's state means.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import configparser
from pathlib import Path

from sandbox.settings import Settings
from sandbox.supervisor import Program, fingerprint, render_config


def parse(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(text)
    return parser


def test_a_program_has_its_command_its_log_and_no_start_of_its_own(settings: Settings) -> None:
    program = Program("etcd", ("/bin/etcd", "--name=a b", "--format=100%"), Path("/log/etcd.log"), "abc")
    section = parse(render_config(settings, [program]))["program:etcd"]
    assert section["command"] == "/bin/etcd '--name=a b' --format=100%%"
    assert section["stdout_logfile"] == "/log/etcd.log"
    assert section["autostart"] == "false"
    assert section["autorestart"] == "true"
    assert section["environment"] == 'SANDBOX_CONFIG="abc"'


def test_the_socket_is_for_root_only_and_in_the_run_folder(settings: Settings) -> None:
    config = parse(render_config(settings, []))
    assert config["unix_http_server"]["file"] == str(settings.run / "supervisor.sock")
    assert config["unix_http_server"]["chmod"] == "0600"
    assert config["supervisorctl"]["serverurl"] == f"unix://{settings.run / 'supervisor.sock'}"


def test_fingerprints_tell_contents_and_their_borders_apart() -> None:
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["ab", "c"]) == fingerprint(["ab", "c"])
