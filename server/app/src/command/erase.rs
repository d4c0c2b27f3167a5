//! `musubi erase`: 消去 from the command line, by two accounts.

use std::io::Read;

use domain::{
    erasure::{ErasedObject, ErasureGround, ErasureScope},
    id::ErasureId,
    role::Role,
};
use store::{
    Caller, Database, DocumentLog, StoreError, Tx,
    accounts::AdminAccess,
    erasure::{self, Ended, Erasure, NewErasure, Object},
    municipalities, sessions,
};

use super::token::chosen;
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

/// Who acts.
#[derive(Debug, clap::Args)]
struct Who {
    #[command(flatten)]
    options: Options,
    /// ログイン ID
    #[arg(long)]
    user: String,
    /// 役割（兼務の利用者では必要です）
    #[arg(long)]
    role: Option<Role>,
    /// 機関の名称（同じ役割の所属が二つ以上あるとき）
    #[arg(long)]
    agency: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// 申請と廃棄記録の一覧
    List(Who),
    /// 消去を申請します。理由は標準入力から読みます
    Request {
        #[command(flatten)]
        who: Who,
        /// 範囲: past（過去の文）, document（記録 1 件）, case（事案全体）
        #[arg(long)]
        scope: ErasureScope,
        /// 根拠: mistaken_entry（誤入力）, retention_expired（保存期限の満了）, correction（訂正・利用停止）
        #[arg(long)]
        ground: ErasureGround,
        /// 事案の ID（case のとき）
        #[arg(long)]
        case: Option<String>,
        /// 記録の ID（past, document のとき）
        #[arg(long)]
        document: Option<String>,
        /// あわせて消す支援経過の ID（何度でも）
        #[arg(long)]
        progress_record: Vec<String>,
        /// あわせて消す文字起こしの ID（何度でも）
        #[arg(long)]
        transcript: Vec<String>,
        /// あわせて消す添付の ID（何度でも）
        #[arg(long)]
        attachment: Vec<String>,
        /// ことばを消す依頼の ID（何度でも）
        #[arg(long)]
        case_request: Vec<String>,
        /// 理由を消す段階の ID（何度でも）
        #[arg(long)]
        step: Vec<String>,
    },
    /// ほかの人の申請を承認します。動いているサーバーが、または musubi erase run が実行します
    Approve {
        #[command(flatten)]
        who: Who,
        /// 申請の ID
        id: String,
    },
    /// 申請を却下します（自分の申請は取り下げます）
    Reject {
        #[command(flatten)]
        who: Who,
        /// 申請の ID
        id: String,
    },
    /// 承認済みの消去を、終わるまで実行します
    Run(Options),
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    opening::runtime()?.block_on(async {
        match arguments.what {
            What::List(who) => {
                let db = opening::database(&Config::load(&who.options)?).await?;
                let mut tx = db.read().await?;
                let caller = caller(&mut tx, &db, &who).await?;
                for erasure in erasure::list(&mut tx, &caller).await.map_err(told)? {
                    println!("{}", line(&erasure));
                }
                tx.commit().await?;
                db.close().await;
            }
            What::Request {
                who,
                scope,
                ground,
                case,
                document,
                progress_record,
                transcript,
                attachment,
                case_request,
                step,
            } => {
                let mut reason = String::new();
                std::io::stdin().read_to_string(&mut reason)?;
                let objects = [
                    (ErasedObject::ProgressRecord, progress_record),
                    (ErasedObject::Transcript, transcript),
                    (ErasedObject::Attachment, attachment),
                    (ErasedObject::Request, case_request),
                    (ErasedObject::Step, step),
                ]
                .into_iter()
                .flat_map(|(kind, ids)| ids.into_iter().map(move |id| Object { kind, id }))
                .collect();
                let new = NewErasure {
                    scope,
                    ground,
                    case: case.map(Into::into),
                    document: document.map(Into::into),
                    objects,
                    reason,
                };
                let db = opening::database(&Config::load(&who.options)?).await?;
                let mut tx = db.write().await?;
                let caller = caller(&mut tx, &db, &who).await?;
                let id = erasure::request(&mut tx, &caller, &new)
                    .await
                    .map_err(told)?;
                tx.commit().await?;
                db.close().await;
                println!("{id}");
            }
            What::Approve { who, id } => {
                decide(&who, async |tx, caller| {
                    erasure::approve(tx, caller, &ErasureId(id)).await
                })
                .await?;
                println!("承認しました。");
            }
            What::Reject { who, id } => {
                decide(&who, async |tx, caller| {
                    erasure::reject(tx, caller, &ErasureId(id)).await
                })
                .await?;
                println!("却下しました。");
            }
            What::Run(options) => carry_out(&Config::load(&options)?).await?,
        }
        Ok(())
    })
}

async fn decide(
    who: &Who,
    decision: impl AsyncFnOnce(&mut Tx, &Caller) -> store::Result<()>,
) -> anyhow::Result<()> {
    let db = opening::database(&Config::load(&who.options)?).await?;
    let mut tx = db.write().await?;
    let caller = caller(&mut tx, &db, who).await?;
    decision(&mut tx, &caller).await.map_err(told)?;
    tx.commit().await?;
    db.close().await;
    Ok(())
}

async fn carry_out(config: &Config) -> anyhow::Result<()> {
    let db = opening::database(config).await?;
    let log = DocumentLog::start(&db);
    let mut done = 0;
    while let Some(job) = db.next_erasure().await? {
        let id = job.erasure().id.clone();
        let municipality = job.municipality().clone();
        // A server that is running makes a new one when it hears of the erasure.
        let derived = async { Ok(api::search_index::discard(&db, &municipality)?) };
        match erasure::carry_out(&db, &log, api::shapes::of, job, derived, |_| {}).await? {
            Ended::Done => {
                done += 1;
                println!("{id}: 消去しました。");
            }
            Ended::WaitsForKeys => println!(
                "{id}: 鍵の保管元で、自治体鍵に新しい世代を加え、古い世代を廃棄してください。そのあともう一度実行すると終わります。"
            ),
            Ended::WaitsForBackup => {
                println!("{id}: 控えの作成が終わってから、もう一度実行してください。")
            }
        }
    }
    if done == 0 {
        println!("実行する消去は、ほかにありません。");
    }
    db.close().await;
    Ok(())
}

/// The account in the membership that is meant.
async fn caller(tx: &mut Tx, db: &Database, who: &Who) -> anyhow::Result<Caller> {
    for municipality in municipalities::list(tx).await? {
        let admin = AdminAccess::of_installation(&municipality.id);
        let Some(account) = admin
            .accounts(tx)
            .await?
            .into_iter()
            .find(|account| account.login_id == who.user.to_lowercase())
        else {
            continue;
        };
        let today = db.clock().now().to_zoned(municipality.time_zone()).date();
        let usable: Vec<_> = admin
            .memberships(tx, Some(&account.id))
            .await?
            .into_iter()
            .filter(|membership| membership.valid_on(today))
            .collect();
        let membership = chosen(&who.user, &usable, who.role, who.agency.as_deref())?;
        let found = sessions::caller_in(tx, &municipality.id, &account.id, &membership).await?;
        return Ok(
            found.ok_or_else(|| InputError(format!("利用者 {} は停止しています", who.user)))?
        );
    }
    Err(InputError(format!("利用者 {} はいません", who.user)).into())
}

fn told(error: StoreError) -> anyhow::Error {
    let text = match &error {
        StoreError::Forbidden => "この利用者の役割ではできません",
        StoreError::NotFound => "見つかりません（権限のないものも見つかりません）",
        StoreError::Conflict => "同じ申請があるか、もう決まっています",
        StoreError::Invalid("same_person") => {
            "申請した人は承認できません。別の人が承認してください"
        }
        StoreError::Invalid("ground") => "保存期限の満了は、事案全体の消去だけの根拠です",
        StoreError::Invalid("retention") => "終結していないか、保存期限が過ぎていません",
        StoreError::Invalid("reason") => "理由を標準入力から渡してください（1,000 字まで）",
        StoreError::Invalid("document") => "--document で記録の ID を指定してください",
        StoreError::Invalid("case") => "--case で事案の ID を指定してください",
        StoreError::Invalid("objects") => "あわせて消すものが、その事案にありません",
        _ => return error.into(),
    };
    InputError(text.to_owned()).into()
}

/// One line of tab-separated ids, codes and instants: no content.
fn line(erasure: &Erasure) -> String {
    let id = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let counts: Vec<String> = erasure
        .counts
        .iter()
        .map(|(what, number)| format!("{what}={number}"))
        .collect();
    [
        erasure.id.to_string(),
        erasure.state.code().to_owned(),
        erasure.scope.code().to_owned(),
        erasure.ground.code().to_owned(),
        id(erasure.case_no.as_deref()),
        id(erasure.document.as_ref().map(|id| id.as_str())),
        erasure.requested_at.clone(),
        id(erasure.decided_at.as_deref()),
        id(erasure.done_at.as_deref()),
        id(erasure.step.map(|step| step.code())),
        counts.join(","),
    ]
    .join("\t")
}
