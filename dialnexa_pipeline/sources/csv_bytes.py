"""A CSV file's bytes before a row of them is read: they are UTF-8, and its quotes close."""

import codecs
import re
from pathlib import Path

from dialnexa_pipeline.errors import SourceError

BLOCK_BYTES = 4 * 1024 * 1024
_CARRIED = 2 * BLOCK_BYTES  # Arrow takes no row that is larger than two blocks.
TOO_LARGE = "a row is larger than 4 MB"

# Lines as Arrow reads them: a quote opens only where a field begins. Text behind a closing quote is
# let pass, unless that quote closes what another line opened: then it opens a value of its own, and
# the quote before it was never closed.
_LINES = re.compile(
    rb"""(?:
        [^"]++
      | (?<![^,\r\n]) "(?:[^"\r\n]++|"")*+"
      | (?<![^,\r\n]) "(?:[^"]++|"")*+"(?=[ \t]*+[,\r\n])
      | (?<=[^,\r\n]) "
    )*+""",
    re.X,
)
_CLOSED_TOO_LATE = re.compile(rb'"(?:[^"]++|"")*+"(?:[ \t]++[^,\r\n]|[^", \t\r\n])')


def check_csv(path: Path) -> None:
    """Read the file through once.

    Raises:
        SourceError: it is not UTF-8, a quote is not closed, or a row is too large.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes = _Quotes(path)
    read, lines = 0, 1
    with path.open("rb") as file:
        while True:
            piece = file.read(BLOCK_BYTES)
            waiting = decoder.getstate()[0]
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                line = lines + (waiting + piece)[: error.start].count(b"\n")
                at = read - len(waiting) + error.start + 1
                raise SourceError(
                    f"{path} is not UTF-8: line {line}, byte {at} of the file. Save it as UTF-8 "
                    "(in a spreadsheet: CSV UTF-8)."
                ) from None
            quotes.read(piece if read else piece.removeprefix(codecs.BOM_UTF8))
            if not piece:
                return
            read += len(piece)
            lines += piece.count(b"\n")


class _Quotes:
    """Lines are let go once their quotes close; what is left begins with a line or a quote."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = b""
        self._line = 1

    def read(self, piece: bytes) -> None:
        """The next piece of the file, without its byte order mark; none ends it."""
        # The end of the file ends its last line.
        here = self._left + (piece or b"\n")
        whole = max(here.rfind(b"\n"), here.rfind(b"\r")) + 1
        found = _LINES.match(here, 0, whole)
        end = found.end() if found is not None else 0
        self._left = here[end:]
        self._line += here.count(b"\n", 0, end)
        too_large = len(self._left) > _CARRIED
        is_quoted = end < whole
        if is_quoted and (not piece or too_large or _CLOSED_TOO_LATE.match(self._left)):
            raise unreadable(
                self._path,
                f"the quote that opens on line {self._line} does not close before another value's "
                "quote or the end of the file",
            )
        if too_large:
            raise unreadable(self._path, TOO_LARGE)


def unreadable(path: Path, why: str) -> SourceError:
    """The sentence about a file that is not as CSV should be."""
    return SourceError(
        f"{path} is not a readable CSV file: {why}. Mend the file and run the sync again; nothing "
        "was sent."
    )
