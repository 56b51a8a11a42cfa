# Reads pictures with Tesseract, on the CPU.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import csv
import io
import os
import shutil
import subprocess
import time
from typing import Any, Protocol

from PIL import Image

from bytebot_desktop.actions import Options
from bytebot_desktop.problems import NoEngine, Problem, Wrong

ENGINE = "tesseract"
WITHIN_S = 120
# BCP 47 as the requests have it, ISO 639-2 as Tesseract has it.
LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld"}
# Letters of the screen are about half as high as the engine wants them.
LARGER = 2
Result = dict[str, Any]


class Reader(Protocol):
    """What reads pictures."""

    def available(self) -> bool: ...
    def languages(self) -> list[str]: ...
    async def read(self, picture: Image.Image, options: Options) -> Result: ...


class Tesseract:
    """The engine as a program, one call for each picture."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def available(self) -> bool:
        """Whether the program is there with one language at least."""
        return shutil.which(ENGINE) is not None and bool(self.languages())

    def languages(self) -> list[str]:
        """The languages that can be asked for, by their short names; what was found once stays as long as this does."""
        if not self._known:
            command = [ENGINE, "--list-langs"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
            except (OSError, subprocess.TimeoutExpired):
                return []
            have = set(done.stdout.split())
            self._known = sorted(short for short, long in LANGUAGES.items() if long in have)
        return self._known

    async def read(self, picture: Image.Image, options: Options) -> Result:
        """Text, confidence from 0 to 1, and a box for each word."""
        return await asyncio.to_thread(self._read, picture, options)

    def _read(self, picture: Image.Image, options: Options) -> Result:
        began = time.monotonic()
        have = self.languages()
        if not have:
            raise NoEngine("no text recognition engine is there")
        wanted = [language.lower().replace("_", "-").split("-")[0] for language in options.languages]
        if unknown := [language for language in wanted if language not in have]:
            raise Wrong(f"languages: {', '.join(unknown)} is not installed; there is {', '.join(have)}")
        scale = LARGER if options.recognitionLevel == "accurate" else 1
        grey = picture.convert("L")
        if scale > 1:
            grey = grey.resize((grey.width * scale, grey.height * scale), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        grey.save(out, "PNG", compress_level=1)
        languages = "+".join(LANGUAGES[language] for language in dict.fromkeys(wanted))
        # Page mode 11: words wherever they stand; a screen has no columns and paragraphs.
        command = [ENGINE, "stdin", "stdout", "-l", languages, "--psm", "11", "tsv"]
        try:
            done = subprocess.run(
                command,
                input=out.getvalue(),
                capture_output=True,
                check=False,
                timeout=WITHIN_S,
                # Its threads wait for each other more than they work where cores are few.
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )
        except subprocess.TimeoutExpired:
            raise Problem(f"{ENGINE} did not end within {WITHIN_S} s") from None
        if done.returncode:
            raise Problem(f"{ENGINE} failed: {' '.join(done.stderr.decode(errors='replace').split())}")
        text, boxes = words(done.stdout.decode(), scale)
        confidence = sum(box["confidence"] for box in boxes) / len(boxes) if boxes else 0.0
        return {
            "text": text,
            "confidence": round(confidence, 4),
            "boundingBoxes": boxes if options.enableBoundingBoxes else [],
            "processingTimeMs": round((time.monotonic() - began) * 1000, 1),
            "method": ENGINE,
        }


def words(table: str, scale: int = 1) -> tuple[str, list[Result]]:
    """The text with its lines, and the words with their places, from Tesseract's table."""
    boxes: list[Result] = []
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text, confidence = (row["text"] or "").strip(), float(row["conf"])
        if not text or confidence < 0:
            continue
        lines.setdefault((row["block_num"], row["par_num"], row["line_num"]), []).append(text)
        place = {
            name: round(int(row[column]) / scale)
            for name, column in (("x", "left"), ("y", "top"), ("width", "width"), ("height", "height"))
        }
        boxes.append({"text": text, **place, "confidence": round(confidence / 100, 4)})
    return "\n".join(" ".join(line) for line in lines.values()), boxes


def find(text: str, boxes: list[Result]) -> list[Result]:
    """The places of a text of one or more words, whatever their case."""
    wanted = text.casefold().split()
    found = []
    for start in range(len(boxes) - len(wanted) + 1):
        run = boxes[start : start + len(wanted)]
        if wanted and all(word in box["text"].casefold() for word, box in zip(wanted, run, strict=True)):
            found.append(_around(run))
    return found


def _around(boxes: list[Result]) -> Result:
    left, top = min(box["x"] for box in boxes), min(box["y"] for box in boxes)
    return {
        "text": " ".join(box["text"] for box in boxes),
        "x": left,
        "y": top,
        "width": max(box["x"] + box["width"] for box in boxes) - left,
        "height": max(box["y"] + box["height"] for box in boxes) - top,
        "confidence": min(box["confidence"] for box in boxes),
    }
