//! `musubi forms`: the sheets as they are defined, for others, and against the ministry's file.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use domain::form::{self, Definition};
use exchange::{Encoding, Listing, WriteOptions};

use crate::InputError;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// 様式の一覧
    List,
    /// 定義を JSON で出力します（画面・検証・CSV の元になるもの）
    Show {
        /// 様式の識別子（list で分かります）
        form: String,
    },
    /// 画面用の TypeScript の型を出力します
    Typescript,
    /// データ辞書・JSON Schema・CSV 仕様を出力します
    #[command(
        after_help = "例:\n  musubi forms export dictionary -o データ辞書.csv\n  musubi forms export dictionary --format markdown --form plan\n  musubi forms export json-schema --form plan\n\n終了コード: 0 出力した / 2 指定の誤り / 1 その他の失敗"
    )]
    Export {
        /// 出力するもの
        what: Export,
        /// 様式の識別子（省くとすべて）
        #[arg(long)]
        form: Vec<String>,
        /// 表の書き方（json-schema では使いません）
        #[arg(long, default_value = "csv")]
        format: Format,
        /// 出力先のファイル（省くと標準出力）
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// 国のツールなど実物の Excel の見出しを、様式の項目と見比べます
    #[command(
        after_help = "見出しの文字の近さで候補を出します。照合済みにはしません。人が確かめて、定義ファイル（datasets/forms）の xlsx と verified を書きます。\n\n終了コード: 0 すべての項目に候補があった / 1 候補のない項目がある・その他の失敗 / 2 ファイルや指定の誤り"
    )]
    Verify {
        /// Excel のファイル（xlsx・xlsm）
        tool: PathBuf,
        /// 様式の識別子（省くと、文書になる様式すべて）
        #[arg(long)]
        form: Vec<String>,
        /// JSON で出力します
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Export {
    /// データ辞書（項目・型・選択肢・必須・個人情報の種別・出典・照合）
    Dictionary,
    /// 値の JSON Schema（2020-12）
    JsonSchema,
    /// CSV の仕様（ファイル・列・見出し・書き方）
    CsvSpec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// UTF-8（BOM付き）の CSV
    Csv,
    /// Markdown の表
    Markdown,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let catalogue = form::catalogue();
    match arguments.what {
        What::List => {
            for definition in catalogue.definitions() {
                let verified = if definition.verified {
                    ""
                } else {
                    "（未検証）"
                };
                println!(
                    "{}\t{}\t{}版{verified}\t{}項目",
                    definition.id,
                    definition.title,
                    definition.version,
                    definition.fields().count()
                );
            }
        }
        What::Show { form } => {
            println!("{}", serde_json::to_string_pretty(known(&form)?)?);
        }
        What::Typescript => print!("{}", form::typescript(catalogue.definitions())),
        What::Export {
            what,
            form,
            format,
            output,
        } => {
            let bytes = export(what, &chosen(&form)?, format)?;
            match output {
                Some(path) => fs::write(&path, bytes)
                    .with_context(|| format!("{} に書けません", path.display()))?,
                None => std::io::stdout().write_all(&bytes)?,
            }
        }
        What::Verify { tool, form, json } => return verify(&tool, &form, json),
    }
    Ok(())
}

fn known(id: &str) -> Result<&'static Definition, InputError> {
    form::catalogue().definition(id).ok_or_else(|| {
        InputError(format!(
            "様式「{id}」はありません。musubi forms list で確かめてください"
        ))
    })
}

fn chosen(ids: &[String]) -> Result<Vec<&'static Definition>, InputError> {
    if ids.is_empty() {
        return Ok(form::catalogue().definitions().iter().collect());
    }
    ids.iter().map(|id| known(id)).collect()
}

fn export(what: Export, forms: &[&Definition], format: Format) -> anyhow::Result<Vec<u8>> {
    let table = |listing: Listing| match format {
        Format::Markdown => Ok(listing.markdown().into_bytes()),
        Format::Csv => listing
            .csv(&WriteOptions {
                encoding: Encoding::Utf8Bom,
                ..WriteOptions::default()
            })
            .map(|output| output.bytes),
    };
    Ok(match what {
        Export::Dictionary => table(exchange::dictionary(forms))?,
        Export::CsvSpec => table(exchange::csv_specification(forms))?,
        Export::JsonSchema => {
            let schemas: Vec<serde_json::Value> = forms
                .iter()
                .map(|form| exchange::json_schema(form))
                .collect();
            let mut bytes = match schemas.as_slice() {
                [one] => serde_json::to_vec_pretty(one)?,
                all => serde_json::to_vec_pretty(all)?,
            };
            bytes.push(b'\n');
            bytes
        }
    })
}

fn verify(tool: &std::path::Path, ids: &[String], json: bool) -> anyhow::Result<()> {
    let bytes = fs::read(tool).map_err(|_| {
        InputError(format!(
            "{} を読めません。場所を確かめてください",
            tool.display()
        ))
    })?;
    let forms: Vec<&Definition> = chosen(ids)?
        .into_iter()
        .filter(|form| {
            !ids.is_empty() || domain::section::DocumentKind::of_form(&form.id).is_some()
        })
        .collect();
    let headers = exchange::headers(&bytes)
        .map_err(|error| InputError(format!("{}: {error}", tool.display())))?;
    let found = exchange::compare(&forms, &headers);
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        report(&forms, &found);
    }
    anyhow::ensure!(
        found.missing.is_empty(),
        "候補の見つからない項目が {} あります",
        found.missing.len()
    );
    Ok(())
}

fn report(forms: &[&Definition], found: &exchange::Comparison) {
    for form in forms {
        let matched: Vec<_> = found
            .matched
            .iter()
            .filter(|one| one.form == form.id)
            .collect();
        let missing: Vec<_> = found
            .missing
            .iter()
            .filter(|one| one.form == form.id)
            .collect();
        println!(
            "■ {}（{}）　候補あり {}　候補なし {}",
            form.title,
            form.id,
            matched.len(),
            missing.len()
        );
        for one in matched {
            println!(
                "  {:>3.0}%  {}「{}」← {}!{}「{}」",
                one.likeness * 100.0,
                one.field,
                one.label,
                one.header.sheet,
                one.header.cell,
                one.header.text
            );
        }
        for one in missing {
            println!("  なし  {}「{}」", one.field, one.label);
        }
    }
    println!("■ 様式にない見出し {}", found.extra.len());
    for one in &found.extra {
        println!("  {}!{}「{}」", one.sheet, one.cell, one.text);
    }
    println!(
        "\n文字の近さによる候補です。照合済みにはしていません。確かめたうえで、定義ファイルの xlsx に実物の見出しを、verified に true を書いてください。"
    );
}
