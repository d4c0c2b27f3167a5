//! マイナンバー never enters: every text of a request is looked through.

use axum::http::StatusCode;
use serde_json::Value;

use crate::error::{ApiError, FieldProblem};

/// Refuses texts that contain a valid 12-digit マイナンバー; each comes with its path in the body.
///
/// # Errors
/// 422 `personal_number` naming the fields, never the digits.
pub(crate) fn refuse<'a>(texts: impl IntoIterator<Item = (String, &'a str)>) -> Result<(), ApiError> {
    let found: Vec<String> =
        texts.into_iter().filter(|(_, text)| !domain::my_number::find(text).is_empty()).map(|(path, _)| path).collect();
    if found.is_empty() {
        return Ok(());
    }
    let refused = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "personal_number");
    Err(found.into_iter().fold(refused, |error, path| error.field(FieldProblem::new(path, "personal_number"))))
}

/// As [`refuse`], for every text within a JSON value. Numbers count as texts too.
///
/// # Errors
/// As [`refuse`].
pub(crate) fn refuse_in(at: &str, value: &Value) -> Result<(), ApiError> {
    let mut texts = Vec::new();
    collect(at.to_owned(), value, &mut texts);
    refuse(texts.iter().map(|(path, text)| (path.clone(), text.as_str())))
}

fn collect(at: String, value: &Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => texts.push((at, text.clone())),
        Value::Number(number) => texts.push((at, number.to_string())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(format!("{at}.{index}"), item, texts);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                collect(format!("{at}.{key}"), member, texts);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        let refused = |value: Value| refuse_in("content", &value).is_err();
        assert!(refused(json!({"content": "1234 5678 9018"})));
        assert!(refused(json!([[{"note": 123_456_789_018_u64}]])));
        assert!(!refused(json!({"phone": "090-1234-5678", "minutes": 20})));
    }
}
