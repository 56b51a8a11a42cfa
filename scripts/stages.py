#!/usr/bin/env python3
# Runs make targets one after the other and says where the time went; the first failure ends it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
import time


def main(targets: list[str]) -> int:
    """Run each target; return the first exit status that is not 0, else 0."""
    spent: list[tuple[str, float, str]] = []
    status = 0
    for target in targets:
        print(f"\n== {target}", flush=True)
        began = time.monotonic()
        status = subprocess.run(["make", "--no-print-directory", target], check=False).returncode
        spent.append((target, time.monotonic() - began, "ok" if status == 0 else "FAILED"))
        if status:
            break
    print("\nWhere the time went:")
    for target, seconds, word in spent:
        print(f"  {target:<18} {seconds:7.1f} s  {word}")
    print(f"  {'all':<18} {sum(seconds for _target, seconds, _word in spent):7.1f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
