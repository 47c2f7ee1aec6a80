"""The service's own log: text for a person where standard error is a terminal, otherwise one JSON object on each line.

Of a request, only its id is logged: no header, parameter, document or address.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from api.answers import rfc3339

PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """An entry as a JSON object: `time`, `level`, `logger`, `message`, and where there are any, these two more.

    `request_id` is the `x-amzn-RequestId` that the caller got, `traceback` that of an exception.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := getattr(record, "request_id", None)) is not None:
            entry["request_id"] = request_id
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)  # in ASCII, whatever is in it


def begin() -> None:
    """Have all that is logged in this process go to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(PLAIN) if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # else each malformed request leaves a traceback
