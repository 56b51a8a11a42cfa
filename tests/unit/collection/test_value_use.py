# Which values templates read, which given ones have no effect, and how a chart's own files are read.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.value_use import (
    Use,
    changed_at,
    defaults_of,
    dotted,
    doubtful,
    leaves,
    merged,
    uses,
    uses_in,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart_source import ChartSource, read_chart
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed, HelmCli, Target
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.observe_chart import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.helm_fakes import SHOP, HeldCluster

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("no action .Values.a", set()),
        ("{{ .Values.a.b }}", {"a.b"}),
        ("{{- $.Values.a -}}", {"a"}),
        ("{{ $root.Values.a }} {{ (.ctx).Values.b }}", {"a", "b"}),
        ("{{/* .Values.gone */}}{{ .Values.a }}", {"a"}),
        ('{{ index .Values "a-b" "c" }}', {"a-b.c"}),
        ('{{ index $.Values.probes $name "path" }}', {"probes"}),
        ('{{ index .Values.a "x" | quote }}', {"a.x"}),
        ("{{ toYaml .Values }}", {""}),
        ("{{- range $k, $v := .Values.env }}{{ $k }}{{ end }}", {"env"}),
        ("{{ if and .Values.a.on\n  .Values.b.on }}", {"a.on", "b.on"}),
    ],
)
def test_what_the_actions_of_a_text_read(text: str, read: set[str]) -> None:
    assert {dotted(use.path) for use in uses_in(text)} == read


def test_a_value_beside_another_is_a_choice() -> None:
    found = {dotted(use.path): use.choice for use in uses_in("{{ .Values.tag | default .Values.global.tag }}")}
    assert found == {"tag": True, "global.tag": True}
    assert [use.choice for use in uses_in("{{ .Values.tag | default 1 }}")] == [False]


def chart(**more: Any) -> ChartSource:
    return ChartSource("shop", **more)


def test_a_subchart_s_values_lie_under_its_name_and_global_is_everybody_s() -> None:
    inner = chart(texts={"t": "{{ .Values.size }}{{ .Values.global.zone }}"})
    outer = chart(texts={"t": "{{ .Values.size }}"}, subcharts={"db": inner}, switches=("db.enabled",))
    assert {dotted(use.path) for use in uses(outer)} == {"size", "db.size", "global.zone", "db.enabled"}


def test_a_library_reads_the_values_of_who_calls_it() -> None:
    library = chart(texts={"t": "{{ .Values.labels }}"}, library=True)
    assert ("labels",) in {use.path for use in uses(chart(subcharts={"common": library}))}


TEMPLATE = """
{{ .Values.image.tag | default .Values.global.tag }} {{ .Values.port }} {{ toYaml .Values.resources }}
{{ with .Values.extra }}{{ .a }}{{ end }}
"""
OWN = {"image": {"tag": ""}, "global": {"tag": "1"}, "port": 1, "resources": {"cpu": 1}, "extra": {"a": 1}}


@pytest.mark.parametrize(
    ("values", "unread", "undecided"),
    [
        ({"port": 2}, set(), set()),
        ({"prot": 2}, {"prot"}, set()),
        ({"image": {"tga": "2"}}, {"image.tga"}, set()),
        ({"global": {"tag": "2"}}, set(), {"global.tag"}),
        ({"resources": {"cpu": 2}}, set(), set()),
        ({"resources": {"cup": 2}}, set(), {"resources.cup"}),  # unknown, within what is taken as a whole
        ({"extra": {"b": 2}}, set(), {"extra.b"}),
        ({"port": {"deep": 1}}, set(), {"port.deep"}),
        ({"image": {}}, set(), set()),
        ({}, set(), set()),
    ],
)
def test_given_values_of_doubtful_effect(values: Object, unread: set[str], undecided: set[str]) -> None:
    found = doubtful(values, OWN, uses_in(TEMPLATE))
    assert {dotted(path) for path in found.unread} == unread
    assert {dotted(path) for path in found.undecided} == undecided


def test_all_is_read_where_the_values_are_taken_as_a_whole() -> None:
    assert doubtful({"x": 1}, {"x": 0}, [Use(())]).unread == ()


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("ab", max_size=3) | st.lists(st.integers(0, 9), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


@given(MAPPINGS)
def test_what_a_template_names_is_never_called_unread(values: Object) -> None:
    text = " ".join(f"{{{{ .Values.{dotted(path)} }}}}" for path, _value in leaves(values))
    assert doubtful(values, values, uses_in(text)).unread == ()


@given(MAPPINGS)
def test_a_change_changes_exactly_what_is_asked_and_keeps_the_type(values: Object) -> None:
    for path, value in leaves(values):
        changed = dict(leaves(changed_at(values, [path])))
        if not isinstance(value, dict):
            assert set(changed) == {path}
        assert changed.get(path) != value
        if isinstance(value, (bool, int, str, list)):
            assert type(changed[path]) is type(value)


@given(MAPPINGS, MAPPINGS)
def test_values_are_laid_over_each_other_as_helm_does(below: Object, above: Object) -> None:
    result = merged(below, above)
    for path, value in leaves(above):
        if value is None:
            continue
        found: Any = result
        for key in path:
            found = found[key]
        assert value in (found, {})
    assert merged({"a": 1}, {"a": None}) == {}


# ---------------------------------------------------------------------- a chart's own files


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def packed(folder: Path, name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=name)
    return buffer.getvalue()


def test_folder_archive_and_packed_subcharts_are_read_alike(tmp_path: Path) -> None:
    inner = written(
        tmp_path / "inner", Chart_yaml="name: db", values_yaml="size: 1", templates__a_yaml="{{ .Values.size }}"
    )
    outer = written(
        tmp_path / "outer",
        Chart_yaml="name: shop\ndependencies: [{name: db, alias: store, condition: store.on, version: 1.0.0}]",
        values_yaml="store: {size: 2}",
        values_schema_json='{"required": ["store"]}',
        templates__b_yaml="{{ .Values.port }}",
    )
    (outer / "values_schema.json").rename(outer / "values.schema.json")
    (outer / "charts").mkdir()
    (outer / "charts" / "db-1.0.0.tgz").write_bytes(packed(inner, "db"))
    archive = tmp_path / "shop-1.0.0.tgz"
    archive.write_bytes(packed(outer, "shop"))
    for source in (read_chart(str(outer)), read_chart(str(archive))):
        assert {dotted(use.path) for use in uses(source)} == {"port", "store.size", "store.on"}
        assert defaults_of(source) == {"store": {"size": 2}}
        assert source.schema == {"required": ["store"]}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"values_yaml": "[a]"}, "holds a list, where keys and values are needed"),
        ({"values_yaml": "a: ["}, "is not YAML"),
        ({"values_schema_json": "{"}, "is not JSON"),
    ],
)
def test_a_chart_whose_own_files_are_broken_is_refused_in_a_sentence(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    folder = written(tmp_path / "chart", Chart_yaml="name: shop", **files)
    if (folder / "values_schema.json").exists():
        (folder / "values_schema.json").rename(folder / "values.schema.json")
    with pytest.raises(InputError, match=said):
        read_chart(str(folder))


# ---------------------------------------------------------------------- what a change shows


class Rendering:
    """A helm that renders what a rule says of the values on its standard input."""

    def __init__(self, rule: Any) -> None:
        self.rule, self.count = rule, 0

    def __call__(
        self, arguments: Any, stdin: str | None, _environment: Any, _stop: Any = None, **_more: Any
    ) -> Completed:
        if arguments[1] == "lint":
            return Completed(0, "", "")
        self.count += 1
        values = json.loads(stdin or "{}")
        text = self.rule(values, self.count)
        if text is None:
            return Completed(1, "", "Error: values don't meet the specifications of the schema")
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"text": text}}
        release = {"name": "shop", "manifest": json.dumps(config), "config": values, "info": {}, "version": 1}
        return Completed(0, json.dumps(release), "")


def learned(tmp_path: Path, values: Object, rule: Any, template: str = TEMPLATE) -> Any:
    import json

    folder = written(
        tmp_path / "chart", Chart_yaml="name: shop", values_yaml=json.dumps(OWN), templates__a_yaml=template
    )
    helm = HelmCli("helm", Target(SHOP), runner=Rendering(rule))
    scope = Scope("shop", SHOP, str(folder), Values.checked([], values), Wanted())
    return observe(HeldCluster(), helm, Redactor(), scope).value_facts  # type: ignore[arg-type]


def tag(values: Object, _count: int) -> str:
    return str(values.get("image", {}).get("tag") or values.get("global", {}).get("tag"))


def test_a_value_that_another_one_hides_has_no_effect(tmp_path: Path) -> None:
    found = learned(tmp_path, {"image": {"tag": "2"}, "global": {"tag": "3"}}, tag)
    assert (found.unread, found.without_effect) == ((), (("global", "tag"),))


def test_a_value_that_is_taken_has_an_effect(tmp_path: Path) -> None:
    found = learned(tmp_path, {"global": {"tag": "3"}}, tag)
    assert (found.unread, found.without_effect, found.undecided) == ((), (), ())


def test_what_no_template_reads_is_named_and_what_a_schema_refuses_is_read(tmp_path: Path) -> None:
    assert learned(tmp_path, {"prot": 1}, tag).unread == (("prot",),)

    def strict(values: Object, _count: int) -> str | None:
        return None if values.get("prot") != 1 else "same"

    assert learned(tmp_path, {"prot": 1}, strict).unread == ()


def test_where_each_rendering_differs_nothing_is_said_but_what_no_template_names(tmp_path: Path) -> None:
    found = learned(tmp_path, {"prot": 1, "global": {"tag": "3"}}, lambda _values, count: str(count))
    assert (found.unread, found.without_effect, found.undecided) == ((("prot",),), (), (("global", "tag"),))


def test_without_doubt_nothing_more_is_rendered(tmp_path: Path) -> None:
    renderings: list[int] = []
    learned(tmp_path, {"port": 3}, lambda _values, count: renderings.append(count) or "same")
    assert renderings == [1]
