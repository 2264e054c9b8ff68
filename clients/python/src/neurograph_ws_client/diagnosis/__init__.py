"""What a user can have wrong between this machine and a hub, each as a sentence and what to try next.

The checks run from the outside in (URL, name, port, TLS, upgrade, login, clock, …); one that fails ends the walk,
because what lies behind it cannot be seen. `NeurographWSClient.diagnose` and `ng-ws doctor` are this walk.
"""

from .finding import Cause, Diagnosis, Finding, Verdict
from .target import Target
from .walk import diagnosed, walk

__all__ = ["Cause", "Diagnosis", "Finding", "Target", "Verdict", "diagnosed", "walk"]
