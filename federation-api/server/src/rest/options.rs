//! What the query (and for deletes the body) of a request adds to it.

use std::time::Duration;

use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::validate::FieldError;
use serde::Deserialize;

use crate::request::Query;

/// The longest field manager name, as upstream has it.
const MANAGER_BYTES_MAX: usize = 128;

/// The longest a request that is not a watch may take, whatever it asks for.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether a write is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DryRun {
    /// It is.
    #[default]
    No,
    /// Everything happens but the commit.
    All,
}

/// What happens to unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// Nothing.
    Ignore,
    /// The client is warned.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// Whether an apply takes over fields that others own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// It is refused with the conflicts.
    #[default]
    No,
    /// It takes over.
    Yes,
}

/// The options of a write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: DryRun,
    pub(crate) field_validation: FieldValidation,
    /// As the client named it; empty when it did not.
    pub(crate) manager: String,
    pub(crate) force: Force,
}

/// The options of a read of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListOptions {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    pub(crate) version: VersionMatch,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: Option<bool>,
    pub(crate) timeout: Option<Duration>,
}

/// Which state of a collection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum VersionMatch {
    /// The latest.
    #[default]
    Latest,
    /// Any, however old.
    Any,
    /// Not older than this.
    NotOlderThan(u64),
    /// As it was at this version.
    Exact(u64),
}

/// How dependents of a deleted object are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Propagation {
    /// They lose their owner and stay.
    Orphan,
    /// They go after the object.
    Background,
    /// They go before the object.
    Foreground,
}

/// The options of a delete.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) preconditions: Option<Preconditions>,
    pub(crate) orphan_dependents: Option<bool>,
    pub(crate) propagation_policy: Option<Propagation>,
    pub(crate) dry_run: Option<Vec<String>>,
}

/// What must hold for a delete to happen.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Preconditions {
    /// The identity of the object.
    pub uid: Option<String>,
    /// The version of the object.
    pub resource_version: Option<String>,
}

// === impl WriteOptions ===

impl WriteOptions {
    /// Reads the options of a create, update or patch.
    ///
    /// # Errors
    /// 400 or 422 when one of them means nothing.
    pub(crate) fn parse(query: &Query) -> Result<Self, Status> {
        let manager = query.text("fieldManager").to_owned();
        if manager.len() > MANAGER_BYTES_MAX {
            let error = FieldError::too_long("fieldManager", MANAGER_BYTES_MAX);
            return Err(Status::invalid("meta.k8s.io", "CreateOptions", "", &[error]));
        }
        Ok(Self {
            dry_run: dry_run(query.all("dryRun"))?,
            field_validation: match query.text("fieldValidation") {
                "" | "Warn" => FieldValidation::Warn,
                "Ignore" => FieldValidation::Ignore,
                "Strict" => FieldValidation::Strict,
                other => {
                    let error = FieldError::not_supported(
                        "fieldValidation",
                        other,
                        &["", "Ignore", "Strict", "Warn"],
                    );
                    return Err(Status::invalid("meta.k8s.io", "CreateOptions", "", &[error]));
                }
            },
            manager,
            force: if query.flag("force") { Force::Yes } else { Force::No },
        })
    }
}

/// The field manager of a client that named none: what its user agent starts with.
pub(crate) fn manager_of_agent(user_agent: &str) -> String {
    let name = user_agent.split('/').next().unwrap_or_default();
    let printable = name.chars().filter(|c| !c.is_control()).collect::<String>();
    let mut end = printable.len().min(MANAGER_BYTES_MAX);
    while !printable.is_char_boundary(end) {
        end -= 1;
    }
    if end == 0 { "unknown".to_owned() } else { printable[..end].to_owned() }
}

fn dry_run<'a>(values: impl Iterator<Item = &'a str>) -> Result<DryRun, Status> {
    let mut answer = DryRun::No;
    for value in values {
        if value != "All" {
            let error = FieldError::not_supported("dryRun", Value::from(vec![value]), &["All"]);
            return Err(Status::invalid("meta.k8s.io", "CreateOptions", "", &[error]));
        }
        answer = DryRun::All;
    }
    Ok(answer)
}

// === impl ListOptions ===

impl ListOptions {
    /// Reads the options of a list or watch.
    ///
    /// # Errors
    /// 400 or 422 when one of them means nothing, or two of them exclude each other.
    pub(crate) fn parse(query: &Query) -> Result<Self, Status> {
        let continue_token = query.text("continue").to_owned();
        let version = version_match(query, &continue_token)?;
        let limit = match query.text("limit") {
            "" => 0,
            text => text
                .parse::<i64>()
                .map_err(|_| Status::bad_request(format!("invalid limit \"{text}\"")))?
                .try_into()
                .unwrap_or(0),
        };
        let seconds = match query.text("timeoutSeconds") {
            "" => None,
            text => Some(
                text.parse::<i64>()
                    .map_err(|_| Status::bad_request(format!("invalid timeoutSeconds \"{text}\"")))?,
            ),
        };
        let options = Self {
            label_selector: query.text("labelSelector").to_owned(),
            field_selector: query.text("fieldSelector").to_owned(),
            limit,
            continue_token,
            version,
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events: query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents")),
            timeout: seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|s| *s > 0)
                .map(Duration::from_secs),
        };
        options.check_initial_events(query)?;
        Ok(options)
    }

    fn check_initial_events(&self, query: &Query) -> Result<(), Status> {
        let matching = query.text("resourceVersionMatch");
        let watch = query.flag("watch");
        let errors = match (self.initial_events, matching) {
            (Some(_), _) if !watch => {
                vec![FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]
            }
            (Some(_), "NotOlderThan") | (None, "") => return Ok(()),
            (Some(_), _) => vec![FieldError::forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )],
            (None, _) if watch => vec![FieldError::forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )],
            (None, _) => return Ok(()),
        };
        Err(Status::invalid("meta.k8s.io", "ListOptions", "", &errors))
    }
}

fn version_match(query: &Query, continue_token: &str) -> Result<VersionMatch, Status> {
    let text = query.text("resourceVersion");
    let matching = query.text("resourceVersionMatch");
    let watch = query.flag("watch");
    let refuse = |error| Err(Status::invalid("meta.k8s.io", "ListOptions", "", &[error]));
    if !matches!(matching, "" | "Exact" | "NotOlderThan") {
        let error = FieldError::not_supported("resourceVersionMatch", matching, &["Exact", "NotOlderThan"]);
        return refuse(error);
    }
    if !continue_token.is_empty() && !matching.is_empty() {
        let detail = "resourceVersionMatch is forbidden when continue is provided";
        return refuse(FieldError::forbidden("resourceVersionMatch", detail));
    }
    if !matching.is_empty() && text.is_empty() && !watch {
        let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        return refuse(FieldError::forbidden("resourceVersionMatch", detail));
    }
    if matching == "Exact" && text == "0" {
        let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        return refuse(FieldError::forbidden("resourceVersionMatch", detail));
    }
    let number = match text {
        "" => return Ok(VersionMatch::Latest),
        "0" => return Ok(VersionMatch::Any),
        text => parse_version(text)?,
    };
    // A limit without a match means exact only to very old servers; today it means "not older than".
    Ok(if matching == "Exact" { VersionMatch::Exact(number) } else { VersionMatch::NotOlderThan(number) })
}

/// Reads a resource version.
///
/// # Errors
/// 400 when it is not a number.
pub(crate) fn parse_version(text: &str) -> Result<u64, Status> {
    text.parse().map_err(|_| {
        let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        let error = FieldError::invalid("resourceVersion", text, detail);
        Status::bad_request(format!("invalid resource version: {error}"))
    })
}

/// Reads `timeout=`, the longest a client wants to wait for an answer.
///
/// # Errors
/// 400 when it is not a duration.
pub(crate) fn request_timeout(query: &Query) -> Result<Duration, Status> {
    let text = query.text("timeout");
    let refuse = || {
        let why = format!("invalid timeout specified in the request URL - time: invalid duration {text:?}");
        Status::bad_request(why)
    };
    if text.is_empty() {
        return Ok(REQUEST_TIMEOUT);
    }
    let wanted = duration(text).ok_or_else(refuse)?;
    Ok(if wanted.is_zero() || wanted > REQUEST_TIMEOUT { REQUEST_TIMEOUT } else { wanted })
}

/// Reads a duration as Go writes it: `1h2m3.5s`, `150ms`, `0`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match &rest[..unit_end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number * seconds).ok()?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

// === impl Propagation ===

impl Propagation {
    fn read(text: &str) -> Result<Option<Self>, Status> {
        Ok(match text {
            "" => None,
            "Orphan" => Some(Self::Orphan),
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            other => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                let error = FieldError::not_supported("propagationPolicy", other, &known);
                return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
            }
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "Orphan",
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }
}

// === impl DeleteOptions ===

impl DeleteOptions {
    /// Reads the options of a delete; those of the body win over the query's.
    ///
    /// # Errors
    /// 400 when the body is not DeleteOptions, 422 when an option means nothing.
    pub(crate) fn parse(query: &Query, body: Option<&Value>) -> Result<Self, Status> {
        let wanted = match body {
            Some(body) => body["propagationPolicy"].as_str().unwrap_or_default(),
            None => query.text("propagationPolicy"),
        };
        Propagation::read(wanted)?;
        let options = match body {
            Some(body) => Self::deserialize(body)
                .map_err(|error| Status::bad_request(format!("the body is not DeleteOptions: {error}")))?,
            None => Self::of_query(query)?,
        };
        let invalid = |error| Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
        if options.orphan_dependents.is_some() && options.propagation_policy.is_some() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            let policy = options.propagation_policy.map_or("", Propagation::as_str);
            return invalid(FieldError::invalid("propagationPolicy", policy, detail));
        }
        if options.grace_period_seconds.is_some_and(|seconds| seconds < 0) {
            return invalid(FieldError::invalid(
                "gracePeriodSeconds",
                options.grace_period_seconds,
                "must be non-negative",
            ));
        }
        Ok(options)
    }

    fn of_query(query: &Query) -> Result<Self, Status> {
        let propagation_policy = Propagation::read(query.text("propagationPolicy"))?;
        let dry_run: Vec<String> = query.all("dryRun").map(str::to_owned).collect();
        Ok(Self {
            grace_period_seconds: query.get("gracePeriodSeconds").and_then(|text| text.parse().ok()),
            preconditions: None,
            orphan_dependents: query.get("orphanDependents").map(|_| query.flag("orphanDependents")),
            propagation_policy,
            dry_run: Some(dry_run),
        })
    }

    /// Whether the delete is stored.
    ///
    /// # Errors
    /// 422 when the option means nothing.
    pub(crate) fn dry_run(&self) -> Result<DryRun, Status> {
        dry_run(self.dry_run.iter().flatten().map(String::as_str))
    }

    /// How dependents are treated.
    pub(crate) fn propagation(&self) -> Option<Propagation> {
        let old_style = |orphan| if orphan { Propagation::Orphan } else { Propagation::Background };
        self.propagation_policy.or(self.orphan_dependents.map(old_style))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_go_writes_them() {
        for (text, want) in [
            ("1h2m3s", Some(Duration::from_secs(3723))),
            ("150ms", Some(Duration::from_millis(150))),
            ("1.5s", Some(Duration::from_millis(1500))),
            ("0", Some(Duration::ZERO)),
            ("invalid", None),
            ("5", None),
        ] {
            assert_eq!(duration(text), want, "{text}");
        }
    }

    #[test]
    fn refuses_options_that_exclude_each_other() {
        for (query, code) in [
            ("resourceVersionMatch=Exact", 422),
            ("resourceVersionMatch=Nonsense&resourceVersion=1", 422),
            ("resourceVersionMatch=Exact&resourceVersion=0", 422),
            ("resourceVersion=x", 400),
            ("watch=true&sendInitialEvents=true", 422),
            ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=1", 422),
            ("watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=1", 422),
        ] {
            assert_eq!(ListOptions::parse(&Query::parse(query)).unwrap_err().code, code, "{query}");
        }
        let good =
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        assert_eq!(ListOptions::parse(&Query::parse(good)).unwrap().initial_events, Some(true));
    }

    #[test]
    fn names_unnamed_managers_after_their_agent() {
        assert_eq!(manager_of_agent("kubectl/v1.32.4 (linux/amd64)"), "kubectl");
        assert_eq!(manager_of_agent(""), "unknown");
    }
}
