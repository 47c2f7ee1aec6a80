"""The program's own log, turned down while faults are provoked that it has much to say of."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

PACKAGES = ("api", "eventstore", "projections", "asyncio")


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that the service says of its troubles is shown, up to the end of the block."""
    loggers = [logging.getLogger(name) for name in PACKAGES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
