# The command line: serve, websocket, worker, scheduler, migrate, smoke, openapi, faults.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import sys

from bytebot_app.settings import ConfigurationError, load, read

COMMANDS = ("serve", "websocket", "worker", "scheduler", "migrate", "smoke", "openapi", "faults")


def main(arguments: list[str]) -> int:
    """Run one command; 2 where the configuration or the command is wrong."""
    command = arguments[0] if len(arguments) == 1 else ""
    if command not in COMMANDS:
        print(f"usage: python3 -m bytebot_app {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        _check_mark(command)
        return {
            "serve": _serve, "websocket": _websocket, "worker": _worker, "scheduler": _scheduler, "migrate": _migrate,
            "smoke": _smoke, "openapi": _openapi, "faults": _faults,
        }[command]()  # fmt: skip
    except ConfigurationError as exc:
        print(f"The configuration is not valid: {exc}.", file=sys.stderr)
        return 2


def _check_mark(command: str) -> None:
    """An environment that names an unknown fault is refused; only the list of faults is shown all the same."""
    if "SANDBOX_FAULT" in os.environ and command != "faults":
        from bytebot_app.fault_list import check_mark

        check_mark()


# Each command brings its own imports: the short ones need not wait for the server's.
def _serve() -> int:
    settings = load()
    from bytebot_app.serve import serve

    return serve(settings)


def _websocket() -> int:
    settings = load()
    from bytebot_app.serve import serve
    from bytebot_app.sockets import sockets_app

    return serve(settings, sockets_app)


def _worker() -> int:
    settings = load()
    from bytebot_app.background import work

    return work(settings)


def _scheduler() -> int:
    settings = load()
    from bytebot_app.background import schedule

    return schedule(settings)


def _migrate() -> int:
    settings = load()
    import psycopg

    from bytebot_app.logs import configure, logger
    from bytebot_app.migrate import migrate

    configure(settings.log_level, settings.app_version, settings.node_env, settings.log_format)
    try:
        migrate(settings)
    except psycopg.Error as exc:
        logger().error("migration failed", reason=" ".join(str(exc).split()))
        return 1
    logger().info("migrations are complete")
    return 0


def _smoke() -> int:
    from bytebot_app.smoke import smoke

    return smoke()


def _openapi() -> int:
    settings = read()
    from bytebot_app.api import create_app, real_parts
    from bytebot_app.tokens import Keys, Pair

    pair = Pair.throwaway()
    print(json.dumps(create_app(settings, real_parts(settings, Keys(pair, pair))).openapi(), indent=2))
    return 0


def _faults() -> int:
    from bytebot_app.fault_list import ALL

    print("\n".join(f"{name:<37} {says}" for name, says in ALL.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
