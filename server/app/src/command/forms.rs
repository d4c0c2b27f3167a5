//! `musubi forms`: the sheets as they are defined.

use domain::form;

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
            let definition = catalogue.definition(&form).ok_or_else(|| {
                crate::InputError(format!(
                    "様式「{form}」はありません。musubi forms list で確かめてください"
                ))
            })?;
            println!("{}", serde_json::to_string_pretty(definition)?);
        }
        What::Typescript => print!("{}", form::typescript(catalogue.definitions())),
    }
    Ok(())
}
