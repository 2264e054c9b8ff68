"""A client for the REST interface of a `RunningHub`."""

from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.hub import RunningHub


class Rest:
    """Requests as one role (or as nobody). Answers must have the one form; `.json()` is taken apart here."""

    def __init__(self, hub: RunningHub, role: str | None = None) -> None:
        headers = hub.headers(role) if role else {}
        self.http = httpx.Client(base_url=hub.http_url, headers=headers, timeout=10)

    def call(self, method: str, path: str, **options: Any) -> "Answer":
        """One request."""
        return Answer(self.http.request(method, path, **options))

    def get(self, path: str, **options: Any) -> "Answer":
        """GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> "Answer":
        """POST of JSON, or of bytes as they are."""
        if isinstance(body, bytes):
            return self.call("POST", path, content=body, **options)
        return self.call("POST", path, json=body, **options)

    def delete(self, path: str) -> "Answer":
        """DELETE."""
        return self.call("DELETE", path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()


class Answer:
    """An answer in the one form."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.headers = response.headers
        document = response.json()
        assert set(document) == ({"success", "data", "meta"} if self.status < 400 else {"success", "error", "meta"})
        assert document["success"] is (self.status < 400)
        assert document["meta"]["request_id"] == response.headers["x-request-id"]
        self.data: Any = document.get("data")
        self.error: Any = document.get("error")
        if self.error is not None:
            assert self.error["code"] == self.status

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and stable name."""
        return self.status, self.error["error"]
