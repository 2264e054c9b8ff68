"""Why there is no connection."""

import ssl

import pytest
from neurograph_ws_client.reasons import reason_of

PLAIN = "no TLS there; this port seems to speak plain ws: try ws://h:1/ws"


def tls_fault(reason: str) -> ssl.SSLError:
    fault = ssl.SSLError(1, f"[SSL: {reason}] told")
    fault.reason = reason
    return fault


@pytest.mark.parametrize(
    ("fault", "url", "text"),
    [
        (TimeoutError(), "wss://h:1/ws", "no answer in time"),
        (OSError("Multiple exceptions: [Errno 111] Connect, [Errno 113] x"), "ws://h/ws", "connection refused"),
        (ConnectionRefusedError(111, "Connection refused"), "wss://h:1/ws", "connection refused"),
        (tls_fault("WRONG_VERSION_NUMBER"), "wss://h:1/ws", PLAIN),
        (
            tls_fault("CERTIFICATE_VERIFY_FAILED"),
            "wss://h:1/ws",
            "[SSL: CERTIFICATE_VERIFY_FAILED] told",
        ),
        (ConnectionResetError(), "wss://h:1/ws", PLAIN),
        (ConnectionResetError(104, "x"), "wss://ann:secret@h:1/ws", PLAIN.replace("//h", "//***@h")),
        (ConnectionResetError(), "ws://h:1/ws", "ConnectionResetError"),
    ],
)
def test_a_fault_is_told_in_words_and_tls_on_a_plain_port_with_the_url_that_works(
    fault: Exception, url: str, text: str
) -> None:
    assert text == reason_of(fault, url)
