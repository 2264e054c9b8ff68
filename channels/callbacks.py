"""Who waits for one piece of news: what one of them makes of it concerns no other."""

import logging
from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")

logger = logging.getLogger(__name__)


def tell(waiting: Iterable[Callable[P, object]], *news: P.args, **more: P.kwargs) -> None:
    """Call each of `waiting`; what one raises is logged, and the others hear all the same."""
    for hear in waiting:
        try:
            hear(*news, **more)
        except Exception:
            logger.exception("news were not taken well")
