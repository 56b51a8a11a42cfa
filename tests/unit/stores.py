# Installs the PostgreSQL and the Redis that some unit tests ask: python -m tests.unit.stores
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import sys

from sandbox.errors import SandboxError
from sandbox.host import packages
from sandbox.progress import Progress


def main() -> int:
    """0 where they are there now, or this account may install none, so that the tests that ask them are skipped."""
    if os.geteuid() != 0 or not (shutil.which("apt-get") and shutil.which("dpkg-query")):
        return 0
    try:
        packages.ensure(Progress(), packages.STORES)
    except SandboxError as error:
        sys.stderr.write(f"failed: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
