"""Events whose content is encoded, as the application gets them (B9)."""

import json
from typing import Any

from .compression import default_compressor, essence
from .glimpse import TELLING, Unread


def opened(message: Any, limit: int) -> Any:
    """`message` with its content decoded: JSON as any other `data`, the rest as bytes.

    `Unread` where it does not decode, or to more than `limit` bytes.
    """
    if not isinstance(message, dict) or "content_encoding" not in message:
        return message
    data: Any = message.get("data")
    if not isinstance(data, bytes):
        return message
    told = {name: value for name, value in message.items() if name != "content_encoding"}
    try:
        content = default_compressor.decompress(data, message["content_encoding"], limit=limit)
        is_json = essence(str(message.get("content_type", ""))) == "application/json"
        return {**told, "data": json.loads(content) if is_json else content}
    except (ValueError, RecursionError) as fault:
        return Unread({name: value for name, value in message.items() if name in TELLING}, f"its content: {fault}")
