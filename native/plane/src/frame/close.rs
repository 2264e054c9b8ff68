//! The payload of a client's close frame (RFC 6455 §5.5.1, §7.4).

use super::{Fault, Incoming};

/// Nothing, or a code that may stand in a frame and a reason in UTF-8.
pub(super) fn parse(payload: &[u8]) -> Result<Incoming<'_>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(Incoming::Close {
                code: None,
                reason: "",
            }),
            _ => Err(Fault::Protocol(
                "protocol_error; expected a close code of two bytes",
            )),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Fault::Protocol(
            "protocol_error; expected a close code that may be sent",
        ));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Fault::Utf8)?;
    Ok(Incoming::Close {
        code: Some(code),
        reason,
    })
}

/// fr1: 1004 has no meaning; 1005, 1006 and 1015 exist only as what an endpoint tells its application. 1012 to 1014 were
/// registered after the RFC.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
