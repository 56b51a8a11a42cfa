# The parts of backups: encryption by the real openssl, streams, the folder, objects made comparable, the drill's fence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.backup import (
    claim,
    configuration,
    records,
    scratch,
    scripts,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.database import Catalogue, DatabaseFacts
from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import (
    Exported,
    helm_records,
    is_derived,
    normal,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import Folder, pieces
from ansible_collections.bytebot.production.plugins.module_utils.clients import cms, object_store
from ansible_collections.bytebot.production.plugins.module_utils.clients.cms import encrypted, is_envelope, opened
from ansible_collections.bytebot.production.plugins.module_utils.clients.pod_run import carried
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    Refused,
    TimedOut,
    Unreachable,
)
from tests.unit.collection.fakes import FakeCluster

CLEAR = os.urandom(300_000)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str, str]:
    """Two certificates and their keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two"):
        words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]
        subprocess.run(["openssl", "req", *words, *files], check=True, capture_output=True)
    return tuple(str(folder / name) for name in ("one.crt", "one.key", "two.crt", "two.key"))  # type: ignore[return-value]


# ---------------------------------------------------------------------- encryption


def test_what_is_encrypted_is_opened_by_its_key_and_by_no_other(keys: tuple[str, str, str, str]) -> None:
    sealed = b"".join(encrypted([CLEAR[:1000], CLEAR[1000:]], keys[0]))
    assert is_envelope(sealed[:64])
    assert CLEAR[:32] not in sealed
    assert b"".join(opened([sealed], keys[0], keys[1])) == CLEAR
    with pytest.raises(CommandFailed, match="cannot open it"):
        b"".join(opened([sealed], keys[2], keys[3]))


@pytest.mark.parametrize("place", [70, 150_000, -3])
def test_a_flipped_bit_is_found(keys: tuple[str, str, str, str], place: int) -> None:
    sealed = bytearray(b"".join(encrypted([CLEAR], keys[0])))
    sealed[place] ^= 1
    with pytest.raises(CommandFailed):
        b"".join(opened([bytes(sealed)], keys[0], keys[1]))


def test_a_cut_artifact_is_found(keys: tuple[str, str, str, str]) -> None:
    sealed = b"".join(encrypted([CLEAR], keys[0]))
    with pytest.raises(CommandFailed):
        b"".join(opened([sealed[: len(sealed) // 2]], keys[0], keys[1]))


def test_a_large_one_is_several_messages_and_each_must_be_whole(
    keys: tuple[str, str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cms, "SEGMENT", 100_000)
    sealed = b"".join(encrypted([CLEAR[:7], CLEAR[7:]], keys[0]))
    assert b"".join(opened([sealed[:5], sealed[5:120_000], sealed[120_000:]], keys[0], keys[1])) == CLEAR
    first = cms._length(sealed[:10])
    assert first
    assert b"".join(opened([sealed[:first]], keys[0], keys[1])) == CLEAR[:100_000]  # openssl alone opens it
    for place in (1, 3, first + 2, first + 70, len(sealed) - 2):
        broken = bytearray(sealed)
        broken[place] ^= 4
        with pytest.raises(CommandFailed):
            b"".join(opened([bytes(broken)], keys[0], keys[1]))
    for cut in (first - 1, first + 1, first + 20, len(sealed) - 1):
        with pytest.raises(CommandFailed):
            b"".join(opened([sealed[:cut]], keys[0], keys[1]))


def test_a_streamed_message_of_others_and_an_empty_one_are_opened(keys: tuple[str, str, str, str]) -> None:
    words = ["openssl", "cms", "-encrypt", "-binary", "-stream", "-aes-256-cbc", "-outform", "DER", keys[0]]
    sealed = subprocess.run(words, input=CLEAR, capture_output=True, check=True).stdout
    assert b"".join(opened([sealed], keys[0], keys[1])) == CLEAR
    assert b"".join(opened(encrypted([], keys[0]), keys[0], keys[1])) == b""
    with pytest.raises(CommandFailed):
        b"".join(opened([], keys[0], keys[1]))


def test_a_source_that_breaks_off_breaks_the_artifact(keys: tuple[str, str, str, str], tmp_path: Path) -> None:
    def source() -> Iterator[bytes]:
        yield CLEAR
        raise CommandFailed("the dump broke off.")

    with pytest.raises(CommandFailed, match="broke off"):
        Folder(str(tmp_path)).write("database", encrypted(source(), keys[0]), dict)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_certificate_is_one_sentence() -> None:
    with pytest.raises(InputError, match="There is no file"):
        encrypted([b""], "/nowhere.crt")


# ---------------------------------------------------------------------- the stream


class Program:
    """A program in a pod that says what it is told to."""

    def __init__(self, *said: tuple[bytes, bytes], status: str = '{"status": "Success"}') -> None:
        self._said, self._status = list(said), status
        self.taken = b""
        self._here, self._there = socket.socketpair()

    def fileno(self) -> int:
        return self._here.fileno()

    def write(self, data: bytes) -> None:
        self.taken += data

    def read(self) -> tuple[bytes, bytes]:
        if not self._said:
            raise EOFError
        return self._said.pop(0)

    def status(self) -> bytes:
        return self._status.encode()

    def close(self) -> None:
        """Nothing is open."""


def test_output_comes_as_it_is_and_input_goes_in_pieces_with_their_length() -> None:
    program = Program((b"a", b""), (b"", b""), (b"b", b"noise"), (b"", b""))
    assert list(carried(program, [b"xyz", b"12"], 5)) == [b"a", b"b"]
    assert program.taken == b"3\nxyz2\n120\n"


def test_no_input_still_has_an_end() -> None:
    program = Program((b"", b""), (b"", b""))
    assert list(carried(program, [], 5)) == []
    assert program.taken == b"0\n"


def test_a_program_that_fails_says_why() -> None:
    failed = '{"status": "Failure", "message": "command terminated with exit code 1"}'
    with pytest.raises(CommandFailed, match="pg_dump: no such table"):
        list(carried(Program((b"half", b"pg_dump: no such table\n"), status=failed), None, 5))


def test_a_connection_that_breaks_is_no_end() -> None:
    with pytest.raises(Unreachable, match="broke before"):
        list(carried(Program((b"half", b""), status=""), None, 5))


def test_what_does_not_end_is_bounded() -> None:
    with pytest.raises(TimedOut):
        list(carried(Program((b"", b"")), None, 0))


# ---------------------------------------------------------------------- what the tools say

LIST = """;
; Archive created at 2026-11-29 03:17:00 UTC
;     dbname: bytebot_production
215; 1259 16391 TABLE public Task bytebot_user
216; 1259 16399 TABLE public users bytebot_user
3340; 0 16391 TABLE DATA public Task bytebot_user
3200; 2606 16398 CONSTRAINT public users users_pkey bytebot_user
"""


def test_a_catalogue_tells_tables_and_whose_rows_are_there() -> None:
    found = Catalogue.read(LIST)
    assert found.tables == {"public.Task", "public.users"}
    assert found.data == {"public.Task"}
    assert found.created == datetime(2026, 11, 29, 3, 17, tzinfo=UTC).timestamp()


def test_facts_are_whole_or_none() -> None:
    text = f"M|1796000000.5|8000000|15.1\nT|public.a|b|3|17\nT|public.users|0|0\nS|{'a' * 64}\n"
    found = DatabaseFacts.read(text)
    assert found.tables == {"public.a|b": (3, "17"), "public.users": (0, "0")}
    assert DatabaseFacts.of(json.loads(json.dumps(found.to_dict()))) == found
    for cut in (text.replace("M|", "X|"), text.replace("S|", "X|"), ""):
        with pytest.raises(CommandFailed):
            DatabaseFacts.read(cut)


@pytest.mark.parametrize("name", ["a b", "a;drop", "a'", "", "$(id)", "1a"])
def test_a_schema_is_a_plain_name(name: str) -> None:
    with pytest.raises(InputError):
        scripts.schemas([name])


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "$(id)", "a b", "`id`", ""])
def test_a_pattern_is_no_more_than_that(pattern: str) -> None:
    with pytest.raises(InputError):
        claim.checked_pattern(pattern)


# ---------------------------------------------------------------------- the folder


def test_an_artifact_is_whole_private_and_hashed(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "new"))
    made = folder.write("database", [b"abc", b"def"], lambda: {"rows": 3})
    assert made.sha256 == hashlib.sha256(b"abcdef").hexdigest()
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    assert folder.path.stat().st_mode & 0o777 == 0o700
    newest = folder.newest("database")
    assert newest == made
    assert b"".join(pieces(made.path, made.sha256)) == b"abcdef"
    assert folder.newest("configuration") is None
    made.path.write_bytes(b"abcdeX")
    with pytest.raises(Refused, match="SHA-256"):
        b"".join(pieces(made.path, made.sha256))


def test_only_the_newest_stay(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    for hour in range(4):
        for end in ("cms", "json"):
            (tmp_path / f"database-20261129T0{hour}0000Z-{hour:08x}.{end}").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    assert [name[:16] for name in folder.keep("database", 2)] == ["database-2026112"] * 2
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_without_room_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be written"):
        Folder(str(tmp_path / "file")).write("database", iter(()), dict)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def full() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(Refused, match="No space left on device"):
        Folder(str(tmp_path)).write("database", full(), dict)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_in_clear_is_found_in_both_forms(tmp_path: Path) -> None:
    value = b"correct horse battery"
    secret = {"kind": "Secret", "metadata": {"name": "db"}, "data": {"password": b64encode(value).decode()}}
    wanted = dict(configuration.values_of_secrets([secret]))
    (tmp_path / "a.yaml").write_bytes(b"password: " + value)
    (tmp_path / "b.json").write_text(json.dumps(secret))
    (tmp_path / "c.cms").write_bytes(b"PGDMP")
    (tmp_path / "d.txt").write_text("nothing")
    found = Folder(str(tmp_path)).in_clear(wanted)
    assert [one.split()[0] for one in found] == ["a.yaml", "b.json", "c.cms"]
    assert "correct horse" not in str(found)


# ---------------------------------------------------------------------- objects

SETTINGS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "settings",
        "namespace": "shop",
        "uid": "1",
        "resourceVersion": "7",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "owner": "me"},
    },
    "data": {"a": "b"},
}


def test_an_object_is_kept_without_what_each_gets_anew() -> None:
    assert normal(SETTINGS)["metadata"] == {"name": "settings", "annotations": {"owner": "me"}}
    ports = [{"nodePort": 3, "port": 1}]
    service = {"kind": "Service", "metadata": {}, "spec": {"clusterIP": "1.2.3.4", "ports": ports}}
    assert normal(service)["spec"] == {"ports": [{"port": 1}]}
    headless = {"kind": "Service", "metadata": {}, "spec": {"clusterIP": "None"}}
    assert normal(headless)["spec"] == {"clusterIP": "None"}


@pytest.mark.parametrize(
    ("one", "derived"),
    [
        ({"kind": "Pod", "metadata": {"ownerReferences": [{"controller": True}]}}, True),
        ({"kind": "Pod", "metadata": {}}, False),
        ({"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}}, True),
        ({"kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": {"name": "t"}}, True),
        ({"kind": "Secret", "type": "Opaque", "metadata": {"name": "t"}}, False),
        ({"kind": "ConfigMap", "metadata": {"name": "x", "labels": {"bytebot.production/scratch": "x"}}}, True),
    ],
)
def test_what_others_make_is_no_part(one: dict[str, Any], derived: bool) -> None:
    assert is_derived(one) is derived


def test_an_archive_comes_back_or_is_refused() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    data = configuration.packed(Exported((SETTINGS, secret)), [])
    found = configuration.unpacked([data[:9], data[9:]])
    assert {(name.kind, one.version) for name, one in found.items()} == {("ConfigMap", "7"), ("Secret", "")}
    left = configuration.unpacked([configuration.packed(Exported((SETTINGS,)), ["ConfigMap"])])
    assert left == {}
    for broken in (data[:-4], b"", b"PGDMP"):
        with pytest.raises(CommandFailed):
            configuration.unpacked([broken])


def test_differences_name_places_and_no_values() -> None:
    one = {"data": {"password": "secret-one"}, "list": [{"a": 1}]}
    two = {"data": {"password": "secret-two"}, "list": [{"a": 2}]}
    assert configuration.differing(one, two) == ["data.password", "list[0].a"]
    assert configuration.differing({"a": {}}, {}) == []


def test_helms_record_is_found_by_its_labels() -> None:
    labels = {"owner": "helm", "name": "bytebot"}
    record = {"kind": "Secret", "metadata": {"name": "sh.helm.release.v1.bytebot.v1", "labels": labels}}
    assert helm_records([record, SETTINGS], "bytebot") == ["sh.helm.release.v1.bytebot.v1"]
    assert helm_records([record], "other") == []


# ---------------------------------------------------------------------- the drill's place


def _namespace(**labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drill", "labels": labels}}


def _fence() -> list[dict[str, Any]]:
    return [scratch._policy("drill"), scratch._quota("drill")]


def test_a_namespace_that_is_no_drills_is_refused_and_untouched() -> None:
    cluster = FakeCluster(_namespace(team="shop"), namespaces=())
    place = scratch.scratch_namespace(cluster, "drill", "shop")
    with pytest.raises(InputError, match="does not bear the label"), place:
        pytest.fail("it went in")
    assert cluster.writes == 0


def test_the_releases_own_namespace_is_refused() -> None:
    cluster = FakeCluster(namespaces=("shop",))
    with pytest.raises(InputError, match="never touches it"), scratch.scratch_namespace(cluster, "shop", "shop"):
        pytest.fail("it went in")


def test_what_a_killed_drill_left_is_removed_and_nothing_else() -> None:
    meta = {"name": "old", "namespace": "drill", "labels": scratch.LABELS}
    left = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kept", "namespace": "drill"}}
    cluster = FakeCluster(_namespace(**scratch.MARK), *_fence(), left, other, namespaces=())
    with scratch.scratch_namespace(cluster, "drill", "shop") as made:
        assert made is False
        assert cluster.live("Secret", "old", "drill") is None
        cluster.put(left)
    assert cluster.live("Secret", "old", "drill") is None
    assert cluster.live("Secret", "kept", "drill")


def test_a_namespace_that_is_made_goes_again() -> None:
    cluster = FakeCluster(namespaces=("shop",))
    with scratch.scratch_namespace(cluster, "drill", "shop") as made:
        assert made is True
        assert cluster.live("NetworkPolicy", "bytebot-drill-deny", "drill", "networking.k8s.io/v1")
        assert cluster.live("ResourceQuota", "bytebot-drill", "drill")
    assert cluster.live("Namespace", "drill") is None


def test_records_are_kept_bounded_and_what_is_no_record_is_left_out() -> None:
    cluster = FakeCluster(namespaces=("shop",))
    for number in range(45):
        kept = records.add(cluster, "shop", [records.Record("database", "backup", float(number), True)])
    assert [kept[0].at, kept[-1].at, len(kept)] == [5.0, 44.0, records.MOST]
    assert records.read(cluster, "shop") == kept
    for text in ("nonsense", '{"a": 1}', '[1, {"kind": "database"}]'):
        cluster.put({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": records.NAME, "namespace": "shop"},
            "data": {records.KEY: text},
        })  # fmt: skip
        assert records.read(cluster, "shop") == ()


# ---------------------------------------------------------------------- the object store


def test_a_request_is_signed_as_amazon_documents_it() -> None:
    """The example "GET Bucket Lifecycle" of the documentation of Signature Version 4 has the same parts."""
    place = object_store.Place(
        "examplebucket.s3.amazonaws.com", 443, "", "", "us-east-1", "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )  # fmt: skip
    now = datetime(2013, 5, 24, tzinfo=UTC)
    found = object_store._signed(place, "GET", ("/", "lifecycle="), object_store.EMPTY, now)
    wanted = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    assert found["authorization"].endswith(f"Signature={wanted}")
    assert "EXAMPLEKEY" not in repr(place)


def test_a_listed_object_is_read() -> None:
    text = "<Key>a&amp;b</Key><LastModified>2026-11-29T03:17:00.000Z</LastModified><Size>12</Size>"
    found = object_store._found(text)
    assert (found.name, found.size) == ("a&b", 12)
    assert found.made == datetime(2026, 11, 29, 3, 17, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("url", ["http://a", "https://u:p@a", "https://a/path", "a", "https://a?x"])
def test_an_endpoint_is_a_plain_https_address(url: str) -> None:
    with pytest.raises(InputError):
        object_store.host_of(url)


# ---------------------------------------------------------------------- objects made again


def test_objects_are_made_again_or_asked_about_and_compared() -> None:
    policy: dict[str, Any] = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "bytebot-drill-deny"},  # the drill's own fence has that name
        "spec": {"podSelector": {"matchLabels": {"app": "api"}}},
    }
    archive = configuration.unpacked([configuration.packed(Exported((SETTINGS, policy)), [])])
    cluster = FakeCluster(_namespace(**scratch.MARK), *_fence(), namespaces=())
    found = configuration.restored(cluster, "drill", archive)
    assert (found.made, found.rehearsed) == (("ConfigMap settings",), ("NetworkPolicy bytebot-drill-deny",))
    assert (found.lost, found.other) == ((), ())
    made = cluster.live("ConfigMap", "settings", "drill")
    assert made
    assert made["metadata"]["labels"].items() >= scratch.LABELS.items()
    assert cluster.live("NetworkPolicy", "bytebot-drill-deny-drill", "drill", "networking.k8s.io/v1") is None


def test_an_object_that_cannot_be_made_is_lost_with_the_reason() -> None:
    archive = configuration.unpacked([configuration.packed(Exported((SETTINGS,)), [])])
    found = configuration.restored(FakeCluster(namespaces=()), "gone", archive)
    assert [one.partition(":")[0] for one in found.lost] == ["ConfigMap settings"]
    assert found.made == ()
