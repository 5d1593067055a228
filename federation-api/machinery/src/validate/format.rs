//! The forms of names: DNS labels, label keys and values, port names, config keys.
//!
//! Each check answers the complaints about a text, none when it is fine. The complaints carry the expression that
//! clients have learnt to show; the check itself is by hand, so no regular expression runs on the write path.

/// A DNS-1123 label: `web-1`.
const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
/// Longest label of a DNS name (RFC 1123).
const LABEL_MAX: usize = 63;
/// Longest DNS name.
const SUBDOMAIN_MAX: usize = 253;
/// Longest port name (RFC 6335).
const PORT_NAME_MAX: usize = 15;

/// Complaints about a label of DNS names, as namespaces and Services have.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, LABEL_MAX, "characters");
    if !is_dns_label(text) {
        complaints.push(if is_dns_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            explained(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    complaints
}

/// Complaints about a label that starts with a letter, as the names of Services must.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, LABEL_MAX, "characters");
    if !(is_dns_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase())) {
        complaints.push(explained(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    complaints
}

/// Complaints about a DNS name, which most objects are named with.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, SUBDOMAIN_MAX, "characters");
    if !is_dns_subdomain(text) {
        complaints.push(explained(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            &format!("{LABEL}(\\.{LABEL})*"),
            &["example.com"],
        ));
    }
    complaints
}

/// Complaints about a DNS name whose first label is `*`.
pub fn wildcard_dns_subdomain(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, SUBDOMAIN_MAX, "characters");
    if !text.strip_prefix("*.").is_some_and(is_dns_subdomain) {
        complaints.push(explained(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{LABEL}(\\.{LABEL})*"),
            &["*.example.com"],
        ));
    }
    complaints
}

/// Complaints about the key of a label or an annotation: `tier`, `example.com/tier`.
pub fn label_key(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((prefix, name)) => (Some(prefix), name),
    };
    let part = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let expression = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    let explained_part = explained(part, expression, &["MyName", "my.name", "123-abc"]);
    if name.contains('/') {
        return vec![format!(
            "a valid label key {explained_part} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )];
    }
    let mut complaints = Vec::new();
    match prefix {
        Some("") => complaints.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            let about_prefix = dns_subdomain(prefix)
                .into_iter()
                .map(|complaint| format!("prefix part {}", complaint.replace("253 characters", "253 bytes")));
            complaints.extend(about_prefix);
        }
        None => {}
    }
    if name.is_empty() {
        complaints.push("name part must be non-empty".to_owned());
    }
    complaints.extend(
        at_most(name, LABEL_MAX, "bytes").into_iter().map(|complaint| format!("name part {complaint}")),
    );
    if !is_label_text(name) {
        complaints.push(format!("name part {explained_part}"));
    }
    complaints
}

/// Complaints about the value of a label.
pub fn label_value(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, LABEL_MAX, "bytes");
    if !(text.is_empty() || is_label_text(text)) {
        complaints.push(explained(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    complaints
}

/// Complaints about the name of a port.
pub fn port_name(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, PORT_NAME_MAX, "characters");
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || !text.bytes().all(is_known) {
        complaints.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        complaints.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        complaints.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        complaints.push("must not begin or end with a hyphen".to_owned());
    }
    complaints
}

/// Complaints about the name of an environment variable: printable ASCII without `=`.
pub fn env_name(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.is_empty() {
        complaints.push("environment variable name must be non-empty".to_owned());
    }
    if text.bytes().any(|byte| !(b' '..=b'~').contains(&byte) || byte == b'=') {
        complaints.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    complaints
}

/// Complaints about a key of a ConfigMap or Secret, which may become a file name.
pub fn config_key(text: &str) -> Vec<String> {
    let mut complaints = at_most(text, SUBDOMAIN_MAX, "characters");
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || !text.bytes().all(is_known) {
        complaints.push(explained(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match text {
        "." => complaints.push("must not be '.'".to_owned()),
        ".." => complaints.push("must not be '..'".to_owned()),
        longer if longer.starts_with("..") => complaints.push("must not start with '..'".to_owned()),
        _ => {}
    }
    complaints
}

/// Complaints about a name that only has to fit into a request path, such as an RBAC role's.
pub fn path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"]
        .into_iter()
        .filter(|illegal| text.contains(illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}

/// Complaints about a percentage: `25%`.
pub fn percent(text: &str) -> Vec<String> {
    let is_percent = text
        .strip_suffix('%')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if is_percent {
        return Vec::new();
    }
    vec![explained(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// Complaints about the number of a port.
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65_535).contains(&port) {
        Vec::new()
    } else {
        vec!["must be between 1 and 65535, inclusive".to_owned()]
    }
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    !bytes.is_empty() && bytes.iter().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

fn is_label_text(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inner)
}

fn at_most(text: &str, n_max: usize, unit: &str) -> Vec<String> {
    if text.len() > n_max { vec![format!("must be no more than {n_max} {unit}")] } else { Vec::new() }
}

fn explained(rule: &str, expression: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{rule} (e.g. {}regex used for validation is '{expression}')", examples.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, texts it accepts and texts it refuses.
    type Case<'a> = (&'a str, fn(&str) -> Vec<String>, &'a [&'a str], &'a [&'a str]);

    #[test]
    fn accepts_and_refuses_names() {
        let long = "a".repeat(64);
        let checks: [Case<'_>; 10] = [
            ("label", dns_label, &["a", "a-1", "1a", "0"], &["", "A", "-a", "a-", "a.b", "a_b", &long]),
            ("1035", dns_1035_label, &["a", "a-1"], &["1a", "", "-a", &long]),
            ("subdomain", dns_subdomain, &["a", "a.b-c.d", "1.2"], &["", "a..b", ".a", "a.", "A.b", "a_b"]),
            ("wildcard", wildcard_dns_subdomain, &["*.a.b"], &["*", "a.b", "*.", "*.*.a", "*a.b"]),
            ("key", label_key, &["a", "A.b_c-1", "a.b/C"], &["", "/a", "a/", "a/b/c", "A/b", "-a", &long]),
            ("value", label_value, &["", "a", "A.b_c"], &["-", "a-", "a b", "ä", &long]),
            (
                "port",
                port_name,
                &["http", "a-1", "1a"],
                &["", "1", "-a", "a-", "a--b", "A", "abcdefghijklmnop"],
            ),
            ("env", env_name, &["A", "a b", "1-2.3"], &["", "a=b", "ä", "a\n"]),
            ("config", config_key, &["a", "A_b.c-d", ".a"], &["", ".", "..", "..a", "a/b", "a b"]),
            ("path", path_segment, &["a:b", ""], &[".", "..", "a/b", "a%b"]),
        ];
        for (name, check, good, bad) in checks {
            for text in good {
                assert_eq!(check(text), Vec::<String>::new(), "{name} {text}");
            }
            for text in bad {
                assert_ne!(check(text), Vec::<String>::new(), "{name} {text}");
            }
        }
    }

    #[test]
    fn explains_as_upstream_does() {
        for (complaints, expected) in [
            (dns_label("a.b"), "must not contain dots"),
            (
                dns_label("A"),
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ),
            (
                dns_subdomain("A_b"),
                r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
            (
                label_key("a/b/c"),
                "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
            ),
            (label_key("/a"), "prefix part must be non-empty"),
            (label_value(&"a".repeat(64)), "must be no more than 63 bytes"),
            (port_number(0), "must be between 1 and 65535, inclusive"),
        ] {
            assert_eq!(complaints, [expected]);
        }
    }
}
