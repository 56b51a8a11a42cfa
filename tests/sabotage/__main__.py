# Puts every fault into the sandbox, one by one, judges, and sees that it turns red what it declares, and nothing else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from sandbox import replay
from sandbox.errors import SandboxError
from sandbox.faults import FAULTS, Faults
from sandbox.settings import load
from tests.sabotage.judging import CORE, REVIEWED, Judge, Judged
from tests.sabotage.keeping import Kept
from tests.sabotage.telling import Bite, last_line, row

ROOT = Path(__file__).resolve().parents[2]
# Where no vertical autoscaler is served, that none fights is not applicable.
ONLY_WHEN_BROKEN = frozenset({"application_configuration.tuning.vpa"})
ALL = frozenset(control for fault in FAULTS.values() for control in fault.turns_red) - ONLY_WHEN_BROKEN
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
    faults, judge = Faults(load()), Judge(ROOT)
    kept = Kept(ROOT, fresh=given.fresh)
    try:
        faults.heal()
        sections = sorted({control.partition(".")[0] for fault in chosen for control in fault.turns_red})
        wanted = frozenset(control for control in ALL if control.partition(".")[0] in {*CORE, *sections})
        if wrong := _healthy(judge, "first", sections, wanted, faults):
            print(f"The healthy sandbox is not green: {', '.join(wrong)}. Mend it first.", file=sys.stderr)
            return 2
        bites = [_bite(name.name, faults, judge, kept) for name in chosen]
        wrong = _healthy(judge, "last", sections, wanted, faults)
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
    print(last_line(bites))
    return 0 if not wrong and all(bite.bitten and not bite.collateral for bite in bites) else 1


def _healthy(judge: Judge, name: str, sections: list[str], wanted: frozenset[str], faults: Faults) -> list[str]:
    """What is not green of the healthy sandbox; reviews are another playbook's, and need a history."""
    later = frozenset(control for control in wanted if control.startswith(f"{REVIEWED}."))
    wrong = judge("deploy", {}, name, sections).unproven(wanted - later)
    if later:
        if name == "first":
            replay.play(faults.hands.settings, faults.hands.cluster)
        wrong += judge("review", {}, f"{name}-review", sections).unproven(later)
    return wrong


def _bite(name: str, faults: Faults, judge: Judge, kept: Kept) -> Bite:
    if (known := kept.bite(name)) is not None:
        print(f"{row(known)}  (kept)", flush=True)
        return known
    fault = FAULTS[name]
    try:
        faults.put(name)
        sections = sorted({control.partition(".")[0] for control in fault.turns_red})
        judged = judge(fault.playbook, faults.variables(), name, sections)
    except SandboxError as error:  # the others are tried all the same
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        judged = Judged({}, "not_assessed", 0.0)
    finally:
        faults.heal()
    if fault.playbook == "deploy":
        judge("deploy", {}, "healed")  # what it deployed is put right before the next one
    bite = Bite.of(fault, judged)
    kept.keep(bite)
    print(row(bite), flush=True)
    return bite


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=__doc__)
    parser.add_argument("--section", help="only the faults of one section of the checklist")
    parser.add_argument("--smoke", action="store_true", help="only one fault for each section")
    biting = [name for name, fault in FAULTS.items() if fault.turns_red]
    parser.add_argument("--only", nargs="+", choices=biting, metavar="NAME", help="only these faults")
    parser.add_argument("--fresh", action="store_true", help="judge again also what an earlier call has judged")
    return parser


if __name__ == "__main__":
    sys.exit(main())
