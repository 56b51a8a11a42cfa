# The command line: serve, migrate, smoke, openapi.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys

from bytebot_app.logs import configure, logger
from bytebot_app.settings import ConfigurationError, Settings, load


def main(arguments: list[str]) -> int:
    """Run one command; 2 where the configuration or the command is wrong."""
    command = arguments[0] if len(arguments) == 1 else ""
    if command not in ("serve", "migrate", "smoke", "openapi"):
        print("usage: python3 -m bytebot_app serve|migrate|smoke|openapi", file=sys.stderr)
        return 2
    if command == "smoke":
        from bytebot_app.smoke import smoke

        return smoke()
    try:
        return _run(command, load())
    except ConfigurationError as exc:
        print(f"The configuration is not valid: {exc}.", file=sys.stderr)
        return 2


def _run(command: str, settings: Settings) -> int:
    if command == "migrate":
        return _migrate(settings)
    if command == "openapi":
        from bytebot_app.api import create_app, real_parts

        print(json.dumps(create_app(settings, real_parts(settings)).openapi()))
        return 0
    from bytebot_app.serve import serve

    serve(settings)
    return 0


def _migrate(settings: Settings) -> int:
    import psycopg

    from bytebot_app.migrate import migrate

    configure(settings.log_level, settings.app_version, settings.node_env)
    try:
        migrate(settings)
    except psycopg.Error as exc:
        logger().error("migration failed", reason=" ".join(str(exc).split()))
        return 1
    logger().info("migrations are complete")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
