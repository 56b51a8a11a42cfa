# The enforcer as a process under the sandbox's supervisor, in the sandbox's network namespace.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal
import sys

from sandbox.cluster import Cluster
from sandbox.components.network_policy import HEALTH_PORT, kernel
from sandbox.components.network_policy.enforcer import Enforcer, serve_health
from sandbox.errors import SandboxError
from sandbox.pki import Pki
from sandbox.settings import load


def main() -> int:
    settings = load()
    try:
        kernel.require_bridged_frames()
        cluster = Cluster(settings, Pki(settings.pki))
        enforcer = Enforcer(cluster, settings.node_name, settings.service_network, lambda line: print(line, flush=True))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: enforcer.stop())
        serve_health(enforcer, HEALTH_PORT)
        enforcer.run()
    except (SandboxError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
