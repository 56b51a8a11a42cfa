# Whatever the API leaves out of its objects, a roll-out is judged without an error.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts, assess
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_waits import WATCHED
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from tests.unit.collection.helm_fakes import SHOP, Object

MAYBE_TEXT = st.one_of(
    st.none(), st.sampled_from(["", "x", "uid-Deployment-api", "2026-01-01T00:00:00Z", "True", "False"])
)
MAYBE_INT = st.one_of(st.none(), st.integers(-2, 5))


def fields(**options: Any) -> st.SearchStrategy[Any]:
    """A mapping any of whose fields may be absent, and which may be null."""
    return st.one_of(st.none(), st.fixed_dictionaries({}, optional=options))


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.lists(items.filter(lambda item: item is not None), max_size=2))


REASONS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "ErrImagePull",
            "CrashLoopBackOff",
            "CreateContainerConfigError",
            "FailedMount",
            "FailedCreate",
            "Unschedulable",
            "odd",
        ]
    ),
)
ENDS = fields(terminated=fields(exitCode=st.integers(0, 255), reason=MAYBE_TEXT))
CONTAINERS = fields(
    name=MAYBE_TEXT,
    restartCount=MAYBE_INT,
    lastState=ENDS,
    state=fields(waiting=fields(reason=REASONS, message=MAYBE_TEXT), running=fields(startedAt=MAYBE_TEXT)),
)
CONDITIONS = fields(
    type=st.sampled_from(["Ready", "PodScheduled", "Progressing", "ReplicaFailure", "Failed", "Complete", "odd"]),
    status=MAYBE_TEXT,
    reason=REASONS,
    message=MAYBE_TEXT,
)
STATUS = fields(
    phase=MAYBE_TEXT,
    reason=MAYBE_TEXT,
    message=MAYBE_TEXT,
    conditions=lists(CONDITIONS),
    containerStatuses=lists(CONTAINERS),
    initContainerStatuses=lists(CONTAINERS),
    observedGeneration=MAYBE_INT,
    replicas=MAYBE_INT,
    updatedReplicas=MAYBE_INT,
    availableReplicas=MAYBE_INT,
    readyReplicas=MAYBE_INT,
    desiredNumberScheduled=MAYBE_INT,
    updatedNumberScheduled=MAYBE_INT,
    numberAvailable=MAYBE_INT,
    succeeded=MAYBE_INT,
)
SPEC = fields(
    replicas=MAYBE_INT,
    completions=MAYBE_INT,
    paused=st.booleans(),
    suspend=st.booleans(),
    updateStrategy=fields(type=MAYBE_TEXT, rollingUpdate=fields(partition=MAYBE_INT)),
    containers=lists(fields(name=MAYBE_TEXT)),
)
METADATA = fields(
    name=MAYBE_TEXT,
    namespace=MAYBE_TEXT,
    uid=MAYBE_TEXT,
    generation=MAYBE_INT,
    creationTimestamp=MAYBE_TEXT,
    deletionTimestamp=MAYBE_TEXT,
    annotations=fields(**{"deployment.kubernetes.io/revision": MAYBE_TEXT}),
    ownerReferences=lists(fields(uid=MAYBE_TEXT, controller=st.one_of(st.none(), st.booleans()))),
)
OBJECTS = st.fixed_dictionaries(
    {"kind": st.sampled_from([*WATCHED, "Widget"])}, optional={"metadata": METADATA, "spec": SPEC, "status": STATUS}
)
EVENTS = st.fixed_dictionaries(
    {}, optional={"reason": REASONS, "message": MAYBE_TEXT, "involvedObject": fields(uid=MAYBE_TEXT, name=MAYBE_TEXT)}
)


@settings(deadline=None, max_examples=300)
@given(
    live=OBJECTS,
    pods=st.lists(OBJECTS, max_size=3),
    sets=st.lists(OBJECTS, max_size=3),
    events=st.lists(EVENTS, max_size=3),
)
def test_no_object_of_the_api_breaks_the_judgement(
    live: Object, pods: list[Object], sets: list[Object], events: list[Object]
) -> None:
    wanted = Identity(live["kind"], SHOP, "x")
    status = assess(RolloutFacts((wanted,), {wanted: live}, tuple(pods), tuple(sets), tuple(events)))
    for signal in status.signals:
        assert signal.sentence
    assert status.complete == (status.waiting == ())
