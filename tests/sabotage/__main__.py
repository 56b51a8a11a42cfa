# Puts every fault into the sandbox, one by one, judges, and sees that it turns red what it declares, and nothing else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import contextlib
import http.client
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sandbox.errors import SandboxError
from sandbox.faults import FAULTS, Faults
from sandbox.faults.fault import Fault
from sandbox.settings import load
from tests.sabotage import healthy, signing, wanted
from tests.sabotage.healthy import Healthy, drilled
from tests.sabotage.judging import RED, Judge, Judged, Unproven
from tests.sabotage.keeping import Kept
from tests.sabotage.rounds import parts, rounds
from tests.sabotage.telling import Bite, last_line, row
from tests.seen import document as seen_page

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130
# What a look at one fault meets where another one answers in its place.
CONFUSED = (SandboxError, LookupError, OSError, ValueError, http.client.HTTPException)
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
    chosen = _chosen(given)
    if not chosen:
        print(f"No fault belongs to {', '.join(given.section)}.", file=sys.stderr)
        return 2
    try:
        kept = Kept(ROOT, fresh=given.fresh, since=given.since, together=given.together > 1, ledger=not given.smoke)
    except SandboxError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 2
    settings, left = load(), [fault for fault in chosen if kept.bite(fault) is None]
    judge = Judge(ROOT, signing.inputs(settings) if any(fault.signed for fault in left) else {})
    faults = Faults(settings, judge.reports)
    try:
        faults.heal()
        status = _judged(chosen, Healthy(settings, faults, judge, left), kept, given)
    except SandboxError as error:
        print(f"failed: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        healed = _healed(faults)
        seen_page.rewrite(ROOT)
    if status == INTERRUPTED and healed:
        print("interrupted; the fault is healed, and the same call goes on from here without --fresh", file=sys.stderr)
    return status if healed else 2


def _chosen(given: argparse.Namespace) -> list[Fault]:
    if given.smoke or given.only:
        return [FAULTS[name] for name in given.only or SMOKE]
    return [
        fault for fault in FAULTS.values() if fault.turns_red and (not given.section or fault.section in given.section)
    ]


def _judged(chosen: Sequence[Fault], around: Healthy, kept: Kept, given: argparse.Namespace) -> int:
    """Judge what is left of the chosen ones, between a sandbox that is green and one that is so again."""
    if wrong := around.before():
        print(f"The healthy sandbox is not green: {_listed(wrong)}. Mend it first.", file=sys.stderr)
        return 2
    bites = _bites(chosen, around.faults, around.judge, kept, given)
    if wrong := around.after():
        print(f"Not green again after healing: {_listed(wrong)}.", file=sys.stderr)
        _doubt(bites, wrong, around.left, kept)
    known = {fault.name for fault in chosen} - {fault.name for fault in around.left}
    earlier = sum(bool(kept.earlier(name)) for name in known)
    print(last_line(bites, earlier, kept.between))
    right = not kept.between and all(bite.bitten and not bite.collateral for bite in bites)
    return 0 if right and not wrong else 1


def _doubt(bites: Iterable[Bite], wrong: Iterable[Unproven], left: Iterable[Fault], kept: Kept) -> None:
    """What is red without a fault may have been so by an earlier one, when others were put in that declare it, too."""
    red, now = {one.control for one in wrong if one.state in RED}, {fault.name for fault in left}
    doubtful = [bite.name for bite in bites if bite.name in now and red & set(bite.turns_red)]
    kept.forget(doubtful)
    if doubtful:
        print(f"Judged again the next time, since they declare it: {', '.join(doubtful)}.", file=sys.stderr)


def _listed(wrong: Iterable[Unproven]) -> str:
    return "; ".join(map(str, wrong))


def _healed(faults: Faults) -> bool:
    try:
        faults.heal()
    except (SandboxError, KeyboardInterrupt) as error:
        print(f"A fault is still in: {str(error) or 'interrupted'}. `make heal` takes it out.", file=sys.stderr)
        return False
    return True


def _bites(chosen: Sequence[Fault], faults: Faults, judge: Judge, kept: Kept, given: argparse.Namespace) -> list[Bite]:
    """What each did: known from an earlier call, together with others where that is wanted, or alone."""
    found = {fault.name: known for fault in chosen if (known := _known(fault, kept)) is not None}
    left = [fault for fault in chosen if fault.name not in found]
    for several in rounds(left, given.together, _inputs(left, faults) if given.together > 1 else {}, given.seed):
        for bite in _round(several, faults, judge):
            kept.keep(FAULTS[bite.name], bite)
            print(row(bite), flush=True)
            found[bite.name] = bite
    return [found[fault.name] for fault in chosen]


def _inputs(left: Iterable[Fault], faults: Faults) -> dict[str, dict[str, Any]]:
    """The inputs of those that may be in beside others; one that cannot tell them now is alone."""
    found = {}
    for fault in left:
        if fault.sociable:
            with contextlib.suppress(*CONFUSED):
                found[fault.name] = faults.inputs(fault.name)
    return found


def _round(several: Sequence[Fault], faults: Faults, judge: Judge) -> Iterator[Bite]:
    """What each of a round did; where it is not as declared, each part of them is a round of its own."""
    healthy.renewed(faults)
    if len(several) == 1:
        yield _bite(several[0].name, faults, judge)
        return
    bites = _bite_together(several, faults, judge)
    if bites and all(bite.bitten and not bite.collateral for bite in bites):
        yield from bites
        return
    for part in parts(several, {bite.name for bite in bites if not bite.bitten}):
        yield from _round(part, faults, judge)


def _known(fault: Fault, kept: Kept) -> Bite | None:
    known = kept.bite(fault)
    if known is not None:
        earlier = kept.earlier(fault.name)
        print(f"{row(known)}  ({f'seen at {earlier}' if earlier else 'kept'})", flush=True)
    return known


def _bite_together(several: Sequence[Fault], faults: Faults, judge: Judge) -> list[Bite]:
    """What several did that are in at once; none, or one that is not right, where fewer have to be judged."""
    names = [fault.name for fault in several]
    try:
        faults.put_together(names)
        sections = sorted({section for fault in several for section in wanted.sections(fault)})
        judged = judge(several[0].playbook, faults.variables(), f"together-{names[0]}", sections)
    except CONFUSED as error:
        print(f"{', '.join(names)} together: {error}; judged in parts", file=sys.stderr, flush=True)
        return []
    finally:
        faults.heal()
    bites = [Bite.of(fault, judged, [other for other in several if other is not fault]) for fault in several]
    if wrong := [bite for bite in bites if not bite.bitten or bite.collateral]:
        said = "; ".join(row(bite) for bite in wrong)
        print(f"not as declared together, so judged in parts: {said}", file=sys.stderr, flush=True)
    return bites


def _bite(name: str, faults: Faults, judge: Judge) -> Bite:
    fault = FAULTS[name]
    try:
        if fault.playbook == "go_live":
            drilled(faults, judge)
        if fault.before:  # others may have been put in since the first run, which judged these, too
            judge("verify", {}, f"{name}-before", fault.before)
        faults.put(name)
        judged = judge(fault.playbook, faults.variables(), name, wanted.sections(fault))
    except SandboxError as error:  # the others are tried all the same
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        judged = Judged({}, "not_assessed", 0.0)
    finally:
        faults.heal()
    if fault.playbook == "deploy":
        judge("deploy", {}, "healed")  # what it deployed is put right before the next one
    return Bite.of(fault, judged)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=__doc__)
    parser.add_argument(
        "--section", nargs="+", metavar="NAME", help="only the faults of these sections of the checklist"
    )
    parser.add_argument("--smoke", action="store_true", help="only one fault for each section")
    biting = [name for name, fault in FAULTS.items() if fault.turns_red]
    parser.add_argument("--only", nargs="+", choices=biting, metavar="NAME", help="only these faults")
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--fresh", action="store_true", help="judge again also what an earlier call has judged")
    said = "count also what an earlier call has judged at this revision or at one after it, and tell which"
    known.add_argument("--since", default="", metavar="REVISION", help=said)
    many = "put in up to so many at once, of which no two declare the same control; in parts where they disturb"
    parser.add_argument("--together", type=int, default=1, metavar="NUMBER", help=many)
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="of which meet; else those next to each other do")
    return parser


if __name__ == "__main__":
    sys.exit(main())
