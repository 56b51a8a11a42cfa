#!/usr/bin/python
# Restores the newest backups into scratch places, judges what comes out, and keeps a record of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_drill
short_description: Restore backups into scratch places, and judge what comes out
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Restores the newest backup of M(bytebot.production.backup), and the newest artifact of the CronJob that makes the
    regular ones, into a PostgreSQL server of its own in a short-lived pod, which listens on no network. Rows, checksums
    and schema are held against the snapshot that was dumped, and C(pg_amcheck) looks at every table and index.
  - Where that CronJob works and has not run since the release was first deployed, no longer ago than the RPO of
    O(recovery_targets), no backup of the release can be there yet. Then one Job is begun from it, as
    C(kubectl create job --from) does, and what that makes is restored. It stays as any Job of the CronJob does.
  - Makes the objects of the configuration's backup again in a scratch namespace with a quota and a policy that lets
    nothing in or out, and compares each with the one that is there. Secrets, ConfigMaps, service accounts, disruption
    budgets and roles are really made. Of workloads, claims, Ingresses, Services, network policies, role bindings,
    bounds and custom resources the API server only says what it would store, since they would start programs, take
    host names, addresses or disk, or open the namespace.
  - Settles C(backup.drills.database), C(backup.drills.configuration), C(backup.drills.recovery),
    C(backup.drills.rto_rpo), C(backup.drills.disaster) and C(infrastructure.database.backup).
  - Never touches production. A namespace that is there and does not bear the label
    C(bytebot.production/scratch=restore-drill) is refused. What a drill makes bears it and is removed at the end; what
    a killed one left is removed by the next one.
  - What each drill came to is kept in the ConfigMap C(bytebot-restore-drills) in the namespace of the release, by which
    later runs know when one was last passed.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.backups
  - bytebot.production.results
options:
  permitted:
    description: Whether a drill may run here. Where it may not, the record of earlier ones is judged.
    type: bool
    default: false
  scratch_namespace:
    description: Namespace of the drill. Where it is not there, it is made, and removed at the end.
    type: str
    default: bytebot-restore-drill
  backup:
    description: What makes the regular backups. Where it is not set, C(infrastructure.database.backup) is V(pending).
    type: dict
    suboptions:
      kind:
        description:
          - V(cron_job) is a CronJob whose Jobs make them, V(volume_snapshot) are VolumeSnapshots, V(velero) are Backups
            of Velero. V(pgbackrest) and V(barman) are asked, in the pod where they run, what they say of their backups.
            Only artifacts of a CronJob are restored; the others stay pending where nothing is wrong.
        type: str
        required: true
        choices: [cron_job, volume_snapshot, velero, pgbackrest, barman]
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
      claim:
        description:
          - Claim that the CronJob writes its artifacts to, which are dumps in PostgreSQL's custom format, encrypted as
            CMS for the certificate of O(store). A SHA-256 in a file of the same name and C(.sha256) is checked.
        type: str
      files:
        description: Pattern of their names.
        type: str
        default: '*.dump.cms'
      pod:
        description:
          - Name of the pod where pgBackRest or barman runs, or a label selector, of whose pods a ready one is asked.
            The account must be allowed to exec into it. Check mode asks none.
        type: str
      container:
        description: Container that has the program. Where it is not set, it is the pod's default one.
        type: str
      stanza:
        description: Stanza of pgBackRest.
        type: str
      server:
        description: Server of barman.
        type: str
      interval:
        description:
          - How old the newest backup of pgBackRest or barman may be, where the log that is archived between them keeps
            the RPO. Where it is not set, a backup may be as old as the RPO.
        type: str
      keep:
        description: Full backups that pgBackRest, in one of its repositories, or barman must have at least.
        type: int
        default: 1
  recovery_targets:
    description: What is wanted of a recovery.
    type: dict
    suboptions:
      rpo:
        description: How old the newest data may be that can be restored (V(24h), V(15m)).
        type: str
        required: true
      rto:
        description: How long a restore may take.
        type: str
        required: true
      drill_interval:
        description: How old the newest passed drill may be.
        type: str
        default: 30d
  recovery_plan:
    description: YAML file with the register of recovery; C(docs/backup.md) shows one.
    type: path
  first_backup_timeout:
    description:
      - Seconds that the Job may take that makes the first backup of a young release. With V(0) none is begun.
    type: int
    default: 120
  failure:
    description: Why the backup that this drill was to restore could not be made; it makes the drill's controls red.
    type: str
    default: ''
attributes:
  check_mode:
    description:
      - Nothing is restored, no pod started and no program run in one; the record of earlier drills is judged.
    support: full
  diff_mode:
    description: Nothing that stays is changed but the record.
    support: none
requirements:
  - openssl >= 3.0
  - kubernetes >= 31
notes:
  - C(roles/backup/files/drill-rbac.yaml) has the verbs that are needed, for the namespace of the release, of the
    regular backups, and of the drill.
  - A control that does not hold is a result, not a failure of the module.
  - The restored database is in clear on the node's disk while the pod is there, as the database itself is.
seealso:
  - module: bytebot.production.backup
"""

EXAMPLES = r"""
- name: Restore the newest backups, and judge
  bytebot.production.restore_drill:
    namespace: bytebot-production
    release: bytebot
    permitted: true
    store:
      folder: /var/backups/bytebot
      certificate: /etc/bytebot/backup.crt
      key_file: /etc/bytebot/backup.key
    tools:
      image: docker.io/library/postgres:15
    backup:
      kind: cron_job
      namespace: database
      name: postgres-backup
      claim: postgres-backup
    recovery_targets:
      rpo: 24h
      rto: 4h

- name: Judge what pgBackRest says of its backups, and the record of earlier drills
  bytebot.production.restore_drill:
    namespace: bytebot-production
    release: bytebot
    backup:
      kind: pgbackrest
      namespace: database
      pod: postgres-operator.crunchydata.com/cluster=app,postgres-operator.crunchydata.com/role=master
      container: database
      stanza: db
      interval: 24h
    recovery_targets:
      rpo: 15m
      rto: 4h
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: backup.drills.database}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always}
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

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_backup import (
    BACKUP_ARGS,
    copies,
    place_of,
    tools_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup import records, scripts
from ansible_collections.bytebot.production.plugins.module_utils.backup.drill import Drill, drilled
from ansible_collections.bytebot.production.plugins.module_utils.backup.first import made_first
from ansible_collections.bytebot.production.plugins.module_utils.backup.source import (
    SOURCE_ARGS,
    checked_source,
    regular_of,
    source_facts,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import Folder
from ansible_collections.bytebot.production.plugins.module_utils.checks.drill import CHECKS, records_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.drill_facts import Copy, DrillFacts, Targets
from ansible_collections.bytebot.production.plugins.module_utils.checks.recovery_plan import Plan
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.object_store import Place
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.paths import own
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **BACKUP_ARGS,
    "permitted": {"type": "bool", "default": False},
    "scratch_namespace": {"type": "str", "default": "bytebot-restore-drill"},
    "backup": {"type": "dict", "options": SOURCE_ARGS},
    "recovery_targets": {
        "type": "dict",
        "options": {
            "rpo": {"type": "str", "required": True},
            "rto": {"type": "str", "required": True},
            "drill_interval": {"type": "str", "default": "30d"},
        },
    },
    "recovery_plan": {"type": "path"},
    "first_backup_timeout": {"type": "int", "default": 120},
    "failure": {"type": "str", "default": ""},
}

_GRANT = "Let the account do what roles/backup/files/drill-rbac.yaml lists."


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Restore where that is permitted, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "restore_drill")
    targets, plan = _targets(given["recovery_targets"]), _plan(given["recovery_plan"])
    place, regular = place_of(given, redactor), checked_source(given["backup"])
    rpo_s = targets.rpo_s if targets else 86_400.0
    left_out = scripts.schemas(given["exclude_schemas"])
    if given["first_backup_timeout"] < 0:
        raise InputError("first_backup_timeout: give seconds, or 0 for no first backup.")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    facts = DrillFacts(
        waits=_why_not(given, module.check_mode),
        waits_for=_what_to_do(given, module.check_mode),
        failure=given["failure"],
        records=records.read(cluster, given["namespace"]),
        backup=source_facts(regular, cluster, rpo_s, check_mode=module.check_mode),
        targets=targets,
        plan=plan,
    )
    changed = False
    if not facts.waits:
        drill, source = _drill(given, cluster, left_out, Progress.given(redactor)), regular_of(regular, facts.backup)
        if source and (first := made_first(drill, source, facts.backup, float(given["first_backup_timeout"]))):
            facts = replace(facts, first=first, backup=source_facts(regular, cluster, rpo_s))
        outcome = drilled(drill, source)
        facts = replace(
            facts,
            live=outcome.live,
            databases=outcome.databases,
            configuration=outcome.configuration,
            trouble=outcome.trouble,
            waits=outcome.denied,
            waits_for=_GRANT if outcome.denied else "",
            now=cluster.now().timestamp(),
        )
        new = records_of(facts)
        changed = bool(new or (facts.first and facts.first.job))
        facts = replace(facts, records=records.add(cluster, given["namespace"], new) if new else facts.records)
    copy = _copy(given, cluster, place, check_mode=module.check_mode)
    now = cluster.now().timestamp()
    facts = replace(facts, copy=copy, now=now, backup=replace(facts.backup, now=now))
    return {"changed": changed, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _why_not(given: dict[str, Any], check_mode: bool) -> str:
    """Why no drill runs; empty where one does."""
    if check_mode:
        return "Needs a probe: check mode restores nothing."
    if not given["permitted"]:
        return "Needs a restore drill, which is not permitted in this environment."
    for name in ("store", "tools"):
        if not given[name]:
            return f"Needs input {name}: nothing says where backups are, or by which image they are restored."
    return "" if given["store"]["key_file"] else "Needs input store.key_file: no key opens the backups."


def _what_to_do(given: dict[str, Any], check_mode: bool) -> str:
    if check_mode:
        return "Run without check mode."
    if not given["permitted"]:
        return "Permit it (in the inventory: drills in bytebot_tests_allowed)."
    return "Set store with key_file, and tools (in the inventory: bytebot_backup_store, bytebot_backup_tools)."


def _drill(given: dict[str, Any], cluster: Cluster, left_out: str, tell: Progress) -> Drill:
    store = given["store"]
    return Drill(
        cluster,
        given["namespace"],
        given["release"],
        given["scratch_namespace"],
        Folder(store["folder"]),
        (store["certificate"], store["key_file"]),
        tools_of(given),
        left_out,
        tell,
    )


def _targets(given: dict[str, Any] | None) -> Targets | None:
    if not given:
        return None
    names = ("rpo", "rto", "drill_interval")
    return Targets(*(span(f"recovery_targets.{name}", given[name]) for name in names))


def _plan(path: str | None) -> Plan | None:
    if not path:
        return None
    try:
        content = yaml_text.load(own(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"recovery_plan: {path} cannot be read.") from exc
    if not isinstance(content, dict):
        raise InputError(f"recovery_plan: {path} holds no mapping.")
    return Plan(path.rpartition("/")[2], content)


def _copy(given: dict[str, Any], cluster: Cluster, place: Place | None, *, check_mode: bool) -> Copy | None:
    if place is None:
        return None
    where = f"s3://{place.bucket}/{place.prefix}"
    if check_mode and given["copy"]["through_pod"]:
        return Copy(where, waits="to look needs a probe, and check mode sends none")
    try:
        with copies(given, cluster, place) as store:
            newest = store.newest()
    except CollectionError as exc:
        return Copy(where, trouble=exc.sentence.rstrip("."))
    return Copy(where, newest.name, newest.made, newest.size) if newest else Copy(where)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
