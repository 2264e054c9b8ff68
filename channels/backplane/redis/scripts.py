"""The Lua scripts: small atomic steps that Redis does for a channel. Their text is in the files beside this one."""

from hashlib import sha1
from importlib.resources import files

_HEAD = "#!lua\n"


class Script:
    """One script: its text, and the name that Redis knows it by once it was loaded."""

    __slots__ = ("name", "sha", "text")

    def __init__(self, name: str, *parts: str) -> None:
        folder = files(__package__)
        self.name = name
        self.text = _HEAD + "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
        # The name that Redis gives it, not a protection of anything.
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


APPEND = Script("append", "common", "append")
READ = Script("read", "common", "read")
TOUCH = Script("touch", "common", "touch")
NEWEST = Script("newest", "common", "newest")

TELL = Script("tell", "common", "tell")
BEAT = Script("beat", "common", "beat")
CLAIM = Script("claim", "common", "claim")
MEMBER = Script("member", "here", "member")
TOLD = Script("told", "here", "told")
BURY = Script("bury", "here", "bury")
FORMER = Script("former", "former")

ALL = (APPEND, READ, TOUCH, NEWEST, TELL, BEAT, CLAIM, MEMBER, TOLD, BURY, FORMER)
