//! `musubi backup` and `musubi restore`: a folder with the databases as they are now, a manifest and
//! checksums. Keys are never in it: they are kept apart, and overwritten after every erasure.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Database, Dialect, DocumentLog, erasure};

use crate::{
    InputError,
    config::{Config, Options},
    opening,
};

/// The layout this version writes and reads.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const DUMP: &str = "musubi.pgdump";
/// How long a key that is being replaced is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub struct BackupArguments {
    #[command(flatten)]
    options: Options,
    /// 控えを置く新しいフォルダ
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArguments {
    #[command(flatten)]
    options: Options,
    /// `musubi backup` で作ったフォルダ
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    version: String,
    created_at: String,
    /// `sqlite` or `postgres`.
    database: String,
    files: Vec<FileEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileEntry {
    name: String,
    size: u64,
    sha256: String,
}

pub fn backup(arguments: BackupArguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.options)?;
    let folder = arguments.folder;
    if folder.exists() {
        return Err(InputError(format!(
            "{} はすでにあります。新しいフォルダの名前を指定してください",
            folder.display()
        ))
        .into());
    }
    opening::runtime()?.block_on(async {
        let db = opening::database(&config).await?;
        private_folder(&folder)?;
        let _lock = locked(&db).await?;
        let names = match db.dialect() {
            Dialect::Sqlite => db.copy_to(&folder).await?,
            Dialect::Postgres => {
                dump(&config, &folder)?;
                vec![DUMP]
            }
        };
        let files = names
            .into_iter()
            .map(|name| entry(&folder, name))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: domain::clock::instant_text(db.clock().now()),
            database: match db.dialect() {
                Dialect::Sqlite => "sqlite",
                Dialect::Postgres => "postgres",
            }
            .to_owned(),
            files,
        };
        // Last: a folder without a manifest is no backup.
        let path = folder.join(MANIFEST);
        std::fs::write(&path, serde_json::to_vec_pretty(&manifest)?)?;
        std::fs::File::open(&path)?.sync_all()?;
        std::fs::File::open(&folder)?.sync_all()?;
        db.close().await;
        println!(
            "控えを {} に作りました。\n鍵（{}）は含みません。別の場所に控え、消去のたびに前の控えを上書きしてください。",
            folder.display(),
            config.data.join("keys").display()
        );
        Ok(())
    })
}

/// Waits while an erasure replaces a key.
async fn locked(db: &Database) -> anyhow::Result<std::fs::File> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = db.erasure_lock()? {
            return Ok(lock);
        }
        anyhow::ensure!(
            begun.elapsed() < PATIENCE,
            "ほかの控えの作成か消去が続いているため、控えを作れません。しばらくしてからやり直してください"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn private_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("フォルダ {} を作れません", folder.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn entry(folder: &Path, name: &str) -> anyhow::Result<FileEntry> {
    let path = folder.join(name);
    let mut file =
        std::fs::File::open(&path).with_context(|| format!("{} がありません", path.display()))?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hash.update(&buffer[..read]);
    }
    Ok(FileEntry {
        name: name.to_owned(),
        size,
        sha256: hex::encode(hash.finalize()),
    })
}

/// The parts of a `postgres:` URL as libpq reads them from the environment: a password on the command
/// line could be seen by everybody on the machine.
fn postgres_environment(config: &Config) -> anyhow::Result<Vec<(&'static str, String)>> {
    let text = config
        .database_url
        .as_deref()
        .context("DATABASE_URL がありません")?;
    let url = url::Url::parse(text).map_err(|_| InputError("DATABASE_URL を読めません".into()))?;
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut out = vec![("PGDATABASE", decoded(url.path().trim_start_matches('/')))];
    if let Some(host) = url.host_str() {
        out.push(("PGHOST", decoded(host)));
    }
    if let Some(port) = url.port() {
        out.push(("PGPORT", port.to_string()));
    }
    if !url.username().is_empty() {
        out.push(("PGUSER", decoded(url.username())));
    }
    if let Some(password) = url.password() {
        out.push(("PGPASSWORD", decoded(password)));
    }
    for (name, value) in url.query_pairs() {
        match &*name {
            "sslmode" => out.push(("PGSSLMODE", value.into_owned())),
            "host" => out.push(("PGHOST", value.into_owned())),
            _ => {}
        }
    }
    Ok(out)
}

/// Runs a program of PostgreSQL; what it says is not repeated, it may quote values.
fn postgres_program(config: &Config, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .envs(postgres_environment(config)?)
        .stdin(Stdio::null())
        .output()
        .with_context(|| {
            format!("{program} を起動できません。PostgreSQL のクライアント (postgresql-client) を入れてください")
        })?;
    anyhow::ensure!(
        output.status.success(),
        "{program} が失敗しました（{}）。サーバーと同じ版以上の {program} か、接続先と権限を確かめてください",
        output.status
    );
    Ok(())
}

fn dump(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(DUMP);
    let path = path.to_str().context("path")?;
    // One snapshot of both schemas. Uncompressed: its content is sealed, and does not compress.
    postgres_program(
        config,
        "pg_dump",
        &[
            "--format=custom",
            "--compress=0",
            "--no-owner",
            "--no-privileges",
            "--file",
            path,
        ],
    )
}

pub fn restore(arguments: RestoreArguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.options)?;
    let manifest = checked(&arguments.folder)?;
    let postgres = config
        .database_url
        .as_deref()
        .is_some_and(|url| url.starts_with("postgres"));
    let expected = if postgres { "postgres" } else { "sqlite" };
    if manifest.database != expected {
        return Err(InputError(format!(
            "この控えは {} のものです。戻す先は {expected} です",
            manifest.database
        ))
        .into());
    }
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("データフォルダ {} を作れません", config.data.display()))?;
    if postgres {
        // Fails when something of that name is there already: nothing is overwritten.
        let path = arguments.folder.join(DUMP);
        postgres_program(
            &config,
            "pg_restore",
            &[
                "--no-owner",
                "--no-privileges",
                "--exit-on-error",
                "--single-transaction",
                "--dbname",
                "",
                path.to_str().context("path")?,
            ],
        )?;
    } else {
        put_files(&config, &arguments.folder, &manifest)?;
        // It tells how far the logs had come that stood here before.
        match std::fs::remove_file(config.data.join("documents.marks")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("documents.marks を消せません");
            }
            _ => {}
        }
    }
    opening::runtime()?.block_on(async {
        let db = opening::database(&config).await?;
        let log = DocumentLog::start(&db);
        let restored = erasure::after_restore(&db, &log, api::shapes::of)
            .await
            .context("戻したデータを開けません。控えと同じ時期か、それより後の鍵（keys フォルダ）を置いてください")?;
        db.close().await;
        println!(
            "{} の控えを戻しました。記録 {} 件を新しい世代にしました。",
            manifest.created_at, restored.documents
        );
        for number in &restored.erased_cases {
            println!("事案 {number} は、この控えより後の消去で鍵が廃棄されたため、戻しません。");
        }
        if restored.erased_others > 0 {
            println!(
                "このほか {} 件（人・メモ）は、消去で鍵が廃棄されたため、戻しません。",
                restored.erased_others
            );
        }
        Ok(())
    })
}

/// The manifest of a folder whose files are what it says.
fn checked(folder: &Path) -> anyhow::Result<Manifest> {
    let text = std::fs::read(folder.join(MANIFEST)).map_err(|_| {
        InputError(format!(
            "{} に {MANIFEST} がありません。musubi backup で作ったフォルダを指定してください",
            folder.display()
        ))
    })?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|_| InputError(format!("{MANIFEST} が正しくありません")))?;
    if manifest.format != FORMAT {
        return Err(InputError(format!(
            "控えの形式 {} は、この版では読めません",
            manifest.format
        ))
        .into());
    }
    for file in &manifest.files {
        if file.name.contains(['/', '\\']) {
            return Err(InputError(format!("{MANIFEST} が正しくありません")).into());
        }
        let found = entry(folder, &file.name)?;
        if (found.size, &found.sha256) != (file.size, &file.sha256) {
            return Err(InputError(format!(
                "控えの {} が壊れています（作ったときの内容と違います）",
                file.name
            ))
            .into());
        }
    }
    Ok(manifest)
}

fn put_files(config: &Config, folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let main = match config.database_url.as_deref() {
        Some(url) => {
            let path = url.trim_start_matches("sqlite:");
            let path = path.strip_prefix("//").unwrap_or(path);
            PathBuf::from(path.split_once('?').map_or(path, |(path, _)| path))
        }
        None => config.data.join("musubi.sqlite"),
    };
    let targets: Vec<(&FileEntry, PathBuf)> = manifest
        .files
        .iter()
        .map(|file| {
            let target = if file.name == "musubi.sqlite" {
                main.clone()
            } else {
                config.data.join(&file.name)
            };
            (file, target)
        })
        .collect();
    for (_, target) in &targets {
        if target.exists() {
            return Err(InputError(format!(
                "{} がすでにあります。空のデータフォルダ（keys だけを置いたもの）に戻してください",
                target.display()
            ))
            .into());
        }
    }
    for (file, target) in targets {
        std::fs::copy(folder.join(&file.name), &target)
            .with_context(|| format!("{} に書けません", target.display()))?;
        std::fs::File::open(&target)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_for_libpq() {
        let config = Config {
            database_url: Some("postgres://mu:p%40ss@db.example:5433/town?sslmode=require".into()),
            ..Config::default()
        };
        let parts = postgres_environment(&config).unwrap();
        for part in [
            ("PGHOST", "db.example"),
            ("PGPORT", "5433"),
            ("PGUSER", "mu"),
            ("PGPASSWORD", "p@ss"),
            ("PGDATABASE", "town"),
            ("PGSSLMODE", "require"),
        ] {
            assert!(parts.contains(&(part.0, part.1.to_owned())), "{part:?}");
        }
    }

    #[test]
    fn an_altered_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.sqlite"), b"one").unwrap();
        let manifest = Manifest {
            format: FORMAT,
            version: "0".into(),
            created_at: "2026-11-30T00:00:00.000Z".into(),
            database: "sqlite".into(),
            files: vec![entry(folder.path(), "a.sqlite").unwrap()],
        };
        std::fs::write(
            folder.path().join(MANIFEST),
            serde_json::to_vec(&manifest).unwrap(),
        )
        .unwrap();
        assert!(checked(folder.path()).is_ok());
        std::fs::write(folder.path().join("a.sqlite"), b"two").unwrap();
        let error = checked(folder.path()).unwrap_err();
        assert!(error.is::<InputError>() && error.to_string().contains("a.sqlite"));
    }
}
