# The workload policy on a shared set of manifests: what we find in each, and how that differs from what Checkov finds.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    CONTEXT,
    PROTECTION,
    RESOURCES,
    ROOT,
    STORED,
    SecurityFacts,
)
from tests.unit.collection.security_fixtures import SHOP, account, namespace, secret

ROOT_FOLDER = Path(__file__).parents[3]
MANIFESTS = Path(__file__).parents[1] / "fixtures" / "workloads"
CHECKOV = ROOT_FOLDER / ".cache" / "checkov-venv" / "bin" / "checkov"
PAGE = ROOT_FOLDER / "docs" / "workload-policy.md"
NAMES = sorted(one.stem for one in MANIFESTS.glob("*.yaml"))
# Checkov's rule, and how the finding reads that is ours; what Checkov has no rule for stands under "—".
RULES = {
    "CKV_K8S_10": "no cpu request",
    "CKV_K8S_11": "no cpu limit",
    "CKV_K8S_12": "no memory request",
    "CKV_K8S_13": "no memory limit",
    "CKV_K8S_16": "privileged is on",
    "CKV_K8S_17": "hostPID is on",
    "CKV_K8S_18": "hostIPC is on",
    "CKV_K8S_19": "hostNetwork is on",
    "CKV_K8S_20": "allowPrivilegeEscalation is not false",
    "CKV_K8S_22": "readOnlyRootFilesystem is not true",
    "CKV_K8S_23": r"runAsNonRoot is not true|runAsUser .*0 \(root\)",
    "CKV_K8S_25": "capabilities add",
    "CKV_K8S_26": "takes the node's port",
    "CKV_K8S_27": "mounts the node's path",
    "CKV_K8S_31": "seccompProfile is",
    "CKV_K8S_35": "stands in clear",
    "CKV_K8S_37": "do not drop ALL",
    "CKV_K8S_38": "the token of ServiceAccount",
    "—": "is above its limit|lies over the system's path",
}
OURS: dict[str, set[str]] = {
    "bare-pod": {"CKV_K8S_16"},
    "bind-service": set(),
    "capability": {"CKV_K8S_25"},
    "cron-job": {"CKV_K8S_16"},
    "docker-socket": {"CKV_K8S_27"},
    "drop-some": {"CKV_K8S_37"},
    "escalation": {"CKV_K8S_20"},
    "host-namespaces": {"CKV_K8S_17", "CKV_K8S_18", "CKV_K8S_19"},
    "host-path": {"CKV_K8S_27"},
    "host-port": {"CKV_K8S_26"},
    "in-order": set(),
    "init-container": {
        "CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13", "CKV_K8S_16", "CKV_K8S_20", "CKV_K8S_22", "CKV_K8S_37",
    },
    "no-cpu-limit": {"CKV_K8S_11"},
    "no-resources": {"CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13"},
    "no-seccomp": {"CKV_K8S_31"},
    "password-in-env": {"CKV_K8S_35"},
    "privileged": {"CKV_K8S_16"},
    "request-above-limit": {"—"},
    "root": {"CKV_K8S_23"},
    "secret-in-env": set(),
    "system-path": {"—"},
    "token": {"CKV_K8S_38"},
    "user-from-image": {"CKV_K8S_23"},
    "user-number-alone": {"CKV_K8S_23"},
    "writable-root": {"CKV_K8S_22"},
}  # fmt: skip


def ours(name: str) -> set[str]:
    """Under which rules we find something in a manifest; every finding belongs to one."""
    obj: dict[str, Any] = yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8"))
    facts = SecurityFacts(
        SHOP,
        described=(obj,),
        namespace_object=namespace(),
        accounts=(account("app"),),
        secrets=(secret(),),
    )
    results = CHECKS.judge(facts, [STORED, PROTECTION, CONTEXT, RESOURCES, ROOT])
    findings = [text for one in results for text in one.verdict.evidence[0].observed["findings"]]
    told = {text: {rule for rule, pattern in RULES.items() if re.search(pattern, text)} for text in findings}
    unknown = [text for text, rules in told.items() if not rules and "BestEffort" not in text]
    assert unknown == []
    return {rule for rules in told.values() for rule in rules}


def test_every_manifest_has_its_row() -> None:
    assert list(OURS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_we_find(name: str) -> None:
    assert ours(name) == OURS[name]


def differences() -> dict[tuple[str, str], tuple[bool, bool]]:
    """The table of the page: whether we and whether Checkov find something, by manifest and rule."""
    rows = re.findall(
        r"^\| `([\w-]+)` \| `?(\w+|—)`? \| (red|green) \| (red|green) \| \S", PAGE.read_text(encoding="utf-8"), re.M
    )
    return {(name, rule): (here == "red", there == "red") for name, rule, here, there in rows}


def test_the_table_says_what_we_find() -> None:
    told = differences()
    assert told
    assert {place: here for place, (here, _there) in told.items()} == {
        (name, rule): rule in OURS[name] for name, rule in told
    }


@pytest.mark.skipif(not CHECKOV.exists(), reason="Checkov is not in .cache/checkov-venv")
def test_checkov_differs_where_the_table_says_so_and_nowhere_else() -> None:
    command = [CHECKOV, "--directory", MANIFESTS, "--framework", "kubernetes", "--output", "json", "--quiet"]
    done = subprocess.run([*command, "--skip-download"], capture_output=True, text=True, check=False)
    failed = json.loads(done.stdout)["results"]["failed_checks"]
    theirs: dict[str, set[str]] = {name: set() for name in NAMES}
    for one in failed:
        theirs[Path(one["file_path"]).stem].add(one["check_id"])
    differing = {
        (name, rule): (rule in OURS[name], rule in theirs[name])
        for name in NAMES
        for rule in RULES
        if (rule in OURS[name]) != (rule in theirs[name])
    }
    assert differing == differences()
