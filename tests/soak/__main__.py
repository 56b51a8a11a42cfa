# Watches the sandbox under a steady load for an hour: python -m tests.soak [--minutes N].
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.lifecycle import Sandbox
from sandbox.progress import Progress, table
from sandbox.settings import load
from tests.soak.judging import Load, Part, Sample, parts
from tests.soak.load import SOAK, Steady
from tests.soak.sampling import sample

REPORT = Path("reports/soak.json")
EVERY_S, TELL = 20.0, 15


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where nothing restarted, nothing grows, and every request was answered as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: 60)")
    minutes = parser.parse_args(arguments).minutes
    progress = Progress()
    try:
        samples, asked = _soak(minutes * 60, progress)
        found = parts(samples)
    except (SandboxError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 2
    print(_told(found, asked, len(samples)))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(_document(minutes, found, asked, samples), indent=1) + "\n", encoding="utf-8")
    wrong = [f"{part.name} {part.wrong}" for part in found if part.wrong] + asked.first
    print("\n".join(["wrong:", *wrong]) if wrong else "nothing restarted, nothing grows, every request was answered")
    return 1 if wrong else 0


def _soak(seconds: float, progress: Progress) -> tuple[list[Sample], Load]:
    settings = load()
    sandbox = Sandbox(settings, progress)
    if not sandbox.runs():
        raise SandboxError(SOAK, "the sandbox is not up", remedy="run `make sandbox-up PROFILE=full`")
    with Steady(settings, sandbox.ctx.cluster) as steady:
        samples = [sample(sandbox.ctx)]
        end = samples[0].at + seconds
        while (now := time.monotonic()) < end:
            time.sleep(min(EVERY_S, max(0.1, end - now)))
            samples.append(sample(sandbox.ctx))
            if len(samples) % TELL == 0:
                progress.line(f"{len(samples)} samples of {len(samples[-1].identity)} parts, {steady.load}")
    return samples, steady.load


def _told(found: Sequence[Part], asked: Load, samples: int) -> str:
    rows = [
        [one.name, str(one.starts - 1), *(f"{mib:.1f}" for mib in (one.first, one.last, one.slope))] for one in found
    ]
    lines = [table(["part", "restarts", "MiB then", "MiB now", "MiB an hour"], rows), f"{samples} samples"]
    lines += [f"{kind}: {number}, failed {asked.failed.get(kind, 0)}" for kind, number in sorted(asked.asked.items())]
    return "\n".join(lines)


def _document(minutes: float, found: Sequence[Part], asked: Load, samples: Sequence[Sample]) -> dict[str, object]:
    return {
        "minutes": minutes,
        "parts": [asdict(part) | {"wrong": part.wrong} for part in found],
        "load": asdict(asked),
        "samples": [{"at": round(one.at - samples[0].at, 1), "memory": dict(one.memory)} for one in samples],
    }


if __name__ == "__main__":
    sys.exit(main())
