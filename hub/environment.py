"""Variables of the environment that look like settings and are none."""

from collections.abc import Mapping

from hub.complaints import PREFIX, meant
from hub.config import Settings


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """`NG_...` variables that are no setting of the hub nor of its clients, each with what was probably meant.

    A slip of the pen has no effect otherwise.
    """
    known = [PREFIX + name.upper() for name in Settings.model_fields] + [
        "NG_URL",
        "NG_TOKEN",
        "NG_FORMAT",
        "NG_CONTEXT",
    ]
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return {name: meant(name, known) for name in unknown}
