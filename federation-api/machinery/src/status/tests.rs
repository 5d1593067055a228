//! What clients see when a request fails.

use super::*;

#[test]
fn words_each_failure_as_clients_expect() {
    for (status, code, reason, message) in [
        (Status::not_found("apps", "deployments", "x"), 404, "NotFound", r#"deployments.apps "x" not found"#),
        (Status::not_found("", "pods", "x"), 404, "NotFound", r#"pods "x" not found"#),
        (Status::already_exists("", "pods", "x"), 409, "AlreadyExists", r#"pods "x" already exists"#),
        (
            Status::conflict("apps", "deployments", "x", MODIFIED),
            409,
            "Conflict",
            r#"Operation cannot be fulfilled on deployments.apps "x": the object has been modified; please apply your changes to the latest version and try again"#,
        ),
        (Status::forbidden("", "pods", "", "no"), 403, "Forbidden", "pods is forbidden: no"),
        (Status::forbidden("", "pods", "x", "no"), 403, "Forbidden", r#"pods "x" is forbidden: no"#),
        (Status::forbidden("", "", "", "no"), 403, "Forbidden", "forbidden: no"),
        (Status::unauthorized(""), 401, "Unauthorized", "not authorized"),
        (Status::unauthorized("Unauthorized"), 401, "Unauthorized", "Unauthorized"),
        (Status::bad_request("bad"), 400, "BadRequest", "bad"),
        (
            Status::method_not_supported("apps", "deployments", "patch"),
            405,
            "MethodNotAllowed",
            r#"patch is not supported on resources of kind "deployments.apps""#,
        ),
        (Status::too_old(3, 9), 410, "Expired", "too old resource version: 3 (9)"),
        (Status::timeout("slow", 0), 504, "Timeout", "Timeout: slow"),
        (Status::too_new(9, 3), 504, "Timeout", "Timeout: Too large resource version: 9, current: 3"),
        (Status::too_many_requests("wait", 1), 429, "TooManyRequests", "wait"),
        (
            Status::unsupported_media_type(&["application/json", "application/yaml"]),
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
        ),
        (
            Status::not_acceptable(&["application/json"]),
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json",
        ),
        (
            Status::too_large("limit is 3145728"),
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        ),
        (Status::internal("disk"), 500, "InternalError", "Internal error occurred: disk"),
        (Status::unavailable("starting"), 503, "ServiceUnavailable", "starting"),
        (
            Status::server_timeout("", "pods", "list", 2),
            500,
            "ServerTimeout",
            "The list operation against pods could not be completed at this time, please try again.",
        ),
        (Status::unknown_resource(), 404, "NotFound", "the server could not find the requested resource"),
    ] {
        assert_eq!(status.to_string(), message);
        assert_eq!((status.code, status.reason.as_str()), (code, reason), "{message}");
    }
}

#[test]
fn lists_one_cause_per_invalid_field() {
    let replicas = FieldError::invalid("spec.replicas", -1, "must be greater than or equal to 0");
    let one = Status::invalid("apps", "Deployment", "x", std::slice::from_ref(&replicas));
    assert_eq!(
        one.to_value(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": r#"Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#,
            "reason": "Invalid", "code": 422,
            "details": {"name": "x", "group": "apps", "kind": "Deployment", "causes": [{
                "reason": "FieldValueInvalid",
                "message": "Invalid value: -1: must be greater than or equal to 0",
                "field": "spec.replicas",
            }]},
        })
    );
    let several = Status::invalid(
        "",
        "Pod",
        "x",
        &[FieldError::required("a", ""), replicas.clone(), FieldError::required("a", "")],
    );
    assert_eq!(
        several.message,
        r#"Pod "x" is invalid: [a: Required value, spec.replicas: Invalid value: -1: must be greater than or equal to 0]"#
    );
    assert_eq!(several.details.map(|details| details.causes.len()), Some(3));
    assert_eq!(Status::invalid("", "Pod", "x", &[]).message, r#"Pod "x" is invalid"#);
}

#[test]
fn leaves_out_what_is_not_known() {
    assert_eq!(
        Status::bad_request("bad").to_value(),
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
               "message": "bad", "reason": "BadRequest", "code": 400})
    );
    let expired = Status::gone_expired("old").with_continue("token".to_owned()).to_value();
    assert_eq!(expired["metadata"], json!({"continue": "token"}));
    let too_many = Status::too_many_requests("wait", 3).with_uid("u").to_value();
    assert_eq!(too_many["details"], json!({"uid": "u", "retryAfterSeconds": 3}));
}

#[test]
fn names_the_namespace_that_is_going_away() {
    let status = Status::namespace_terminating("", "configmaps", "c", "shop");
    assert_eq!(
        status.message,
        r#"configmaps "c" is forbidden: unable to create new content in namespace shop because it is being terminated"#
    );
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    assert_eq!(causes[0].reason, "NamespaceTerminating");
}

#[test]
fn answers_a_delete_with_the_uid() {
    assert_eq!(
        Status::success(&Details::of("apps", "deployments", "x", "u-1")),
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
               "details": {"name": "x", "group": "apps", "kind": "deployments", "uid": "u-1"}})
    );
}
