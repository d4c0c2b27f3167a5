//! `musubi migrate`: brings the schema up to date and says so.

use crate::{
    config::{Config, Options},
    opening,
};

pub fn run(options: Options) -> anyhow::Result<()> {
    let config = Config::load(&options)?;
    opening::runtime()?.block_on(async {
        let db = opening::database(&config).await?;
        println!("データベースは最新です（{:?}）", db.dialect());
        db.close().await;
        Ok(())
    })
}
