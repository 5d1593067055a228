//! Text to fields and bytes: quotes, escapes, hexadecimal and base64 (RFC 1035 §5.1, RFC 3597 §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::name::unescape;

/// One blank-separated field, escapes not yet resolved.
pub(super) struct Field<'a> {
    /// What is written, without the quotes around it.
    pub(super) text: &'a str,
    pub(super) form: Form,
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// Between quotes.
    Quoted,
    /// `key="value"`, which parameters of a service alone may be (RFC 9460 §2.1).
    Assigned,
}

impl<'a> Field<'a> {
    /// The text of a field that is neither quoted nor assigned.
    pub(super) fn plain(&self) -> Option<&'a str> {
        (self.form == Form::Plain).then_some(self.text)
    }

    /// The bytes of a field that is a string.
    pub(super) fn string(&self) -> Option<Vec<u8>> {
        (self.form != Form::Assigned).then(|| unescaped(self.text)).flatten()
    }
}

/// The bytes that a text with escapes stands for.
pub(super) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'\\' {
            let (escaped, after) = unescape(after)?;
            bytes.push(escaped);
            rest = after;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    Some(bytes)
}

/// Writes bytes between quotes, with the escapes that they need there.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

/// Splits at blanks outside quotes. Parentheses only group lines in a master file, so they count as blanks; an
/// unquoted `;` would start a comment there, which in a field of its own is always a mistake.
pub(super) fn split(data: &str) -> Option<Vec<Field<'_>>> {
    let bytes = data.as_bytes();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if is_blank(bytes[at]) {
            at += 1;
            continue;
        }
        if bytes[at] == b'"' {
            let end = closing_quote(bytes, at)?;
            fields.push(Field { text: data.get(at + 1..end)?, form: Form::Quoted });
            at = end + 1;
            continue;
        }
        let from = at;
        let mut form = Form::Plain;
        while at < bytes.len() && !is_blank(bytes[at]) {
            match bytes[at] {
                b';' => return None,
                b'"' if bytes[at - 1] == b'=' && form == Form::Plain => {
                    form = Form::Assigned;
                    at = closing_quote(bytes, at)? + 1;
                    if bytes.get(at).is_some_and(|&next| !is_blank(next)) {
                        return None;
                    }
                }
                b'"' => return None,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        fields.push(Field { text: data.get(from..at)?, form });
    }
    Some(fields)
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'(' || byte == b')'
}

/// Where the quote that opens at `at` closes.
fn closing_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `\# <length> <hex>`, the part after the mark.
pub(super) fn generic(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let (length, hex) = fields.split_first()?;
    let bytes = from_hex(hex)?;
    (length.plain()?.parse::<u16>().ok()? == u16::try_from(bytes.len()).ok()?).then_some(bytes)
}

/// Bytes written as hexadecimal digits, blanks between them allowed.
pub(super) fn from_hex(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let mut digits = Vec::new();
    for field in fields {
        for digit in field.plain()?.chars() {
            digits.push(u8::try_from(digit.to_digit(16)?).ok()?);
        }
    }
    let (pairs, odd) = digits.as_chunks::<2>();
    odd.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Writes bytes as hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Bytes written in base64, blanks between allowed (RFC 4034 §2.2).
pub(super) fn from_base64(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let text: String = fields.iter().map(Field::plain).collect::<Option<_>>()?;
    STANDARD.decode(text).ok()
}

/// Writes bytes in base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
