#!/usr/bin/python
# Takes a backup of the application: its database from one snapshot, and every object of its namespace, encrypted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up the database and the objects of a release, encrypted
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Dumps the database of a release with C(pg_dump) in its custom format, by a short-lived pod in the namespace of the
    release, which takes the credentials from their Secret. The dump is streamed to the controller, encrypted on its way
    and hashed while it is written. Numbers and checksums of the rows of each table are taken from the very snapshot
    that is dumped, and stand in the manifest, so that a restore can be held against them.
  - Exports every object of every kind that the cluster serves in the namespace, Secrets, roles, claims and custom
    resources among them, but what a controller makes of others (pods, replica sets, endpoints). Helm's record of the
    release has its values.
  - Artifacts are encrypted for a certificate, as CMS (RFC 5652) with AES-256-GCM, and can be opened by C(openssl cms
    -decrypt -inform DER -recip CERTIFICATE -inkey KEY); a large one is several messages, one after another. On the
    controller's disk nothing is ever in clear.
  - Only the newest O(keep) artifacts of each kind stay.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.backups
  - bytebot.production.database
options:
  parts:
    description: What is backed up.
    type: list
    elements: str
    choices: [database, configuration]
    default: [database, configuration]
  leave_out_kinds:
    description: Kinds of objects that are not exported. A restore drill calls each of them a fault.
    type: list
    elements: str
    default: []
  keep:
    description: How many artifacts of each kind stay; older ones are removed.
    type: int
    default: 7
attributes:
  check_mode:
    description: Nothing is made, and no pod started; O(parts) are told as what would be.
    support: full
  diff_mode:
    description: A backup changes nothing that could be shown.
    support: none
requirements:
  - openssl >= 3.0
  - kubernetes >= 31
notes:
  - Needs create, get, list and delete on pods and create on C(pods/exec) in the namespace, and list on every kind;
    C(roles/backup/files/drill-rbac.yaml) has them.
  - Objects are taken from their API one kind after another, not from one moment.
seealso:
  - module: bytebot.production.restore_drill
"""

EXAMPLES = r"""
- name: Back up the database and the configuration
  bytebot.production.backup:
    namespace: bytebot-production
    release: bytebot
    store:
      folder: /var/backups/bytebot
      certificate: /etc/bytebot/backup.crt
    tools:
      image: docker.io/library/postgres:15

- name: Back up the configuration alone
  bytebot.production.backup:
    namespace: bytebot-production
    release: bytebot
    parts: [configuration]
    store:
      folder: /var/backups/bytebot
      certificate: /etc/bytebot/backup.crt
"""

RETURN = r"""
artifacts:
  description: What was made. They are there, too, where the module failed because no second copy could be sent.
  returned: when not in check mode
  type: list
  elements: dict
  contains:
    path: {description: The file., type: str, returned: always}
    bytes: {description: Its size., type: int, returned: always}
    sha256: {description: SHA-256 of the file as it is., type: str, returned: always}
copied:
  description: Whether second copies were sent to O(copy).
  returned: when not in check mode
  type: bool
removed:
  description: Names of older artifacts that were removed.
  returned: when not in check mode
  type: list
  elements: str
seconds:
  description: Seconds by part.
  returned: when not in check mode
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_backup import (
    BACKUP_ARGS,
    copies,
    login_of,
    place_of,
    tools_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import DATABASE_ARGS, database_keys
from ansible_collections.bytebot.production.plugins.module_utils.backup import scripts
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import (
    CONFIGURATION,
    DATABASE,
    Artifact,
    Folder,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.take import take_configuration, take_database
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **BACKUP_ARGS,
    **DATABASE_ARGS,
    "parts": {
        "type": "list",
        "elements": "str",
        "choices": [DATABASE, CONFIGURATION],
        "default": [DATABASE, CONFIGURATION],
    },
    "leave_out_kinds": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "int", "default": 7},
}


def take(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Take the wanted parts, and copy them outside."""
    given = module.params
    if not given["store"]:
        raise InputError("store: name the folder of the backups, and the certificate that they are encrypted for.")
    if given["keep"] < 1:
        raise InputError("keep: at least one artifact must stay.")
    place = place_of(given, redactor)
    if module.check_mode:
        return {"changed": True}
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    tell, cluster = Progress.given(redactor), Cluster(connection, module.tmpdir)
    folder, seconds = Folder(given["store"]["folder"]), dict[str, float]()
    made: dict[str, Artifact] = {}
    for part in dict.fromkeys(given["parts"]):
        began = time.monotonic()
        made[part] = _taken(part, given, cluster, folder)
        seconds[part] = round(time.monotonic() - began, 2)
        tell(f"{part}: {made[part].size} bytes in {seconds[part]:g} s")
    removed = [name for part in made for name in folder.keep(part, given["keep"])]
    told: dict[str, Any] = {
        "artifacts": [{"path": str(one.path), "bytes": one.size, "sha256": one.sha256} for one in made.values()],
        "removed": removed,
        "copied": False,
    }
    if place:
        began = time.monotonic()
        try:
            with copies(given, cluster, place) as store:
                for one in made.values():
                    store.put(one.path.name, one.path, one.sha256)
        except CollectionError as exc:
            exc.sentence = f"The backup is made, and was not copied outside: {exc.sentence}"
            exc.details |= told
            raise
        seconds["copy"] = round(time.monotonic() - began, 2)
        tell(f"copied outside in {seconds['copy']:g} s")
        told["copied"] = True
    return {"changed": True, **told, "seconds": seconds}


def _taken(part: str, given: dict[str, Any], cluster: Cluster, folder: Folder) -> Artifact:
    certificate = given["store"]["certificate"]
    if part == CONFIGURATION:
        return take_configuration(cluster, given["namespace"], folder, certificate, given["leave_out_kinds"])
    if not given["tools"]:
        raise InputError("tools: name the image with PostgreSQL's tools, by which the database is dumped.")
    login = login_of(cluster, given["namespace"], database_keys(given["database"]))
    how = (tools_of(given), login, scripts.schemas(given["exclude_schemas"]))
    return take_database(cluster, given["namespace"], folder, certificate, how)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), take)


if __name__ == "__main__":
    main()
