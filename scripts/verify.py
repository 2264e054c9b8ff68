"""`make verify`: campaigns against the hub must pass, and the same against hubs with a planted bug must be caught.

Each bug is planted from outside by tests/support/planted.py. Prints what `ng-ws verify` prints, then one line a bug.
"""

import shlex
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SEEDS = (1, 2, 3)
PLANTED = ROOT / "tests" / "support" / "planted.py"
NG_WS = Path(sys.executable).with_name("ng-ws")
VIOLATED = 8


class Bug(NamedTuple):
    """Faults under which a planted bug shows itself, and the rules that have to say so."""

    faults: tuple[str, ...]
    rules: tuple[str, ...]


BUGS = {
    "off-by-one": Bug(("cut", "rst"), ("V12", "I3")),
    "duplicate": Bug(("cut", "rst"), ("I3",)),
    "head-first": Bug(("cut", "rst"), ("V12", "I3")),
    "gap-swallowed": Bug(("kill", "cut"), ("I3",)),
    "offset-reused": Bug(("kill", "cut"), ("V2", "I1")),
    "gap-invented": Bug(("cut", "rst"), ("V12",)),
    "answer-forgotten": Bug(("none",), ("I6",)),
}


def verify(*options: str, is_quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `ng-ws verify` with a hub of its own."""
    command = [str(NG_WS), "verify", "--start-hub", "--format", "pretty", *options]
    return subprocess.run(command, text=True, check=False, capture_output=is_quiet, timeout=600)  # noqa: S603 - our own


def honest() -> bool:
    """Three seeds with every class of faults."""
    seeds = [option for seed in SEEDS for option in ("--seed", str(seed))]
    return verify("--for", "25s", *seeds).returncode == 0


def is_caught(bug: str) -> bool:
    """One short campaign against a hub with the bug: it has to be found, and by the rules meant for it."""
    began, expected = monotonic(), BUGS[bug]
    command = shlex.join([sys.executable, str(PLANTED), bug])
    faults = [option for fault in expected.faults for option in ("--fault", fault)]
    run = verify("--for", "10s", "--seed", "1", *faults, "--hub-command", command, is_quiet=True)
    told = [line for line in run.stdout.splitlines() if line.startswith(("VIOLATED", "PASSED", "INCOMPLETE"))]
    missing = [rule for rule in expected.rules if f" {rule} " not in (told[0] if told else "")]
    is_found = run.returncode == VIOLATED and not missing
    word = "caught" if is_found else f"NOT CAUGHT (exit {run.returncode}, without {', '.join(missing) or 'a rule'})"
    what = told[0] if told else run.stderr[-300:]
    print(f"planted {bug:<16} {word} in {monotonic() - began:.0f} s: {what}", flush=True)
    return is_found


def main() -> int:
    """0 if the hub passed and every bug was caught."""
    has_passed = honest()
    caught = [is_caught(bug) for bug in BUGS]
    print(f"verify: {'passed' if has_passed else 'FAILED'}; {sum(caught)} of {len(caught)} planted bugs caught")
    return 0 if has_passed and all(caught) else 1


if __name__ == "__main__":
    sys.exit(main())
