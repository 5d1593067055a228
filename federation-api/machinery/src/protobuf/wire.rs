//! Protobuf's wire format: numbered fields of four shapes, read and written one by one.

/// One field of a message, as it lies in the bytes.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Shape<'a> {
    /// An integer or a boolean.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// Four bytes, little-endian.
    Fixed32(u32),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// Walks through the fields of a message.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// What a message that breaks off looks like.
pub(super) const BREAKS_OFF: &str = "the message breaks off";

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// Answers the next field: its number and content.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Shape<'a>)>, &'static str> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let shape = match key & 7 {
            0 => Shape::Varint(self.varint()?),
            1 => Shape::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| BREAKS_OFF)?;
                Shape::Bytes(self.take(length)?)
            }
            5 => Shape::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return Err("the wire type is not one of Kubernetes'"),
        };
        Ok(Some((key >> 3, shape)))
    }

    /// Reads one packed integer; callers check that something is left.
    pub(super) fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(BREAKS_OFF)?;
            self.rest = rest;
            // The tenth byte has one bit of a 64-bit value; Go drops the others as well.
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("an integer is longer than ten bytes")
    }

    /// Whether all fields were read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(BREAKS_OFF)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| BREAKS_OFF)
    }
}

/// Appends an integer field.
pub(super) fn put_varint(out: &mut Vec<u8>, number: u64, value: u64) {
    raw_varint(out, number << 3);
    raw_varint(out, value);
}

/// Appends a field of eight bytes.
pub(super) fn put_fixed64(out: &mut Vec<u8>, number: u64, value: u64) {
    raw_varint(out, number << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a string, bytes or message field.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    raw_varint(out, number << 3 | 2);
    raw_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        put_varint(&mut out, 1, u64::MAX);
        put_bytes(&mut out, 16, b"abc");
        put_fixed64(&mut out, 3, 7);
        let mut fields = Fields::new(&out);
        assert_eq!(fields.next(), Ok(Some((1, Shape::Varint(u64::MAX)))));
        assert_eq!(fields.next(), Ok(Some((16, Shape::Bytes(b"abc")))));
        assert_eq!(fields.next(), Ok(Some((3, Shape::Fixed64(7)))));
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn every_message_that_breaks_off_is_refused() {
        let mut out = Vec::new();
        put_bytes(&mut out, 16, b"abc");
        put_fixed64(&mut out, 3, 7);
        for length in [1, 2, 3, 5, 7, out.len() - 1] {
            let mut fields = Fields::new(&out[..length]);
            let refused = std::iter::from_fn(|| match fields.next() {
                Ok(None) => None,
                Ok(Some(_)) => Some(false),
                Err(_) => Some(true),
            });
            assert!(refused.take(3).any(|refused| refused), "{length} bytes");
        }
        assert!(Fields::new(&[0x80; 11]).next().is_err());
        assert!(Fields::new(&[0x0b]).next().is_err(), "groups are not used");
    }
}
