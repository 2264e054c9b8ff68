"""The built page as package data: `files/` is what `dashboard/` builds, and `read_files` what a hub serves of it.

No Node at run time, and no path of a request ever touches the disk: all files are read once, into a table by name.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).with_name("files")
INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file in its two forms. Strong validators: one for each form, since their bytes differ."""

    content_type: str
    body: bytes
    gzipped: bytes
    digest: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "PageFile":
        """The file `name`; `KeyError` for a kind that the page has none of."""
        digest = hashlib.sha256(body).hexdigest()[:24]
        return cls(_TYPES[Path(name).suffix], body, gzip.compress(body, 9, mtime=0), digest)


def read_files(folder: Path = FILES) -> Mapping[str, PageFile]:
    """By path below `folder`, like `assets/index-Cx2.js`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return {name: PageFile.of(name, path.read_bytes()) for path, name in names.items()}
