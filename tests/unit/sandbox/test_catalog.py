# Discovery and order of the components.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.catalog import discover, sequence
from sandbox.component import Process, Workload
from sandbox.errors import SandboxError


def test_every_folder_is_a_component_and_knows_its_name() -> None:
    found = discover()
    assert {"etcd", "kube-apiserver", "local-path", "postgres", "redis", "traefik"} <= set(found)
    for name, component in found.items():
        assert component.name == name
        assert component.folder.name == name.replace("-", "_")
        assert isinstance(component, Process | Workload)


def test_images_are_pushed_after_the_registry_runs() -> None:
    found = discover()
    order = sequence({name: c.needs for name, c in found.items()})

    def reaches(name: str) -> set[str]:
        direct = set(found[name].needs)
        return direct.union(*(reaches(n) for n in direct)) if direct else set()

    assert all("registry" in reaches(name) for name, c in found.items() if c.images)
    assert order.index("etcd") < order.index("kube-apiserver") < order.index("kubelet") < order.index("coredns")


def test_a_circle_is_told_in_plain_words() -> None:
    with pytest.raises(SandboxError) as caught:
        sequence({"a": ["b"], "b": ["c"], "c": ["a"], "d": []})
    told = caught.value.what.removeprefix("needs itself: ").split(" needs ")
    assert sorted(told[1:]) == ["a", "b", "c"]
    assert all(need == {"a": "b", "b": "c", "c": "a"}[name] for name, need in itertools.pairwise(told))


def test_an_unknown_need_names_both() -> None:
    with pytest.raises(SandboxError) as caught:
        sequence({"web": ["databse"], "database": []})
    assert caught.value.component == "web"
    assert "databse" in caught.value.what


def test_a_folder_without_component_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts" / "empty").mkdir(parents=True)
    for folder in ("parts", "parts/empty"):
        (tmp_path / folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SandboxError, match="declares no COMPONENT"):
        discover(tmp_path / "parts", "parts")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_whatever_the_needs_each_comes_after_what_it_needs(pairs: list[tuple[int, int]]) -> None:
    needs: dict[str, set[str]] = {str(n): set() for n in range(10)}
    for a, b in pairs:
        if a != b:
            needs[str(max(a, b))].add(str(min(a, b)))
    order = sequence(needs)
    assert sorted(order) == sorted(needs)
    assert all(order.index(need) < order.index(name) for name, wanted in needs.items() for need in wanted)


def test_the_order_does_not_depend_on_hash_seeds() -> None:
    code = "from sandbox.catalog import *; f = discover();print(sequence({n: c.needs for n, c in f.items()}))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, text=True, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
