# Puts every fault into the sandbox, one by one, judges, and sees that it turns red what it declares, and nothing else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from sandbox import replay
from sandbox.errors import SandboxError
from sandbox.faults import FAULTS, Faults, after_go_live, reviews
from sandbox.faults import go_live as last_stages
from sandbox.faults.fault import Fault
from sandbox.settings import load
from tests.sabotage import signing
from tests.sabotage.judging import CORE, Judge, Judged
from tests.sabotage.keeping import Kept
from tests.sabotage.rounds import rounds
from tests.sabotage.telling import SUMS, Bite, last_line, row

ROOT = Path(__file__).resolve().parents[2]
# Where no vertical autoscaler is served, that none fights is not applicable.
ONLY_WHEN_BROKEN = frozenset({"application_configuration.tuning.vpa"})
# What is judged in the windows after a go-live, before and in which users must ask.
WINDOWS = frozenset(one for fault in FAULTS.values() if fault.playbook == "window" for one in fault.turns_red)
ALL = frozenset(control for fault in FAULTS.values() for control in fault.turns_red) - ONLY_WHEN_BROKEN - SUMS - WINDOWS
DRILLED_WITHIN_S = 3600.0  # half of what a go-live allows, so that it is over after no fault
# Judged in the stages of going live alone.
LATE = frozenset(
    control
    for fault in FAULTS.values()
    for control in fault.turns_red
    if fault.playbook == "go_live" and control.startswith("go_live.")
)
# This says what a drill came to, which the sandbox need not have had.
DRILL_REGISTER = frozenset({"go_live.change.rollback_plan"})
WHEN_DRILLED = frozenset({"go_live.t_minus_2h.backup"}) | DRILL_REGISTER
# These are green in a healthy sandbox only once people have signed.
SIGNED = frozenset(control for fault in FAULTS.values() if fault.signed for control in fault.turns_red)
# A drill that signs everybody out: only the fault of its own has it made.
DRILLED = frozenset({"security_configuration.secrets.rotation"})
# Not due in a sandbox, which went live today; their faults set the time back.
WEEK = frozenset({"post_go_live.week_security.controls", "post_go_live.week_security.posture"})
# Judged by the role of another section than its own.
ELSEWHERE = {
    "infrastructure.database.backup": "backup",
    "post_go_live.week_security.controls": "security_testing",
    "post_go_live.week_security.posture": "security_testing",
}
# What was since a go-live, as history tells it.
REVIEWED = frozenset(one for fault in FAULTS.values() if fault.playbook == "review" for one in fault.turns_red)
# One for each section that takes seconds to judge, for `make test`; the others' are left to `make sabotage`.
SMOKE = (
    "kubelet_out_of_skew",
    "secret_low_entropy",
    "service_selector_typo",
    "document_section_empty",
    "service_account_wildcard",
    "one_person_in_all_roles",
)


def main(arguments: list[str] | None = None) -> int:
    """Bite with the wanted faults; 0 where all bite and nothing else turned red."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)  # as Ctrl-C: the fault is healed, and the playbook that judges is ended
    chosen = [fault for fault in FAULTS.values() if fault.turns_red and given.section in (None, fault.section)]
    if given.smoke:
        chosen = [FAULTS[name] for name in SMOKE]
    if given.only:
        chosen = [FAULTS[name] for name in given.only]
    if not chosen:
        print(f"No fault belongs to section {given.section}.", file=sys.stderr)
        return 2
    settings, signed = load(), any(fault.signed for fault in chosen)
    judge = Judge(ROOT, signing.inputs(settings) if signed else {})
    faults = Faults(settings, judge.reports)
    try:
        kept = Kept(ROOT, fresh=given.fresh, since=given.since, together=given.together > 1)
        faults.heal()
        sections = sorted({name for fault in chosen for name in (*_sections(fault), *fault.before)})
        at_once = ALL - LATE - REVIEWED - WHEN_DRILLED - DRILLED - WEEK
        wanted = frozenset(control for control in at_once if _section(control) in {*CORE, *sections})
        wanted = wanted - SIGNED | {one for fault in chosen if fault.signed for one in fault.turns_red}
        late = LATE - DRILL_REGISTER if any(fault.playbook == "go_live" for fault in chosen) else frozenset()
        reviewed = REVIEWED if any(fault.playbook == "review" for fault in chosen) else frozenset()
        first = judge("deploy", {}, "first", sections)
        if signed:
            signing.sign(settings, judge)
            first = judge("verify", {}, "first_signed", sections)
        if (
            wrong := first.unproven(wanted)
            + _late(faults, judge, "first-late", late)
            + _reviewed(judge, "first-review", reviewed, faults, made=False)
        ):
            print(f"The healthy sandbox is not green: {', '.join(wrong)}. Mend it first.", file=sys.stderr)
            return 2
        if any(fault.playbook == "window" for fault in chosen) and (wrong := _windows(faults, judge)):
            print(f"The windows of a healthy go-live are not green: {', '.join(wrong)}.", file=sys.stderr)
            return 2
        bites = _bites(chosen, faults, judge, kept, given)
        wrong = judge("deploy", {}, "last", sections).unproven(wanted) + _late(faults, judge, "last-late", late)
        wrong += _reviewed(judge, "last-review", reviewed, faults)
    except SandboxError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the fault is healed, and the same call goes on from here without --fresh", file=sys.stderr)
        return 130
    finally:
        faults.heal()
    if wrong:
        print(f"Not green again after healing: {', '.join(wrong)}.", file=sys.stderr)
    print(last_line(bites, sum(bool(kept.earlier(bite.name)) for bite in bites), kept.between))
    return 0 if not wrong and all(bite.bitten and not bite.collateral for bite in bites) else 1


def _windows(faults: Faults, judge: Judge) -> list[str]:
    """What is not green after a go-live at which nothing goes wrong, where users ask all the time."""
    variables = after_go_live.soon(faults.hands)
    after_go_live.watched(faults.hands, variables)
    return judge("window", variables, "first-window", ["go_live"]).unproven(WINDOWS)


def _reviewed(judge: Judge, name: str, wanted: frozenset[str], faults: Faults, *, made: bool = True) -> list[str]:
    """What is not green of the reviews, which are another playbook's and need a history; it is made with the faults."""
    if not wanted:
        return []
    reviews.quiet(faults.hands)
    if not made:
        replay.play(faults.hands.settings, faults.hands.cluster)
    return judge("review", {}, name, ["post_go_live"]).unproven(wanted)


def _bites(chosen: Sequence[Fault], faults: Faults, judge: Judge, kept: Kept, given: argparse.Namespace) -> list[Bite]:
    """What each did: known from an earlier call, together with others where that is wanted, or alone."""
    found = {fault.name: known for fault in chosen if (known := _known(fault, kept)) is not None}
    left = [fault for fault in chosen if fault.name not in found]
    variables = {fault.name: fault.variables(faults.hands) for fault in left if fault.mark}
    for several in rounds(left, given.together, variables, given.seed):
        bites = _bite_together(several, faults, judge) if len(several) > 1 else []
        right = bites and all(bite.bitten and not bite.collateral for bite in bites)
        for bite in bites if right else (_bite(fault.name, faults, judge) for fault in several):
            kept.keep(FAULTS[bite.name], bite)
            print(row(bite), flush=True)
            found[bite.name] = bite
    return [found[fault.name] for fault in chosen]


def _known(fault: Fault, kept: Kept) -> Bite | None:
    known = kept.bite(fault)
    if known is not None:
        earlier = kept.earlier(fault.name)
        print(f"{row(known)}  ({f'seen at {earlier}' if earlier else 'kept'})", flush=True)
    return known


def _bite_together(several: Sequence[Fault], faults: Faults, judge: Judge) -> list[Bite]:
    """What several did that are in at once; none, or one that is not right, where each has to be judged alone."""
    names = [fault.name for fault in several]
    try:
        faults.put_together(names)
        sections = sorted({section for fault in several for section in _sections(fault)})
        judged = judge(several[0].playbook, faults.variables(), f"together-{names[0]}", sections)
    except SandboxError as error:
        print(f"{', '.join(names)} together: {error}; each is judged alone", file=sys.stderr, flush=True)
        return []
    finally:
        faults.heal()
    bites = [Bite.of(fault, judged, [other for other in several if other is not fault]) for fault in several]
    if wrong := [bite for bite in bites if not bite.bitten or bite.collateral]:
        said = "; ".join(row(bite) for bite in wrong)
        print(f"not as declared together, so each is judged alone: {said}", file=sys.stderr, flush=True)
    return bites


def _bite(name: str, faults: Faults, judge: Judge) -> Bite:
    fault = FAULTS[name]
    try:
        if fault.playbook == "go_live":
            _drilled(faults, judge)
        if fault.before:  # others may have been put in since the first run, which judged these, too
            judge("verify", {}, f"{name}-before", fault.before)
        faults.put(name)
        judged = judge(fault.playbook, faults.variables(), name, _sections(fault))
    except SandboxError as error:  # the others are tried all the same
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        judged = Judged({}, "not_assessed", 0.0)
    finally:
        faults.heal()
    if fault.playbook == "deploy":
        judge("deploy", {}, "healed")  # what it deployed is put right before the next one
    return Bite.of(fault, judged)


def _drilled(faults: Faults, judge: Judge) -> None:
    """A restore drill, unless there was one within the last hour: at a go-live none may be two hours old."""
    if not last_stages.drilled_within(faults.hands, DRILLED_WITHIN_S):
        judge("verify", {}, "drill", ["backup"])


def _section(control: str) -> str:
    """The section, and so the tag, of the role that judges a control."""
    return ELSEWHERE.get(control, control.partition(".")[0])


def _late(faults: Faults, judge: Judge, name: str, wanted: frozenset[str]) -> list[str]:
    """Those of the last stages that do not pass."""
    if not wanted:
        return []
    _drilled(faults, judge)
    return judge("go_live", {}, name).unproven(wanted)


def _sections(fault: Fault) -> list[str]:
    """What is judged with a fault, beside the core."""
    return sorted({*map(_section, fault.turns_red), *fault.beside})


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=__doc__)
    parser.add_argument("--section", help="only the faults of one section of the checklist")
    parser.add_argument("--smoke", action="store_true", help="only one fault for each section")
    biting = [name for name, fault in FAULTS.items() if fault.turns_red]
    parser.add_argument("--only", nargs="+", choices=biting, metavar="NAME", help="only these faults")
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--fresh", action="store_true", help="judge again also what an earlier call has judged")
    said = "count also what an earlier call has judged at this revision or at one after it, and tell which"
    known.add_argument("--since", default="", metavar="REVISION", help=said)
    many = "put in up to so many of the application's own at once, of which no two declare the same control"
    parser.add_argument("--together", type=int, default=1, metavar="NUMBER", help=many)
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="of which meet; else those next to each other do")
    return parser


if __name__ == "__main__":
    sys.exit(main())
