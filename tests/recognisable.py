"""Words that can be told wherever they turn up, and all that can be read in a file: how leaks are looked for."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def rare(number: int) -> str:
    """A word that one report alone holds."""
    return "zq" + "".join(chr(97 + number * step % 26) for step in (1, 3, 5, 7)) + "arn"


def readable(path: Path) -> str:
    """Everything that can be read in a published file, a picture's metadata among it, in lower case."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    if path.suffix == ".png":
        with Image.open(path) as image:
            text += repr(image.info)
    return text.lower()
