//! `musubi token create`: a bearer token for programs and tests.

use domain::id::MembershipId;
use jiff::SignedDuration;
use serde_json::json;
use store::{
    accounts::AdminAccess,
    audit::{self, Event},
    municipalities,
};

use crate::{
    InputError,
    config::{Config, Options},
    opening,
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// トークンを作って表示します
    Create {
        #[command(flatten)]
        options: Options,
        /// ログイン ID
        #[arg(long)]
        user: String,
        /// 有効な長さ（例: 30m, 1h, 7d）
        #[arg(long, default_value = "1h")]
        ttl: String,
        /// できることを絞ります（何度でも指定できます。例: read_cases）
        #[arg(long)]
        scope: Vec<String>,
        /// 役割（兼務のとき。指定がなければ今日有効な最初の所属）
        #[arg(long)]
        role: Option<domain::role::Role>,
    },
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let What::Create {
        options,
        user,
        ttl,
        scope,
        role,
    } = arguments.what;
    let ttl = duration(&ttl)?;
    opening::runtime()?.block_on(async {
        let db = opening::database(&Config::load(&options)?).await?;
        let mut tx = db.write().await?;
        for municipality in municipalities::list(&mut tx).await? {
            let admin = AdminAccess::of_installation(&municipality.id);
            let accounts = admin.accounts(&mut tx).await?;
            let Some(account) = accounts
                .into_iter()
                .find(|account| account.login_id == user.to_lowercase())
            else {
                continue;
            };
            let today = db.clock().now().to_zoned(municipality.time_zone()).date();
            let memberships = admin.memberships(&mut tx, Some(&account.id)).await?;
            let membership: MembershipId = memberships
                .into_iter()
                .find(|membership| {
                    membership.valid_on(today) && role.is_none_or(|role| membership.role == role)
                })
                .ok_or_else(|| InputError(format!("{user} には今日使える所属がありません")))?
                .id;
            let (id, token) = admin
                .create_token(&mut tx, &membership, "command", &scope, ttl)
                .await
                .map_err(|error| InputError(format!("トークンを作れません: {error}")))?;
            audit::record(
                &mut tx,
                Event::system(&municipality.id, "token.create", "token", id)
                    .detail(json!({"account": account.id})),
            );
            tx.commit().await?;
            println!("{token}");
            db.close().await;
            return Ok(());
        }
        Err(InputError(format!("利用者 {user} はいません")).into())
    })
}

fn duration(text: &str) -> anyhow::Result<SignedDuration> {
    let wrong = || {
        InputError(format!(
            "--ttl 「{text}」は 30m, 1h, 7d のように書いてください"
        ))
    };
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong().into()),
    };
    Ok(SignedDuration::from_secs(number.saturating_mul(seconds)))
}
