//! One error type for every handler. It becomes `application/problem+json` (RFC 9457) with a
//! stable `code`; the Japanese wording lives in the web app. A 5xx carries a request id and
//! nothing else; details go to the log, which never holds personal data.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// One field of a request that was not acceptable.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// JSON path within the request body, for example `clients.0.name_kana`.
    pub path: String,
    pub code: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
}

impl FieldProblem {
    pub fn new(path: impl Into<String>, code: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            code: code.into(),
            params: Map::new(),
        }
    }
}

/// What a client receives when a request was refused.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// Stable: clients choose wording and behaviour by it.
    pub code: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldProblem>,
    /// Members that belong to the code, for example `retry_after` of `locked`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{code}")]
    Refused {
        status: StatusCode,
        code: &'static str,
        fields: Vec<FieldProblem>,
        extra: Map<String, Value>,
    },
    #[error("internal: {0}")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        Self::Refused {
            status,
            code,
            fields: Vec::new(),
            extra: Map::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Self::Refused { extra, .. } = &mut self {
            extra.insert(key.to_owned(), value.into());
        }
        self
    }

    #[must_use]
    pub fn field(mut self, problem: FieldProblem) -> Self {
        if let Self::Refused { fields, .. } = &mut self {
            fields.push(problem);
        }
        self
    }

    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated")
    }

    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden")
    }

    /// Also the answer where the existence of the thing is itself secret.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found")
    }

    #[must_use]
    pub fn conflict(code: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code)
    }

    #[must_use]
    pub fn invalid(fields: Vec<FieldProblem>) -> Self {
        Self::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid",
            fields,
            extra: Map::new(),
        }
    }

    #[must_use]
    pub fn invalid_field(path: &str, code: &str) -> Self {
        Self::invalid(vec![FieldProblem::new(path, code)])
    }

    #[must_use]
    pub fn unavailable(code: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code)
    }

    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Refused {
                status,
                code,
                fields,
                extra,
            } => Problem {
                kind: format!("urn:musubi:problem:{code}"),
                title: status.canonical_reason().unwrap_or("refused").to_owned(),
                status: status.as_u16(),
                code: code.to_owned(),
                fields,
                extra,
            },
            Self::Internal(error) => {
                let request_id = uuid::Uuid::now_v7().simple().to_string();
                tracing::error!(request_id, error = %error, "request failed");
                let mut extra = Map::new();
                extra.insert("request_id".to_owned(), request_id.into());
                Problem {
                    kind: "urn:musubi:problem:internal".to_owned(),
                    title: "Internal Server Error".to_owned(),
                    status: 500,
                    code: "internal".to_owned(),
                    fields: Vec::new(),
                    extra,
                }
            }
        };
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = problem.extra.get("retry_after").and_then(Value::as_u64);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Body extractor whose refusals are problems like any other.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S, T> axum::extract::FromRequest<S> for Body<T>
where
    T: serde::de::DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(
        request: axum::extract::Request,
        state: &S,
    ) -> Result<Self, Self::Rejection> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large"))
            }
            // The parser's own text may quote the body: it is not passed on.
            Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "malformed")),
        }
    }
}

/// Query extractor whose refusals are problems like any other.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S, T> axum::extract::FromRequestParts<S> for Query<T>
where
    T: serde::de::DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Self::Rejection> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "malformed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_internal_error_tells_nothing_but_its_request_id() {
        let response = ApiError::internal("SELECT 山田").into_response();
        assert_eq!(response.status(), 500);
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(!text.contains("SELECT") && !text.contains("山田"), "{text}");
        assert!(text.contains("request_id"));
    }
}
