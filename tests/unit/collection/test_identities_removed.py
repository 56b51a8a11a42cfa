# What a run made is removed at its end, also where the administrator's token has run out by then.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Dialect
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import identities


class Api:
    """Makes users for a token, which is good until it is said to have run out."""

    dialect = Dialect()

    def __init__(self) -> None:
        self.good = {"first"}
        self.users: set[str] = set()

    def learn(self, _word: str) -> None:
        """It is no secret here."""

    def code_of(self, _answer: Answer) -> str:
        return ""

    def ask(self, method: str, path: str, *, token: str, body: Any = None) -> Answer:
        if token not in self.good:
            return Answer(path, 401)
        if method == "POST":
            self.users.add(str(len(self.users)))
            return Answer(path, 201, body=f'{{"id": "{len(self.users) - 1}"}}')
        self.users.discard(path.rpartition("/")[2])
        return Answer(path, 204)


@pytest.mark.parametrize(("renewed", "left"), [("second", 0), ("", 2), ("refused too", 2)])
def test_a_token_that_has_run_out_is_renewed(renewed: str, left: int) -> None:
    api, asked = Api(), [0]

    def renew() -> str:
        asked[0] += 1
        return renewed

    with identities(cast("AuthApi", api), "first", "shop.test", renew) as made:
        made.make("viewer")
        made.make("operator")
        api.good = {"second"}
    assert len(api.users) == left
    assert len(made.left) == left
    assert asked[0] == (1 if left == 0 else 2)
