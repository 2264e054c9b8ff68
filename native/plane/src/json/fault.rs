use std::fmt;

/// Why a text is refused (`bad_json`): where, what was expected there, and what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonFault {
    /// Offset of the byte, or of the token's first byte, that was refused.
    pub at: usize,
    /// "expected …".
    pub what: &'static str,
    /// The byte that came instead, if that one byte is the fault; `None` at the end of the text, too.
    pub came: Option<u8>,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)?;
        match self.came {
            Some(byte @ b'!'..=b'~') => write!(f, ", got {}", char::from(byte)),
            Some(byte) => write!(f, ", got byte {byte:#04x}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JsonFault {}
