# The stand-in of the internet as a process under the sandbox's supervisor, which gives it a network namespace.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal
import sys
import threading

from sandbox.components.internet.link import wire
from sandbox.components.internet.responders import serve
from sandbox.errors import SandboxError
from sandbox.settings import load


def main() -> int:
    settings, over = load(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        wire(settings)
        serve(settings, settings.pki / "internet.crt", settings.pki / "internet.key")
    except (SandboxError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(f"{settings.internet_address} and {settings.metadata_address} answer", flush=True)
    over.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
