# A Secret in the cluster: made once, kept, updated, pruned.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import MADE_AT
from tests.unit.collection.fakes import FakeCluster
from tests.unit.collection.secret_keeper import CANARY, PAIRS, PASSWORD, actions, keep, keeper, secret

# ---------------------------------------------------------------------- made once, kept


def test_made_then_kept() -> None:
    cluster = FakeCluster()
    options = {"data": {**PASSWORD, "host": {"value": "db.example"}}, "key_pairs": PAIRS, "labels": {"tier": "db"}}
    first = keep(cluster, **options)
    values, live = cluster.values("app"), cluster.live("Secret", "app", "default")
    assert first["changed"]
    assert actions(first) == dict.fromkeys(("host", "password", "jwt-private", "jwt-public"), "made")
    assert {item["source"] for item in first["keys"]} == {"value", "random", "key_pair"}
    assert first["secret"] == {"namespace": "default", "name": "app"}
    assert generate.matches(generate.load_private(values["jwt-private"]), values["jwt-public"])
    assert live["metadata"]["labels"] == {"tier": "db", "app.kubernetes.io/managed-by": "bytebot.production"}
    assert set(json.loads(live["metadata"]["annotations"][MADE_AT])) == set(values)
    version, cluster.writes = live["metadata"]["resourceVersion"], 0

    second = keep(cluster, **options)
    assert not second["changed"]
    assert set(actions(second).values()) == {"kept"}
    assert "diff" not in second
    assert cluster.writes == 0
    assert cluster.values("app") == values
    assert cluster.live("Secret", "app", "default")["metadata"]["resourceVersion"] == version


def test_check_mode_says_the_same_and_stores_nothing() -> None:
    cluster = FakeCluster()
    options = {"data": PASSWORD, "key_pairs": PAIRS}
    asked = keep(cluster, check=True, **options)
    assert cluster.writes == 0
    assert cluster.live("Secret", "app", "default") is None
    done = keep(cluster, **options)
    assert (asked["changed"], asked["keys"]) == (done["changed"], done["keys"])
    assert not keep(cluster, check=True, **options)["changed"]


def test_no_namespace() -> None:
    cluster = FakeCluster(namespaces=())
    asked = keep(cluster, check=True, data=PASSWORD)
    assert (asked["changed"], actions(asked)) == (True, {"password": "made"})
    with pytest.raises(NotThere, match=r"there is no namespace default. Make the namespace first"):
        keep(cluster, data=PASSWORD)


def test_a_found_secret_is_taken_over_with_its_values() -> None:
    good = generate.random_text(32, "base64").encode()
    cluster = FakeCluster(secret({"password": good}))
    first = keep(cluster, data=PASSWORD)
    assert (first["changed"], actions(first)) == (True, {"password": "kept"})  # label and annotation are new
    assert cluster.values("app") == {"password": good}
    assert cluster.live("Secret", "app", "default")["metadata"]["annotations"][MADE_AT] == "{}"
    assert not keep(cluster, data=PASSWORD)["changed"]


def test_replace_makes_new_values_on_demand() -> None:
    cluster = FakeCluster()
    keep(cluster, data=PASSWORD, key_pairs=PAIRS)
    before = cluster.values("app")
    stamp = json.loads(cluster.live("Secret", "app", "default")["metadata"]["annotations"][MADE_AT])
    result = keep(cluster, data=PASSWORD, key_pairs=PAIRS, replace=["password"])
    after = cluster.values("app")
    assert actions(result) == {"password": "made", "jwt-private": "kept", "jwt-public": "kept"}
    assert {key for key in after if after[key] != before[key]} == {"password"}
    now = json.loads(cluster.live("Secret", "app", "default")["metadata"]["annotations"][MADE_AT])
    assert now["password"] >= stamp["password"]
    assert now["jwt-private"] == stamp["jwt-private"]


def test_the_literal_command_of_the_checklist_is_not_kept() -> None:
    cluster = FakeCluster(secret({"password": b"$(openssl rand -base64 32)"}))
    with pytest.raises(Refused, match="Key password of Secret default/app is the literal text of a command"):
        keep(cluster, data=PASSWORD)
    assert cluster.writes == 0
    keep(cluster, data=PASSWORD, replace=["password"])
    assert len(cluster.values("app")["password"]) == 44


def test_a_change_in_between_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster()
    keep(cluster, data={"host": {"value": "one"}})
    real = FakeCluster.apply

    def late(self: FakeCluster, obj: dict[str, Any], **how: Any) -> dict[str, Any]:
        self.put(secret({"host": b"by another run"}))
        return real(self, obj, **how)

    monkeypatch.setattr(FakeCluster, "apply", late)
    with pytest.raises(Refused, match=r"Secret default/app cannot be applied: .* has been modified"):
        keep(cluster, data={"host": {"value": "two"}})
    assert cluster.values("app") == {"host": b"by another run"}


def test_two_runs_that_make_the_same_secret_leave_the_first_ones_values(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, real = FakeCluster(), FakeCluster._post

    def late(self: FakeCluster, *request: Any) -> Any:
        monkeypatch.setattr(FakeCluster, "_post", real)
        keep(self, data=PASSWORD)
        first.append(self.values("app")["password"])
        return real(self, *request)

    first: list[bytes] = []
    monkeypatch.setattr(FakeCluster, "_post", late)
    with pytest.raises(Refused, match=r"Secret default/app cannot be applied: .* already exists"):
        keep(cluster, data=PASSWORD)
    assert cluster.values("app") == {"password": first[0]}
    assert not keep(cluster, data=PASSWORD)["changed"]


# ---------------------------------------------------------------------- sources that are read


def test_all_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = generate.private_pem(generate.new_private_key("ed25519", 0, ""))
    (tmp_path / "password").write_bytes(b"from the file\r\n")
    (tmp_path / "tls.key").write_bytes(key + b"\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00\n")
    monkeypatch.setenv("TRIAL_TOKEN", "from the environment")
    other = secret({"ca.crt": b"from the other\n"}, metadata={"name": "other"})
    cluster = FakeCluster(other)
    options = {
        "data": {
            "text": {"file": str(tmp_path / "password")},
            "as-is": {"file": str(tmp_path / "password"), "strip_newline": False},
            "pem": {"file": str(tmp_path / "tls.key")},
            "binary": {"file": str(tmp_path / "binary")},
            "token": {"environment": "TRIAL_TOKEN"},
            "ca": {"secret": {"namespace": "default", "name": "other", "key": "ca.crt"}},
        }
    }
    keep(cluster, **options)
    assert cluster.values("app") == {
        "text": b"from the file",
        "as-is": b"from the file\r\n",
        "pem": key + b"\n",
        "binary": b"\xff\x00\n",
        "token": b"from the environment",
        "ca": b"from the other\n",
    }
    (tmp_path / "password").write_text("another\n")
    monkeypatch.setenv("TRIAL_TOKEN", "another token")
    changed = keep(cluster, **options)
    assert actions(changed) == {
        "text": "updated",
        "as-is": "updated",
        "pem": "kept",
        "binary": "kept",
        "token": "updated",
        "ca": "kept",
    }
    assert changed["diff"]["after"].count("(changed)") == 3


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"file": "{tmp}/none"}, "is to come from the file {tmp}/none, and there is none"),
        ({"file": "{tmp}"}, "is to come from the file {tmp}, which cannot be read (Is a directory)"),
        ({"file": "{tmp}/empty"}, "is to come from the file {tmp}/empty, which is empty"),
        ({"environment": "TRIAL_NONE"}, "is to come from the environment variable TRIAL_NONE, which is not set"),
        ({"environment": "TRIAL_EMPTY"}, "is to come from the environment variable TRIAL_EMPTY, which is empty"),
        (
            {"secret": {"namespace": "default", "name": "none", "key": "x"}},
            "is to come from Secret default/none, which does not exist",
        ),
        (
            {"secret": {"namespace": "default", "name": "other", "key": "x"}},
            "is to come from key x of Secret default/other, which has no such key",
        ),
        ({"secret": {"namespace": "default", "name": "other", "key": "empty"}}, "Secret default/other, which is empty"),
    ],
)
def test_a_source_that_is_missing_leaves_nothing_half_done(
    source: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("TRIAL_EMPTY", "")
    cluster = FakeCluster(secret({"empty": b""}, metadata={"name": "other"}))
    filled = json.loads(json.dumps(source).replace("{tmp}", str(tmp_path)))
    with pytest.raises(InputError) as caught:
        keep(cluster, data={**PASSWORD, "wanted": filled})
    assert caught.value.sentence.startswith("Key wanted of Secret default/app is to come from ")
    assert sentence.replace("{tmp}", str(tmp_path)) in caught.value.sentence
    assert cluster.writes == 0
    assert {method for method, _path, _body in cluster.sent} <= {"GET"}


# ---------------------------------------------------------------------- keys that are not listed


def test_unlisted_keys_stay_and_are_pruned_on_demand() -> None:
    cluster = FakeCluster()
    keep(cluster, data={"mine": {"value": "one"}, "host": {"value": "db"}})
    with_foreign = cluster.live("Secret", "app", "default")
    with_foreign["data"]["foreign"] = b64encode(b"by hand").decode()
    narrowed = keep(cluster, data={"host": {"value": "db"}})
    assert not narrowed["changed"]
    assert cluster.values("app") == {"mine": b"one", "host": b"db", "foreign": b"by hand"}
    updated = keep(cluster, data={"host": {"value": "db2"}})
    assert updated["changed"]
    assert cluster.values("app") == {"mine": b"one", "host": b"db2", "foreign": b"by hand"}

    asked = keep(cluster, check=True, data={"host": {"value": "db2"}}, prune=True)
    assert set(cluster.values("app")) == {"mine", "host", "foreign"}
    done = keep(cluster, data={"host": {"value": "db2"}}, prune=True)
    assert actions(asked) == actions(done) == {"host": "kept", "foreign": "removed", "mine": "removed"}
    assert asked["changed"] and done["changed"]
    assert cluster.values("app") == {"host": b"db2"}
    assert set(json.loads(cluster.live("Secret", "app", "default")["metadata"]["annotations"][MADE_AT])) == {"host"}
    assert not keep(cluster, data={"host": {"value": "db2"}}, prune=True)["changed"]


# ---------------------------------------------------------------------- immutable, type, Helm, deletion


def test_immutable_is_kept_and_respected() -> None:
    cluster = FakeCluster()
    keep(cluster, data={**PASSWORD, "host": {"value": "one"}}, immutable=True)
    assert cluster.live("Secret", "app", "default")["immutable"] is True
    assert not keep(cluster, data={**PASSWORD, "host": {"value": "one"}})["changed"]
    with pytest.raises(Refused, match=r"Secret default/app is immutable and host would change. Name a generated key"):
        keep(cluster, data={**PASSWORD, "host": {"value": "two"}})
    with pytest.raises(Refused, match="is immutable and it cannot be made mutable again"):
        keep(cluster, data=PASSWORD, immutable=False)


def test_an_immutable_secret_is_made_anew_where_replace_asks_for_it() -> None:
    cluster = FakeCluster()
    options = {"data": {**PASSWORD, "other": {"random": {}}}, "immutable": True}
    keep(cluster, **options)
    before, version = cluster.values("app"), cluster.live("Secret", "app", "default")["metadata"]["resourceVersion"]
    asked = keep(cluster, check=True, **options, replace=["password"])
    assert cluster.values("app") == before
    done = keep(cluster, **options, replace=["password"])
    assert asked["keys"] == done["keys"]
    after = cluster.values("app")
    assert {key for key in after if after[key] != before[key]} == {"password"}
    live = cluster.live("Secret", "app", "default")
    assert live["immutable"] is True and live["metadata"]["resourceVersion"] != version
    assert cluster.live("Secret", "app.being-replaced", "default") is None
    assert not keep(cluster, **options)["changed"]


@pytest.mark.parametrize("breaks", ["_delete", "_post"])
def test_no_value_is_lost_where_a_run_breaks_off_while_it_makes_a_secret_anew(
    breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = FakeCluster()
    options = {"data": {**PASSWORD, "kept": {"random": {}}}, "immutable": True}
    keep(cluster, **options)
    before = cluster.values("app")
    real = getattr(FakeCluster, breaks)

    def cut(self: FakeCluster, path: str, body: Any, query: Any, kind: str) -> Any:
        if breaks == "_delete" or body["metadata"]["name"] == "app":
            raise ConnectionError("the run is killed here")
        return real(self, path, body, query, kind)

    monkeypatch.setattr(FakeCluster, breaks, cut)
    with pytest.raises(ConnectionError):
        keep(cluster, **options, replace=["password"])
    monkeypatch.setattr(FakeCluster, breaks, real)
    healed = keep(cluster, **options)
    assert healed["changed"] is (breaks == "_post")
    assert cluster.values("app")["kept"] == before["kept"]
    assert (cluster.values("app")["password"] == before["password"]) is (breaks == "_delete")
    assert cluster.live("Secret", "app.being-replaced", "default") is None
    assert not keep(cluster, **options)["changed"]


def test_another_type_is_refused() -> None:
    cluster = FakeCluster(secret({"password": b"x"}, type="kubernetes.io/tls"))
    with pytest.raises(Refused, match=r"is of type kubernetes.io/tls, which cannot be changed to Opaque"):
        keep(cluster, data=PASSWORD)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_releases_own_secret_is_left_alone(state: str) -> None:
    helms = secret({"password": b"x"}, metadata={"annotations": {"meta.helm.sh/release-name": "bytebot"}})
    cluster = FakeCluster(helms)
    with pytest.raises(Refused, match=r"Secret default/app belongs to the Helm release bytebot"):
        getattr(keeper(cluster, data=PASSWORD), state)(with_diff=False)
    assert cluster.writes == 0


def test_one_that_is_being_deleted_is_not_written() -> None:
    cluster = FakeCluster(secret({"password": b"x"}))
    cluster.live("Secret", "app", "default")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(Refused, match=r"Secret default/app is being deleted"):
        keep(cluster, data=PASSWORD)
    assert not keeper(cluster, data=PASSWORD).absent(with_diff=True)["changed"]


def test_absent() -> None:
    cluster = FakeCluster(secret({"password": CANARY.encode()}))
    asked = keeper(cluster, check=True, state="absent").absent(with_diff=True)
    assert cluster.live("Secret", "app", "default")
    done = keeper(cluster, state="absent").absent(with_diff=True)
    assert asked == done
    assert (done["changed"], actions(done)) == (True, {"password": "removed"})
    assert CANARY not in str(done) and b64encode(CANARY.encode()).decode() not in str(done)
    assert cluster.live("Secret", "app", "default") is None
    assert not keeper(cluster, state="absent").absent(with_diff=True)["changed"]
