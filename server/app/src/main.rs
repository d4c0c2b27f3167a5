//! `musubi`: one binary for everything. Exit codes: 0 done, 2 wrong usage or input (the message
//! says what and where), 1 any other failure.

mod allocator;
mod command;
mod config;
mod dataset;
mod nats;
mod opening;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Options;

/// 相談記録プラットフォーム 結（むすび）
#[derive(Debug, Parser)]
#[command(name = "musubi", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// サーバーを起動します
    Serve(command::serve::Arguments),
    /// 架空のデモ自治体を読み込み、サーバーを起動します
    Demo(command::demo::Arguments),
    /// 利用者の作成・一覧・停止・再開・再設定
    User(command::user::Arguments),
    /// 連携用トークンの発行
    Token(command::token::Arguments),
    /// 動かしたまま、データの控えをフォルダに作ります（鍵は含みません）
    Backup(command::backup::BackupArguments),
    /// 控えを空のデータフォルダに戻します
    Restore(command::backup::RestoreArguments),
    /// 消去の申請・承認・実行と廃棄記録の一覧
    Erase(command::erase::Arguments),
    /// データベースを新しい版に移行します
    Migrate(Options),
    /// 様式の一覧・出力
    Forms(command::forms::Arguments),
    /// 検索索引の作り直し
    Index(command::index::Arguments),
    /// 設定・データ・監査記録の健全性を調べ、直し方を示します
    Doctor(command::doctor::Arguments),
    /// 有効な設定を表示します
    Config(Options),
    /// 標準入力の JSONL をマスキングします
    Mask(command::lines::MaskArguments),
    /// 標準入力の JSONL を埋め込みベクトルにします
    Embed(command::lines::EmbedArguments),
    /// 標準入力の JSONL に似た文書を探します
    Similar(command::lines::SimilarArguments),
    /// 標準入力の JSONL（困りごと）に合う制度・社会資源を探します
    SearchResources(command::lines::ResourceArguments),
    /// 文字起こしファイルを読み、下書きを JSON で出力します
    Ingest(command::ingest::Arguments),
    /// API の定義 (OpenAPI 3.1) を出力します
    Openapi,
    /// 形態素解析の辞書を作ります（make setup が使います）
    #[command(hide = true)]
    SetupDictionary(command::setup_dictionary::Arguments),
    /// 添付ファイル1つの文字を読みます（サーバーが使います）
    #[command(hide = true)]
    ReadAttachment(command::read_attachment::Arguments),
}

/// Wrong usage or input: exit code 2. Everything else that fails is exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(pub String);

fn main() -> ExitCode {
    allocator::settle();
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("エラー: {error:#}");
            if error.is::<InputError>() {
                ExitCode::from(2)
            } else {
                ExitCode::from(1)
            }
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(arguments) => command::serve::run(arguments),
        Command::Demo(arguments) => command::demo::run(arguments),
        Command::User(arguments) => command::user::run(arguments),
        Command::Token(arguments) => command::token::run(arguments),
        Command::Backup(arguments) => command::backup::backup(arguments),
        Command::Restore(arguments) => command::backup::restore(arguments),
        Command::Erase(arguments) => command::erase::run(arguments),
        Command::Migrate(options) => command::migrate::run(options),
        Command::Forms(arguments) => command::forms::run(arguments),
        Command::Index(arguments) => command::index::run(arguments),
        Command::Doctor(arguments) => command::doctor::run(arguments),
        Command::Config(options) => command::show_config::run(options),
        Command::Mask(arguments) => command::lines::mask(arguments),
        Command::Embed(arguments) => command::lines::embed(arguments),
        Command::Similar(arguments) => command::lines::similar(arguments),
        Command::SearchResources(arguments) => command::lines::search_resources(arguments),
        Command::Ingest(arguments) => command::ingest::run(arguments),
        Command::Openapi => command::openapi::run(),
        Command::SetupDictionary(arguments) => command::setup_dictionary::run(arguments),
        Command::ReadAttachment(arguments) => command::read_attachment::run(arguments),
    }
}
