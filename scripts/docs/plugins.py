# The pages of the modules, from what ansible-doc says of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .controls import anchor, settlings
from .markdown import COLLECTION, render, rows


def pages(root: Path) -> dict[str, str]:
    """The pages by their paths below docs/."""
    names = sorted(path.stem for path in (root / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
    told = _ansible_doc(root, names)
    settled: dict[str, list[tuple[str, str]]] = {}
    for control, settling in settlings().items():
        settled.setdefault(settling.module, []).append((control, f"../controls/{anchor(control)}"))
    every = [{"name": name, **told[name], "settles": settled.get(name, [])} for name in names]
    found = {"modules/README.md": render("modules_index.md.j2", modules=every)}
    return found | {f"modules/{one['name']}.md": render("module.md.j2", module=_shown(one)) for one in every}


def _ansible_doc(root: Path, names: Sequence[str]) -> dict[str, Any]:
    """What ansible-doc says of modules, with their fragments merged in, by short name."""
    program = Path(sys.executable).with_name("ansible-doc")
    command = [str(program), "--type", "module", "--json", *(f"{COLLECTION}.{name}" for name in names)]
    places = {"ANSIBLE_COLLECTIONS_PATH": str(root / ".collections"), "ANSIBLE_HOME": str(root / ".ansible")}
    done = subprocess.run(
        command, cwd=root, env={**os.environ, **places}, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise SystemExit(f"ansible-doc does not read the modules: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return {name: answer[f"{COLLECTION}.{name}"] for name in names}


def _shown(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of a module: options and returned values flat, required options first."""
    doc = told["doc"]
    options = dict(sorted(doc["options"].items(), key=lambda item: (not item[1].get("required"), item[0])))
    return {
        **told,
        "options": rows(options, "suboptions"),
        "returned": rows(told.get("return") or {}, "contains"),
        "examples": (told.get("examples") or "").strip(),
        "seealso": [entry["module"] for entry in doc.get("seealso", []) if "module" in entry],
    }
