//! Work that ends: jobs and their schedules.

use serde_json::json;

use super::{Column, age, containers, name, number, selector};
use crate::Value;

/// The columns of a kind, if it is one of these.
pub(super) fn columns(kind: &str) -> Option<Vec<Column>> {
    let mut columns = vec![name()];
    match kind {
        "Job" => {
            columns.push(Column::new("Status", |object, _| job_status(object).into()));
            columns.push(Column::new("Completions", |object, _| {
                let done = number(object, &["status", "succeeded"]);
                let wanted = object["spec"]["completions"].as_i64();
                wanted
                    .map_or_else(
                        || format!("{done}/1 of {}", number(object, &["spec", "parallelism"])),
                        |all| format!("{done}/{all}"),
                    )
                    .into()
            }));
            columns.push(Column::new("Duration", |object, now| {
                let (start, end) = (&object["status"]["startTime"], &object["status"]["completionTime"]);
                let Some(start) = start.as_str() else { return "".into() };
                let end = end.as_str().and_then(|end| end.parse().ok()).unwrap_or(now);
                super::age::since(start, end).into()
            }));
        }
        "CronJob" => {
            columns.push(Column::new("Schedule", |object, _| object["spec"]["schedule"].clone()));
            columns.push(Column::new("Timezone", |object, _| {
                super::or_none(object["spec"]["timeZone"].as_str().unwrap_or_default())
            }));
            columns.push(Column::new("Suspend", |object, _| {
                if object["spec"]["suspend"] == true { "True" } else { "False" }.into()
            }));
            columns.push(
                Column::new("Active", |object, _| {
                    json!(object["status"]["active"].as_array().map_or(0, Vec::len))
                })
                .whole(),
            );
            columns.push(Column::new(
                "Last Schedule",
                |object, now| match object["status"]["lastScheduleTime"].as_str() {
                    Some(text) => super::age::since(text, now).into(),
                    None => "<none>".into(),
                },
            ));
        }
        _ => return None,
    }
    columns.push(age());
    columns.push(Column::new("Containers", |object, _| containers(object, "name")).wide());
    columns.push(Column::new("Images", |object, _| containers(object, "image")).wide());
    columns.push(Column::new("Selector", |object, _| selector(&object["spec"]["selector"])).wide());
    Some(columns)
}

fn job_status(object: &Value) -> &'static str {
    let holds = |kind: &str| {
        let conditions = object["status"]["conditions"].as_array();
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else {
        "Running"
    }
}
