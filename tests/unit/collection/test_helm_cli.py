# The helm program: arguments, a scrubbed environment, standard input, stopping, and what its errors say.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    ProgramMissing,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm import cli as under_test
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import (
    Completed,
    HelmCli,
    Target,
    chart_path,
    clean_stderr,
    find_helm,
    parse_version,
    require_supported,
    run_program,
)
from ansible_collections.bytebot.production.plugins.module_utils.kubeconfig import target_of
from tests.unit.collection.helm_fakes import SHOP, FakeHelm

ENVIRONMENT = {"PATH": os.environ.get("PATH", "")}


def program(folder: Path, body: str) -> str:
    """A small program in Python, in place of helm."""
    path = folder / "helm"
    path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


# ---------------------------------------------------------------------- arguments and environment


def test_the_target_comes_after_the_callers_arguments() -> None:
    helm = FakeHelm(list=Completed(0, "", ""))
    helm.cli().call("list", "--all", stdin="{}")
    assert helm.calls == [["/bin/helm", "list", "--all", "--namespace", SHOP, "--kube-context", "here"]]
    assert helm.stdins == ["{}"]
    assert helm.environments[0]["KUBECONFIG"] == "/kubeconfig"


def test_without_a_context_none_is_named() -> None:
    assert Target(SHOP).arguments() == ["--namespace", SHOP]


def test_a_child_gets_only_what_helm_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    canary = "k4nary-in-the-environment"
    for name in ("AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "HELM_KUBETOKEN", "HELM_DEBUG", "KUBECONFIG", "ANSIBLE_VAULT"):
        monkeypatch.setenv(name, canary)
    monkeypatch.setenv("HELM_DRIVER", "configmap")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    binary = program(tmp_path, "print(repr(dict(os.environ)))")
    printed = HelmCli(binary, Target(SHOP, "/mine")).call("list").stdout
    assert canary not in printed
    for kept in ("'KUBECONFIG': '/mine'", "'HELM_DRIVER': 'configmap'", "'https_proxy'", "'PATH'"):
        assert kept in printed


def test_processes_are_counted() -> None:
    helm = FakeHelm(list=Completed(0, "[]", "")).cli()
    assert helm.processes == 0
    helm.attempt("version")
    helm.call("version")
    helm.call_json("list")
    assert helm.processes == 3


# ---------------------------------------------------------------------- a real child


def test_standard_input_reaches_the_program_and_no_argument(tmp_path: Path) -> None:
    done = run_program(
        [program(tmp_path, "print(sys.stdin.read(), sys.argv[1:])"), "-"], '{"password": "x"}', ENVIRONMENT
    )
    assert done == Completed(0, '{"password": "x"} [\'-\']\n', "", "")


def test_a_program_without_input_does_not_wait_for_any(tmp_path: Path) -> None:
    assert run_program([program(tmp_path, "print(repr(sys.stdin.read()))")], None, ENVIRONMENT).stdout == "''\n"


def test_much_output_and_odd_bytes_are_read(tmp_path: Path) -> None:
    done = run_program(
        [program(tmp_path, "sys.stdout.buffer.write(b'\\xff' * 300_000)")], None, ENVIRONMENT, lambda: ""
    )
    assert len(done.stdout) == 300_000


def test_a_program_that_is_told_to_stop_may_tidy_up(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    body = "signal.signal(signal.SIGTERM, lambda *_: (print('tidied'), sys.exit(7)))\n" + _touch(ready)
    began = time.monotonic()
    done = run_program([program(tmp_path, body)], None, ENVIRONMENT, lambda: "crash loop" if ready.exists() else "")
    assert (done.code, done.stdout, done.stopped) == (7, "tidied\n", "crash loop")
    assert time.monotonic() - began < 30


def test_one_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "STOP_GRACE_S", 0.1)
    ready = tmp_path / "ready"
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _touch(ready)
    done = run_program([program(tmp_path, body)], None, ENVIRONMENT, lambda: "no hope" if ready.exists() else "")
    assert (done.code, done.stopped) == (-9, "no hope")


def _touch(ready: Path) -> str:
    return f"open({str(ready)!r}, 'w').close()\ntime.sleep(60)"


def test_one_that_ends_by_itself_was_not_stopped(tmp_path: Path) -> None:
    done = run_program([program(tmp_path, "time.sleep(0.7); sys.exit(3)")], "input", ENVIRONMENT, lambda: "")
    assert (done.code, done.stopped) == (3, "")


def test_nothing_goes_on_when_the_watching_breaks(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    body = f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"

    def breaks() -> str:
        if pid_file.exists() and pid_file.read_text():
            raise RuntimeError("the API is gone")
        return ""

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="the API is gone"):
        run_program([program(tmp_path, body)], None, ENVIRONMENT, breaks)
    assert time.monotonic() - began < 15
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")


@ONLY_LINUX
@pytest.mark.parametrize("search_path", [os.environ.get("PATH", ""), ""], ids=["with setpriv", "without"])
def test_a_program_that_changes_something_ends_with_who_started_it(tmp_path: Path, search_path: str) -> None:
    """Also where that one is killed, so that the Lease that runs out tells the truth."""
    told, pid_file = tmp_path / "told", tmp_path / "pid"
    body = (
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(told)!r}, 'w').close(), sys.exit(0)))\n"
        f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    path = program(tmp_path, body)
    code = (
        "import sys; from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import run_program; "
        f"run_program([{path!r}], None, {{}}, lambda: '')"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": search_path},
    )
    try:
        eventually(lambda: pid_file.exists() and pid_file.read_text())
    finally:
        starter.kill()
        starter.wait()
    eventually(told.exists)


@ONLY_LINUX
@pytest.mark.parametrize("binder", [("setpriv", "--pdeathsig", "TERM", "--", *under_test.SHELL), under_test.PYTHON])
def test_a_program_does_not_begin_where_who_started_it_is_dead(tmp_path: Path, binder: tuple[str, ...]) -> None:
    begun = tmp_path / "begun"
    for parent, begins in ((os.getpid(), True), (2**22 + 1, False)):  # above the largest process id
        begun.unlink(missing_ok=True)
        done = subprocess.run([*binder, str(parent), "touch", str(begun)], check=False, capture_output=True)
        assert ((done.returncode == 0), begun.exists()) == (begins, begins)


@ONLY_LINUX
@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ('shift 3; exec "$@"', under_test.SHELL),
        ("echo \"setpriv: unrecognized option '--pdeathsig'\" >&2; exit 1", under_test.PYTHON),  # util-linux 2.32
    ],
)
def test_a_setpriv_is_taken_where_it_can_bind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, taken: tuple[str, ...]
) -> None:
    path = tmp_path / "setpriv"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert tuple(under_test.binder.__wrapped__()[-len(taken) :]) == tuple(taken)


def eventually(true: Callable[[], object]) -> None:
    """Wait for what must come; a minute is for a machine that is busy, and decides nothing."""
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_was_begun_and_is_no_longer_wanted_is_ended(tmp_path: Path) -> None:
    """As where the API server cannot be reached: helm would go on trying long after the module has failed."""
    begun = tmp_path / "begun"
    helm = HelmCli(program(tmp_path, _touch(begun)), Target(SHOP))
    end = helm.begin("upgrade")
    while not begun.exists():
        time.sleep(0.01)
    helm.forget()
    with pytest.raises(CommandFailed, match="it ended with code -9"):
        end()


def test_whatever_breaks_beside_is_told_to_who_waits() -> None:
    def runner(*_arguments: object, **_more: object) -> Completed:
        raise ValueError("odd")

    end = HelmCli("/bin/helm", Target(SHOP), runner=runner).begin("version")
    with pytest.raises(ValueError, match="odd"):
        end()


def test_a_program_that_cannot_be_started_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "helm"
    path.write_bytes(b"\x7fELFnonsense")
    path.chmod(0o755)
    for wanted in (path, tmp_path / "gone"):
        with pytest.raises(ProgramMissing, match="cannot be started"):
            run_program([str(wanted)], None, ENVIRONMENT)


# ---------------------------------------------------------------------- errors

FAILURES = [
    (
        "Error: INSTALLATION FAILED: cannot re-use a name\n",
        CommandFailed,
        "helm list failed: INSTALLATION FAILED: cannot re-use a name.",
    ),
    (
        "Error: Kubernetes cluster unreachable: dial tcp: refused\n",
        Unreachable,
        "helm list cannot reach the cluster: Kubernetes cluster unreachable",
    ),
    ("Error: Get https://x: dial tcp: lookup x: no such host\n", Unreachable, "no such host"),
    ('Error: failed calling webhook "a.b": dial tcp: connection refused\n', CommandFailed, "failed calling webhook"),
    ("", CommandFailed, "it ended with code 1 and no message"),
]


@pytest.mark.parametrize(("stderr", "kind", "words"), FAILURES)
def test_what_helm_says_becomes_one_sentence(stderr: str, kind: type[Exception], words: str) -> None:
    helm = FakeHelm(list=Completed(1, "stdout with hunter22", stderr)).cli()
    with pytest.raises(kind) as failed:
        helm.call("list")
    assert words in str(failed.value)
    assert "hunter22" not in str(failed.value)


def test_attempt_returns_a_failure_and_a_stopped_run_is_none() -> None:
    assert FakeHelm(list=Completed(1, "", "Error: x")).cli().attempt("list").code == 1
    assert FakeHelm(list=Completed(1, "", "Error: x", "stopped")).cli().call("list").stopped == "stopped"


def test_json_is_parsed_and_anything_else_refused() -> None:
    good = FakeHelm(get=Completed(0, json.dumps({"a": [1]}), ""))
    assert good.cli().call_json("get", "x") == {"a": [1]}
    assert good.calls[0][1:5] == ["get", "x", "--output", "json"]
    with pytest.raises(CommandFailed, match="printed 9 characters that are no JSON"):
        FakeHelm(get=Completed(0, "hunter22!", "")).cli().call_json("get")


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("WARNING: Kubernetes configuration file is group-readable\nError: boom.\n", "boom"),
        ("W0203 10:11:12.1 warnings.go:70] deprecated\nI1124 1.1 x\nError: boom\n", "boom"),
        ("level=WARN msg=x\n\nError: one\nwhich means two\n", "one; which means two"),
        ("", ""),
        ("Waiting for pods\n", "Waiting for pods"),
        ("x" * 5000, "x" * 1500),
    ],
)
def test_the_noise_is_left_out(stderr: str, said: str) -> None:
    assert clean_stderr(stderr) == said


# ---------------------------------------------------------------------- version, program, chart


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.14.0+g3fc9f4b", (3, 14, 0)),
        ("v4.0.1", (4, 0, 1)),
        ('version.BuildInfo{Version:"v3.15.2"}', (3, 15, 2)),
        ("v4.1", (4, 1, 0)),
    ],
)
def test_versions(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


def test_no_version_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="printed no version"):
        parse_version("hello")


@pytest.mark.parametrize(
    ("version", "fine"), [((3, 13, 9), False), ((2, 17, 0), False), ((3, 14, 0), True), ((4, 0, 0), True)]
)
def test_old_versions_are_refused(version: tuple[int, int, int], fine: bool) -> None:
    if fine:
        require_supported(version)
    else:
        with pytest.raises(InputError, match="too old"):
            require_supported(version)


def test_the_program_is_found_or_its_absence_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, "pass")
    assert find_helm(path) == path
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_helm() == path
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ProgramMissing, match="no helm program on PATH"):
        find_helm()
    with pytest.raises(ProgramMissing, match="no helm program at /no/helm"):
        find_helm("/no/helm")


def test_charts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no chart at"):
        chart_path(str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"has no Chart\.yaml"):
        chart_path(str(tmp_path))
    (tmp_path / "Chart.yaml").write_text("name: x\n")
    assert chart_path(str(tmp_path)) == tmp_path
    (tmp_path / "x.tgz").write_bytes(b"")
    assert chart_path(str(tmp_path / "x.tgz")).name == "x.tgz"


# ---------------------------------------------------------------------- the connection


def test_a_kubeconfig_is_passed_on() -> None:
    assert target_of(Connection("~/k", "here"), SHOP, "/nowhere") == Target(SHOP, str(Path("~/k").expanduser()), "here")


def test_a_token_goes_by_a_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    connection = Connection(host="https://10.0.0.1:6443", api_key="hunter22", ca_cert="ca.crt")
    target = target_of(connection, SHOP, str(tmp_path))
    path = Path(target.kubeconfig)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "hunter22" in path.read_text()
    assert f"certificate-authority: {tmp_path}/ca.crt" in path.read_text()
    assert "hunter22" not in " ".join(target.arguments())
