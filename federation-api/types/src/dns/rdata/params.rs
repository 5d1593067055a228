//! Parameters of SVCB and HTTPS records: their text, their bytes, and what makes them contradict each other.
//!
//! Source: RFC 9460 §2.1, §2.2, §7, §8, appendix A; RFC 9461 for `dohpath`; RFC 9540 for `ohttp`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fields::{Field, Form, quoted, unescaped};
use super::grammar::measured;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;

/// Never a key (RFC 9460 §14.3.2).
const INVALID_KEY: u16 = 65535;

/// Keys with a name, in the order of their numbers.
const NAMED: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

/// Reads parameters in any order; their bytes are in the order of keys.
///
/// # Errors
/// What contradicts the rules, and what would be accepted.
pub(super) fn read(fields: &[Field<'_>]) -> Result<Vec<u8>, String> {
    let mut params = BTreeMap::new();
    for field in fields {
        if field.form == Form::Quoted {
            return Err(format!("{:?} is no parameter: `key`, `key=value` or `key=\"value\"`", field.text));
        }
        let (name, value) = field.text.split_once('=').unwrap_or((field.text, ""));
        let key = key(name)?;
        let is_quoted = value.starts_with('"');
        let value = if is_quoted { &value[1..value.len().saturating_sub(1)] } else { value };
        let value = unescaped(value).ok_or_else(|| format!("{name} holds a bad escape: \\DDD or \\X"))?;
        if params.insert(key, read_value(key, name, &value)?).is_some() {
            return Err(format!("{name} is given twice: each key at most once"));
        }
    }
    let mut bytes = Vec::new();
    for (key, value) in params {
        let length = u16::try_from(value.len()).map_err(|_| format!("{} is too long", key_text(key)))?;
        bytes.extend([key.to_be_bytes(), length.to_be_bytes()].concat());
        bytes.extend(value);
    }
    Ok(bytes)
}

/// The number of a key: its name, or `key` and the number without leading zeros.
fn key(name: &str) -> Result<u16, String> {
    if let Some(number) = NAMED.iter().position(|known| *known == name) {
        return Ok(number as u16);
    }
    let digits = name.strip_prefix("key").filter(|digits| *digits == "0" || !digits.starts_with('0'));
    let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match number.and_then(|digits| digits.parse().ok()) {
        Some(INVALID_KEY) | None => {
            Err(format!("{name:?} is no key: one of {} or key0 to key65534", NAMED.join(", ")))
        }
        Some(number) => Ok(number),
    }
}

fn key_text(key: u16) -> String {
    NAMED.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

/// The bytes of a value. A key written by its number has its bytes written too.
fn read_value(key: u16, name: &str, value: &[u8]) -> Result<Vec<u8>, String> {
    let text = || std::str::from_utf8(value).ok();
    let bytes =
        match key {
            _ if name.starts_with("key") => Some(value.to_vec()),
            MANDATORY => {
                let mut keys = Vec::new();
                for name in text().unwrap_or_default().split(',') {
                    keys.push(self::key(name)?);
                }
                keys.sort_unstable();
                Some(keys.into_iter().flat_map(u16::to_be_bytes).collect())
            }
            ALPN => items(value)
                .and_then(|items| items.iter().map(|item| measured(item)).collect::<Option<Vec<_>>>())
                .map(|items| items.concat()),
            PORT => text().and_then(|text| Some(text.parse::<u16>().ok()?.to_be_bytes().to_vec())),
            IPV4HINT => text()
                .and_then(|text| addresses(text, |one| one.parse().ok().map(|ip: Ipv4Addr| ip.octets()))),
            IPV6HINT => text()
                .and_then(|text| addresses(text, |one| one.parse().ok().map(|ip: Ipv6Addr| ip.octets()))),
            ECH => STANDARD.decode(value).ok(),
            _ => Some(value.to_vec()),
        };
    bytes.filter(|bytes| is_value(key, bytes)).ok_or_else(|| format!("{} is {}", key_text(key), form(key)))
}

/// What a key's value looks like.
fn form(key: u16) -> &'static str {
    match key {
        MANDATORY => "a list of other keys, each once: alpn,port",
        ALPN => "a list of protocols of 1 to 255 bytes: h2,h3",
        NO_DEFAULT_ALPN | OHTTP => "a key without a value",
        PORT => "a number from 0 to 65535",
        IPV4HINT => "a list of IPv4 addresses: 192.0.2.1,192.0.2.2",
        ECH => "a configuration in base64",
        IPV6HINT => "a list of IPv6 addresses: 2001:db8::1,2001:db8::2",
        DOHPATH => "a path with the variable dns: /dns-query{?dns}",
        _ => "a string",
    }
}

/// Divides a list at commas; `\,` and `\\` stand for themselves in an item (RFC 9460 appendix A.1).
fn items(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = vec![Vec::new()];
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        let item = items.last_mut()?;
        match byte {
            b',' => items.push(Vec::new()),
            b'\\' => item.push(*rest.next()?),
            _ => item.push(byte),
        }
    }
    Some(items)
}

fn addresses<const N: usize>(text: &str, read: impl Fn(&str) -> Option<[u8; N]>) -> Option<Vec<u8>> {
    let addresses = text.split(',').map(read).collect::<Option<Vec<_>>>()?;
    Some(addresses.concat())
}

/// Whether bytes are a value that this key can have.
fn is_value(key: u16, value: &[u8]) -> bool {
    match key {
        MANDATORY => {
            let (keys, rest) = value.as_chunks::<2>();
            rest.is_empty()
                && !keys.is_empty()
                && keys.is_sorted_by(|one, next| one < next)
                && keys[0] != [0, 0]
        }
        ALPN => protocols(value).is_some_and(|list| !list.is_empty() && list.iter().all(|id| !id.is_empty())),
        NO_DEFAULT_ALPN | OHTTP => value.is_empty(),
        PORT => value.len() == 2,
        IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
        ECH => !value.is_empty(),
        IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
        DOHPATH => std::str::from_utf8(value).is_ok_and(|path| path.starts_with('/') && path.contains("dns")),
        _ => true,
    }
}

fn protocols(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut protocols = Vec::new();
    let mut rest = value;
    while let Some((&length, after)) = rest.split_first() {
        let (protocol, after) = after.split_at_checked(usize::from(length))?;
        protocols.push(protocol);
        rest = after;
    }
    Some(protocols)
}

/// Keys and values of parameters on the wire, as they stand there.
fn divide(bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut params = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let [key_high, key_low, length_high, length_low] = *head;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let (value, after) = after.split_at_checked(length)?;
        params.push((u16::from_be_bytes([key_high, key_low]), value));
        rest = after;
    }
    Some(params)
}

/// Says what is wrong with the parameters of a record of this priority; bytes may come from the generic notation.
pub(super) fn check(priority: u16, bytes: &[u8]) -> Result<(), String> {
    let params = divide(bytes).ok_or("its parameters are cut short")?;
    if priority == 0 && !params.is_empty() {
        return Err("priority 0 makes an alias, which has no parameters (RFC 9460 §2.4.2)".to_owned());
    }
    if !params.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err("its keys are not in rising order, each once".to_owned());
    }
    let holds = |key| params.iter().any(|(own, _)| *own == key);
    for (key, value) in &params {
        if *key == INVALID_KEY || !is_value(*key, value) {
            return Err(format!("{} is {}", key_text(*key), form(*key)));
        }
        let listed = if *key == MANDATORY { value.as_chunks::<2>().0 } else { &[] };
        if let Some(missing) = listed.iter().map(|key| u16::from_be_bytes(*key)).find(|key| !holds(*key)) {
            return Err(format!("mandatory lists {0}, so {0} must be there", key_text(missing)));
        }
    }
    if holds(NO_DEFAULT_ALPN) && !holds(ALPN) {
        return Err("no-default-alpn needs alpn (RFC 9460 §7.1.1)".to_owned());
    }
    Ok(())
}

/// Writes parameters as text.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let mut words = Vec::new();
    for (key, value) in divide(bytes)? {
        let mut word = key_text(key);
        if !value.is_empty() {
            word.push('=');
            word.push_str(&value_text(key, value)?);
        }
        words.push(word);
    }
    Some(words.join(" "))
}

fn value_text(key: u16, value: &[u8]) -> Option<String> {
    let listed = |items: Vec<String>| Some(items.join(","));
    match key {
        MANDATORY => {
            listed(value.as_chunks::<2>().0.iter().map(|key| key_text(u16::from_be_bytes(*key))).collect())
        }
        ALPN => {
            let mut list = Vec::new();
            for (number, protocol) in protocols(value)?.into_iter().enumerate() {
                list.extend((number > 0).then_some(b','));
                for &byte in protocol {
                    list.extend(matches!(byte, b',' | b'\\').then_some(b'\\'));
                    list.push(byte);
                }
            }
            Some(quoted(&list))
        }
        PORT => Some(u16::from_be_bytes(*value.first_chunk()?).to_string()),
        IPV4HINT => {
            listed(value.as_chunks::<4>().0.iter().map(|ip| Ipv4Addr::from(*ip).to_string()).collect())
        }
        IPV6HINT => {
            listed(value.as_chunks::<16>().0.iter().map(|ip| Ipv6Addr::from(*ip).to_string()).collect())
        }
        ECH => Some(STANDARD.encode(value)),
        _ => Some(quoted(value)),
    }
}
