# What awx/ defines agrees with what there is: playbooks, inputs of roles, nodes, artifacts, schedules, requirements.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from dateutil.rrule import rrulestr

from ansible_collections.bytebot.production.plugins.plugin_utils.render.html import STAGES

ROOT = Path(__file__).parents[3]
AWX = ROOT / "awx"
ASKED = {"job_type", "diff_mode", "tags", "skip_tags"}  # what configure.yml can have AWX ask
KEYS = {"name", "description", "playbook", "extra_vars", "job_tags", "ask", "survey", "limited"}
QUESTION = {"variable", "question_name", "question_description", "type", "required", "default", "choices", "min", "max"}
FITTING = {  # a survey's types by a role's; texts stand for lists by commas, choices for truth values
    "str": {"text", "textarea", "multiplechoice"},
    "int": {"integer"},
    "bool": {"multiplechoice"},
    "list": {"text"},
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


TEMPLATES = {
    one["name"]: {**load(AWX / "templates.yml")["awx_template_defaults"], **one}
    for one in load(AWX / "templates.yml")["awx_templates"]
}
WORKFLOW = load(AWX / "workflow.yml")["awx_workflow"]
NODES = {one["node"]: one for one in WORKFLOW["nodes"]}
SCHEDULES = load(AWX / "schedules.yml")["awx_schedules"]
ALL = pytest.mark.parametrize("name", TEMPLATES)


def collections_playbook(name: str) -> Path | None:
    """The playbook of the collection that a template's playbook imports."""
    (play,) = load(AWX / "project" / TEMPLATES[name]["playbook"])
    imported = play.get("ansible.builtin.import_playbook", "")
    return ROOT / "playbooks" / f"{imported.rpartition('.')[2]}.yml" if imported else None


def inputs(name: str) -> dict[str, dict[str, Any]]:
    """What the roles of a template's playbook take, and the variables that the playbook itself reads."""
    path = collections_playbook(name)
    if path is None:
        return {}
    text = path.read_text(encoding="utf-8")
    own = re.findall(r"\b(?:discover|rotate)_[a-z_]+\b|\bbytebot_namespace\b", text)
    known: dict[str, dict[str, Any]] = {variable: {"type": "str"} for variable in own}
    for role, entry in re.findall(r"name: bytebot\.production\.(\w+)\n(?:\s+tasks_from: (\w+))?", text):
        specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
        for each in {"main", entry or "main"} & set(specs):
            known |= specs[each]["options"]
    return known


@ALL
def test_a_template_runs_a_playbook_that_is_there(name: str) -> None:
    one = TEMPLATES[name]
    assert set(one) <= KEYS
    assert one["description"].endswith(".")
    assert set(one["ask"]) <= ASKED
    path = collections_playbook(name)
    if path is not None:
        assert path.is_file()
        assert (len(load(AWX / "project" / one["playbook"])), path.stem) == (1, Path(one["playbook"]).stem)


def test_each_playbook_of_the_project_has_a_template() -> None:
    assert {one["playbook"] for one in TEMPLATES.values()} == {path.name for path in (AWX / "project").glob("*.yml")}


def test_each_playbook_of_the_collection_is_launched_or_left_to_a_person() -> None:
    launched = {path.stem for name in TEMPLATES if (path := collections_playbook(name))}
    left = {"uninstall"}  # what takes a release away is not one click away
    assert {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - launched == left


@ALL
def test_what_a_survey_asks_is_an_input_of_its_type(name: str) -> None:
    known = inputs(name)
    for item in TEMPLATES[name]["survey"]:
        variable = item["variable"]
        assert set(item) <= QUESTION
        assert variable in known, variable
        told = known[variable]
        assert item["type"] in FITTING[told["type"]], variable
        choices = item.get("choices")
        assert (item["type"] == "multiplechoice") == (choices is not None), variable
        if told["type"] == "bool":
            assert choices == ["false", "true"], variable
        if told.get("choices"):
            assert set(choices) == set(told["choices"]), variable
        if variable == "bytebot_gate_stage":
            assert choices == [stage for stage in STAGES if stage in choices]


@ALL
def test_an_answer_left_empty_is_the_roles_default(name: str) -> None:
    known = inputs(name)
    as_text = {"[]": "", "False": "false", "True": "true"}  # how an answer says the same
    for item in TEMPLATES[name]["survey"]:
        default, own = item.get("default"), known[item["variable"]].get("default")
        assert item["required"] or default is not None, item["variable"]
        if default is not None and own is not None:
            assert default == as_text.get(str(own), own), item["variable"]


@ALL
def test_what_a_playbook_needs_is_asked_or_given(name: str) -> None:
    """What a role requires is in the inventory; what is no inventory variable comes from the survey or the template."""
    one = TEMPLATES[name]
    given = {item["variable"] for item in one["survey"]} | set(one["extra_vars"])
    needed = {variable for variable, told in inputs(name).items() if told.get("required")}
    path = collections_playbook(name)
    text = path.read_text(encoding="utf-8") if path else ""
    given |= {variable for variable in needed if f" {variable}: " in text}
    assert {variable for variable in needed if not variable.startswith("bytebot_")} <= given
    if not one["limited"]:  # it has no host, so no inventory variable either
        assert set(re.findall(r"(\w+) is defined", text)) <= given
    assert set(one["extra_vars"]) <= set(inputs(name))


@pytest.mark.parametrize("name", NODES)
def test_a_node_runs_a_template_with_answers_that_fit_or_waits_for_a_person(name: str) -> None:
    node = NODES[name]
    assert set(node) <= {"node", "template", "approval", "description", "tags", "answers", "success", "failure"}
    assert ("template" in node) != ("approval" in node)
    assert re.fullmatch(r"[a-z_0-9]+", name)
    if "template" in node:
        fits(node, TEMPLATES[node["template"]])


def fits(node: dict[str, Any], template: dict[str, Any]) -> None:
    """Answers of a node or a schedule are for questions of the template, and all that it needs are there."""
    answers, survey = node.get("answers", {}), {item["variable"]: item for item in template["survey"]}
    assert set(answers) <= set(survey)
    for variable, item in survey.items():
        assert variable in answers or "default" in item, variable
        answer = answers.get(variable, item.get("default"))
        assert answer in item.get("choices", [answer]), variable
    assert "tags" not in node or "tags" in template["ask"]


def test_nodes_lead_to_nodes_below_them_and_all_are_reached() -> None:
    order = list(NODES)
    assert len(order) == len(WORKFLOW["nodes"])
    reached = {order[0]}
    for name, node in NODES.items():
        for after in [*node.get("success", []), *node.get("failure", [])]:
            assert order.index(after) > order.index(name), f"{name} leads to {after}"
            reached.add(after)
    assert reached == set(order)


def test_a_person_stands_before_everything_that_changes_after_a_shut_gate() -> None:
    """Nothing deploys or goes back on the way of a failure unless a person has approved."""
    for name, node in NODES.items():
        for after in node.get("failure", []):
            assert "approval" in NODES[after] or NODES[after]["template"] == "decision", f"{name} leads to {after}"
    for node in NODES.values():
        if node.get("template") == "decision":
            assert all("approval" in NODES[after] for after in node["success"])


def test_the_gates_of_the_workflow_stand_in_the_order_of_the_stages() -> None:
    asked = [
        node["answers"]["bytebot_gate_stage"]
        for node in WORKFLOW["nodes"]
        if "bytebot_gate_stage" in node.get("answers", {})
    ]
    assert asked == [stage for stage in STAGES if stage in asked]


def test_what_a_branch_looks_at_is_set_by_the_role_that_asks_the_gate() -> None:
    (play,) = load(AWX / "project" / "decision.yml")
    looked_at = set(re.findall(r"\bbytebot_[a-z_]+\b", yaml.safe_dump(play)))
    tasks = load(ROOT / "roles" / "go_live" / "tasks" / "main.yml")
    (told,) = [task["ansible.builtin.set_stats"]["data"] for task in tasks if "ansible.builtin.set_stats" in task]
    assert looked_at
    assert looked_at <= set(told)
    for node in NODES.values():  # each job before a branch asks the gate
        if any(NODES[after].get("template") == "decision" for after in node.get("failure", [])):
            text = collections_playbook(node["template"]).read_text(encoding="utf-8")  # type: ignore[union-attr]
            assert "name: bytebot.production.go_live\n" in text


@pytest.mark.parametrize("one", SCHEDULES, ids=lambda one: one["name"])
def test_a_schedule_is_a_rule_that_awx_takes(one: dict[str, Any]) -> None:
    assert set(one) <= {"name", "template", "from", "time", "days", "rule", "tags", "answers"}
    fits(one, TEMPLATES[one["template"]])
    assert one["from"] in {"start", "go_live"}
    assert (one["from"] == "start") == ("time" in one)
    assert re.search(r"\bINTERVAL=\d+", one["rule"]), "AWX wants an interval"
    assert not re.search(r"BYWEEKNO|BYYEARDAY|BYHOUR|BYMINUTE|FREQ=SECONDLY", one["rule"]), "AWX refuses it"
    begin = dt.datetime.fromisoformat(f"2026-12-01 {one.get('time', '09:00')}").replace(
        tzinfo=ZoneInfo("Europe/Zurich")
    )
    rule = rrulestr(one["rule"], dtstart=begin)
    first = rule.after(begin, inc=True)
    assert first is not None
    assert first.utcoffset() == ZoneInfo("Europe/Zurich").utcoffset(first)
    assert (one["from"] == "go_live") == ("COUNT=1" in one["rule"]), "after a go-live it is launched once"


def test_names_are_single() -> None:
    assert len(TEMPLATES) == len(load(AWX / "templates.yml")["awx_templates"])
    assert len({one["name"] for one in SCHEDULES}) == len(SCHEDULES)
    assert WORKFLOW["name"] not in TEMPLATES


@pytest.mark.parametrize("path", sorted((AWX / "credential_types").glob("*.yml")), ids=lambda path: path.stem)
def test_the_fields_of_a_credential_are_those_that_its_injectors_use(path: Path) -> None:
    kind = load(path)
    fields = {field["id"] for field in kind["inputs"]["fields"]}
    assert set(kind["inputs"]["required"]) == fields, "AWX renders a field that is not given as an empty file"
    files = kind["injectors"]["file"]
    assert {name for text in files.values() for name in re.findall(r"\{\{ (\w+) \}\}", text)} == fields
    used = {
        name
        for where in ("env", "extra_vars")
        for name in re.findall(r"tower\.filename(?:\.(\w+))?", yaml.safe_dump(kind["injectors"].get(where, {})))
    }
    assert used == {name.partition(".")[2] for name in files}


def test_the_execution_environment_has_what_the_collection_needs() -> None:
    """Python packages come from requirements.txt itself; ansible-core and ansible-runner are those that are tested."""
    told = load(AWX / "execution-environment.yml")["dependencies"]
    assert (AWX / told["python"]).resolve() == ROOT / "requirements.txt"
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for line in (line for line in wanted if line and not line.startswith("#")):
        assert re.search(r"[><=]", line), f"{line} has no range"
    tested = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    assert {told["ansible_core"]["package_pip"], told["ansible_runner"]["package_pip"]} <= set(tested)


def test_the_project_takes_the_version_that_is_built() -> None:
    (one,) = load(AWX / "project" / "collections" / "requirements.yml")["collections"]
    least, below = re.fullmatch(r">=([\d.]+),<([\d.]+)", one["version"]).groups()  # type: ignore[union-attr]
    told = load(ROOT / "galaxy.yml")
    built = [int(part) for part in told["version"].split(".")]
    assert one["name"] == f"{told['namespace']}.{told['name']}"
    assert [int(part) for part in least.split(".")] <= built < [int(part) for part in below.split(".")]
