//! Settings: command line over environment over file over default.

use std::path::{Path, PathBuf};

use anyhow::Context;
use api::proxies::Network;
use collab::hub::Limits;
use serde::{Deserialize, Serialize};

use crate::InputError;

/// No setting lets larger attachments in, in megabytes: what reads them for the search takes no more.
const LARGEST_MEGABYTES: u32 = 256;

/// Options that every subcommand with data takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// 設定ファイル (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// データの置き場所
    #[arg(long, value_name = "DIR", env = "MUSUBI_DATA")]
    pub data: Option<PathBuf>,
}

/// The file's and the resulting settings. Secrets never stand here: they are read from the files
/// and commands named here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the databases, keys and blobs.
    pub data: PathBuf,
    /// Address and port to listen on.
    pub listen: String,
    /// Path below which everything is served, without a closing slash; empty for the root.
    pub base_path: String,
    /// Address as users type it; `https://` makes cookies `Secure`.
    pub public_url: Option<String>,
    /// `sqlite:FILE` or `postgres://…`; SQLite in the data folder by default.
    pub database_url: Option<String>,
    /// `nats://…`: the bus between several nodes on one PostgreSQL. Without it they use
    /// `LISTEN/NOTIFY`.
    pub nats_url: Option<String>,
    /// Tells installations apart that share a NATS: letters, digits, `-` and `_`.
    pub deployment: String,
    /// Addresses or networks (CIDR) of reverse proxies on other machines: their `X-Forwarded-For`
    /// says whom failed sign-ins are counted by.
    pub trusted_proxies: Vec<String>,
    /// Folder of the municipalities' key files; `keys` in the data folder by default. Several nodes
    /// share one.
    pub keys: Option<PathBuf>,
    /// Command that prints a municipality's key (32 bytes, hexadecimal); key files by default.
    pub key_command: Option<String>,
    /// Folder with ONNX Runtime, dictionary, fonts and models.
    pub assets: Option<PathBuf>,
    /// Minutes without a request after which a session ends.
    pub idle_minutes: u32,
    /// Hours after which a session ends in any case.
    pub session_hours: u32,
    /// How many inferences may run at once.
    pub inference_sessions: usize,
    /// Largest attachment of the 支援経過, in megabytes (1,000,000 bytes); 1 to 256.
    pub attachment_megabytes: u32,
    /// How the log of live documents is kept short.
    pub log: Log,
}

/// Sizes at which the log of live documents is rewritten. Smaller values cost writes, larger ones
/// time at the start and disk space; what is on disk is safe with any.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Changes of one document after which they are replaced by its state.
    pub compact_entries: usize,
    /// Bytes of such changes (at least those of the state) after which that is done too.
    pub compact_bytes: usize,
    /// SQLite: pages of 4 KiB in the write-ahead log after which it is written back.
    pub checkpoint_pages: u32,
}

impl Default for Log {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            compact_entries: limits.compact_entries,
            compact_bytes: limits.compact_bytes,
            checkpoint_pages: 1000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: "127.0.0.1:8400".to_owned(),
            base_path: String::new(),
            public_url: None,
            database_url: None,
            nats_url: None,
            deployment: "musubi".to_owned(),
            trusted_proxies: Vec::new(),
            keys: None,
            key_command: None,
            assets: None,
            idle_minutes: 30,
            session_hours: 12,
            inference_sessions: 2,
            attachment_megabytes: 25,
            log: Log::default(),
        }
    }
}

impl Config {
    /// Reads the file named (or `musubi.toml` in the data folder, if it is there), then the
    /// environment, then the options.
    pub fn load(options: &Options) -> anyhow::Result<Self> {
        let beside_data = options
            .data
            .as_deref()
            .unwrap_or(Path::new("data"))
            .join("musubi.toml");
        let file = options
            .config
            .clone()
            .or_else(|| beside_data.exists().then_some(beside_data));
        let mut config = match file {
            Some(path) => {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("設定ファイル {} を読めません", path.display()))?;
                toml::from_str(&text).map_err(|error| {
                    InputError(format!(
                        "設定ファイル {}: {}",
                        path.display(),
                        error.message()
                    ))
                })?
            }
            None => Self::default(),
        };
        if let Some(data) = &options.data {
            config.data.clone_from(data);
        }
        if let Some(url) = secret("DATABASE_URL")? {
            config.database_url = Some(url);
        }
        if let Some(url) = secret("NATS_URL")? {
            config.nats_url = Some(url);
        }
        if let Ok(list) = std::env::var("MUSUBI_TRUSTED_PROXIES") {
            config.trusted_proxies = list.split(',').map(|part| part.trim().to_owned()).collect();
        }
        for network in &config.trusted_proxies {
            network.parse::<Network>().map_err(|_| {
                InputError(format!(
                    "設定 trusted_proxies: 「{network}」はアドレスではありません"
                ))
            })?;
        }
        if let Some(folder) = std::env::var_os("MUSUBI_KEYS") {
            config.keys = Some(folder.into());
        }
        if let Some(url) = &config.nats_url
            && !["nats://", "tls://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        {
            return Err(InputError(
                "NATS_URL は nats:// または tls:// で始めてください".to_owned(),
            )
            .into());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if config.deployment.is_empty() || !config.deployment.chars().all(plain) {
            return Err(InputError(
                "設定 deployment には英数字と - _ だけを使ってください".to_owned(),
            )
            .into());
        }
        if let Some(url) = &config.database_url
            && !["sqlite:", "postgres:", "postgresql:"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        {
            return Err(InputError(
                "DATABASE_URL は sqlite: または postgres: で始めてください".to_owned(),
            )
            .into());
        }
        config.set_base_path(&config.base_path.clone())?;
        if !(1..=LARGEST_MEGABYTES).contains(&config.attachment_megabytes) {
            return Err(InputError(format!(
                "設定 attachment_megabytes: {} は使えません。1 から {LARGEST_MEGABYTES} までのメガバイト数にしてください",
                config.attachment_megabytes
            ))
            .into());
        }
        Ok(config)
    }

    /// Normalises `/musubi/` to `/musubi`.
    pub fn set_base_path(&mut self, path: &str) -> anyhow::Result<()> {
        let trimmed = path.trim_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !trimmed.chars().all(plain) || trimmed.contains("..") {
            return Err(InputError(format!(
                "--base-path 「{path}」には英数字と - _ . / だけを使ってください"
            ))
            .into());
        }
        self.base_path = if trimmed.is_empty() {
            String::new()
        } else {
            format!("/{trimmed}")
        };
        Ok(())
    }
}

/// The environment variable, or the first line of the file that `NAME_FILE` names: an address may
/// carry a password.
fn secret(name: &str) -> anyhow::Result<Option<String>> {
    if let Ok(value) = std::env::var(name) {
        return Ok(Some(value));
    }
    let Some(path) = std::env::var_os(format!("{name}_FILE")) else {
        return Ok(None);
    };
    let path = PathBuf::from(path);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{name}_FILE {} を読めません", path.display()))?;
    Ok(text.lines().next().map(|line| line.trim().to_owned()))
}

/// The address without user and password, for showing.
pub fn without_secret(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://…@{host}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_has_one_form() {
        let mut config = Config::default();
        config.set_base_path("/musubi/").unwrap();
        assert_eq!(config.base_path, "/musubi");
        config.set_base_path("/").unwrap();
        assert_eq!(config.base_path, "");
        assert!(config.set_base_path("/a\"b").is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(
            without_secret("nats://musubi:s3cret@nats:4222"),
            "nats://…@nats:4222"
        );
        assert_eq!(without_secret("sqlite:data/x"), "sqlite:data/x");
    }

    #[test]
    fn attachments_are_no_larger_than_what_reads_them_takes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("musubi.toml");
        let options = Options {
            config: Some(file.clone()),
            data: None,
        };
        let load = |megabytes: u32| {
            std::fs::write(&file, format!("attachment_megabytes = {megabytes}")).unwrap();
            Config::load(&options)
        };
        assert_eq!(load(256).unwrap().attachment_megabytes, 256);
        for refused in [0, 257] {
            let error = load(refused).unwrap_err();
            assert!(error.is::<InputError>());
            let text = error.to_string();
            assert!(
                text.contains("attachment_megabytes") && text.contains(&refused.to_string()),
                "{text}"
            );
        }
        assert!(
            u64::from(LARGEST_MEGABYTES) * 1_000_000 <= crate::command::read_attachment::LARGEST
        );
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("musubi.toml");
        std::fs::write(&file, "lissten = '1'").unwrap();
        let options = Options {
            config: Some(file),
            data: None,
        };
        let error = Config::load(&options).unwrap_err();
        assert!(error.is::<InputError>());
        assert!(error.to_string().contains("lissten"), "{error}");
    }
}
