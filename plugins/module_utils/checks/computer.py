# Judges a desktop that is used through an API: each action by its effect, seen in another way than by its own answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import Missing
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
    utc_now,
)

MOUSE, KEYBOARD, SCREENSHOT, OCR, TASK = (
    f"functional_testing.computer_use.{item}" for item in ("mouse", "keyboard", "screenshot", "ocr", "task")
)
COMPLETED = "COMPLETED"
SHOWN = 4  # named in a summary; all stand in the evidence
CLOSE = 1  # cells that an event may be off: a cell's edge falls between two pixels
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Point:
    """Where the pointer was sent, and where it was then."""

    wanted: tuple[int, int]
    got: tuple[int, int] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What a program was told of the pointer: ``down``, ``up``, ``wheel`` or ``motion``, of what, in which cell."""

    kind: str
    what: str = ""
    cell: Cell = (0, 0)
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gesture:
    """An action of the pointer, what a program had to be told of it, and what it was told."""

    action: str
    wanted: tuple[Event, ...]
    got: tuple[Event, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed, pressed or pasted, and what arrived; None where nothing could be read back."""

    how: str
    wanted: str
    got: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the screen.

    :param bits: what was drawn just before, as it is seen; empty where it is not found.
    :param blank: whether it has one colour only; :param same: whether it is the picture that was taken before drawing.
    """

    size: tuple[int, int] = (0, 0)
    blank: bool = False
    same: bool = False
    bits: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """Words that were on the screen, and the text that was recognised; ``problem`` where none was."""

    words: tuple[str, ...] = ()
    text: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Worked:
    """A task from its creation to its end.

    :param status: what it came to; :param wanted: the text that a file had to have, :param got: what it has.
    :param stays: why the task could not be removed; empty where it is gone.
    """

    status: str = ""
    wanted: str = ""
    got: str | None = None
    seconds: float = 0.0
    problem: str = ""
    stays: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Another action with its effect: a file's bytes, or a time that had to pass."""

    action: str
    holds: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ComputerFacts:
    """What was seen of a desktop.

    :param absent: why no desktop could be asked, though one is given.
    :param unstarted: why the program that tells of events did not start, so that the pointer is not seen.
    :param drawn: what it drew on the screen, as bits.
    """

    base_url: str
    size: tuple[int, int] = (0, 0)
    points: tuple[Point, ...] = ()
    gestures: tuple[Gesture, ...] = ()
    typed: tuple[Typed, ...] = ()
    shot: Shot = field(default_factory=Shot)
    drawn: str = ""
    read: Read = field(default_factory=Read)
    most_wrong: float = 0.1
    work: Worked = field(default_factory=Worked)
    kept: tuple[Kept, ...] = ()
    unstarted: str = ""
    absent: str = ""
    missing: Missing | None = None
    unasked: str = ""
    observed_at: str = field(default_factory=utc_now)

    def evidence(self, observed: object) -> Evidence:
        return Evidence(f"computer use of {self.base_url}", observed, self.observed_at)


CHECKS: Checks[ComputerFacts] = Checks()
_NOT_ASKED = "Run without --check: this moves the pointer, types, and makes files and a task."
_LOOK = "Look at the desktop's log, and at the display and the input that its daemon has."


@CHECKS.settles(MOUSE)
def mouse(facts: ComputerFacts) -> Verdict:
    """The pointer goes where it is sent, and a program is told of each click, drag and turn of the wheel."""
    if verdict := _before(facts):
        return verdict
    evidence = facts.evidence(
        {"points": [asdict(one) for one in facts.points], "gestures": [_gesture(one) for one in facts.gestures]}
    )
    wrong = [flaw for one in facts.points for flaw in _point(one)]
    wrong += [flaw for one in facts.gestures for flaw in _gesture_flaws(one)]
    if wrong:
        return failed(f"{_few(wrong)}.", _LOOK, evidence)
    if not facts.gestures or not facts.points:
        why = facts.unstarted or "the program that tells of them is not found on the screen"
        return inconclusive(f"What a program is told of the pointer was not seen: {why.rstrip('.')}.", _LOOK, evidence)
    actions = ", ".join(dict.fromkeys(one.action for one in facts.gestures))
    return passed(
        f"The pointer reached {len(facts.points)} places, and a program was told of {actions} where they were.",
        evidence,
    )


@CHECKS.settles(KEYBOARD)
def keyboard(facts: ComputerFacts) -> Verdict:
    """What is typed, pressed and pasted arrives whole, and no modifier stays down."""
    if verdict := _before(facts):
        return verdict
    evidence = facts.evidence({"typed": [asdict(one) for one in facts.typed], "unstarted": facts.unstarted})
    wrong = [flaw for one in facts.typed for flaw in _typed(one)]
    if facts.unstarted:
        wrong.append(f"a command that was typed into a terminal did nothing: {facts.unstarted.rstrip('.')}")
    if wrong:
        return failed(f"{_few(wrong)}.", _LOOK, evidence)
    if not facts.typed:
        return inconclusive("Nothing was typed.", "Judge again.", evidence)
    ways = ", ".join(dict.fromkeys(one.how for one in facts.typed))
    return passed(f"What was given by {ways} arrived letter by letter, Unicode too.", evidence)


@CHECKS.settles(SCREENSHOT)
def screenshot(facts: ComputerFacts) -> Verdict:
    """A screenshot is a picture of the right size that shows what was drawn just before."""
    if verdict := _before(facts):
        return verdict
    shot, evidence = facts.shot, facts.evidence({"shot": asdict(facts.shot), "drawn": facts.drawn})
    wrong = list(shot_flaws(facts.shot, facts.size, facts.drawn))
    if wrong:
        return failed(f"A screenshot {_few(wrong)}.", "Look at how the daemon takes the screen's picture.", evidence)
    if not facts.drawn:
        why = facts.unstarted or "nothing was drawn"
        return inconclusive(f"That it shows what is there now was not seen: {why.rstrip('.')}.", _LOOK, evidence)
    wide, high = shot.size
    return passed(f"A screenshot of {wide}x{high} shows the pattern that was drawn just before.", evidence)


@CHECKS.settles(OCR)
def ocr(facts: ComputerFacts) -> Verdict:
    """Words that were put on the screen just before are recognised."""
    if verdict := _before(facts):
        return verdict
    read = facts.read
    share = error_rate(read.words, read.text)
    evidence = facts.evidence({"words": read.words, "text": read.text[:2000], "error_rate": round(share, 3)})
    if read.problem:
        return failed(f"Text is not recognised: {read.problem.rstrip('.')}.", "Install the engine for OCR.", evidence)
    if not read.words:
        why = facts.unstarted or "no words were shown"
        return inconclusive(f"No text was there to be recognised: {why.rstrip('.')}.", _LOOK, evidence)
    if share > facts.most_wrong:
        what = (
            f"{share:.0%} of the characters on the screen are not recognised, and {facts.most_wrong:.0%} may be wrong"
        )
        return failed(f"{what}.", "See that the engine reads the screen as it is now, in the right language.", evidence)
    return passed(f"{len(read.words)} words were recognised, {share:.0%} of their characters wrongly.", evidence)


@CHECKS.settles(TASK)
def task(facts: ComputerFacts) -> Verdict:
    """A task changes the desktop as it asks and is completed; programs start, and files come back as written."""
    if verdict := _before(facts):
        return verdict
    work = facts.work
    evidence = facts.evidence({"task": asdict(work), "others": [asdict(one) for one in facts.kept]})
    wrong = [f"{one.action} has no effect ({one.problem or 'another one came'})" for one in facts.kept if not one.holds]
    wrong += list(_work(work))
    if wrong:
        remedy = "Look at the task's messages and its error, and at the log of the worker that had it."
        return failed(f"{_few(wrong)}.", remedy, evidence)
    if not work.status:
        return inconclusive(f"No task was made: {work.problem.rstrip('.')}.", "Judge again.", evidence)
    others = ", ".join(one.action for one in facts.kept)
    return passed(f"A task wrote the wanted file and is completed after {work.seconds:.0f} s; {others} work.", evidence)


# ---------------------------------------------------------------------- flaws


def _before(facts: ComputerFacts) -> Verdict | None:
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    if facts.missing:
        return pending(facts.missing.why, facts.missing.remedy)
    if facts.absent:
        evidence = facts.evidence({"absent": facts.absent})
        return failed(
            f"{facts.absent.rstrip('.')}.", "See that the desktop runs and that the API reaches it.", evidence
        )
    return None


def _point(one: Point) -> Iterator[str]:
    if one.problem:
        yield f"the pointer cannot be sent to {_at(one.wanted)} ({one.problem.rstrip('.')})"
    elif one.got != one.wanted:
        yield f"the pointer was sent to {_at(one.wanted)} and is at {_at(one.got) if one.got else 'no place'}"


def _gesture_flaws(one: Gesture) -> Iterator[str]:
    if one.problem:
        yield f"{one.action} fails ({one.problem.rstrip('.')})"
        return
    wanted, got = _presses(one.wanted), _presses(one.got)
    if [(event.kind, event.what) for event in wanted] != [(event.kind, event.what) for event in got]:
        yield f"{one.action}: a program is told of {_told(got)} and not of {_told(wanted)}"
    elif missed := [here for here, there in zip(wanted, got, strict=True) if not _near(here.cell, there.cell)]:
        yield f"{one.action} happens elsewhere than asked ({_told(missed)})"
    else:
        yield from _motions(one)


def _motions(one: Gesture) -> Iterator[str]:
    """The pointer passes the wanted cells in their order, with the keys that are held."""
    rest = [event for event in one.got if event.kind == "motion"]
    for event in one.wanted:
        if event.kind != "motion":
            continue
        found = [
            number
            for number, other in enumerate(rest)
            if _near(event.cell, other.cell) and set(event.held) <= set(other.held)
        ]
        if not found:
            held = f" with {', '.join(event.held)} held" if event.held else ""
            yield f"{one.action} does not pass {_at(event.cell)}{held}"
            return
        rest = rest[found[0] + 1 :]


def _typed(one: Typed) -> Iterator[str]:
    if one.problem:
        yield f"{one.how} fails ({one.problem.rstrip('.')})"
    elif one.got is None:
        yield f"what was given by {one.how} did not arrive"
    elif one.got != one.wanted:
        yield f"by {one.how}, {one.got[:80]!r} arrived and not {one.wanted[:80]!r}"


def shot_flaws(shot: Shot, size: tuple[int, int], drawn: str) -> Iterator[str]:
    """What is wrong with a screenshot. :param drawn: the pattern that it must show; empty where none was drawn."""
    if shot.problem:
        yield f"fails ({shot.problem.rstrip('.')})"
        return
    if shot.size != size:
        yield f"has {shot.size[0]}x{shot.size[1]} pixels and not {size[0]}x{size[1]}"
    if shot.blank:
        yield "is blank"
    elif drawn and shot.bits != drawn:
        kind = "is the one from before something was drawn" if shot.same else "does not show what was drawn just before"
        yield kind


def _work(work: Worked) -> Iterator[str]:
    if work.status and work.status != COMPLETED:
        yield f"the task is {work.status} after {work.seconds:.0f} s ({work.problem or 'it should be completed'})"
    elif work.status and work.got is None:
        yield "the task is completed, and the file that it should have written is not there"
    elif work.status and work.got is not None and work.got.rstrip("\n") != work.wanted:
        yield f"the task is completed, and its file has {work.got[:80]!r} and not {work.wanted!r}"
    if work.stays:
        yield f"the task that was made for this could not be removed ({work.stays})"


def _presses(events: Sequence[Event]) -> list[Event]:
    return [one for one in events if one.kind != "motion"]


def _near(one: Cell, other: Cell) -> bool:
    return abs(one[0] - other[0]) <= CLOSE and abs(one[1] - other[1]) <= CLOSE


# ---------------------------------------------------------------------- recognition


def error_rate(words: Sequence[str], text: str) -> float:
    """The share of the words' characters that are not in the text, each word at the place where it fits best."""
    length = sum(len(one) for one in words)
    return sum(_distance(one, text) for one in words) / length if length else 0.0


def _distance(word: str, text: str) -> int:
    """The least number of changes that make the word out of any part of the text."""
    before = list(range(len(word) + 1))
    least = before[-1]
    for character in text:
        now = [0]
        for row, wanted in enumerate(word, 1):
            now.append(min(before[row - 1] + (character != wanted), before[row] + 1, now[row - 1] + 1))
        before, least = now, min(least, now[-1])
    return least


# ---------------------------------------------------------------------- words


def _gesture(one: Gesture) -> dict[str, object]:
    return {
        "action": one.action,
        "wanted": [_event(event) for event in one.wanted],
        "got": [_event(event) for event in one.got],
        "problem": one.problem,
    }


def _event(one: Event) -> str:
    held = "".join(f"{name}+" for name in one.held)
    return f"{held}{one.what} {one.kind} {_at(one.cell)}".strip()


def _told(events: Sequence[Event]) -> str:
    return ", ".join(f"{one.what} {one.kind}" for one in events) or "nothing"


def _at(place: tuple[int, int]) -> str:
    return f"{place[0]},{place[1]}"


def _few(given: Sequence[str]) -> str:
    more = f"; and {len(given) - SHOWN} more" if len(given) > SHOWN else ""
    return "; ".join(given[:SHOWN]) + more
