# Judges whether a release is too young for a backup of it to be there, so that one may be made for the drill.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import (
    CRON_JOB,
    BackupFacts,
    last_failure,
    last_success,
    made_of,
)


@dataclass(frozen=True, slots=True)
class First:
    """The Job that was to make the first backup of a release.

    :param trouble: why there is none of it, empty where it is made; :param remedy: what to do then.
    """

    job: str = ""
    seconds: float = 0.0
    trouble: str = ""
    remedy: str = ""

    @property
    def said(self) -> str:
        """What it came to, for a sentence."""
        why = "no regular one had run since the release's first deployment"
        if self.trouble:
            return f"a first backup was wanted, since {why}: {self.trouble}"
        return f"Job {self.job} made it for this drill, since {why}"


def none_since(facts: BackupFacts, deployed: float) -> bool:
    """Whether the CronJob works, has not run since the first deployment, and needed not to by now.

    :param deployed: when the release was first deployed (Unix time, 0 where nobody knows).
    """
    seen = facts.seen
    if not deployed or seen is None or seen.kind != CRON_JOB or seen.maker is None or seen.denied:
        return False
    if (seen.maker.get("spec") or {}).get("suspend") or last_failure(facts):
        return False
    # One that has had the time for a backup and has none is no young release, but a CronJob that does not run.
    young = facts.now - deployed <= facts.rpo_s
    made = made_of(facts)
    ran = any(one.began >= deployed or not one.at for one in made) or last_success(facts) >= deployed
    return young and not ran


def is_older(facts: BackupFacts, deployed: float, newest: float | None) -> bool:
    """Whether the newest artifact is of before, and is what the CronJob's last run left there.

    :param newest: when it was made; None where there is none.
    """
    last = last_success(facts)
    if newest is None:
        return not last
    # Where it is much older than the last run, that run's artifact is lost, and a new one would hide it.
    return newest < deployed and newest >= last - facts.rpo_s
