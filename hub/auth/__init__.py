"""Who is there: credentials in, identities out (C6-C10, hardening.md section 3).

Checking a credential is synchronous and never touches the network: keys are loaded at the start and by a timer. Rights
are not decided here (`channels.permissions`), and no reconnection token is read here.
"""

from hub.auth.authenticator import Authenticator
from hub.auth.identity import ANONYMOUS, AuthError, Identity
from hub.auth.revocation import Revocation, Revocations

__all__ = ["ANONYMOUS", "AuthError", "Authenticator", "Identity", "Revocation", "Revocations"]
