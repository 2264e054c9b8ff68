"""`make verify`: campaigns against the hub must pass, and the same against hubs with a planted bug must be caught.

Each bug is planted from outside by tests/support/planted.py. Prints what `ng-ws verify` prints, then one line a bug.
"""

import shlex
import subprocess
import sys
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parents[1]
SEEDS = (1, 2, 3)
PLANTED = ROOT / "tests" / "support" / "planted.py"
NG_WS = Path(sys.executable).with_name("ng-ws")
VIOLATED = 8

# Faults under which each bug shows itself: connections that come back, and a hub that does.
FAULTS_OF = {
    "off-by-one": ("cut", "rst"),
    "duplicate": ("cut", "rst"),
    "head-first": ("cut", "rst"),
    "gap-swallowed": ("kill", "cut"),
    "offset-reused": ("kill", "cut"),
    "gap-invented": ("cut", "rst"),
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
    """One short campaign against a hub with the bug."""
    began = monotonic()
    command = shlex.join([sys.executable, str(PLANTED), bug])
    faults = [option for fault in FAULTS_OF[bug] for option in ("--fault", fault)]
    run = verify("--for", "10s", "--seed", "1", *faults, "--hub-command", command, is_quiet=True)
    told = [line for line in run.stdout.splitlines() if line.startswith(("VIOLATED", "PASSED", "INCOMPLETE"))]
    word = "caught" if run.returncode == VIOLATED else f"NOT CAUGHT (exit {run.returncode})"
    print(
        f"planted {bug:<14} {word} in {monotonic() - began:.0f} s: {told[0] if told else run.stderr[-300:]}", flush=True
    )
    return run.returncode == VIOLATED


def main() -> int:
    """0 if the hub passed and every bug was caught."""
    has_passed = honest()
    caught = [is_caught(bug) for bug in FAULTS_OF]
    print(f"verify: {'passed' if has_passed else 'FAILED'}; {sum(caught)} of {len(caught)} planted bugs caught")
    return 0 if has_passed and all(caught) else 1


if __name__ == "__main__":
    sys.exit(main())
