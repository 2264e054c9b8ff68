"""`ng-ws doctor`: what a user can have wrong between this machine and a hub, each as a sentence and what to try next.

The checks run from the outside in (URL, name, port, TLS, upgrade, login, clock, …); one that fails ends the walk,
because what lies behind it cannot be seen.
"""
