//! Probes, from wire to what DNS nodes carry out.

use koinon_machinery::validate::{FieldError, format};
use koinon_model::served_name::Host;
use regex::RegexBuilder;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::{name, seconds};
use crate::dns::rdata::{self, question_number};
use crate::dns::rtype;
use crate::names::{
    BodyMatch, Check, DnsProbe, DnsTransport, GrpcProbe, HttpMethod, HttpProbe, PATTERN_BYTES_MAX, Probe,
    ProbeTls, Trust,
};
use crate::v1alpha1;

const PATH: &str = "spec.health";

/// From one probe to the next where nothing is said, and how long to wait for it at most. Units: milliseconds.
const INTERVAL_MS: i64 = 2_000;
const TIMEOUT_MS: i64 = 1_000;

/// The response codes that a probe can want, in the order of their numbers (RFC 1035 §4.1.1).
const RCODES: [&str; 6] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

/// Headers that a probe sets itself, or that say how a message is framed.
const OWN_HEADERS: [&str; 5] = ["host", "connection", "content-length", "transfer-encoding", "te"];

/// Reads how endpoints are probed, if they are.
pub(super) fn check(wire: &v1alpha1::RecordHealth, errors: &mut Vec<FieldError>) -> Option<Check> {
    let given = [
        ("http", wire.http.is_some()),
        ("tcp", wire.tcp.is_some()),
        ("grpc", wire.grpc.is_some()),
        ("dns", wire.dns.is_some()),
    ];
    let mut given = given.iter().filter(|(_, is_given)| *is_given).map(|(field, _)| field);
    let Some(_first) = given.next() else {
        forbid_settings(wire, errors);
        return None;
    };
    if let Some(second) = given.next() {
        let accepted = "only one of http, tcp, grpc and dns";
        errors.push(FieldError::forbidden(format!("{PATH}.{second}"), accepted));
        return None;
    }
    let (probe, port) = if let Some(http) = &wire.http {
        (http_probe(http, errors).map(Probe::Http), http.port)
    } else if let Some(grpc) = &wire.grpc {
        let tls = grpc.tls.as_ref().map(|wire| tls(wire, &format!("{PATH}.grpc.tls"), errors));
        (Some(Probe::Grpc(GrpcProbe { service: grpc.service.clone(), tls })), grpc.port)
    } else if let Some(dns) = &wire.dns {
        (dns_probe(dns, errors).map(Probe::Dns), dns.port.unwrap_or(53))
    } else {
        (Some(Probe::Tcp), wire.tcp.as_ref().map_or(0, |tcp| tcp.port))
    };
    let (interval_ms, timeout_ms) = times(wire, errors);
    Some(Check {
        probe: probe?,
        port: u16::try_from(port).unwrap_or(0),
        interval_ms,
        timeout_ms,
        failure_threshold: seconds(wire.failure_threshold.unwrap_or(3)),
        success_threshold: seconds(wire.success_threshold.unwrap_or(2)),
    })
}

/// Settings of probes mean nothing without one.
fn forbid_settings(wire: &v1alpha1::RecordHealth, errors: &mut Vec<FieldError>) {
    let settings = [
        ("intervalSeconds", wire.interval_seconds),
        ("intervalMilliseconds", wire.interval_milliseconds),
        ("timeoutSeconds", wire.timeout_seconds),
        ("timeoutMilliseconds", wire.timeout_milliseconds),
        ("failureThreshold", wire.failure_threshold),
        ("successThreshold", wire.success_threshold),
    ];
    for (field, _) in settings.iter().filter(|(_, value)| value.is_some()) {
        let accepted = "only with one of http, tcp, grpc and dns";
        errors.push(FieldError::forbidden(format!("{PATH}.{field}"), accepted));
    }
}

/// Interval and timeout. Units: milliseconds.
fn times(wire: &v1alpha1::RecordHealth, errors: &mut Vec<FieldError>) -> (u64, u64) {
    let mut given = |field: &str, whole: Option<i64>, fine: Option<i64>| {
        if whole.is_some() && fine.is_some() {
            let accepted = format!("only one of {field}Seconds and {field}Milliseconds");
            errors.push(FieldError::forbidden(format!("{PATH}.{field}Milliseconds"), accepted));
        }
        match fine {
            Some(fine) => (Some(fine), "Milliseconds", fine),
            None => (whole.map(|whole| whole.saturating_mul(1_000)), "Seconds", whole.unwrap_or_default()),
        }
    };
    let (interval, ..) = given("interval", wire.interval_seconds, wire.interval_milliseconds);
    let (timeout, unit, written) = given("timeout", wire.timeout_seconds, wire.timeout_milliseconds);
    let interval = interval.unwrap_or(INTERVAL_MS);
    let timeout = timeout.unwrap_or(TIMEOUT_MS.min(interval));
    if timeout > interval {
        let accepted = format!("must be at most the interval, which is {interval} ms");
        errors.push(FieldError::invalid(format!("{PATH}.timeout{unit}"), written, accepted));
    }
    (seconds(interval).into(), seconds(timeout).into())
}

fn http_probe(wire: &v1alpha1::HttpProbe, errors: &mut Vec<FieldError>) -> Option<HttpProbe> {
    let at = |field: &str| format!("{PATH}.http.{field}");
    let before = errors.len();
    let path = if wire.path.is_empty() { "/" } else { &wire.path };
    if !path.starts_with('/') || path.contains(|c: char| !c.is_ascii_graphic() || "\"<>`{}#".contains(c)) {
        let accepted = "must begin with '/' and hold only characters of a URL, others percent-encoded";
        errors.push(FieldError::invalid(at("path"), path, accepted));
    }
    if !wire.host.is_empty() {
        name::complain(format::dns_subdomain(&wire.host), &wire.host, &at("host"), errors);
    }
    let is_tls = wire.scheme == v1alpha1::Scheme::Https;
    if !is_tls && wire.tls.is_some() {
        errors.push(FieldError::forbidden(at("tls"), "only with scheme HTTPS"));
    }
    if wire.method == v1alpha1::HttpMethod::Head && wire.body.is_some() {
        errors
            .push(FieldError::forbidden(at("body"), "only with method GET; HEAD is answered without a body"));
    }
    let given = wire.tls.clone().unwrap_or_default();
    let probe = HttpProbe {
        method: match wire.method {
            v1alpha1::HttpMethod::Get => HttpMethod::Get,
            v1alpha1::HttpMethod::Head => HttpMethod::Head,
        },
        path: path.to_owned(),
        host: (!wire.host.is_empty()).then(|| wire.host.clone()),
        headers: headers(&wire.http_headers, errors),
        statuses: statuses(&wire.expected_statuses, errors),
        body: wire.body.as_ref().and_then(|wire| body(wire, &at("body"), errors)),
        tls: is_tls.then(|| tls(&given, &at("tls"), errors)),
    };
    (errors.len() == before).then_some(probe)
}

fn headers(wire: &[v1alpha1::HttpHeader], errors: &mut Vec<FieldError>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (index, header) in wire.iter().enumerate() {
        let path = format!("{PATH}.http.httpHeaders[{index}]");
        let lower = header.name.to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if header.name.is_empty() || header.name.len() > 128 || !header.name.bytes().all(is_token) {
            let accepted = "must be the name of a header: letters, digits and '-', at most 128";
            errors.push(FieldError::invalid(format!("{path}.name"), header.name.as_str(), accepted));
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            let accepted = "must be none that the probe sets itself; the Host header is health.http.host";
            errors.push(FieldError::invalid(format!("{path}.name"), header.name.as_str(), accepted));
        }
        if header.value.len() > 1_024 || !header.value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let accepted = "must be printable ASCII, at most 1024 characters";
            errors.push(FieldError::invalid(format!("{path}.value"), header.value.as_str(), accepted));
        }
        headers.push((lower, header.value.clone()));
    }
    headers
}

fn statuses(wire: &[String], errors: &mut Vec<FieldError>) -> Vec<(u16, u16)> {
    if wire.is_empty() {
        return vec![(200, 399)];
    }
    let mut statuses = Vec::new();
    for (index, text) in wire.iter().enumerate() {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..600).contains(status));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => statuses.push((first, last)),
            _ => {
                let accepted = "must be a status from 100 to 599, or a range such as 200-299";
                let path = format!("{PATH}.http.expectedStatuses[{index}]");
                errors.push(FieldError::invalid(path, text.as_str(), accepted));
            }
        }
    }
    statuses
}

fn body(wire: &v1alpha1::BodyMatch, path: &str, errors: &mut Vec<FieldError>) -> Option<BodyMatch> {
    match (wire.contains.as_str(), wire.matches.as_str()) {
        ("", "") => {
            errors.push(FieldError::required(path, "one of contains and matches"));
            None
        }
        (text, "") => Some(BodyMatch::Contains(text.to_owned())),
        ("", pattern) => match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(_) => Some(BodyMatch::Matches(pattern.to_owned())),
            Err(error) => {
                // The library's text is several lines with a picture; the last one says what is wrong.
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim();
                let accepted =
                    format!("must be a regular expression, without look-around and back-references: {why}");
                errors.push(FieldError::invalid(format!("{path}.matches"), pattern, accepted));
                None
            }
        },
        _ => {
            errors.push(FieldError::forbidden(path, "only one of contains and matches"));
            None
        }
    }
}

fn tls(wire: &v1alpha1::ProbeTls, path: &str, errors: &mut Vec<FieldError>) -> ProbeTls {
    if !wire.server_name.is_empty() {
        let complaints = format::dns_subdomain(&wire.server_name);
        name::complain(complaints, &wire.server_name, &format!("{path}.serverName"), errors);
    }
    let at = format!("{path}.caBundle");
    if wire.insecure_skip_verify && !wire.ca_bundle.is_empty() {
        let accepted = "only without insecureSkipVerify, which takes any certificate";
        errors.push(FieldError::forbidden(&at, accepted));
    }
    let certificates: Result<Vec<CertificateDer<'_>>, _> =
        CertificateDer::pem_slice_iter(wire.ca_bundle.as_bytes()).collect();
    let is_readable = certificates.is_ok_and(|certificates| !certificates.is_empty());
    if !wire.ca_bundle.is_empty() && !is_readable {
        let accepted = "must be certificates in PEM, each from BEGIN CERTIFICATE to END CERTIFICATE";
        errors.push(FieldError::invalid(at, "", accepted));
    }
    ProbeTls {
        server_name: (!wire.server_name.is_empty()).then(|| wire.server_name.clone()),
        trust: match (wire.insecure_skip_verify, wire.ca_bundle.as_str()) {
            (true, _) => Trust::Anybody,
            (false, "") => Trust::System,
            (false, bundle) => Trust::Authorities(bundle.to_owned()),
        },
    }
}

fn dns_probe(wire: &v1alpha1::DnsProbe, errors: &mut Vec<FieldError>) -> Option<DnsProbe> {
    let at = |field: &str| format!("{PATH}.dns.{field}");
    // The root is a name that is often asked for, and no host.
    let name = if wire.name == "." {
        Some(String::new())
    } else {
        name::host(&wire.name, &at("name"), errors).map(|host: Host| host.to_string())
    };
    let kind = if wire.kind.is_empty() { "A" } else { &wire.kind };
    let number = question_number(kind).filter(|number| !is_meta(*number));
    if number.is_none() {
        let accepted = "must be a type of records such as A or SOA, or TYPE and a number";
        errors.push(FieldError::invalid(at("type"), kind, accepted));
    }
    let rcode = if wire.expected_rcode.is_empty() { "NOERROR" } else { &wire.expected_rcode };
    let found = RCODES.iter().position(|known| *known == rcode);
    if found.is_none() {
        errors.push(FieldError::not_supported(at("expectedRcode"), rcode, &RCODES));
    }
    let answer = match (wire.expected_answer.as_str(), number) {
        ("", _) | (_, None) => None,
        (text, Some(number)) => match rdata::parse(number, text) {
            Ok(data) => Some(data.wire()),
            Err(error) => {
                errors.push(FieldError::invalid(at("expectedAnswer"), text, error.to_string()));
                None
            }
        },
    };
    if !wire.expected_answer.is_empty() && found.is_some_and(|rcode| rcode != 0) {
        let accepted = "only with expectedRcode NOERROR";
        errors.push(FieldError::forbidden(at("expectedAnswer"), accepted));
    }
    let transport = match wire.protocol {
        v1alpha1::ProbeProtocol::Udp => DnsTransport::Udp,
        v1alpha1::ProbeProtocol::Tcp => DnsTransport::Tcp,
    };
    let rcode = found.and_then(|rcode| u16::try_from(rcode).ok())?;
    Some(DnsProbe { name: name?, kind: number?, transport, rcode, answer })
}

/// Whether a type is no type of records, but about the protocol.
fn is_meta(number: u16) -> bool {
    number == 0 || number == rtype::OPT || (rtype::META_FIRST..=rtype::META_LAST).contains(&number)
}
