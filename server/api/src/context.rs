//! Who calls: taken from the session cookie or a bearer token, once per request. A handler that
//! wants a [`Caller`] asks for it in its arguments; there is no other way to get one.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use axum_extra::extract::CookieJar;
use store::{
    Caller, StoreError,
    sessions::{self, Session},
};

use crate::{error::ApiError, state::AppState};

/// Name of the session cookie.
pub const COOKIE: &str = "musubi_session";

/// A signed-in caller.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub caller: Caller,
    /// `None` for a bearer token.
    pub session: Option<Session>,
}

/// A signed-in caller whose request a screen made by itself. Unlike [`CallContext`] it does not
/// count as using the session: who went away is signed out although their screen goes on asking.
#[derive(Debug, Clone)]
pub struct Unattended(pub Caller);

/// A session at any stage (sign-in in progress, or ready).
#[derive(Debug)]
pub struct AnySession(pub Session);

/// Where the request came from, for counting failed sign-ins. Behind a proxy on this machine the
/// last hop it noted; the header is not believed from elsewhere.
#[derive(Debug, Clone)]
pub struct Source(pub String);

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
        .map(str::trim)
}

impl FromRequestParts<AppState> for AnySession {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let session = session_of(state, &parts.headers).await?;
        if session.needs_touch(state.clock().now()) {
            let mut tx = state.db().write().await?;
            sessions::touch(&mut tx, &session).await?;
            tx.commit().await?;
        }
        Ok(Self(session))
    }
}

impl FromRequestParts<AppState> for CallContext {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        if let Some(token) = bearer(&parts.headers) {
            return Ok(Self {
                caller: caller_of_token(state, token).await?,
                session: None,
            });
        }
        let AnySession(session) = AnySession::from_request_parts(parts, state).await?;
        Ok(Self {
            caller: caller_of_session(state, &session).await?,
            session: Some(session),
        })
    }
}

impl FromRequestParts<AppState> for Unattended {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        if let Some(token) = bearer(&parts.headers) {
            return Ok(Self(caller_of_token(state, token).await?));
        }
        let session = session_of(state, &parts.headers).await?;
        Ok(Self(caller_of_session(state, &session).await?))
    }
}

async fn session_of(state: &AppState, headers: &HeaderMap) -> Result<Session, ApiError> {
    let jar = CookieJar::from_headers(headers);
    let token = jar.get(COOKIE).ok_or_else(ApiError::unauthenticated)?;
    let mut tx = state.db().read().await?;
    sessions::find(&mut tx, token.value())
        .await?
        .ok_or_else(ApiError::session_expired)
}

async fn caller_of_session(state: &AppState, session: &Session) -> Result<Caller, ApiError> {
    if session.stage != sessions::Stage::Ready {
        return Err(ApiError::unauthenticated().with("stage", session.stage.code()));
    }
    let mut tx = state.db().read().await?;
    sessions::caller(&mut tx, session)
        .await?
        .ok_or_else(ApiError::no_membership)
}

/// The caller behind a token given in a header or, at the socket, in the query.
///
/// # Errors
/// 401 for a token that is unknown, expired or revoked.
pub async fn caller_of_token(state: &AppState, token: &str) -> Result<Caller, ApiError> {
    let mut tx = state.db().read().await?;
    sessions::bearer(&mut tx, token)
        .await?
        .ok_or_else(ApiError::unauthenticated)
}

impl FromRequestParts<AppState> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        let trusted = |ip| {
            let proxies = &state.config().trusted_proxies;
            proxies.iter().any(|network| network.contains(ip))
        };
        let noted = || {
            let hops = parts.headers.get("x-forwarded-for")?.to_str().ok()?;
            hops.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        let address = match peer {
            Some(ip) if ip.is_loopback() || trusted(ip) => noted().or(Some(ip)),
            other => other,
        };
        Ok(Self(address.map_or_else(|| "unknown".to_owned(), counted)))
    }
}

/// What failures are counted by: an IPv6 client has a whole /64 to call from.
fn counted(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!(
            "{}/64",
            std::net::Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))
        ),
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(what) => {
                Self::conflict("taken").field(crate::error::FieldProblem::new(what, "taken"))
            }
            StoreError::Conflict => Self::conflict("conflict"),
            StoreError::Invalid(code) => Self::invalid_field(code, code),
            StoreError::Forbidden => Self::forbidden(),
            StoreError::NotFound => Self::not_found(),
            other => Self::internal(other),
        }
    }
}

impl ApiError {
    /// The cookie names a session that has ended.
    #[must_use]
    pub fn session_expired() -> Self {
        Self::new(axum::http::StatusCode::UNAUTHORIZED, "session_expired")
    }

    /// Signed in, but no membership can be used today.
    #[must_use]
    pub fn no_membership() -> Self {
        Self::new(axum::http::StatusCode::FORBIDDEN, "no_membership")
    }

    /// Too many failures from this source.
    #[must_use]
    pub fn locked(locked: sessions::Locked) -> Self {
        Self::new(axum::http::StatusCode::TOO_MANY_REQUESTS, "locked")
            .with("retry_after", locked.retry_after)
    }
}

/// Passwords hashed or verified at once: each takes 19 MiB, and who is not signed in can ask for it.
static HASHING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(4);

/// Like [`blocking`], for hashing and verifying passwords.
///
/// # Errors
/// The thread was lost.
pub async fn password_work<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let _turn = HASHING.acquire().await.map_err(ApiError::internal)?;
    blocking(work).await
}

/// Runs something that takes more than half a millisecond of CPU away from the async workers.
///
/// # Errors
/// The thread was lost.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_counted_by_its_network() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
