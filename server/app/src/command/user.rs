//! `musubi user`: accounts from the command line, for the first administrator and for emergencies.

use collab::access::Change;
use domain::{
    agency::AgencyClass,
    id::{AccountId, MunicipalityId},
    role::Role,
};
use serde_json::json;
use store::{
    Database,
    accounts::{AdminAccess, NewAccount, check_password},
    agencies::{self, NewAgency},
    audit::{self, Event},
    memberships::NewMembership,
    municipalities::{self, Municipality},
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
    /// 利用者を作ります（自治体と機関がなければ、あわせて作ります）。最初のパスワードを表示します
    Create {
        #[command(flatten)]
        options: Options,
        /// 全国地方公共団体コードなど、自治体の識別子（英数字）
        #[arg(long)]
        municipality_code: String,
        /// 自治体の名前（初めて作るとき）
        #[arg(long)]
        municipality: Option<String>,
        #[arg(long)]
        login: String,
        #[arg(long)]
        name: String,
        /// 役割: sysadmin, department_staff, department_approver, coordinator, coord_mgr, agency, agency_mgr, viewer, auditor, stat
        #[arg(long)]
        role: Role,
        /// 所属する機関の名前（なければ作ります）
        #[arg(long, default_value = "システム管理")]
        agency: String,
        /// 機関を作るときの区分: coordinator, department, agency
        #[arg(long, default_value = "department")]
        agency_class: AgencyClass,
    },
    /// 利用者の一覧
    List {
        #[command(flatten)]
        options: Options,
        #[arg(long)]
        municipality_code: String,
    },
    /// 利用を止めます
    Stop(Named),
    /// 利用を再開します
    Reactivate(Named),
    /// 新しい一時パスワードを発行します
    ResetPassword(Named),
    /// 認証アプリの登録を消します（次のサインインで登録し直します）
    ResetSecondFactor(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    #[command(flatten)]
    options: Options,
    #[arg(long)]
    municipality_code: String,
    #[arg(long)]
    login: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    opening::runtime()?.block_on(async {
        match arguments.what {
            What::Create {
                options,
                municipality_code,
                municipality,
                login,
                name,
                role,
                agency,
                agency_class,
            } => {
                let db = opening::database(&Config::load(&options)?).await?;
                let id = MunicipalityId::from(municipality_code.as_str());
                ensure_municipality(&db, &id, municipality.as_deref()).await?;
                create(&db, &id, &login, &name, role, &agency, agency_class).await?;
                db.close().await;
            }
            What::List {
                options,
                municipality_code,
            } => {
                let db = opening::database(&Config::load(&options)?).await?;
                let mut tx = db.read().await?;
                for account in AdminAccess::of_installation(&municipality_code.into())
                    .accounts(&mut tx)
                    .await?
                {
                    let state = if account.active {
                        "利用中"
                    } else {
                        "停止"
                    };
                    println!("{}\t{}\t{state}", account.login_id, account.name);
                }
                drop(tx);
                db.close().await;
            }
            What::Stop(named) => change(named, "account.stop", Operation::Stop).await?,
            What::Reactivate(named) => {
                change(named, "account.reactivate", Operation::Reactivate).await?
            }
            What::ResetPassword(named) => {
                change(named, "account.reset_password", Operation::Password).await?
            }
            What::ResetSecondFactor(named) => {
                change(
                    named,
                    "account.reset_second_factor",
                    Operation::SecondFactor,
                )
                .await?
            }
        }
        Ok(())
    })
}

/// The functions of this version, switched on.
#[must_use]
pub fn functions() -> serde_json::Value {
    json!({"takikan": true, "live_sheets": true, "masking": true, "transcripts": true, "similar": true, "statistics": true})
}

async fn ensure_municipality(
    db: &Database,
    id: &MunicipalityId,
    name: Option<&str>,
) -> anyhow::Result<()> {
    let mut tx = db.write().await?;
    if municipalities::get(&mut tx, id).await?.is_some() {
        return Ok(());
    }
    let name = name.ok_or_else(|| {
        InputError(format!(
            "自治体 {id} はまだありません。--municipality で名前を指定してください"
        ))
    })?;
    let municipality = Municipality {
        id: id.clone(),
        name: name.to_owned(),
        zone: "Asia/Tokyo".to_owned(),
        capabilities: functions(),
        demo: false,
    };
    municipalities::create(&mut tx, &municipality).await?;
    tx.commit().await?;
    Ok(())
}

async fn create(
    db: &Database,
    municipality: &MunicipalityId,
    login: &str,
    name: &str,
    role: Role,
    agency: &str,
    class: AgencyClass,
) -> anyhow::Result<()> {
    let password = one_time_password();
    check_password(&password, login)?;
    let admin = AdminAccess::of_installation(municipality);
    let mut tx = db.write().await?;
    let known = agencies::list(&mut tx, municipality).await?;
    let agency = match known.into_iter().find(|known| known.name == agency) {
        Some(known) => known.id,
        None => {
            let new = NewAgency {
                name: agency.to_owned(),
                class,
                org_type: None,
                phone: None,
                organisation: None,
            };
            admin.create_agency(&mut tx, &new).await?
        }
    };
    let new = NewAccount {
        login_id: login.to_owned(),
        name: name.to_owned(),
        kana: None,
        email: None,
        profession: None,
        password_hash: db.hashing().hash(&password)?,
        must_change_password: true,
    };
    let account = admin
        .create_account(&mut tx, &new)
        .await
        .map_err(|error| InputError(format!("利用者を作れません: {error}")))?;
    let today = db
        .clock()
        .now()
        .to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo")?)
        .date();
    let membership = NewMembership {
        account: account.clone(),
        agency,
        role,
        valid_from: today,
        valid_to: None,
    };
    admin
        .create_membership(&mut tx, &membership)
        .await
        .map_err(|error| {
            InputError(format!(
                "役割「{}」をこの区分の機関には付けられません ({error})",
                role.label_ja()
            ))
        })?;
    audit::record(
        &mut tx,
        Event::system(municipality, "account.create", "account", account.as_str())
            .detail(json!({"by": "command"})),
    );
    tx.commit().await?;
    println!(
        "利用者 {login} を作りました。\n最初のパスワード: {password}\nサインインすると、認証アプリの登録とパスワードの変更に進みます。"
    );
    Ok(())
}

enum Operation {
    Stop,
    Reactivate,
    Password,
    SecondFactor,
}

async fn change(named: Named, action: &'static str, operation: Operation) -> anyhow::Result<()> {
    let db = opening::database(&Config::load(&named.options)?).await?;
    let municipality = MunicipalityId::from(named.municipality_code.as_str());
    let admin = AdminAccess::of_installation(&municipality);
    let mut tx = db.write().await?;
    let account = find(&admin, &mut tx, &named.login).await?;
    match operation {
        Operation::Stop => admin.stop_account(&mut tx, &account).await?,
        Operation::Reactivate => admin.reactivate_account(&mut tx, &account).await?,
        Operation::SecondFactor => admin.reset_second_factor(&mut tx, &account).await?,
        Operation::Password => {
            let password = one_time_password();
            admin
                .reset_password(&mut tx, &account, &db.hashing().hash(&password)?)
                .await?;
            println!("一時パスワード: {password}");
        }
    }
    audit::record(
        &mut tx,
        Event::system(&municipality, action, "account", account.as_str())
            .detail(json!({"by": "command"})),
    );
    // A server that runs lets the account's open documents go.
    tx.rights_changed(&municipality, Change::Account(account));
    tx.commit().await?;
    println!("{} を変更しました。", named.login);
    db.close().await;
    Ok(())
}

/// The account of a login id.
pub async fn find(
    admin: &AdminAccess,
    tx: &mut store::Tx,
    login: &str,
) -> anyhow::Result<AccountId> {
    let wanted = login.to_lowercase();
    let account = admin
        .accounts(tx)
        .await?
        .into_iter()
        .find(|account| account.login_id == wanted);
    Ok(account
        .ok_or_else(|| InputError(format!("利用者 {login} はいません")))?
        .id)
}

/// 20 letters and digits in groups, without those that look alike.
fn one_time_password() -> String {
    use rand::RngExt;
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let letters: Vec<char> = (0..20)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect();
    letters
        .chunks(5)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-")
}
