# Tries many targets from inside a pod in one run of one short program, with what its image has.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import (
    OUTCOMES,
    REFUSED,
    TIMEOUT,
    UNREACHABLE,
    UNRESOLVED,
    Path,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done

NO_TOOL = "no-tool-found"
NAMES_S = 7  # a resolver that does not answer is given up some seconds after the connections are
# Each target in a thread of its own; what has not ended when time is over did not get through.
_PYTHON = """
import socket, sys, threading
limit, targets, said = float(sys.argv[1]), sys.argv[2:], {}
def one(i, host, port):
    try:
        if port == "0":
            socket.getaddrinfo(host, None)
        else:
            socket.create_connection((host, int(port)), limit).close()
        said[i] = "open"
    except socket.gaierror:
        said[i] = "unresolved"
    except ConnectionRefusedError:
        said[i] = "refused"
    except (socket.timeout, TimeoutError):
        said[i] = "timeout"
    except OSError:
        said[i] = "unreachable"
threads = []
for i in range(0, len(targets), 2):
    threads.append(threading.Thread(target=one, args=(i // 2, targets[i], targets[i + 1]), daemon=True))
    threads[-1].start()
for thread in threads:
    thread.join(limit + 7)
for i in range(len(targets) // 2):
    print(i, said.get(i, "timeout"))
"""
# The same in a shell: an answer is what bash, or nc, and their words say.
SCRIPT = f"""
if command -v python3 >/dev/null 2>&1; then exec python3 -c '{_PYTHON}' "$@"; fi
limit=$1; shift; i=0
if command -v bash >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1; then tool=bash
elif command -v nc >/dev/null 2>&1; then tool=nc
else echo {NO_TOOL} >&2; exit 127; fi
name() {{ getent hosts "$1" 2>&1 || nslookup "$1" 2>&1; }}
try() {{
  if [ "$2" = 0 ]; then
    if name "$1" >/dev/null; then echo open; else echo {UNRESOLVED}; fi; return; fi
  if [ $tool = bash ]; then
    said=$(timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" 2>&1); code=$?
  else said=$(nc -w "$limit" "$1" "$2" </dev/null 2>&1); code=$?; fi
  if [ $code = 0 ]; then echo open; return; fi
  case "$said" in
    *efused*) echo {REFUSED};;
    *"not known"*|*"bad address"*|*esolution*|*"not resolve"*) echo {UNRESOLVED};;
    *nreachable*|*"No route"*) echo {UNREACHABLE};;
    *) echo {TIMEOUT};;
  esac
}}
while [ $# -ge 2 ]; do
  (echo "$i $(try "$1" "$2")") &
  shift 2; i=$((i+1))
done
wait
"""


def command(paths: Sequence[Path], limit_s: float) -> list[str]:
    """The program with its targets; it ends by itself a while after the limit of one connection."""
    words = [word for path in paths for word in (path.host, str(path.port))]
    return ["sh", "-c", SCRIPT, "sh", f"{limit_s:g}", *words]


def outcomes(done: Done, paths: Sequence[Path]) -> list[str]:
    """What the pod came to at each target; where the program did not work, why."""
    if NO_TOOL in done.problem:
        return ["not tried: the image has none of python3, bash with timeout, and nc"] * len(paths)
    said: dict[str, str] = {}
    for line in done.out.splitlines():
        number, _blank, outcome = line.partition(" ")
        if outcome in OUTCOMES:
            said[number] = outcome
    why = f"not tried: {done.problem or 'the program said nothing of it'}"
    return [said.get(str(number), why) for number in range(len(paths))]
