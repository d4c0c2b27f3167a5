//! `musubi token create`: a bearer token for programs and tests.

use domain::{id::MembershipId, role::Role};
use jiff::SignedDuration;
use serde_json::json;
use store::{
    accounts::AdminAccess,
    audit::{self, Event},
    memberships::Membership,
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
        /// 役割（兼務の利用者では必要です。例: coordinator）
        #[arg(long)]
        role: Option<Role>,
        /// 機関の名称（同じ役割の所属が二つ以上あるとき）
        #[arg(long)]
        agency: Option<String>,
    },
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let What::Create {
        options,
        user,
        ttl,
        scope,
        role,
        agency,
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
            let usable: Vec<Membership> = memberships
                .into_iter()
                .filter(|membership| membership.valid_on(today))
                .collect();
            let membership = chosen(&user, &usable, role, agency.as_deref())?;
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

/// The one membership that is meant. A token never falls to one of several hats by chance.
pub(super) fn chosen(
    user: &str,
    usable: &[Membership],
    role: Option<Role>,
    agency: Option<&str>,
) -> Result<MembershipId, InputError> {
    let listed = |memberships: &[&Membership]| {
        memberships
            .iter()
            .map(|membership| {
                format!(
                    "  --role {} --agency '{}'（{}）",
                    membership.role.code(),
                    membership.agency_name,
                    membership.role.label_ja()
                )
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let meant: Vec<&Membership> = usable
        .iter()
        .filter(|membership| {
            role.is_none_or(|role| membership.role == role)
                && agency.is_none_or(|agency| membership.agency_name == agency)
        })
        .collect();
    match meant.as_slice() {
        [membership] => Ok(membership.id.clone()),
        [] if usable.is_empty() => {
            Err(InputError(format!("{user} には今日使える所属がありません")))
        }
        [] => Err(InputError(format!(
            "{user} にその所属はありません。今日使える所属は次のとおりです\n{}",
            listed(&usable.iter().collect::<Vec<_>>())
        ))),
        several => Err(InputError(format!(
            "{user} には今日使える所属が {} つあります。どの所属で使うかを --role（同じ役割なら --agency も）で選んでください\n{}",
            several.len(),
            listed(several)
        ))),
    }
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

#[cfg(test)]
mod tests {
    use domain::agency::AgencyClass;

    use super::*;

    fn hat(id: &str, agency: &str, role: Role) -> Membership {
        Membership {
            id: id.into(),
            account: "a".into(),
            agency: agency.into(),
            agency_name: agency.to_owned(),
            agency_class: AgencyClass::Agency,
            role,
            valid_from: jiff::civil::date(2026, 4, 1),
            valid_to: None,
            active: true,
            version: 1,
        }
    }

    #[test]
    fn of_several_hats_one_is_named() {
        let hats = [
            hat("m1", "甲", Role::Agency),
            hat("m2", "乙", Role::Coordinator),
            hat("m3", "丙", Role::Agency),
        ];
        let pick = |hats: &[Membership], role, agency| {
            chosen("tanaka", hats, role, agency).map_err(|error| error.to_string())
        };
        assert_eq!(pick(&hats[..1], None, None).unwrap().as_str(), "m1");
        assert_eq!(
            pick(&hats, Some(Role::Coordinator), None).unwrap().as_str(),
            "m2"
        );
        assert_eq!(
            pick(&hats, Some(Role::Agency), Some("丙"))
                .unwrap()
                .as_str(),
            "m3"
        );
        let message = pick(&hats, None, None).unwrap_err();
        for said in ["3 つ", "--role agency", "--role coordinator", "乙"] {
            assert!(message.contains(said), "{message}");
        }
        let message = pick(&hats, Some(Role::Agency), None).unwrap_err();
        assert!(!message.contains("乙"), "{message}");
        assert!(
            pick(&hats, Some(Role::Viewer), None)
                .unwrap_err()
                .contains("その所属はありません")
        );
        assert!(
            pick(&[], None, None)
                .unwrap_err()
                .contains("所属がありません")
        );
    }
}
