"""What a user can have wrong between this machine and a hub, each as a sentence and what to try next.

The checks run from the outside in (URL, name, port, TLS, upgrade, login, clock, …). One that fails before there is a
WebSocket ends the walk, because what lies behind it cannot be seen; one that fails on it leaves out only what needs
it: a clock that is wrong is told, and the walk goes on. `NeurographWSClient.diagnose` and `ng-ws doctor` are this walk.
"""

from .finding import Cause, Diagnosis, Finding, Verdict
from .target import Target
from .walk import diagnosed, unasked, walk

__all__ = ["Cause", "Diagnosis", "Finding", "Target", "Verdict", "diagnosed", "unasked", "walk"]
