//! `musubi index`: the full-text index, which every node keeps beside its data.

use std::time::Duration;

use anyhow::Context as _;
use store::{municipalities, search};

use crate::{
    config::{Config, Options},
    opening,
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// 検索索引を作り直すよう、動いているすべてのサーバーに伝えます（止まっているサーバーは次の起動時）。
    /// 作り直している間も検索は使えますが、見つかるものが少なくなります
    Rebuild(Options),
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Command::Rebuild(options) = arguments.command;
    let config = Config::load(&options)?;
    let told = opening::runtime()?.block_on(async {
        let db = opening::database(&config).await?;
        let mut tx = db.write().await?;
        let all = municipalities::list(&mut tx).await?;
        for municipality in &all {
            search::rebuild(&mut tx, &municipality.id);
        }
        tx.commit().await?;
        db.close().await;
        anyhow::Ok(all.len())
    });
    let told = told.context("作り直しを伝えられません")?;
    println!(
        "{told} 自治体の検索索引を作り直します。進み具合は検索画面とサーバーの記録、/metrics に出ます（{} 秒以内に始まります）",
        Duration::from_secs(2).as_secs()
    );
    Ok(())
}
