# What runs in the pods with PostgreSQL's tools: the dump and the facts of one snapshot, the restore and its facts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
# Debian keeps the server's programs apart, by major version; the newest one wins.
PATHS = """for d in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
  if [ -d "$d" ]; then PATH="$d:$PATH"; fi
done
export PATH
"""
# The text of a row depends on these.
_SETTINGS = """
SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
SET bytea_output = 'hex'; SET search_path = pg_catalog; SET statement_timeout = 0;
"""
# Number and sum of hashes of the rows of each table: the order of rows does not matter.
_TABLES = """
SELECT format('SELECT ''T'', %L, count(*), coalesce(sum(hashtextextended(bytebot_row::text, 0)::numeric), 0)
  FROM %I.%I AS bytebot_row', n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT n.nspname = ANY (string_to_array(:'left_out', ','))
  AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1 \\gexec
"""
# What tells a schema from another: its text, without what is chance (tokens, comments) or the place's own (owners).
_SCHEMA_SUM = (
    "--schema-only --no-owner --no-privileges --no-comments --no-publications --no-subscriptions {more} "
    "> {folder}/schema.sql && "
    "grep -v -e '^--' -e '^.restrict ' -e '^.unrestrict ' -e '^SET ' -e '^SELECT pg_catalog.set_config' -e '^$' "
    "{folder}/schema.sql | sha256sum | cut -c1-64 > {folder}/schema.sum"
)


def schemas(names: Iterable[str]) -> str:
    """The schemas that are left out, in one word.

    :raises InputError: one is no plain name.
    """
    for name in names:
        if not _SCHEMA.fullmatch(name):
            raise InputError(f"exclude_schemas: {name!r} is no plain name of a schema.")
    return ",".join(sorted(set(names)))


def _excluded(left_out: str) -> str:
    return " ".join(f"--exclude-schema={name}" for name in left_out.split(",") if name)


def dump(left_out: str) -> str:
    """Dumps to standard output; the facts of the very snapshot lie in ``/work/facts`` afterwards."""
    schema = _SCHEMA_SUM.format(folder="/work", more=f'--snapshot="$SNAPSHOT" {_excluded(left_out)}')
    return f"""set -eu
{PATHS}rm -f /work/*
cat > /work/dump.sql <<'BYTEBOT'
\\set ON_ERROR_STOP 1
\\set left_out '{left_out}'
\\o /work/facts
{_SETTINGS}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
SELECT 'M', extract(epoch FROM now()), pg_database_size(current_database()), current_setting('server_version');
{_TABLES}
\\! pg_dump {schema} || touch /work/failed
\\! pg_dump --format=custom {_excluded(left_out)} --snapshot="$SNAPSHOT" || touch /work/failed
COMMIT;
BYTEBOT
psql --no-psqlrc --quiet --no-align --tuples-only --field-separator='|' --file=/work/dump.sql
test ! -e /work/failed
echo "S|$(cat /work/schema.sum)" >> /work/facts
"""  # noqa: S608 - names of schemas are checked


FACTS = "cat /work/facts"
START = f"""set -eu
{PATHS}mkdir -p /work/run
initdb --pgdata=/work/data --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync \\
  > /work/initdb.log 2>&1 || {{ tail -n 3 /work/initdb.log >&2; exit 1; }}
OPTIONS="-c listen_addresses= -c unix_socket_directories=/work/run -c autovacuum=off -c jit=off -c shared_buffers=32MB"
pg_ctl --pgdata=/work/data --log=/work/server.log --wait --silent --options="$OPTIONS" start || {{
  tail -n 3 /work/server.log >&2; exit 1; }}
"""
LIST = f"{PATHS}pg_restore --list /work/dump"
_HERE = f"{PATHS}export PGHOST=/work/run PGUSER=postgres PGCLIENTENCODING=UTF8\n"
RESTORE = f"""set -eu
{_HERE}dropdb --if-exists --force drill
createdb --template=template0 drill
pg_restore --exit-on-error --no-owner --no-privileges --jobs=2 --dbname=drill /work/dump
"""
CHECK = f"""set -eu
{_HERE}pg_amcheck --database=drill --install-missing=pg_catalog --heapallindexed --no-strict-names
"""


def restored(left_out: str) -> str:
    """The facts of what was restored, in the form of those of the snapshot."""
    return f"""set -eu
{_HERE}export PGDATABASE=drill
pg_dump {_SCHEMA_SUM.format(folder="/work", more="")}
cat > /work/facts.sql <<'BYTEBOT'
\\set ON_ERROR_STOP 1
\\set left_out '{left_out}'
{_SETTINGS}
SELECT 'M', extract(epoch FROM now()), pg_database_size(current_database()), current_setting('server_version');
{_TABLES}
BYTEBOT
psql --no-psqlrc --quiet --no-align --tuples-only --field-separator='|' --file=/work/facts.sql
echo "S|$(cat /work/schema.sum)"
"""  # noqa: S608 - as above


TAKEN = "/work/dump"
