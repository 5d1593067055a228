//! Rules of pods and what they consist of.

use serde_json::json;

use super::{Object, each, inside, inside_or_new, is_absent, set, text};
use crate::Value;

/// The fields of a volume that do not say where it comes from.
const NOT_A_SOURCE: [&str; 1] = ["name"];

/// A pod asks for what it is limited to, and with the host's network its ports are the host's. This holds for pods
/// alone, not for the templates of workloads.
pub(super) fn pod(pod: &mut Object) {
    let Some(spec) = inside(pod, "spec") else { return };
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for containers in ["containers", "initContainers"] {
        for container in each(spec, containers) {
            request_limits(container);
            if host_network {
                each(container, "ports").for_each(use_host_port);
            }
        }
    }
}

fn request_limits(container: &mut Object) {
    let Some(resources) = inside(container, "resources") else { return };
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    let Some(requests) = inside_or_new(resources, "requests") else { return };
    for (resource, limit) in limits {
        requests.entry(resource).or_insert(limit);
    }
    if requests.is_empty() {
        resources.remove("requests");
    }
}

fn use_host_port(port: &mut Object) {
    if let Some(number) = port.get("containerPort").filter(|number| **number != 0).cloned() {
        set(port, "hostPort", number);
    }
}

/// An image that may change under its name is pulled each time.
pub(super) fn container(container: &mut Object) {
    let policy = pull_policy(text(container, "image"));
    set(container, "imagePullPolicy", policy);
}

/// A volume that does not say where it comes from is an empty folder.
pub(super) fn volume(volume: &mut Object) {
    let no_source =
        |(name, value): (&String, &Value)| NOT_A_SOURCE.contains(&name.as_str()) || value.is_null();
    if volume.iter().all(no_source) {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    if let Some(image) = inside(volume, "image")
        && is_absent(image, "pullPolicy")
    {
        let policy = pull_policy(text(image, "reference"));
        set(image, "pullPolicy", policy);
    }
}

fn pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// The tag of an image: `latest` when it has neither tag nor digest, nothing when it is not a name of an image.
fn tag(image: &str) -> Option<&str> {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let (path, last) = name.rsplit_once('/').map_or((None, name), |(path, last)| (Some(path), last));
    let (last, tag) = last.split_once(':').map_or((last, None), |(last, tag)| (last, Some(tag)));
    // Only the registry's host, the first of several parts, may have capitals.
    let repository = path.and_then(|path| path.split_once('/')).map_or("", |(_, rest)| rest);
    let well_formed = |part: &str| {
        !part.contains(|c: char| !c.is_ascii_digit() && !c.is_ascii_lowercase() && !"._-/".contains(c))
    };
    if last.is_empty() || !well_formed(last) || !well_formed(repository) || tag == Some("") {
        return None;
    }
    match (tag, digest) {
        (Some(tag), _) => Some(tag),
        (None, Some(_)) => None,
        (None, None) => Some("latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_tagged_latest_is_pulled_always() {
        for (image, expected) in [
            ("nginx", Some("latest")),
            ("nginx:latest", Some("latest")),
            ("nginx:1.27", Some("1.27")),
            ("registry.example.com:5000/team/nginx", Some("latest")),
            ("registry.example.com:5000/team/nginx:v1", Some("v1")),
            ("nginx@sha256:0123", None),
            ("nginx:latest@sha256:0123", Some("latest")),
            ("", None),
            ("Nginx", None),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }
}
