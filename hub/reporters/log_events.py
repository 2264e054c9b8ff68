"""`logs`: the hub's own log records, as events whose name is the record's."""

from typing import Any

import orjson

from channels.names import is_event_name
from hub.reporters.publisher import Publisher


def publish_records(publisher: Publisher, records: list[dict[str, Any]]) -> None:
    """One event per record; tags carry the level, so that a filter needs no look into the data."""
    for record in records:
        name = str(record["event"])
        tags = orjson.dumps({"level": record["level"], "node": publisher.node})
        document = {**record, "node": publisher.node}
        publisher.publish("logs", name if is_event_name(name) else "log.record", document, tags=tags)
