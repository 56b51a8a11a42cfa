# Names of keys: X's own, a single character, and the usual other names.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from Xlib import XK
from Xlib.X import NoSymbol

from bytebot_desktop.problems import Wrong

for _group in ("xf86", "xkb"):
    XK.load_keysym_group(_group)
_ALSO = {
    "alt": "Alt_L", "altgr": "ISO_Level3_Shift", "backspace": "BackSpace", "capslock": "Caps_Lock", "cmd": "Super_L",
    "command": "Super_L", "control": "Control_L", "ctrl": "Control_L", "del": "Delete", "delete": "Delete",
    "down": "Down", "end": "End", "enter": "Return", "esc": "Escape", "escape": "Escape", "home": "Home",
    "insert": "Insert", "left": "Left", "meta": "Super_L", "pagedown": "Next", "pageup": "Prior", "return": "Return",
    "right": "Right", "shift": "Shift_L", "space": "space", "super": "Super_L", "tab": "Tab", "up": "Up",
    "win": "Super_L", "windows": "Super_L",
}  # fmt: skip
_CONTROLS = {"\n": "Return", "\r": "Return", "\t": "Tab", "\b": "BackSpace"}
# X writes characters beyond Latin-1 as their code point above this.
UNICODE = 0x1000000
LATIN_1 = 0x100


def keysym(name: str) -> int:
    """The number that X knows a key by."""
    if len(name) == 1:
        return of_character(name)
    found = int(XK.string_to_keysym(_ALSO.get(name.lower().replace("_", "").replace("-", ""), name)))
    if found == NoSymbol:
        raise Wrong(f"keys: {name!r} is no key")
    return found


def chord(name: str) -> list[int]:
    """Several keys at once are joined by a plus sign."""
    if len(name) > 1 and "+" in name.strip("+"):
        return [keysym(part) for part in name.split("+")]
    return [keysym(name)]


def of_character(character: str) -> int:
    """The key that a character is typed with."""
    if character in _CONTROLS:
        return int(XK.string_to_keysym(_CONTROLS[character]))
    code = ord(character)
    # U+0080 to U+009F are no characters but controls, as those below the blank.
    if not character.isprintable() and code not in {0xA0, 0xAD}:
        raise Wrong(f"the character U+{code:04X} is on no keyboard")
    return code if code < LATIN_1 else UNICODE + code


# Several names may have one number; the first one in the alphabet stays.
_NAMES: dict[int, str] = {}
for _name in sorted(dir(XK)):
    if _name.startswith("XK_"):
        _NAMES.setdefault(getattr(XK, _name), _name.removeprefix("XK_"))


def name_of(number: int) -> str:
    """A keysym's name as events tell it."""
    return _NAMES.get(number) or (f"U{number - UNICODE:04X}" if number >= UNICODE else f"0x{number:x}")
