//! A client over HTTP: with a bearer token, or with a cookie as a browser has it.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::server::Account;

#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    /// Sent with every request.
    headers: Vec<(&'static str, String)>,
    /// Without the header that our own pages send.
    unmarked: bool,
}

/// Status, headers and body of an answer; the body as JSON where it is JSON.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub content_type: String,
    /// The first cookie that was set, as `name=value`.
    pub cookie: Option<String>,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Reply {
    /// The stable problem code, or an empty text.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn ok(self) -> Result<Value> {
        ensure!(self.status.is_success(), "{}: {}", self.status, self.text());
        Ok(self.json)
    }
}

impl Client {
    #[must_use]
    pub fn with_token(url: &str, token: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: url.to_owned(),
            token: Some(token.to_owned()),
            headers: Vec::new(),
            unmarked: false,
        }
    }

    /// Nobody yet: keeps the cookies it is given.
    pub fn anonymous(url: &str) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().cookie_store(true).build()?,
            url: url.to_owned(),
            token: None,
            headers: Vec::new(),
            unmarked: false,
        })
    }

    /// The same client with a header on every request.
    #[must_use]
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name, value.to_owned()));
        other
    }

    /// The same client as a foreign page would use it: without `X-Musubi`.
    #[must_use]
    pub fn unmarked(&self) -> Self {
        Self {
            unmarked: true,
            ..self.clone()
        }
    }

    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply> {
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url));
        if !self.unmarked {
            request = request.header("X-Musubi", "1");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Self::read(request.send().await?).await
    }

    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.request(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Reply> {
        self.request(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Reply> {
        self.request(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Result<Reply> {
        self.request(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Reply> {
        self.request(Method::DELETE, path, None).await
    }

    /// Sends one file as a form would.
    pub async fn upload(&self, path: &str, file_name: &str, bytes: Vec<u8>) -> Result<Reply> {
        let part = reqwest::multipart::Part::bytes(bytes).file_name(file_name.to_owned());
        let mut request = self
            .http
            .post(format!("{}/api/v1{path}", self.url))
            .header("X-Musubi", "1")
            .multipart(reqwest::multipart::Form::new().part("file", part));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Self::read(request.send().await?).await
    }

    /// The answer without its body: for streams, which end when it is dropped.
    pub async fn open(&self, path: &str) -> Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}/api/v1{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Ok(request.send().await?)
    }

    /// Anything outside `/api/v1`.
    pub async fn get_raw(&self, path: &str) -> Result<Reply> {
        Self::read(self.http.get(format!("{}{path}", self.url)).send().await?).await
    }

    async fn read(response: reqwest::Response) -> Result<Reply> {
        let status = response.status();
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let cookie = response
            .headers()
            .get("set-cookie")
            .and_then(|value| value.to_str().ok());
        let cookie = cookie
            .and_then(|text| text.split(';').next())
            .map(str::to_owned);
        let bytes = response.bytes().await?.to_vec();
        let json = if content_type.contains("json") {
            serde_json::from_slice(&bytes).context("body is not JSON")?
        } else {
            Value::Null
        };
        Ok(Reply {
            status,
            content_type,
            cookie,
            bytes,
            json,
        })
    }

    /// Password and one-time code, as at the sign-in screen.
    pub async fn sign_in(&self, account: &Account, code: &str) -> Result<Reply> {
        let first = self
            .post(
                "/session",
                serde_json::json!({"login_id": account.login_id, "password": account.password}),
            )
            .await?;
        if !first.status.is_success() {
            return Ok(first);
        }
        self.post("/session/totp", serde_json::json!({ "code": code }))
            .await
    }
}

/// The authenticator app's code for the account, `steps` of 30 s away from now.
pub fn totp_code(account: &Account, steps: i64) -> Result<String> {
    let secret = totp_rs::Secret::try_from_base32(&account.totp_secret)
        .map_err(|_| anyhow::anyhow!("secret"))?;
    let totp = totp_rs::Builder::new()
        .with_secret(secret)
        .build()
        .map_err(|_| anyhow::anyhow!("totp"))?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let at = now.checked_add_signed(steps * 30).context("time")?;
    Ok(totp.generate(at).to_string())
}
