"""`ng-ws doctor`: the walk of the client from here to a hub, finding by finding."""

from dataclasses import asdict

from neurograph_ws_client.diagnosis import Cause, Diagnosis, Finding, Target, Verdict, walk

from ._version import __version__
from .escape import escaped
from .exits import Exit
from .hub import context_of
from .notes import Notes
from .render import object_line
from .settings import Format, Settings
from .stdout import put

_STYLES = {Verdict.OK: "32", Verdict.WARN: "33", Verdict.FAIL: "1;31"}
_EXITS = {cause: Exit.OK if cause is Cause.NONE else Exit[cause.name] for cause in Cause}


async def doctor(settings: Settings, origin: str | None, idle: float) -> Exit:
    """Tell each finding as it comes; the exit code of the first that failed."""
    target = Target(
        settings.url,
        settings.token,
        settings.timeout,
        context_of(settings),
        origin=origin,
        idle=idle,
        program="ng-ws",
        version=__version__,
    )
    found: list[Finding] = []
    async for finding in walk(target):
        found.append(finding)
        put(_line(settings, finding))
    diagnosis, notes = Diagnosis(settings.url, tuple(found)), Notes(settings)
    failed = diagnosis.failed
    if failed is not None:
        notes.warn(f"{failed.check}: {failed.text}")
        return _EXITS[failed.cause]
    notes.say(diagnosis.summary)
    return Exit.OK


def _line(settings: Settings, one: Finding) -> bytes:
    if settings.format is Format.JSON:
        shape = {name: value for name, value in asdict(one).items() if name != "cause"}
        return object_line(shape)
    word = f"{one.verdict.value:<5}"
    if settings.has_color:
        word = f"\x1b[{_STYLES[one.verdict]}m{word}\x1b[0m"
    lines = [f"{word} {one.check:<11} {escaped(one.text)}"]
    if one.hint:
        lines.append(f"                  {escaped(one.hint)}")
    return "".join(f"{line}\n" for line in lines).encode()
