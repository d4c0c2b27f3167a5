//! `musubi doctor`: looks at everything that must be right, and says what to do where it is not.

use anyhow::Context;
use models::{Assets, Models};
use store::{
    DocumentLog,
    audit::{self, Chain},
    finding, municipalities,
};

use crate::{
    InputError,
    config::{Config, Options},
    opening,
};

const DAMAGED_FILE: &str = "壊れた箇所があります。サーバーを止め、控えから復元してください";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
    /// 標準入力の文（1 行）がデータのどこかに残っていないか、すべての封を開いて調べます。
    /// 見つかった表・列・行番号だけを表示し、1 つでもあれば 1 で終わります
    #[arg(long)]
    find_text: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.options)?;
    if arguments.find_text {
        return find_text(&config);
    }
    let mut wrong = 0_usize;
    let mut check = |what: &str, result: Result<String, String>| match result {
        Ok(good) => println!("良好  {what}: {good}"),
        Err(bad) => {
            wrong += 1;
            println!("要対応 {what}: {bad}");
        }
    };

    match Assets::locate(config.assets.as_deref()) {
        Ok(assets) => {
            check(
                "モデル",
                Models::from_assets(&assets, 1)
                    .map(|models| models.version)
                    .map_err(|error| error.to_string()),
            );
            check(
                "辞書",
                assets
                    .dictionary()
                    .map_err(|error| error.to_string())
                    .and_then(|path| {
                        search::Analyzer::load(&path)
                            .map(|_| "読めます".to_owned())
                            .map_err(|error| error.to_string())
                    }),
            );
            let font = assets.root().join("fonts/BIZUDPGothic-Regular.ttf");
            check(
                "図表の書体",
                if font.exists() {
                    Ok("あります".into())
                } else {
                    Err("ありません。make setup を実行してください".into())
                },
            );
        }
        Err(error) => check("資産フォルダ", Err(error.to_string())),
    }

    opening::runtime()?.block_on(async {
        let db = match opening::database(&config).await {
            Ok(db) => {
                check("データベース", Ok(format!("{:?}", db.dialect())));
                db
            }
            Err(error) => {
                check("データベース", Err(format!("{error:#}")));
                return Ok(());
            }
        };
        let findings = db.durability_findings().await?;
        check(
            "書込みの確実さ",
            if findings.is_empty() {
                Ok("確定してから応答します".into())
            } else {
                Err(format!("設定を直してください: {}", findings.join(", ")))
            },
        );
        match db.files_are_whole().await {
            Ok(None) => {}
            Ok(Some(true)) => check("データベースのファイル", Ok("壊れていません".to_owned())),
            Ok(Some(false)) => check("データベースのファイル", Err(DAMAGED_FILE.to_owned())),
            Err(error) => check("データベースのファイル", Err(format!("{DAMAGED_FILE} ({error})"))),
        }
        match DocumentLog::start(&db).examine().await {
            Ok(damaged) if damaged.is_empty() => {
                check("文書の記録", Ok("すべて読めます".to_owned()));
            }
            Ok(damaged) => {
                for (document, what) in damaged {
                    check(
                        &format!("文書の記録 {document}"),
                        Err(format!(
                            "壊れているか欠けています ({what})。この文書は開きません。控えから復元してください"
                        )),
                    );
                }
            }
            Err(error) => check("文書の記録", Err(error.to_string())),
        }
        let mut tx = db.read().await?;
        for municipality in municipalities::list(&mut tx).await? {
            let chain = audit::verify_chain(&mut tx, &municipality.id).await?;
            check(
                &format!("監査記録 {}", municipality.id),
                match chain {
                    Chain::Intact { rows } => Ok(format!("{rows} 件、改ざんはありません")),
                    Chain::Broken { seq } => Err(format!(
                        "{seq} 件目から鎖がつながりません。控えと照合してください"
                    )),
                },
            );
        }
        drop(tx);
        db.close().await;
        anyhow::Ok(())
    })?;
    if wrong > 0 {
        anyhow::bail!("{wrong} 件の要対応があります");
    }
    Ok(())
}

/// Whether a text is still anywhere. It comes from standard input, so that it stands in no list of
/// processes and in no shell history.
fn find_text(config: &Config) -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin()
        .read_line(&mut text)
        .context("標準入力を読めません")?;
    let text = text.trim();
    if text.chars().count() < 2 {
        return Err(InputError("調べる文（2 文字以上）を標準入力から渡してください".into()).into());
    }
    let found = opening::runtime()?.block_on(async {
        let db = opening::database(config).await?;
        let log = DocumentLog::start(&db);
        let mut found = finding::find_text(&db, &log, api::shapes::of, text).await?;
        // The index on this machine: its dictionary of terms and its stored texts.
        match Assets::locate(config.assets.as_deref()).and_then(|assets| assets.dictionary()) {
            Ok(dictionary) => {
                let analyzer = search::Analyzer::load(&dictionary)?;
                let held = api::search_index::holds(&db, &analyzer, text).await?;
                found.places.extend(held);
            }
            Err(error) => eprintln!("検索索引は調べていません: {error}"),
        }
        db.close().await;
        anyhow::Ok(found)
    })?;
    for place in &found.places {
        println!("{place}");
    }
    if found.unreadable > 0 {
        eprintln!(
            "鍵が廃棄されているなどで開けない値が {} 件あります",
            found.unreadable
        );
    }
    if found.places.is_empty() {
        eprintln!("残っていません（{} 個の値を調べました）", found.looked);
        Ok(())
    } else {
        anyhow::bail!("{} か所に残っています", found.places.len())
    }
}
