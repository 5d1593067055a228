//! Domain names in wire format, lower case, and the label arithmetic that zones need.
//!
//! A [`Name`] is valid by construction: labels of 1 to 63 bytes, 255 bytes in all, absolute. It is always lower
//! case, because names compare without case (RFC 4343) and every use here is a comparison or an answer of our
//! own; the case of a question is kept by copying the question, not by parsing it.

use std::fmt;
use std::str::FromStr;

/// Longest name on the wire, the root's zero byte included (RFC 1035 §2.3.4).
pub const NAME_MAX: usize = 255;

/// Longest label (RFC 1035 §2.3.4).
pub const LABEL_MAX: usize = 63;

/// An absolute domain name in uncompressed wire format, lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing between two dots, or before the first.
    #[error("name {0:?} has an empty label")]
    EmptyLabel(String),
    /// A label above 63 bytes.
    #[error("a label of name {0:?} is longer than 63 bytes")]
    LabelTooLong(String),
    /// More than 255 bytes in all.
    #[error("name {0:?} is longer than 255 bytes")]
    NameTooLong(String),
    /// A backslash that begins no escape.
    #[error("name {0:?} has a bad escape; \\DDD (000 to 255) or \\X is expected")]
    BadEscape(String),
    /// Several labels without the final dot, where only one may be relative.
    #[error("name {0:?} lacks the final dot; only a single label may be relative to the zone")]
    NoFinalDot(String),
}

/// What a name without the final dot is relative to.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// The root: every name is absolute, and the final dot may be missing.
    Root,
    /// This name, as in a zone file (RFC 1035 §5.1); `@` is the name itself.
    Origin(&'a Name),
    /// This name, but for single labels only. Most who write `www.example.net` without the final dot do not mean a
    /// name below their zone, so it is refused.
    OriginOfLabels(&'a Name),
}

impl Name {
    /// Reads a name in master-file notation (RFC 1035 §5.1).
    ///
    /// # Errors
    /// When it is none, or is relative where it may not be.
    pub fn read(text: &str, base: Base<'_>) -> Result<Self, InvalidName> {
        let origin = match base {
            Base::Root => return text.parse(),
            Base::Origin(origin) | Base::OriginOfLabels(origin) => origin,
        };
        if text == "@" {
            return Ok(origin.clone());
        }
        let name: Self = text.parse()?;
        if text == "." || ends_with_dot(text) {
            return Ok(name);
        }
        if matches!(base, Base::OriginOfLabels(_)) && name.n_labels() > 1 {
            return Err(InvalidName::NoFinalDot(text.to_owned()));
        }
        let wire = [&name.0[..name.0.len() - 1], &origin.0].concat();
        if wire.len() > NAME_MAX {
            return Err(InvalidName::NameTooLong(text.to_owned()));
        }
        Ok(Self(wire.into_boxed_slice()))
    }

    /// The name with its final dot, as zone files write absolute names.
    pub fn dotted(&self) -> String {
        if self.0.len() == 1 { ".".to_owned() } else { format!("{self}.") }
    }

    /// The name with the labels of `above` at its end replaced by those of `target` (RFC 6672 §2.2).
    ///
    /// Answers `None` when the result is longer than a name can be, or the name does not lie below `above`.
    pub fn substitute(&self, above: &Self, target: &Self) -> Option<Self> {
        let prefix = self.0.strip_suffix(above.wire()).filter(|prefix| !prefix.is_empty())?;
        let wire = [prefix, target.wire()].concat();
        (self.is_within(above) && wire.len() <= NAME_MAX).then(|| Self(wire.into_boxed_slice()))
    }

    /// The root.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Reads the lower-cased name from wire bytes that end with the root's zero byte.
    ///
    /// Answers `None` when `wire` is not exactly one uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        if wire_length(wire)? != wire.len() {
            return None;
        }
        Some(Self(wire.to_ascii_lowercase().into_boxed_slice()))
    }

    /// Reads the name at `at` of a message, whose end may be a pointer to something earlier (RFC 1035 §4.1.4).
    ///
    /// Shape: the name and where what follows it begins.
    pub fn from_message(message: &[u8], at: usize) -> Option<(Self, usize)> {
        let mut wire = Vec::new();
        let (mut at, mut earlier_than, mut after) = (at, at, None);
        while wire.len() < NAME_MAX {
            let length = usize::from(*message.get(at)?);
            match length {
                0..=LABEL_MAX => {
                    wire.extend_from_slice(message.get(at..=at + length)?);
                    at += 1 + length;
                    if length == 0 {
                        return Some((Self::from_wire(&wire)?, after.unwrap_or(at)));
                    }
                }
                192..=255 => {
                    after = after.or(Some(at + 2));
                    at = (length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                    // Every pointer goes back, so that following them ends.
                    if at >= earlier_than {
                        return None;
                    }
                    earlier_than = at;
                }
                _ => return None,
            }
        }
        None
    }

    /// The wire bytes, the final zero included.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// How many labels, the root not counted.
    pub fn n_labels(&self) -> usize {
        suffixes(&self.0).count() - 1
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        suffixes(&self.0).any(|suffix| suffix == other.wire())
    }

    /// The name without its first label; none for the root.
    pub fn parent(&self) -> Option<Self> {
        parent(&self.0).map(|wire| Self(wire.into()))
    }

    /// Whether the first label is exactly `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    /// Reads master-file notation (RFC 1035 §5.1), always as an absolute name: the final dot may be missing.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut wire = vec![0];
        let mut label_at = 0;
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte == b'.' {
                close_label(&mut wire, label_at, text)?;
                label_at = wire.len();
                wire.push(0);
                continue;
            }
            if byte == b'\\' {
                let (escaped, after) =
                    unescape(rest).ok_or_else(|| InvalidName::BadEscape(text.to_owned()))?;
                wire.push(escaped);
                rest = after;
            } else {
                wire.push(byte);
            }
        }
        if wire.len() > label_at + 1 {
            close_label(&mut wire, label_at, text)?;
            wire.push(0);
        } else if label_at == 0 {
            return Err(InvalidName::EmptyLabel(text.to_owned()));
        }
        if wire.len() > NAME_MAX {
            return Err(InvalidName::NameTooLong(text.to_owned()));
        }
        wire.make_ascii_lowercase();
        Ok(Self(wire.into_boxed_slice()))
    }
}

/// Whether the text ends with a dot that is not escaped.
fn ends_with_dot(text: &str) -> bool {
    let Some(before) = text.strip_suffix('.') else { return false };
    let n_backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
    n_backslashes.is_multiple_of(2)
}

fn close_label(wire: &mut [u8], label_at: usize, text: &str) -> Result<(), InvalidName> {
    let length = wire.len() - label_at - 1;
    if length == 0 {
        return Err(InvalidName::EmptyLabel(text.to_owned()));
    }
    if length > LABEL_MAX {
        return Err(InvalidName::LabelTooLong(text.to_owned()));
    }
    wire[label_at] = u8::try_from(length).expect("a label was just measured to be at most 63 bytes");
    Ok(())
}

/// Reads what follows a backslash: three decimal digits or any one byte.
///
/// Shape: the byte meant, and the rest of the text.
pub fn unescape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, after) = rest.split_first()?;
    if !first.is_ascii_digit() {
        return Some((first, after));
    }
    let (digits, after) = rest.split_at_checked(3)?;
    let mut number = 0u16;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u16::from(digit - b'0');
    }
    Some((u8::try_from(number).ok()?, after))
}

/// The length of the uncompressed name that begins `bytes`, its zero byte included.
///
/// Answers `None` for compression pointers, unknown label kinds, names above 255 bytes and names cut short.
#[inline]
pub fn wire_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some(at);
        }
        at += length;
        if length > LABEL_MAX || at >= NAME_MAX {
            return None;
        }
    }
}

/// The name itself, its parent, and so on up to the root.
#[inline]
pub fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(wire), |suffix| parent(suffix))
}

/// The name without its first label; none for the root.
#[inline]
pub fn parent(wire: &[u8]) -> Option<&[u8]> {
    match usize::from(*wire.first()?) {
        0 => None,
        length => wire.get(length + 1..),
    }
}

/// Writes a name as people write it: without the final dot, special bytes escaped; the root is `.`.
pub fn write_text(wire: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if wire.len() <= 1 {
        return f.write_str(".");
    }
    for (number, suffix) in suffixes(wire).enumerate() {
        let length = usize::from(suffix[0]);
        if length == 0 {
            break;
        }
        if number > 0 {
            f.write_str(".")?;
        }
        for &byte in &suffix[1..=length] {
            match byte {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    write!(f, "\\{}", char::from(byte))?;
                }
                b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\{byte:03}")?,
            }
        }
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn reads_names_with_and_without_the_final_dot() {
        assert_eq!(name("Shop.Example.COM").wire(), b"\x04shop\x07example\x03com\x00");
        assert_eq!(name("shop.example.com."), name("shop.example.com"));
        assert_eq!(name(".").wire(), b"\x00");
        assert_eq!(name(r"a\.b.c").wire(), b"\x03a.b\x01c\x00");
        assert_eq!(name(r"\065\032.c").wire(), b"\x02a \x01c\x00");
    }

    #[test]
    fn completes_relative_names_as_the_base_says() {
        let zone = name("example.com");
        for (text, in_file, at_door) in [
            ("@", "example.com", Some("example.com")),
            ("www", "www.example.com", Some("www.example.com")),
            ("a.b", "a.b.example.com", None),
            ("a.b.", "a.b", Some("a.b")),
            (".", ".", Some(".")),
            (r"a\.", r"a\..example.com", Some(r"a\..example.com")),
            (r"a\\.", r"a\\", Some(r"a\\")),
        ] {
            assert_eq!(Name::read(text, Base::Origin(&zone)), Ok(name(in_file)), "{text}");
            assert_eq!(Name::read(text, Base::OriginOfLabels(&zone)).ok(), at_door.map(name), "{text}");
        }
        let long = [&"a".repeat(63); 4].map(String::as_str).join(".");
        let long = &long[..250];
        assert_eq!(Name::read(long, Base::Origin(&zone)), Err(InvalidName::NameTooLong(long.to_owned())));
        assert_eq!((name("a.b").dotted(), Name::root().dotted()), ("a.b.".into(), ".".into()));
    }

    #[test]
    fn substitutes_the_end_of_a_name() {
        for (text, above, target, wanted) in [
            ("www.old.example", "old.example", "new.example", Some("www.new.example")),
            ("a.b.old.example", "old.example", ".", Some("a.b")),
            ("old.example", "old.example", "new.example", None),
            ("old.other", "old.example", "new.example", None),
            ("www.bold.example", "old.example", "new.example", None),
        ] {
            assert_eq!(name(text).substitute(&name(above), &name(target)), wanted.map(name), "{text}");
        }
        let label = "a".repeat(63);
        let long = name(&[label.as_str(); 3].join("."));
        assert_eq!(
            name(&format!("{label}.x")).substitute(&name("x"), &long).map(|name| name.wire().len()),
            None
        );
        assert!(name(&format!("{}.x", &label[..61])).substitute(&name("x"), &long).is_some());
    }

    #[test]
    fn refuses_what_is_not_a_name() {
        for (text, wanted) in [
            ("", InvalidName::EmptyLabel(String::new())),
            ("a..b", InvalidName::EmptyLabel("a..b".into())),
            (".a", InvalidName::EmptyLabel(".a".into())),
            (r"a\25", InvalidName::BadEscape(r"a\25".into())),
            (r"a\256", InvalidName::BadEscape(r"a\256".into())),
            ("a\\", InvalidName::BadEscape("a\\".into())),
        ] {
            assert_eq!(text.parse::<Name>(), Err(wanted));
        }
        let long_label = "a".repeat(64);
        assert_eq!(long_label.parse::<Name>(), Err(InvalidName::LabelTooLong(long_label.clone())));
        let long_name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
        assert_eq!(long_name.parse::<Name>(), Err(InvalidName::NameTooLong(long_name.clone())));
        assert_eq!(name(&long_name[..long_name.len() - 1]).wire().len(), NAME_MAX);
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["shop.example.com", ".", r"a\.b.c", r"\000\255.x", "*.example", r"a\\b.c"] {
            assert_eq!(name(text).to_string(), text);
            assert_eq!(name(&name(text).to_string()), name(text));
        }
    }

    #[test]
    fn knows_parents_and_containment() {
        let shop = name("shop.example.com");
        assert_eq!(shop.parent(), Some(name("example.com")));
        assert_eq!(Name::root().parent(), None);
        assert!(shop.is_within(&name("com")) && shop.is_within(&shop) && shop.is_within(&Name::root()));
        assert!(!shop.is_within(&name("ample.com")) && !name("com").is_within(&shop));
        assert!(name("*.a").is_wildcard());
        assert!(!name("**.a").is_wildcard() && !name("a.*").is_wildcard());
        assert_eq!((shop.n_labels(), Name::root().n_labels()), (3, 0));
    }

    #[test]
    fn measures_only_whole_uncompressed_names() {
        assert_eq!(wire_length(b"\x01a\x00rest"), Some(3));
        assert_eq!(wire_length(b"\x00"), Some(1));
        for bad in [&b""[..], b"\x01", b"\x01a", b"\xc0\x0c", b"\x40a\x00", b"\x80\x00"] {
            assert_eq!(wire_length(bad), None);
        }
        let mut long = b"\x01a".repeat(127);
        long.push(0);
        assert_eq!(wire_length(&long), Some(255));
        let mut longer = b"\x01a".repeat(128);
        longer.push(0);
        assert_eq!(wire_length(&longer), None);
    }
}
