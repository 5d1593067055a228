//! JSON values between the wire and the model, which has no serializer.

use koinon_model::json::Json;
use serde_json::{Number, Value};

/// The model's tree of a value.
pub(super) fn from_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(number) => from_number(number),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(items) => Json::Array(items.iter().map(from_value).collect()),
        Value::Object(members) => {
            Json::Object(members.iter().map(|(key, value)| (key.clone(), from_value(value))).collect())
        }
    }
}

fn from_number(number: &Number) -> Json {
    if let Some(number) = number.as_i64() {
        return Json::Integer(number);
    }
    number.as_u64().map_or_else(|| Json::Decimal(number.to_string()), Json::Unsigned)
}

/// The value of a model's tree.
pub fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Integer(number) => Value::from(*number),
        Json::Unsigned(number) => Value::from(*number),
        // Only numbers that were read from JSON become decimals, so reading them again cannot fail.
        Json::Decimal(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(to_value).collect(),
        Json::Object(members) => members.iter().map(|(key, json)| (key.clone(), to_value(json))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_survives_the_way_there_and_back() {
        let value = json!({"a": [null, true, -3, 18446744073709551615_u64, 1.5, "x"], "b": {}});
        assert_eq!(to_value(&from_value(&value)), value);
    }
}
