# Who may come to production, and what accounts of the release may do.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import AccessReview, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    PRODUCTION,
    Authorized,
)
from tests.unit.collection.security_fixtures import POD, Object, account
from tests.unit.collection.security_judged import ALICE, APP, EVERYBODY, OPS, both, judged, review
from tests.unit.collection.test_access_review import binding, role, rule

SURPLUS = [
    ("a user", {"review": review(rule("create", "pods/exec"), ALICE, OPS)},
     "Group ops: it has the power to exec by RoleBinding shop/b-r of Role r, and is not on the list."),
    ("everybody", {"review": review(rule("get", "pods"), EVERYBODY)},
     "Group system:authenticated: it has the power to read by RoleBinding shop/b-r of Role r, and stands for"),
    ("everybody, without a list",
     {"review": review(rule("get", "pods"), EVERYBODY), "authorized": None}, "stands for more"),
    ("a power more", {"review": review(rule("get create", "pods"), ALICE),
                      "authorized": (Authorized(Subject("User", "alice"), frozenset({"read"})),)},
     "User alice: it has the power to run pods by RoleBinding shop/b-r of Role r, which the list does not give it."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in SURPLUS], ids=[row[0] for row in SURPLUS])
def test_access_to_production(changes: Object, said: str) -> None:
    verdict = judged(PRODUCTION, **changes)
    assert verdict.state == "fail"
    assert said in verdict.summary


def test_users_are_told_with_what_their_groups_give_them() -> None:
    granted = AccessReview(
        roles=[role("r", rule("get", "pods/log"))], role_bindings=[binding("r", OPS)], members={"ops": ["bob"]}
    )
    seen = judged(PRODUCTION, review=granted).evidence[0].observed
    assert seen["through_groups"] == {"bob of ops": ["read"]}


def test_without_a_list_it_is_pending_and_names_the_input() -> None:
    verdict = judged(PRODUCTION, authorized=None)
    assert (verdict.state, verdict.remedy) == ("pending", "Give authorized_subjects.")
    assert judged(PRODUCTION, authorized=()).state == "fail"


ACCOUNT_ROWS = [
    ("a wildcard", {"review": review(rule("*", "pods"), APP)}, "ServiceAccount app: has a wildcard in verbs"),
    ("a write in the whole cluster", {"review": review(rule("patch", "nodes"), APP, everywhere=True)},
     "may patch nodes in the whole cluster by ClusterRoleBinding b-r"),
    ("a dangerous power", {"review": review(rule("create", "pods/exec"), APP)}, "it has the power to exec by"),
    ("the default account",
     both({**POD, "serviceAccountName": None}), "Deployment api: it runs as the ServiceAccount default"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in ACCOUNT_ROWS], ids=[row[0] for row in ACCOUNT_ROWS])
def test_accounts(changes: Object, said: str) -> None:
    verdict = judged(ACCOUNTS, **changes)
    assert (verdict.state, verdict.level) == ("fail", "must")
    assert said in verdict.summary


def test_an_account_that_mounts_its_token_everywhere_is_advice() -> None:
    verdict = judged(ACCOUNTS, accounts=(account("app", automount=True), account("default")))
    assert (verdict.state, verdict.level) == ("fail", "should")
