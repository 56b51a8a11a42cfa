# Faults in backups and their drills: the CronJob, what it makes, what lies on the volume, the record, the second copy.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.components import object_store
from sandbox.components.backup import CRON, NAME, OURS, ended, run
from sandbox.components.drill import QUOTA
from sandbox.errors import SandboxError
from sandbox.faults.certificates import self_signed
from sandbox.faults.fault import NAMESPACE, Act, Fault, Hands, scaled
from sandbox.faults.keeping import Object, changed, placed, restored, steps
from sandbox.files import put
from sandbox.shell import environment
from sandbox.shell import run as run_program

DATABASE, CONFIGURATION, RECOVERY, TARGETS, DISASTER = (
    f"backup.drills.{item}" for item in ("database", "configuration", "recovery", "rto_rpo", "disaster")
)
REGULAR = "infrastructure.database.backup"
RECORD = f"/api/v1/namespaces/{NAMESPACE}/configmaps/bytebot-restore-drills"
STORE = "/apis/apps/v1/namespaces/object-store/statefulsets/object-store"
EXPORT = "secrets-export.yaml"
NO_DRILLS = {"bytebot_tests_allowed": ["writes", "load"]}
CORE = "/api/v1/namespaces/database"
CLAIM, FILES = f"{CORE}/persistentvolumeclaims/{NAME}", f"{CORE}/configmaps/{NAME}"
KEPT = "backups"
# The Jobs that a fault has let run.
MADE = {"bytebot.test/fault": "in"}
BY_A_FAULT = f"{OURS}%2Cbytebot.test%2Ffault%3Din"
TABLE, OTHER = "Task", "users"
STAMP = re.compile(r"-(\d{8}T\d{6}Z)\.dump\.cms$")
LONG_AGO, A_YEAR = "20200101T000000Z", datetime.timedelta(days=365)
Tamper = Callable[[Path], None]


# ---------------------------------------------------------------------------- what lies on the volume


def _folder(hands: Hands) -> Path:
    """The claim's folder of this machine.

    :raises SandboxError: the claim has no volume yet.
    """
    name = (hands.cluster.get(CLAIM) or {}).get("spec", {}).get("volumeName", "")
    found = (hands.cluster.get(f"/api/v1/persistentvolumes/{name}") or {}) if name else {}
    for kind in ("hostPath", "local"):
        if kind in found.get("spec", {}):
            return Path(found["spec"][kind]["path"])
    raise SandboxError("fault", f"the claim {NAME} has no volume", remedy="make sandbox-up PROFILE=full")


def _newest(folder: Path) -> Path:
    found = sorted(folder.glob("*.dump.cms"))
    if not found:
        raise SandboxError("fault", f"there is no backup in {folder}", remedy="make sandbox-up PROFILE=full")
    return found[-1]


def _mirror(source: Path, target: Path) -> None:
    """The same files, with the same owners and times, and no other."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    run_program("fault", ["cp", "--archive", f"{source}/.", str(target)])


def _keep_all(hands: Hands) -> None:
    """All files as they were before any fault: kept the first time, put back each other time."""
    kept, folder = hands.folder / KEPT, _folder(hands)
    if kept.exists():
        _mirror(kept, folder)
        return
    partly = hands.folder / f"{KEPT}.partly"
    _mirror(folder, partly)
    partly.rename(kept)


def _all_back(hands: Hands) -> None:
    if (hands.folder / KEPT).exists():
        _mirror(hands.folder / KEPT, _folder(hands))
        # At once, so that a half of them is never put back.
        (hands.folder / KEPT).rename(hands.folder / f"{KEPT}.done")
        shutil.rmtree(hands.folder / f"{KEPT}.done")


def _tampered(tamper: Tamper) -> Act:
    def act(hands: Hands) -> None:
        _keep_all(hands)
        tamper(_newest(_folder(hands)))

    return act


def _cut_to(share: float) -> Tamper:
    """As where the disk was full: what was summed up is what there is."""

    def tamper(artifact: Path) -> None:
        os.truncate(artifact, int(artifact.stat().st_size * share))
        _sum_up(artifact)

    return tamper


def _sum_up(artifact: Path) -> None:
    text = f"{hashlib.sha256(artifact.read_bytes()).hexdigest()}  {artifact.name}\n"
    artifact.with_name(f"{artifact.name}.sha256").write_text(text)


def _flip_a_bit(artifact: Path) -> None:
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)


def _age(artifact: Path) -> None:
    """The only one that is left is years old."""
    folder, stem = artifact.parent, artifact.name.removesuffix(".cms")
    for other in [one for one in folder.iterdir() if not one.name.startswith(stem)]:
        other.unlink()
    then = datetime.datetime.strptime(LONG_AGO, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()
    former = STAMP.search(artifact.name)
    for one in sorted(folder.iterdir()):
        aged = one.rename(folder / one.name.replace(former[1] if former else "", LONG_AGO))
        os.utime(aged, (then, then))
    _sum_up(_newest(folder))


def _is_old(artifact: Path, _: Hands) -> bool:
    found = STAMP.search(artifact.name)
    made = datetime.datetime.strptime(found[1] if found else LONG_AGO, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    return datetime.datetime.now(datetime.UTC) - made > A_YEAR


def _summed_up(artifact: Path) -> bool:
    said = artifact.with_name(f"{artifact.name}.sha256").read_text().split()[0]
    return said == hashlib.sha256(artifact.read_bytes()).hexdigest()


def _opened(artifact: Path, hands: Hands) -> str:
    """What openssl says against opening it with the key that was handed over; empty where it opens."""
    s = hands.settings
    keys = ["-recip", str(s.handover / "backup.crt"), "-inkey", str(s.handover / "backup.key")]
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(artifact), *keys]
    done = subprocess.run(command, env=environment(), capture_output=True, check=False)
    return "" if done.returncode == 0 and done.stdout[:5] == b"PGDMP" else done.stderr.decode(errors="replace") or "?"


def _is_cut(artifact: Path, hands: Hands) -> bool:
    return artifact.stat().st_size > 0 and _summed_up(artifact) and bool(_opened(artifact, hands))


def _is_for_another(artifact: Path, hands: Hands) -> bool:
    """It is whole, openssl can read it, and the key that was handed over opens nothing in it."""
    return _summed_up(artifact) and "Error decrypting CMS using private key" in _opened(artifact, hands)


def _lacks_a_table(artifact: Path, _: Hands) -> bool:
    said = artifact.with_name(f"{artifact.name.removesuffix('.cms')}.list").read_text()
    return f" TABLE DATA public {OTHER} " in said and f" TABLE DATA public {TABLE} " not in said


def _of_the_newest(holds: Callable[[Path, Hands], bool]) -> Callable[[Hands], bool]:
    return lambda hands: holds(_newest(_folder(hands)), hands)


# ---------------------------------------------------------------------------- the CronJob and its Jobs


def _run(hands: Hands) -> None:
    """A backup now, and wait for its end, whichever."""
    _no_jobs(hands)
    job = run(hands, MADE)
    hands.until(lambda: bool(ended(hands.cluster.get(job) or {})), "the backup's Job has ended")


def _no_jobs(hands: Hands) -> None:
    """None of those that a fault has let run."""
    for job in hands.cluster.items(BY_A_FAULT):
        hands.delete(f"/apis/batch/v1/namespaces/database/jobs/{job['metadata']['name']}")


def _pod(change: Callable[[Object], object]) -> Callable[[Object], object]:
    return lambda cron: change(cron["spec"]["jobTemplate"]["spec"]["template"]["spec"])


def _to_nowhere(pod: Object) -> None:
    for variable in pod["containers"][0]["env"]:
        if variable["name"] == "PGHOST":
            variable["value"] = "postgres.nowhere.svc.cluster.local"


def _without_a_table(pod: Object) -> None:
    pod["containers"][0]["env"].append({"name": "MORE", "value": f'--exclude-table=public."{TABLE}"'})


def _on_a_full_disk(pod: Object) -> None:
    """One page is all the room where it writes; the claim stays there, for those who look at what was made."""
    (kept,) = [volume for volume in pod["volumes"] if volume["name"] == "backups"]
    kept["name"] = "kept"
    pod["volumes"].append({"name": "backups", "emptyDir": {"medium": "Memory", "sizeLimit": "4Ki"}})


def _for_another(hands: Hands) -> None:
    certificate, _ = self_signed(["backup.elsewhere.test"])
    changed(FILES, lambda files: files["data"].update({"recipient.crt": certificate.decode()}))(hands)


def _last_failed(hands: Hands) -> Object | None:
    """The newest Job, where it failed."""
    jobs = sorted(hands.cluster.items(OURS), key=lambda job: str(job["metadata"]["creationTimestamp"]))
    return jobs[-1] if jobs and ended(jobs[-1]) == "Failed" else None


def _last_failed_for(word: str) -> Callable[[Hands], bool]:
    """By the last lines of its pod."""

    def seen(hands: Hands) -> bool:
        job = _last_failed(hands)
        if job is None:
            return False
        pods = hands.cluster.items(f"{CORE}/pods?labelSelector=job-name%3D{job['metadata']['name']}")
        return any(word in line for pod in pods for line in hands.cluster.log_lines(pod, "backup"))

    return seen


def _suspended(hands: Hands) -> bool:
    return bool((hands.cluster.get(CRON) or {})["spec"].get("suspend"))


_CRON_BACK = steps(restored(CRON), _no_jobs)


# ---------------------------------------------------------------------------- the configuration, drills, the plan


def _exported(hands: Hands) -> None:
    """Somebody has kept a Secret beside the backups, as kubectl shows it."""
    found = hands.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/bytebot-db-secret") or {}
    folder = hands.settings.state / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    put(folder / EXPORT, json.dumps({"kind": "Secret", "data": found["data"]}))


def _export_gone(hands: Hands) -> None:
    (hands.settings.state / "backups" / EXPORT).unlink(missing_ok=True)


def _no_room_for_all(quota: Object) -> None:
    quota["spec"]["hard"]["count/configmaps"] = "1"


def _drills(days: float, *, passed: bool) -> str:
    """One drill of each kind, so many days ago."""
    then = time.time() - days * 86_400
    told = {"at": then, "made": then, "passed": passed, "why": "" if passed else "it is cut", "size": 1_000_000}
    both = (("database", f"CronJob database/{NAME}"), ("configuration", "backup"))
    return json.dumps([{"kind": kind, "source": source, "seconds": {"restore": 1}, **told} for kind, source in both])


def _recorded(records: Callable[[], str]) -> Act:
    def act(hands: Hands) -> None:
        labels = {"bytebot.production/drill-record": "true"}
        meta = {"name": "bytebot-restore-drills", "namespace": NAMESPACE, "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"records": records()}}
        placed(RECORD, body)(hands)

    return act


def _plan_without_disaster(hands: Hands) -> Mapping[str, Any]:
    path = hands.folder / "recovery-plan.yml"
    plan = yaml.safe_load((Path(__file__).parents[1] / "recovery-plan.yml").read_text(encoding="utf-8"))
    put(path, yaml.safe_dump({"recovery": plan["recovery"]}))
    return {"bytebot_recovery_plan": str(path)}


def _store_is_down(hands: Hands) -> bool:
    return object_store.send(hands, object_store.keys(hands), "GET", f"/{object_store.BUCKET}") == object_store.NOTHING


@dataclass(frozen=True)
class _Of:
    """Faults that turn the same controls red."""

    turns_red: tuple[str, ...]

    def backup(self, name: str, says: str, put: Act, heal: Act, seen: Callable[[Hands], bool]) -> Fault:
        """Something is wrong with the CronJob or what it makes."""
        return Fault(
            name=name, says=says, layer="cluster", component="backup", put=put, heal=heal, seen=seen,
            turns_red=self.turns_red, shuts=False,
        )  # fmt: skip

    def said(self, name: str, says: str, variables: Callable[[Hands], Mapping[str, Any]]) -> Fault:
        """The environment says so."""
        return Fault(
            name=name, says=says, layer="inputs", component="drill", turns_red=self.turns_red, shuts=False,
            variables=variables,
        )  # fmt: skip

    def recorded(self, name: str, says: str, records: Callable[[], str]) -> Fault:
        """The record says so, and no drill may run."""
        return Fault(
            name=name, says=says, layer="inputs", component="drill", turns_red=self.turns_red, shuts=False,
            variables=lambda _: NO_DRILLS, put=_recorded(records), heal=restored(RECORD),
        )  # fmt: skip


FAULTS = (
    _Of((REGULAR,)).backup(
        "backup_suspended", "the CronJob of the backups is suspended",
        changed(CRON, lambda cron: cron["spec"].update(suspend=True)), restored(CRON), _suspended,
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_job_failed", "the last backup's Job has failed: it does not find the database",
        steps(changed(CRON, _pod(_to_nowhere)), _run), _CRON_BACK, _last_failed_for("could not translate host name"),
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_no_space", "the last backup's Job has failed: there is no room for what it makes",
        steps(changed(CRON, _pod(_on_a_full_disk)), _run), _CRON_BACK, _last_failed_for("No space left on device"),
    ),
    _Of((REGULAR, TARGETS)).backup(
        "backup_too_old", "the newest backup is years old", _tampered(_age), _all_back, _of_the_newest(_is_old),
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_empty", "the newest backup is an empty file", _tampered(_cut_to(0)), _all_back,
        _of_the_newest(lambda artifact, _: artifact.stat().st_size == 0),
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_truncated", "the newest backup is cut in the middle, and its sum is that of the rest",
        _tampered(_cut_to(0.5)), _all_back, _of_the_newest(_is_cut),
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_bit_flipped", "one bit of the newest backup is another than when it was made", _tampered(_flip_a_bit),
        _all_back, _of_the_newest(lambda artifact, _: not _summed_up(artifact)),
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_table_excluded", "the newest backup lacks a table of the application",
        steps(_keep_all, changed(CRON, _pod(_without_a_table)), _run), steps(_CRON_BACK, _all_back),
        _of_the_newest(_lacks_a_table),
    ),
    _Of((DATABASE, REGULAR)).backup(
        "backup_wrong_key", "the newest backup is encrypted for a key that nobody here has",
        steps(_keep_all, _for_another, _run), steps(restored(FILES), _no_jobs, _all_back),
        _of_the_newest(_is_for_another),
    ),
    _Of((CONFIGURATION,)).said(
        "backup_kind_omitted", "the backup of the configuration leaves ConfigMaps out",
        lambda _: {"backup_leave_out_kinds": ["ConfigMap"]},
    ),
    Fault(
        name="backup_secret_in_clear", says="a Secret lies in clear beside the backups", layer="inputs",
        component="drill", turns_red=(CONFIGURATION,), shuts=False, put=_exported, heal=_export_gone,
        seen=lambda hands: (hands.settings.state / "backups" / EXPORT).exists(),
    ),
    Fault(
        name="backup_object_lost", says="a ConfigMap cannot be made again: the place of the restore has no room for it",
        layer="cluster", component="drill", turns_red=(CONFIGURATION,), shuts=False,
        put=changed(QUOTA, _no_room_for_all), heal=restored(QUOTA),
        seen=lambda hands: (hands.cluster.get(QUOTA) or {})["spec"]["hard"]["count/configmaps"] == "1",
    ),
    _Of((RECOVERY,)).recorded(
        "restore_drill_missing", "no restore drill was ever recorded, and none may run now", lambda: "[]",
    ),
    _Of((RECOVERY, REGULAR)).recorded(
        "restore_drill_old", "the newest restore drills are years old, and none may run now",
        lambda: _drills(1000, passed=True),
    ),
    _Of((RECOVERY, REGULAR)).recorded(
        "restore_drill_failed", "the newest restore drills failed, and none may run now",
        lambda: _drills(1, passed=False),
    ),
    _Of((TARGETS,)).said(
        "restore_slow", "a restore takes longer than is wanted",
        lambda _: {"bytebot_recovery_targets": {"rpo": "25h", "rto": "1s"}},
    ),
    _Of((DISASTER,)).said(
        "disaster_plan_missing", "the register of recovery has no plan for disasters", _plan_without_disaster,
    ),
    Fault(
        name="backup_copy_unreachable", says="the store of the second copies does not answer", layer="cluster",
        component="object-store", turns_red=(DISASTER,), shuts=False, put=scaled(STORE, 0), heal=scaled(STORE, 1),
        seen=_store_is_down,
    ),
)  # fmt: skip
