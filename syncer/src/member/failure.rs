//! What can go wrong between a syncer and its member, one variant per thing that the caller does differently.

use std::error::Error as _;
use std::time::Duration;

use koinon_machinery::Value;
use thiserror::Error;

use super::CONNECT_DEADLINE;

/// A request that a member did not carry out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// The kubeconfig cannot be used; only a person can mend it.
    #[error("kubeconfig: {0}")]
    Configuration(String),
    /// Nobody listens, or no route leads there.
    #[error("connection failed: {0}")]
    Refused(String),
    /// The member said nothing in time.
    #[error("no answer within {} ms", after.as_millis())]
    Hung {
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection broke in the middle.
    #[error("connection lost: {0}")]
    Reset(String),
    /// The TLS handshake failed: wrong authority, wrong name, expired.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The member does not accept our credentials (401).
    #[error("credentials refused: {0}")]
    Unauthorized(String),
    /// Our credentials do not allow this (403).
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// No such object, or (with `object` false) no such kind.
    #[error("not found: {message}")]
    NotFound {
        /// Whether the kind exists and only the object is missing.
        object: bool,
        /// The member's words.
        message: String,
    },
    /// Another manager or a newer version stands in the way (409).
    #[error("conflict: {0}")]
    Conflict(String),
    /// The member refuses the content (400, 413, 415, 422): retrying the same does not help.
    #[error("refused: {0}")]
    Invalid(String),
    /// The member asks to come back later (429, 503).
    #[error("throttled: {message}")]
    Throttled {
        /// When to come back, if it said so.
        retry_after: Option<Duration>,
        /// The member's words.
        message: String,
    },
    /// The resourceVersion is no longer in the member's history (410).
    #[error("expired: {0}")]
    Gone(String),
    /// The member failed inside (other 5xx).
    #[error("member error {code}: {message}")]
    Server {
        /// HTTP status code.
        code: u16,
        /// The member's words.
        message: String,
    },
    /// The answer is not what the Kubernetes API promises.
    #[error("protocol: {0}")]
    Protocol(String),
}

impl Failure {
    /// A failure of configuration, with its causes spelled out.
    pub fn configuration(error: &dyn std::error::Error) -> Self {
        Self::Configuration(chain(error))
    }

    /// Whether the member itself could not be reached or did not answer, so that nothing is known of the request.
    pub fn lacks_contact(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Hung { .. } | Self::Reset(_) | Self::Certificate(_) => true,
            Self::Configuration(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound { .. }
            | Self::Conflict(_)
            | Self::Invalid(_)
            | Self::Throttled { .. }
            | Self::Gone(_)
            | Self::Server { .. }
            | Self::Protocol(_) => false,
        }
    }

    /// Whether the object is not the one that the request was meant for: another has its name, or it is gone or new.
    pub fn doubts_identity(&self) -> bool {
        match self {
            Self::Conflict(_) => true,
            // A server finds another identity when it validates: "metadata.uid: Invalid value: …: field is immutable".
            Self::Invalid(message) => message.contains("metadata.uid"),
            Self::Refused(_)
            | Self::Hung { .. }
            | Self::Reset(_)
            | Self::Certificate(_)
            | Self::Configuration(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound { .. }
            | Self::Throttled { .. }
            | Self::Gone(_)
            | Self::Server { .. }
            | Self::Protocol(_) => false,
        }
    }

    /// When the member asked to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            Self::Refused(_)
            | Self::Hung { .. }
            | Self::Reset(_)
            | Self::Certificate(_)
            | Self::Configuration(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound { .. }
            | Self::Conflict(_)
            | Self::Invalid(_)
            | Self::Gone(_)
            | Self::Server { .. }
            | Self::Protocol(_) => None,
        }
    }

    /// Sorts a client error.
    pub fn from_kube(error: &kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self::from_code(status.code, status.message.clone(), None, status.details.is_some());
        }
        let text = chain(error);
        let lowered = text.to_lowercase();
        let mut source: Option<&(dyn std::error::Error + 'static)> = error.source();
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                match io.kind() {
                    std::io::ErrorKind::TimedOut => return Self::Hung { after: CONNECT_DEADLINE },
                    std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::BrokenPipe
                    | std::io::ErrorKind::UnexpectedEof => return Self::Reset(text),
                    _ if lowered.contains("certificate") => return Self::Certificate(text),
                    std::io::ErrorKind::ConnectionRefused
                    | std::io::ErrorKind::HostUnreachable
                    | std::io::ErrorKind::NetworkUnreachable => return Self::Refused(text),
                    _ => {}
                }
            }
            source = cause.source();
        }
        if lowered.contains("certificate") {
            Self::Certificate(text)
        } else if lowered.contains("connect") {
            Self::Refused(text)
        } else {
            Self::Reset(text)
        }
    }

    /// Sorts an answer that is not a success.
    pub fn from_answer(head: &http::response::Parts, body: &[u8]) -> Self {
        let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let message = status["message"].as_str().map_or_else(
            || String::from_utf8_lossy(&body[..body.len().min(MESSAGE_BYTES_MAX)]).trim().to_owned(),
            str::to_owned,
        );
        let retry_after = head
            .headers
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        // A missing kind is answered in plain text or without details.name; a missing object names itself.
        let names_object = status["details"]["name"].is_string();
        Self::from_code(head.status.as_u16(), message, retry_after, names_object)
    }

    fn from_code(code: u16, message: String, retry_after: Option<Duration>, names_object: bool) -> Self {
        match code {
            401 => Self::Unauthorized(message),
            403 => Self::Forbidden(message),
            404 => Self::NotFound { object: names_object, message },
            409 => Self::Conflict(message),
            410 => Self::Gone(message),
            429 | 503 | 504 => Self::Throttled { retry_after, message },
            400..=499 => Self::Invalid(message),
            _ => Self::Server { code, message },
        }
    }
}

/// How much of an answer that is not a Status is quoted: a line or two for a person.
const MESSAGE_BYTES_MAX: usize = 300;

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, body: &str) -> Failure {
        let (head, ()) = http::Response::builder().status(code).body(()).unwrap().into_parts();
        Failure::from_answer(&head, body.as_bytes())
    }

    #[test]
    fn tells_a_missing_object_from_a_missing_kind() {
        let missing_object =
            r#"{"kind":"Status","code":404,"message":"no","details":{"name":"a","kind":"pods"}}"#;
        assert!(matches!(answer(404, missing_object), Failure::NotFound { object: true, .. }));
        assert!(matches!(answer(404, "404 page not found\n"), Failure::NotFound { object: false, .. }));
    }

    #[test]
    fn sorts_answers_by_what_to_do_next() {
        assert!(matches!(answer(409, "{}"), Failure::Conflict(_)));
        assert!(matches!(answer(422, "{}"), Failure::Invalid(_)));
        assert!(matches!(answer(429, "{}"), Failure::Throttled { .. }));
        assert!(matches!(answer(410, "{}"), Failure::Gone(_)));
        assert!(matches!(answer(500, "{}"), Failure::Server { code: 500, .. }));
        assert!(!answer(403, "{}").lacks_contact());
    }
}
