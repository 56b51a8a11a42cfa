# Judges channels of communication by a message that was sent through each, and by what came of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending, utc_now

CHANNELS = "go_live.t_minus_2h.channels"
_MEND = "Correct the channel's address and account, send a message by hand, and see that it comes."
_WAY = "Look on the way between the receiver and where its messages are listed; it may need longer (delivery_within)."
_LIST = "Correct where received messages are listed (proof), or leave it out where the receiver's answer is to do."


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """One channel and the message that went through it.

    :param where: host of the receiver; addresses of webhooks are secret. :param refused: why it was not taken.
    :param answer: what the receiver said when it took it. :param listed: whether it was found where messages are
        listed; None where nobody says where that is, or where it could not be asked, for ``unlisted``.
    """

    name: str
    kind: str
    where: str
    refused: str = ""
    answer: str = ""
    listed: bool | None = None
    unlisted: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """All channels. :param unasked: why nothing was sent, and :param remedy: what permits it."""

    channels: tuple[ChannelSeen, ...] = ()
    unasked: str = ""
    remedy: str = ""
    within_s: float = 0.0
    at: str = field(default_factory=utc_now)


CHECKS: Checks[ChannelFacts] = Checks()


@CHECKS.settles(CHANNELS)
def channels(facts: ChannelFacts) -> Verdict:
    """A message was taken by each channel, and has come where that can be seen."""
    if facts.unasked:
        return pending(facts.unasked, facts.remedy)
    found = Found()
    for one in facts.channels:
        what = f"channel {one.name} ({one.kind} at {one.where})"
        if one.refused:
            found.wrong(f"{what} does not take a message: {one.refused.rstrip('.')}", _MEND)
        elif one.listed is False:
            found.wrong(f"{what} took a message, which did not come within {facts.within_s:g} s", _WAY)
        elif one.unlisted:
            found.unknown(f"whether the message of {what} came is not known: {one.unlisted.rstrip('.')}", _LIST)
    proven = sum(one.listed is True for one in facts.channels)
    taken = len(facts.channels) - proven
    parts = [f"{proven} delivered" if proven else "", f"{taken} taken by its receiver" if taken else ""]
    good = f"a message went through each of {len(facts.channels)}: {', '.join(part for part in parts if part)}"
    seen = Evidence(
        "messages with a word of their own", {"channels": [asdict(one) for one in facts.channels]}, facts.at
    )
    return found.verdict("Channels", good, [seen])
