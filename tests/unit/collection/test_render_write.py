# The files of a report: whole or not at all, twice in place, one sentence per error; and the document's schema.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import record_fixtures
import report_fixtures as fixtures

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record import document as record_document
from ansible_collections.bytebot.production.plugins.plugin_utils.render import write

jsonschema = pytest.importorskip("jsonschema")

FILES = ["checklist.md", "junit.xml", "oscal.json", "report.html", "results.json"]
SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "results.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_files_stand_in_the_run_s_folder_and_in_latest(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "production-eu" / "run-1"
    written = write.write(fixtures.mixed(), folder)
    assert names(folder) == names(folder.parent / "latest") == sorted(written) == FILES
    for name, path in written.items():
        assert path == folder / name
        assert path.read_bytes() == (folder.parent / "latest" / name).read_bytes()
        assert not path.is_symlink()
        assert path.stat().st_mode & 0o777 == 0o600


def test_latest_follows_the_newest_run_and_the_older_stays(tmp_path: Path) -> None:
    first, second = fixtures.mixed(), fixtures.all_in("pass")
    write.write(first, tmp_path / "one")
    write.write(second, tmp_path / "two")
    assert json.loads((tmp_path / "latest" / "results.json").read_text("utf-8")) == second
    assert json.loads((tmp_path / "one" / "results.json").read_text("utf-8")) == first


def test_a_link_of_the_record_is_left_alone(tmp_path: Path) -> None:
    newer = write.write(fixtures.mixed(), tmp_path / "newer")["report.html"].read_bytes()
    for path in (tmp_path / "latest").iterdir():
        path.unlink()
    (tmp_path / "latest").rmdir()
    (tmp_path / "latest").symlink_to("newer")
    write.write(fixtures.all_in("pass"), tmp_path / "older")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "newer" / "report.html").read_bytes() == newer


def test_equal_documents_give_equal_files(tmp_path: Path) -> None:
    document = fixtures.mixed()
    turned = dict(reversed(list(document.items())))
    one, two = write.write(document, tmp_path / "one"), write.write(turned, tmp_path / "two")
    assert [one[name].read_bytes() for name in FILES] == [two[name].read_bytes() for name in FILES]


def test_any_text_can_be_written_and_read_again(tmp_path: Path) -> None:
    document = fixtures.all_in("fail", summary="half a pair \ud800, a line\u2028, ünïcode ✓, \x00")
    written = write.write(document, tmp_path / "run")
    assert json.loads(written["results.json"].read_text("utf-8")) == document
    written["report.html"].read_text("utf-8")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_an_error_is_one_sentence_and_leaves_the_old_file_whole(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write.write(fixtures.mixed(), tmp_path / "run")["report.html"].read_bytes()

    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError) as caught:
        write.write(fixtures.all_in("pass"), tmp_path / "run")
    assert caught.value.sentence == (
        f"The report cannot be written to {tmp_path / 'run' / 'report.html'}: {os.strerror(number)}; "
        "make room or permit it there, or name another folder in bytebot_reports_dir."
    )
    assert names(tmp_path / "run") == FILES
    assert (tmp_path / "run" / "report.html").read_bytes() == before


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match=r"^The report cannot be written to .+/run: File exists; "):
        write.write(fixtures.mixed(), tmp_path / "run")


# ---------------------------------------------------------------------- the schema


@pytest.mark.parametrize("make", [fixtures.mixed, fixtures.every_state, lambda: fixtures.all_in("pending")])
def test_a_built_document_is_valid(make: Callable[[], dict[str, Any]]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(make())


def test_what_the_record_builds_is_valid_and_can_be_written(tmp_path: Path) -> None:
    states = [
        record_fixtures.result(id_, state) for id_, state in zip(fixtures.IDS, ("pass", "fail", "error"), strict=False)
    ]
    built = record_document.build(
        record_fixtures.asked("deploy"), record_fixtures.kept(*states), fixtures.KNOWN, record_fixtures.NOW
    )
    assert [f"{list(error.path)}: {error.message}" for error in VALIDATOR.iter_errors(built)] == []
    assert sorted(write.write(built, tmp_path / "run")) == FILES


def spoilt(spoil: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = copy.deepcopy(fixtures.mixed())
    spoil(document)
    return document


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.update(schema_version=2),
        lambda document: document.update(more=1),
        lambda document: document["run"].pop("opened"),
        lambda document: document["run"].update(opened="yesterday"),
        lambda document: document["gate"].update(decision="ajar"),
        lambda document: document["counts"].update(green=1),
        lambda document: document["controls"].pop(),
        lambda document: document["controls"][0].update(state="green"),
        lambda document: document["controls"][0].update(evidence=[]),  # a pass without evidence
        lambda document: document["controls"][0].update(id="two.parts"),
        lambda document: document["controls"][0]["evidence"][0].update(sha256="short"),
        lambda document: document["previous"]["changed"][0].update(to="ok"),
    ],
)
def test_the_schema_is_strict(spoil: Callable[[dict[str, Any]], Any]) -> None:
    assert not VALIDATOR.is_valid(spoilt(spoil))
