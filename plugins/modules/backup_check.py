#!/usr/bin/python
# Judges whether the database is backed up: what makes the backups, whether the last one failed, and how old it is.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_check
short_description: Judge whether the database is backed up
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Reads what makes the backups of the database, and what it has made. It changes nothing and reads no backup.
  - Settles C(infrastructure.database.backup), as far as that is possible without a restore. Where the backups are not
    made, the last one failed, or the newest is too old, it is V(fail). Else it is V(pending), since only a restore
    drill proves that a backup can be restored; it is never V(pass).
  - The stored artifact itself is not looked at, so that one that is empty or cut off is not seen here.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
options:
  backup:
    description: What makes the backups. Where it is not set, the control is V(pending).
    type: dict
    suboptions:
      kind:
        description:
          - V(cron_job) is a CronJob whose Jobs make them, V(volume_snapshot) are VolumeSnapshots, V(velero) are Backups
            of Velero.
        type: str
        required: true
        choices: [cron_job, volume_snapshot, velero]
      namespace:
        description: Where they are.
        type: str
        required: true
      name:
        description: Name of the CronJob.
        type: str
      selector:
        description: Label selector of the VolumeSnapshots or Backups of this database.
        type: str
  recovery_point:
    description: How old the newest backup may be (V(24h), V(7d)).
    type: str
    default: 24h
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
notes:
  - Needs get on the CronJob and list on Jobs in its namespace, or list on VolumeSnapshots or Backups. Where it is
    missing, the control is V(pending) and the summary names it.
seealso:
  - module: bytebot.production.postgres_check
"""

EXAMPLES = r"""
- name: Judge the backups that a CronJob makes
  bytebot.production.backup_check:
    backup:
      kind: cron_job
      namespace: database
      name: postgres-backup
    recovery_point: 12h

- name: Judge the backups that Velero makes
  bytebot.production.backup_check:
    backup:
      kind: velero
      namespace: velero
      selector: velero.io/schedule-name=bytebot-database
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.database.backup}
    state: {description: "V(fail), V(error) or V(pending).", type: str, returned: always}
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    level:
      description: V(should) where the finding is advice and shuts no gate, else V(must).
      type: str
      returned: always
    weaker:
      description: Thresholds that were judged by and are weaker than the usual ones, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import (
    CHECKS,
    CRON_JOB,
    SNAPSHOT,
    VELERO,
    BackupFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_backup import look_at_backup
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "backup": {
        "type": "dict",
        "options": {
            "kind": {"type": "str", "required": True, "choices": [CRON_JOB, SNAPSHOT, VELERO]},
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str"},
            "selector": {"type": "str"},
        },
    },
    "recovery_point": {"type": "str", "default": "24h"},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Look once, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "backup_check")
    rpo_s, source = span("recovery_point", given["recovery_point"]), given["backup"]
    if not source:
        return {"changed": False, **results_of(CHECKS.judge(BackupFacts()), redactor)}
    word = "name" if source["kind"] == CRON_JOB else "selector"
    if not source[word]:
        raise InputError(f"backup: {word} is needed for kind {source['kind']}.")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    seen = look_at_backup(cluster, source["kind"], source["namespace"], source[word])
    facts = BackupFacts(seen, rpo_s, cluster.now().timestamp())
    return {"changed": False, **results_of(CHECKS.judge(facts), redactor)}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
