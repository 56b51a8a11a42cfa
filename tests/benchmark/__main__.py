# Measures helm_release against kubernetes.core.helm and raw helm in the sandbox: python -m tests.benchmark [NAME...].
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from sandbox.settings import VERSIONS, Settings, load
from tests.benchmark.cases import CASES, OURS, PEER, Bench, measure
from tests.benchmark.cluster import Namespace
from tests.benchmark.contenders import Contender, Ours, Peer, Place, Play, Raw
from tests.benchmark.errors import Broken
from tests.benchmark.goals import judge
from tests.benchmark.model import Row
from tests.benchmark.peer import Environment, peer_environment, peer_version
from tests.benchmark.report import About, document, goals_text, notes_text, table

ROOT = Path(__file__).resolve().parents[2]
HELMS = {4: "helm", 3: "helm3"}
FULL = {f"helm{major}.{case.name}": (major, case) for major in HELMS for case in CASES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the wanted cases; 0 unless something broke, whatever the figures say."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        wanted = chosen(given.names)
        _measured(wanted, given, load())
    except Broken as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was measured to its end stands in the report", file=sys.stderr)
        return 130
    return 0


def chosen(names: Sequence[str]) -> list[str]:
    """The cases that names mean: a whole name (``helm4.noop``), a helm (``helm3``) or a case (``upgrade``); else all.

    :raises Broken: a name means none.
    """
    if unknown := [name for name in names if not any(name == full or name in full.split(".") for full in FULL)]:
        raise Broken(f"There is no case {', '.join(unknown)}. Known: {', '.join(FULL)}, or a part of these.")
    return [full for full in FULL if not names or any(name == full or name in full.split(".") for name in names)]


def _measured(wanted: Sequence[str], given: argparse.Namespace, settings: Settings) -> None:
    if not settings.kubeconfig.is_file():
        raise Broken("The sandbox is not up. Raise it with: make sandbox-up")
    peer = peer_environment(ROOT / ".cache" / "benchmark-venv", _tell)
    ours = Environment(Path(sys.executable).parent, str(given.collections))
    versions = {
        "ansible_core": ours.core_version(),
        "peer_ansible_core": peer.core_version(),
        "peer": f"kubernetes.core {peer_version(peer)}",
        "python": sys.version.split()[0],
        "helm4": VERSIONS.helm,
        "helm3": VERSIONS.helm3,
        "kubernetes": VERSIONS.kubernetes,
    }
    began, rows, load_average = _now(), list[Row](), dict[str, float]()
    namespace = Namespace(settings.bin / "kubectl", settings.kubeconfig, settings.context, given.namespace)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
        place = Place(
            settings.kubeconfig, settings.context, given.namespace, ROOT / "tests/benchmark/chart", Path(work)
        )
        for name in wanted:
            major, case = FULL[name]
            load_average[name] = round(os.getloadavg()[0], 2)
            contenders: list[Contender] = [Ours(OURS, ours, place), Peer(PEER, peer, place), Raw(place)]
            starts = [Play(f"start-{OURS}", ours, place), Play(f"start-{PEER}", peer, place)]
            bench = Bench(place, namespace, contenders, starts, given.repetitions, _tell)
            with namespace.made():
                rows += measure(bench, case(bench), settings.bin / HELMS[major], major)
            load_average["end"] = round(os.getloadavg()[0], 2)
            about = About(began, _now(), given.repetitions, os.cpu_count() or 1, versions, load_average)
            _write(given.output, about, rows)  # what is measured stays, whatever comes
    print(
        f"\n{table(rows)}\n\nNotes\n{notes_text(rows)}\n\nGoals\n{goals_text(judge(rows))}\n\nWritten: {given.output}"
    )


def _write(path: Path, about: About, rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document(about, rows, judge(rows)), indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"a case ({', '.join(FULL)}) or a part of its name")
    parser.add_argument(
        "--repetitions", type=int, default=5, help="of each measurement (the failing upgrade: at most 3)"
    )
    parser.add_argument("--namespace", default="benchmark", help="of the benchmark's own; made and removed")
    parser.add_argument(
        "--collections",
        type=Path,
        default=ROOT / ".collections",
        help="where ansible_collections with ours is: the checkout, or another state of it to compare",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "benchmark.json", help="where the JSON goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
