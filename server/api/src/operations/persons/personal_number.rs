//! マイナンバー never enters: every text of a request is looked through.

use axum::http::StatusCode;

use crate::error::{ApiError, FieldProblem};

/// Refuses texts that contain a valid 12-digit マイナンバー; each comes with its path in the body.
///
/// # Errors
/// 422 `personal_number` naming the fields, never the digits.
pub(crate) fn refuse<'a>(
    texts: impl IntoIterator<Item = (String, &'a str)>,
) -> Result<(), ApiError> {
    let found: Vec<String> = texts
        .into_iter()
        .filter(|(_, text)| !domain::my_number::find(text).is_empty())
        .map(|(path, _)| path)
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let refused = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "personal_number");
    Err(found.into_iter().fold(refused, |error, path| {
        error.field(FieldProblem::new(path, "personal_number"))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        let refused = |text: &str| refuse([("content".to_owned(), text)]).is_err();
        assert!(refused("番号は1234 5678 9018です"));
        assert!(refused("１２３４５６７８９０１８"));
        assert!(!refused("090-1234-5678"));
    }

    #[test]
    fn the_answer_names_fields_and_no_digits() {
        let error = refuse([("a".to_owned(), "x"), ("b".to_owned(), "123456789018")]).unwrap_err();
        let ApiError::Refused { status, fields, .. } = &error else {
            panic!("internal")
        };
        assert_eq!(*status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            fields
                .iter()
                .map(|field| field.path.as_str())
                .collect::<Vec<_>>(),
            ["b"]
        );
        assert!(!format!("{error:?}").contains("9018"));
    }
}
