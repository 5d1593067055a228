//! In which form and encoding an answer goes out: the `Accept` header against what we can produce.
//!
//! A clause such as `application/json;as=Table;v=v1;g=meta.k8s.io` asks for a form (the object itself, a table, its
//! metadata alone) and an encoding at once. Clauses are tried in order of weight, then of writing; the first that can
//! be produced wins. Nothing is encoded here.

use koinon_machinery::status::Status;

/// What an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON.
    Json,
    /// YAML; never for streams.
    Yaml,
    /// The protobuf of the built-in kinds.
    Protobuf,
}

/// What of an object the answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The object, or the list.
    Object,
    /// Rows and columns for people, `meta.k8s.io/v1` or `v1beta1`.
    Table(MetaVersion),
    /// Type and metadata alone.
    Metadata(MetaVersion),
}

/// A version of the `meta.k8s.io` group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`.
    V1,
    /// `meta.k8s.io/v1beta1`.
    V1Beta1,
}

/// The form and encoding that were agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What is shown.
    pub form: Form,
    /// How it is written.
    pub encoding: Encoding,
}

/// What can be produced at some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Objects with metadata: every form.
    Objects,
    /// Streams of such objects: every form, never YAML.
    Stream,
    /// Answers without metadata of their own, such as reviews.
    Plain,
}

/// Whether the kind has a protobuf layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protobuf {
    /// It has.
    Known,
    /// It has none: custom kinds.
    Unknown,
}

/// JSON.
pub const JSON: &str = "application/json";
/// YAML.
pub const YAML: &str = "application/yaml";
/// Kubernetes' own protobuf envelope.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

// === impl Encoding ===

impl Encoding {
    /// The media type of the `Content-Type` header.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => PROTOBUF,
        }
    }
}

// === impl MetaVersion ===

impl MetaVersion {
    /// The `apiVersion` of answers in this form.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// One clause of an `Accept` header.
pub(crate) struct Clause<'a> {
    pub(crate) media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// Thousandths.
    weight: u32,
}

impl Clause<'_> {
    pub(crate) fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

/// The clauses of an `Accept` header, best first.
pub(crate) fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept.split(',').filter_map(clause).collect();
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.weight));
    clauses
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().filter(|media_type| !media_type.is_empty())?;
    let mut parameters = Vec::new();
    let mut weight = 1000;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if key == "q" {
            weight = thousandths(value);
        } else {
            parameters.push((key, value));
        }
    }
    Some(Clause { media_type, parameters, weight })
}

fn thousandths(text: &str) -> u32 {
    let quality: f64 = text.parse().unwrap_or(1.0);
    // Clamped to [0, 1000], so the cast keeps every digit that matters.
    (quality.clamp(0.0, 1.0) * 1000.0) as u32
}

/// Chooses the form and encoding of an answer.
///
/// # Errors
/// 406 when nothing the client accepts can be produced here.
pub fn negotiate(accept: &str, offer: Offer, protobuf: Protobuf) -> Result<Answer, Status> {
    if accept.trim().is_empty() {
        return Ok(Answer { form: Form::Object, encoding: Encoding::Json });
    }
    clauses(accept).iter().find_map(|clause| produce(clause, offer, protobuf)).ok_or_else(|| {
        Status::not_acceptable(match (offer, protobuf) {
            (Offer::Stream, Protobuf::Known) => &[JSON, PROTOBUF],
            (Offer::Stream, Protobuf::Unknown) => &[JSON],
            (_, Protobuf::Known) => &[JSON, YAML, PROTOBUF],
            (_, Protobuf::Unknown) => &[JSON, YAML],
        })
    })
}

fn produce(clause: &Clause<'_>, offer: Offer, protobuf: Protobuf) -> Option<Answer> {
    let form = match (clause.parameter("as"), offer) {
        (None, _) => Form::Object,
        (Some(_), Offer::Plain) => return None,
        (Some(form), Offer::Objects | Offer::Stream) => {
            let version = match (clause.parameter("g"), clause.parameter("v")) {
                (Some("meta.k8s.io"), Some("v1")) => MetaVersion::V1,
                (Some("meta.k8s.io"), Some("v1beta1")) => MetaVersion::V1Beta1,
                _ => return None,
            };
            match form {
                "Table" => Form::Table(version),
                "PartialObjectMetadata" | "PartialObjectMetadataList" => Form::Metadata(version),
                _ => return None,
            }
        }
    };
    let encoding = match clause.media_type {
        JSON | "*/*" | "application/*" => Encoding::Json,
        YAML if offer != Offer::Stream => Encoding::Yaml,
        PROTOBUF if protobuf == Protobuf::Known && form == Form::Object => Encoding::Protobuf,
        _ => return None,
    };
    Some(Answer { form, encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, offer: Offer, want: Option<(Form, Encoding)>) {
        let got = negotiate(accept, offer, Protobuf::Known).ok().map(|answer| (answer.form, answer.encoding));
        assert_eq!(got, want, "{accept}");
    }

    #[test]
    fn takes_the_first_clause_it_can_produce() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        check(table, Offer::Objects, Some((Form::Table(MetaVersion::V1), Encoding::Json)));
        check(table, Offer::Plain, Some((Form::Object, Encoding::Json)));
        check("application/json;as=Table;v=v1;g=meta.k8s.io", Offer::Plain, None);
        check("", Offer::Objects, Some((Form::Object, Encoding::Json)));
        check("text/html, */*;q=0.1", Offer::Objects, Some((Form::Object, Encoding::Json)));
        check(
            "application/json;q=0.1, application/yaml",
            Offer::Objects,
            Some((Form::Object, Encoding::Yaml)),
        );
        check("application/yaml", Offer::Stream, None);
        check(
            "application/vnd.kubernetes.protobuf,application/json",
            Offer::Objects,
            Some((Form::Object, Encoding::Protobuf)),
        );
    }

    #[test]
    fn says_what_it_could_produce() {
        let status = negotiate("text/html", Offer::Stream, Protobuf::Unknown).unwrap_err();
        assert_eq!(status.code, 406);
        assert!(status.message.contains(JSON), "{}", status.message);
    }
}
