//! Quotes text in messages the way Kubernetes messages do (Go's `%q`), because people and tools compare them.

/// Returns `text` between double quotes, with control characters and quotes escaped as Go does.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            control if control.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(control))),
            hidden if hidden.is_control() || hidden == '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(hidden)));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        for (text, expected) in [
            ("", r#""""#),
            ("web", r#""web""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("line\nbreak\ttab", r#""line\nbreak\ttab""#),
            ("bell\u{7}nul\u{0}", r#""bell\anul\x00""#),
            ("déjà", r#""déjà""#),
            ("next\u{85}line", r#""next\u0085line""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
