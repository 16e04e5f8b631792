"""Picture files from outside: only in formats of pictures, within a bound, with one error for whatever is wrong.

Pillow knows some fifty formats, of which one is handed to another program (EPS, to Ghostscript), and raises a dozen kinds of
errors for broken files: an EXIF block of which one number is wrong is a `struct.error`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.outside import reading

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are read, whatever the name of a file is."""


class Unreadable(Exception):
    """Why a file is no picture that can be read, in a few words, without its name."""


@contextmanager
def opened(source: Path | bytes, *, what: str = "") -> Iterator[Image.Image]:
    """Open a picture and read its header; its use in the block may decode the rest.

    Args:
        source: a file, or the content of one.
        what: its name in the message of a picture that is too large; the path if left out.

    Raises:
        DataError: it has more than `reading.MOST_PIXELS` pixels.
        Unreadable: it is missing, empty, a pipe, in another format, cut short or broken in any other way.
    """
    from PIL import Image

    try:
        if isinstance(source, Path):
            reading.demand_no_pipe(source)
            if source.stat().st_size == 0:
                raise ValueError("it is empty (0 bytes)")
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            reading.check_pixels(*image.size, what=what or str(source))
            yield image
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        raise Unreadable(f"it is none of {', '.join(FORMATS)}") from None
    except Exception as error:  # whatever Pillow raises for what it cannot read
        raise Unreadable(reading.why(error)) from error
