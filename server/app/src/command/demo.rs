//! `musubi demo`: a fictitious municipality to try everything with. Accounts come enrolled; their
//! secrets are kept in the data folder and shown, and every page says 「デモ」.

mod many;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context, bail};
use api::{access::identity_of, filling, shapes, state::AppState};
use collab::identity::Author;
use domain::{
    agency::AgencyClass,
    consent::{Consent, ConsentStatus},
    disclosure::{Confirmation, Disclosure, Excluded, Exclusion, Level},
    form::{self, FieldType},
    id::{AccountId, AgencyId, DocumentId, MembershipId, MunicipalityId, PersonId},
    role::Role,
    section::{DocumentKind, Section},
    stage::Stage,
};
use jiff::{civil::Date, tz::TimeZone};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{
    Caller, Database, Tx,
    accounts::{AdminAccess, NewAccount},
    agencies::{self, NewAgency},
    cases::{self, CasePatch, CaseRole, ClientRef, CreatedCase, NewCase},
    consents::{ConsentDetail, NewConsent, Sharing},
    course::StepNote,
    memberships::NewMembership,
    municipalities::{self, Municipality},
    persons::{self, Fact, Flag, NewPerson},
    progress::{NewProgress, Visibility},
    sessions,
};
use totp_rs::{Builder, Secret};

use crate::{
    InputError,
    command::{serve, user::functions},
    config::Config,
    dataset::{self, Dataset},
    opening,
};

/// Every demo account has it; it opens nothing but fictitious records.
const PASSWORD: &str = "musubi-demo-2026";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    serve: serve::Arguments,
    /// 同梱のデモのかわりに読むフォルダ
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// 読み込むだけで起動しません
    #[arg(long)]
    load_only: bool,
    /// 規模を試すための架空の事案を、この数だけ加えます（支援経過は1件あたり10件）
    #[arg(long, value_name = "N")]
    cases: Option<usize>,
    /// デモの利用者を JSON で表示します
    #[arg(long)]
    accounts: bool,
    /// この利用者の今の認証コードを表示します
    #[arg(long, value_name = "LOGIN")]
    code: Option<String>,
}

/// A demo account, as kept in the data folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct DemoAccount {
    login_id: String,
    password: String,
    totp_secret: String,
    name: String,
    /// For the list that `make run` prints.
    what: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    opening::start_logging();
    let config = arguments.serve.config()?;
    if arguments.accounts {
        println!(
            "{}",
            serde_json::to_string_pretty(&known_accounts(&config)?)?
        );
        return Ok(());
    }
    if let Some(login) = &arguments.code {
        return show_code(&config, login);
    }
    opening::runtime()?.block_on(async {
        let db = opening::database(&config).await?;
        let state = opening::application(&config, &db);
        let dataset = Dataset::load(arguments.dataset.as_deref())?;
        let id = MunicipalityId::from(dataset.municipality.code.as_str());
        let known = {
            let mut tx = db.read().await?;
            municipalities::get(&mut tx, &id).await?.is_some()
        };
        if !known {
            eprintln!(
                "デモ自治体「{}」を読み込みます（{} 事案）",
                dataset.municipality.name,
                dataset.cases.len()
            );
            let accounts = Loader::new(&state, &db, &dataset).await?.load().await?;
            keep_accounts(&config, accounts)?;
        }
        if let Some(count) = arguments.cases {
            let today = db
                .clock()
                .today(&TimeZone::get(&dataset.municipality.zone)?);
            let begun = Instant::now();
            let mut loader = Loader::new(&state, &db, &dataset).await?;
            loader.many(count, today).await?;
            eprintln!(
                "架空の事案 {count} 件、支援経過 {} 件を加えました（{:.0} 秒）",
                count * many::ENTRIES,
                begun.elapsed().as_secs_f64()
            );
        }
        if arguments.load_only {
            state
                .hub()
                .shutdown(std::time::Duration::from_secs(10))
                .await;
            db.close().await;
            return Ok(());
        }
        let notice = notice(&config)?;
        serve::serve(&config, state, Some(notice)).await
    })
}

fn accounts_file(config: &Config) -> PathBuf {
    config.data.join("demo-accounts.json")
}

fn known_accounts(config: &Config) -> anyhow::Result<Vec<DemoAccount>> {
    let path = accounts_file(config);
    let text = std::fs::read_to_string(&path).map_err(|_| {
        InputError("デモの利用者がありません。先に musubi demo で読み込んでください".to_owned())
    })?;
    serde_json::from_str(&text).context("demo-accounts.json")
}

fn keep_accounts(config: &Config, new: Vec<DemoAccount>) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut all = known_accounts(config).unwrap_or_default();
    all.retain(|old| new.iter().all(|new| new.login_id != old.login_id));
    all.extend(new);
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(accounts_file(config))?;
    file.write_all(serde_json::to_string_pretty(&all)?.as_bytes())?;
    Ok(())
}

fn show_code(config: &Config, login: &str) -> anyhow::Result<()> {
    let account = known_accounts(config)?
        .into_iter()
        .find(|account| account.login_id == login)
        .ok_or_else(|| InputError(format!("デモの利用者 {login} はいません")))?;
    let secret = Secret::try_from_base32(&account.totp_secret)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let totp = Builder::new()
        .with_secret(secret)
        .build()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    println!("{}", totp.generate_current());
    Ok(())
}

fn notice(config: &Config) -> anyhow::Result<String> {
    let mut text = format!("\nデモの利用者（パスワードは全員 {PASSWORD} ）\n");
    for account in known_accounts(config)? {
        text.push_str(&format!(
            "  {:<22} {}  認証アプリの種: {}\n",
            account.login_id, account.what, account.totp_secret
        ));
    }
    text.push_str(&format!(
        "認証アプリがないときは: musubi demo --data {} --code sasaki （今のコードを表示）",
        config.data.display()
    ));
    Ok(text)
}

struct Loader<'a> {
    state: &'a AppState,
    db: &'a Database,
    dataset: &'a Dataset,
    municipality: MunicipalityId,
    agencies: HashMap<String, AgencyId>,
    accounts: HashMap<String, AccountId>,
    /// (login, agency slug) → membership.
    memberships: HashMap<(String, String), MembershipId>,
}

impl<'a> Loader<'a> {
    async fn new(
        state: &'a AppState,
        db: &'a Database,
        dataset: &'a Dataset,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            state,
            db,
            dataset,
            municipality: dataset.municipality.code.as_str().into(),
            agencies: HashMap::new(),
            accounts: HashMap::new(),
            memberships: HashMap::new(),
        })
    }

    async fn load(mut self) -> anyhow::Result<Vec<DemoAccount>> {
        let accounts = self.people().await?;
        let dataset = self.dataset;
        for case in &dataset.cases {
            self.case(case)
                .await
                .with_context(|| format!("事案 {}", case.case_no))?;
        }
        Ok(accounts)
    }

    async fn people(&mut self) -> anyhow::Result<Vec<DemoAccount>> {
        let source = &self.dataset.municipality;
        let hash = self.db.hashing().hash(PASSWORD)?;
        let mut tx = self.db.write().await?;
        let municipality = Municipality {
            id: self.municipality.clone(),
            name: source.name.clone(),
            zone: source.zone.clone(),
            capabilities: functions(),
            demo: true,
        };
        municipalities::create(&mut tx, &municipality).await?;
        let admin = AdminAccess::of_installation(&self.municipality);
        for agency in &source.agencies {
            let new = NewAgency {
                name: agency.name.clone(),
                class: code(&agency.class, AgencyClass::from_code)?,
                org_type: Some(agency.org_type.clone()),
                phone: agency.phone.clone(),
                organisation: None,
            };
            self.agencies
                .insert(agency.id.clone(), admin.create_agency(&mut tx, &new).await?);
        }
        let mut shown = Vec::new();
        for account in &source.accounts {
            let new = NewAccount {
                login_id: account.login_id.clone(),
                name: account.name.clone(),
                kana: Some(account.kana.clone()),
                email: account.email.clone(),
                profession: account.profession.clone(),
                password_hash: hash.clone(),
                must_change_password: false,
            };
            let id = admin.create_account(&mut tx, &new).await?;
            let secret: [u8; 20] = rand::rng().random();
            admin.enrol(&mut tx, &id, &secret).await?;
            let mut hats = Vec::new();
            for membership in &account.memberships {
                let role: Role = code(&membership.role, Role::from_code)?;
                let agency = self.agency(&membership.agency)?;
                let new = NewMembership {
                    account: id.clone(),
                    agency,
                    role,
                    valid_from: membership.valid_from,
                    valid_to: membership.valid_to,
                };
                let created = admin.create_membership(&mut tx, &new).await?;
                self.memberships.insert(
                    (account.login_id.clone(), membership.agency.clone()),
                    created,
                );
                let place = source
                    .agencies
                    .iter()
                    .find(|agency| agency.id == membership.agency)
                    .map_or("", |agency| &agency.short);
                hats.push(format!("{place}・{}", role.label_ja()));
            }
            self.accounts.insert(account.login_id.clone(), id);
            shown.push(DemoAccount {
                login_id: account.login_id.clone(),
                password: PASSWORD.to_owned(),
                totp_secret: Secret::from(secret.to_vec()).to_base32(),
                name: account.name.clone(),
                what: format!("{}（{}）", account.name, hats.join(" ／ ")),
            });
        }
        tx.commit().await?;
        Ok(shown)
    }

    /// Who and what was loaded before.
    async fn remember(&mut self) -> anyhow::Result<()> {
        let admin = AdminAccess::of_installation(&self.municipality);
        let mut tx = self.db.read().await?;
        for agency in agencies::list(&mut tx, &self.municipality).await? {
            let of_set = &self.dataset.municipality.agencies;
            if let Some(known) = of_set.iter().find(|known| known.name == agency.name) {
                self.agencies.insert(known.id.clone(), agency.id);
            }
        }
        for account in admin.accounts(&mut tx).await? {
            self.accounts.insert(account.login_id, account.id);
        }
        for membership in admin.memberships(&mut tx, None).await? {
            let login = self
                .accounts
                .iter()
                .find(|(_, id)| **id == membership.account);
            let slug = self
                .agencies
                .iter()
                .find(|(_, id)| **id == membership.agency);
            if let (Some((login, _)), Some((slug, _))) = (login, slug) {
                self.memberships
                    .insert((login.clone(), slug.clone()), membership.id);
            }
        }
        Ok(())
    }

    fn agency(&self, slug: &str) -> anyhow::Result<AgencyId> {
        self.agencies
            .get(slug)
            .cloned()
            .with_context(|| format!("機関 {slug} がありません"))
    }

    /// The account acting for an agency; for records of the past also in a membership that ended.
    async fn caller(&self, login: &str, agency: Option<&str>) -> anyhow::Result<Caller> {
        let account = self
            .accounts
            .get(login)
            .with_context(|| format!("職員 {login} がいません"))?;
        let membership = self
            .memberships
            .iter()
            .find(|((who, place), _)| who == login && agency.is_none_or(|agency| place == agency))
            .map(|(_, id)| id.clone())
            .with_context(|| format!("{login} の所属がありません"))?;
        let mut tx = self.db.read().await?;
        sessions::caller_in(&mut tx, &self.municipality, account, &membership)
            .await?
            .with_context(|| format!("{login} の所属は今日使えません"))
    }

    /// Whoever stands in for staff that has left since.
    async fn anyone_of(&self, agency: &str) -> anyhow::Result<Caller> {
        for (login, place) in self.memberships.keys() {
            if place == agency
                && let Ok(caller) = self.caller(login, Some(agency)).await
                && caller.viewer.role.ceiling() == Level::Edit
            {
                return Ok(caller);
            }
        }
        bail!("{agency} に記録できる職員がいません")
    }

    async fn case(&self, source: &dataset::Case) -> anyhow::Result<()> {
        let owner_agency = self.owner_agency()?;
        let owner = match self.caller(&source.owner, Some(&owner_agency)).await {
            Ok(caller) => caller,
            Err(_) => self.anyone_of(&owner_agency).await?,
        };
        let mut tx = self.db.write().await?;
        let (created, people) = self.create(&mut tx, &owner, source).await?;
        tx.commit().await?;
        self.documents(&owner, source, &created, &people).await?;
        self.progress(source, &created, &people, &owner_agency)
            .await?;
        // Last: what somebody wrote before being shut out stays.
        self.exclusions(&owner, source, &created, &people).await
    }

    /// The case with its people, consents, members and stage; nothing written in it yet.
    async fn create(
        &self,
        tx: &mut Tx,
        owner: &Caller,
        source: &dataset::Case,
    ) -> anyhow::Result<(CreatedCase, BTreeMap<String, PersonId>)> {
        let mut people: BTreeMap<String, PersonId> = BTreeMap::new();
        let mut clients = Vec::new();
        for person in &source.persons {
            let id = persons::create(tx, owner, &self.person(person)?).await?;
            if person.role == "client" {
                clients.push(ClientRef::Known {
                    person_id: id.clone(),
                });
            }
            people.insert(person.reference.clone(), id);
        }
        let created = cases::create(
            tx,
            owner,
            &NewCase {
                received_on: source.received_on,
                clients,
                urgency: Some(source.urgency.clone()),
                title: None,
                program: Some(source.program.clone()),
                owner_account: Some(owner.viewer.account.clone()),
                owner_agency: None,
                lead_agency: source
                    .lead_agency
                    .as_deref()
                    .map(|slug| self.agency(slug))
                    .transpose()?,
                case_no: Some(source.case_no.clone()),
            },
        )
        .await?;
        let access = tx.case_for(owner, &created.case).await?.context("case")?;
        for person in source
            .persons
            .iter()
            .filter(|person| person.role != "client")
        {
            let role = match (person.role.as_str(), person.cohabit) {
                ("family", Some(true)) => CaseRole::Household,
                ("family", _) => CaseRole::Relative,
                _ => CaseRole::Related,
            };
            access
                .add_person(
                    tx,
                    &people[&person.reference],
                    role,
                    person.kinship.as_deref(),
                )
                .await?;
        }
        self.rights(tx, owner, source, &created, &people).await?;
        self.stage(tx, owner, source, &created).await?;
        Ok((created, people))
    }

    async fn exclusions(
        &self,
        owner: &Caller,
        source: &dataset::Case,
        created: &CreatedCase,
        people: &BTreeMap<String, PersonId>,
    ) -> anyhow::Result<()> {
        for exclusion in &source.exclusions {
            let who = match (&exclusion.agency, &exclusion.account) {
                (Some(agency), None) => Excluded::Agency(self.agency(agency)?),
                (None, Some(login)) => Excluded::Account(
                    self.accounts
                        .get(login)
                        .cloned()
                        .with_context(|| format!("職員 {login} がいません"))?,
                ),
                _ => bail!("除外には agency か account のどちらか一つを書いてください"),
            };
            let about = exclusion
                .about
                .as_ref()
                .map(|reference| {
                    people
                        .get(reference)
                        .cloned()
                        .with_context(|| format!("除外の対象 {reference} がいません"))
                })
                .transpose()?;
            let mut tx = self.db.write().await?;
            let access = tx.case_for(owner, &created.case).await?.context("case")?;
            access
                .exclude(&mut tx, &Exclusion { who, about }, &exclusion.reason)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    fn owner_agency(&self) -> anyhow::Result<String> {
        let coordinator = self
            .dataset
            .municipality
            .agencies
            .iter()
            .find(|agency| agency.class == "coordinator");
        Ok(coordinator
            .context("多機関協働事業者がありません")?
            .id
            .clone())
    }

    fn person(&self, source: &dataset::Person) -> anyhow::Result<NewPerson> {
        let mut facts = vec![Fact::current("name", source.name.clone())];
        let mut add = |field: &str, value: &Option<String>| {
            if let Some(value) = value {
                facts.push(Fact::current(field, value.clone()));
            }
        };
        add("name_kana", &source.kana);
        add("gender", &source.gender);
        add("birth_date", &source.birth_date.map(|day| day.to_string()));
        add("postal_code", &source.postal_code);
        add("address", &source.address);
        add("phone_home", &source.phone_home);
        add("phone_mobile", &source.phone_mobile);
        add("email", &source.email);
        add("alias", &source.alias);
        add("contact_caution", &source.contact_caution);
        add("nationality_lang", &source.nationality_lang);
        add("kinship", &source.kinship);
        add(
            "estimated_age",
            &source.estimated_age.map(|age| age.to_string()),
        );
        add(
            "is_deceased",
            &source.is_deceased.then(|| "true".to_owned()),
        );
        add("death_date", &source.death_date.map(|day| day.to_string()));
        for former in &source.former_names {
            facts.push(Fact {
                valid_to: Some(Date::constant(2024, 3, 31)),
                ..Fact::current("name", former.clone())
            });
        }
        Ok(NewPerson {
            facts,
            address_confidential: source.address_confidential,
            address_allow: source
                .allow
                .iter()
                .map(|slug| self.agency(slug))
                .collect::<Result<_, _>>()?,
            flags: source
                .risk_flags
                .iter()
                .map(|flag| Flag {
                    id: String::new(),
                    flag: flag.flag.clone(),
                    basis: Some(flag.basis.clone()),
                    review_on: flag.review_on,
                })
                .collect(),
        })
    }

    async fn rights(
        &self,
        tx: &mut Tx,
        owner: &Caller,
        source: &dataset::Case,
        created: &CreatedCase,
        people: &BTreeMap<String, PersonId>,
    ) -> anyhow::Result<()> {
        for consent in &source.consents {
            let access = tx.case_for(owner, &created.case).await?.context("case")?;
            let allowed: Vec<AgencyId> = consent
                .allowed_agencies
                .iter()
                .map(|slug| self.agency(slug))
                .collect::<Result<_, _>>()?;
            let mut stated = Consent::of(code(&consent.status, ConsentStatus::from_code)?);
            stated.obtained_on = consent.obtained_on;
            stated.expires_on = consent.expires_on;
            stated.withdrawn_on = consent.withdrawn_on;
            stated.allowed_agencies = (!allowed.is_empty()).then_some(allowed);
            if stated.status == ConsentStatus::Withdrawn && stated.withdrawn_on.is_none() {
                stated.withdrawn_on = consent.obtained_on;
            }
            let new = NewConsent {
                person: people.get(&consent.person).context("person")?.clone(),
                consent: stated,
                method: consent.method.clone(),
                policy_version: None,
                detail: ConsentDetail {
                    purpose: None,
                    proxy: None,
                    note: consent.note.clone(),
                },
            };
            access.register_consent(tx, &new).await?;
        }
        for member in &source.members {
            let agency = self.agency(&member.agency)?;
            if agency == owner.viewer.agency {
                continue;
            }
            let rows: Vec<Disclosure> = source
                .disclosures
                .iter()
                .filter(|row| row.agency == member.agency)
                .map(|row| {
                    let level: Level = code(&row.level, Level::from_code)?;
                    let section: Section = code(&row.section, Section::from_code)?;
                    Ok(Disclosure {
                        agency: agency.clone(),
                        section,
                        level,
                        comment: level >= Level::Read,
                        from: None,
                        to: None,
                    })
                })
                .collect::<anyhow::Result<_>>()?;
            self.add_member(tx, owner, created, &agency, member, &rows)
                .await?;
        }
        Ok(())
    }

    /// Adds the agency with its rows; where consent does not cover them the confirmation that a
    /// coordinator would give is given and recorded.
    async fn add_member(
        &self,
        tx: &mut Tx,
        owner: &Caller,
        created: &CreatedCase,
        agency: &AgencyId,
        member: &dataset::Member,
        rows: &[Disclosure],
    ) -> anyhow::Result<()> {
        let access = tx.case_for(owner, &created.case).await?.context("case")?;
        let masked: Vec<Disclosure> = rows
            .iter()
            .filter(|row| row.level <= Level::Masked)
            .cloned()
            .collect();
        let open: Vec<Disclosure> = rows
            .iter()
            .filter(|row| row.level > Level::Masked)
            .cloned()
            .collect();
        let answer = |basis: &str, reason: &str| Confirmation {
            basis: basis.into(),
            reason: reason.into(),
            meeting: None,
            until: None,
        };
        let hidden = answer("masked", "氏名などを伏せた形で、助言を得るため");
        let urgent = answer(
            "life_protection",
            "同居家族の入院で生活が止まるおそれがあり、本人にまだ会えていないため",
        );
        let first = access
            .add_member(
                tx,
                agency,
                &member.role,
                member.from,
                member.to,
                &masked,
                None,
            )
            .await?;
        if first != Sharing::Done {
            let second = access
                .add_member(
                    tx,
                    agency,
                    &member.role,
                    member.from,
                    member.to,
                    &masked,
                    Some(&hidden),
                )
                .await?;
            anyhow::ensure!(
                second == Sharing::Done,
                "マスク済みの共有を確認できません: {second:?}"
            );
        }
        if open.is_empty() {
            return Ok(());
        }
        let access = tx.case_for(owner, &created.case).await?.context("case")?;
        if access.set_disclosures(tx, &open, None).await? != Sharing::Done {
            let second = access.set_disclosures(tx, &open, Some(&urgent)).await?;
            anyhow::ensure!(second == Sharing::Done, "共有を確認できません: {second:?}");
        }
        Ok(())
    }

    /// Leads the case to its stage by allowed steps.
    async fn stage(
        &self,
        tx: &mut Tx,
        owner: &Caller,
        source: &dataset::Case,
        created: &CreatedCase,
    ) -> anyhow::Result<()> {
        let goal: Stage = code(&source.stage, Stage::from_code)?;
        let outcome = source
            .closed_on
            .and_then(|_| source.progress.last())
            .map(|last| last.title.clone());
        let mut steps =
            way(Stage::Received, goal).with_context(|| format!("段階 {goal} に進めません"))?;
        if steps.is_empty() {
            steps.push(goal);
        }
        let last = steps.len() - 1;
        // The data name the first and the last day; the steps lie evenly between.
        let until = source
            .closed_on
            .or_else(|| {
                source
                    .progress
                    .iter()
                    .map(|entry| entry.performed_at.date())
                    .max()
            })
            .unwrap_or(source.received_on)
            .max(source.received_on);
        let days = source.received_on.until(until)?.get_days();
        for (at, stage) in steps.into_iter().enumerate() {
            let access = tx.case_for(owner, &created.case).await?.context("case")?;
            let share = i32::try_from(at + 1)? * days / i32::try_from(last + 1)?;
            let entered_on = source
                .received_on
                .checked_add(jiff::Span::new().days(share))?;
            let patch = CasePatch {
                stage: Some(stage),
                similar_ok: Some(source.similar_ok),
                outcome: outcome.clone().filter(|_| at == last),
                closed_on: (stage == Stage::Closed)
                    .then_some(source.closed_on.unwrap_or(source.received_on)),
                step: StepNote {
                    entered_on: Some(entered_on),
                    ..StepNote::default()
                },
                ..CasePatch::default()
            };
            access.update(tx, access.version(), &patch).await?;
        }
        Ok(())
    }

    async fn documents(
        &self,
        owner: &Caller,
        source: &dataset::Case,
        created: &CreatedCase,
        people: &BTreeMap<String, PersonId>,
    ) -> anyhow::Result<()> {
        let author = identity_of(owner).author();
        let all = created
            .documents
            .iter()
            .map(|(kind, id)| (*kind, id))
            .chain(
                created
                    .masks
                    .iter()
                    .map(|(_, id)| (DocumentKind::Masks, id)),
            );
        for (kind, id) in all {
            let shape = shapes::of(kind, form::catalogue()).context("shape")?;
            self.state.hub().create(id, &shape).await?;
        }
        // Whoever answers for the case's disclosure states that the sheets are about the clients: the
        // others count in them only with a protected address or an exclusion.
        let mut tx = self.db.write().await?;
        for (_, id) in created
            .documents
            .iter()
            .filter(|(kind, _)| matches!(kind, DocumentKind::Intake | DocumentKind::Assessment))
        {
            let access = tx.document_for(owner, id).await?.context("document")?;
            access.set_subjects(&mut tx, &created.clients).await?;
        }
        tx.commit().await?;
        for (kind, id) in &created.documents {
            match kind {
                DocumentKind::Intake => {
                    self.sheet(&author, id, "intake_application", &source.intake, people)
                        .await?
                }
                DocumentKind::Assessment => {
                    self.sheet(&author, id, "intake_assessment", &source.assessment, people)
                        .await?
                }
                DocumentKind::Network => self.network(&author, id, source, people).await?,
                _ => {}
            }
        }
        self.later_sheets(owner, source, created, people).await
    }

    /// The sheets that are made when they are needed.
    async fn later_sheets(
        &self,
        owner: &Caller,
        source: &dataset::Case,
        created: &CreatedCase,
        people: &BTreeMap<String, PersonId>,
    ) -> anyhow::Result<()> {
        let author = identity_of(owner).author();
        let screening = Some(&source.screening).filter(|sheet| !sheet.is_empty());
        let all = screening
            .map(|sheet| (DocumentKind::Screening, sheet))
            .into_iter()
            .chain(source.plans.iter().map(|sheet| (DocumentKind::Plan, sheet)))
            .chain(
                source
                    .meetings
                    .iter()
                    .map(|sheet| (DocumentKind::Meeting, sheet)),
            )
            .chain(
                source
                    .evaluations
                    .iter()
                    .map(|sheet| (DocumentKind::Evaluation, sheet)),
            );
        for (kind, values) in all {
            let mut tx = self.db.write().await?;
            let access = tx.case_for(owner, &created.case).await?.context("case")?;
            let made = access.create_sheet(&mut tx, kind).await?;
            tx.commit().await?;
            for (kind, id) in [(kind, &made.id), (DocumentKind::Masks, &made.masks)] {
                let shape = shapes::of(kind, form::catalogue()).context("shape")?;
                self.state.hub().create(id, &shape).await?;
            }
            let mut tx = self.db.write().await?;
            let access = tx
                .document_for(owner, &made.id)
                .await?
                .context("document")?;
            access.set_subjects(&mut tx, &created.clients).await?;
            tx.commit().await?;
            let form = kind.form().context("form")?;
            self.sheet(&author, &made.id, form, values, people).await?;
        }
        Ok(())
    }

    async fn sheet(
        &self,
        author: &Author,
        id: &DocumentId,
        form: &str,
        source: &toml::Table,
        people: &BTreeMap<String, PersonId>,
    ) -> anyhow::Result<()> {
        let definition = form::catalogue().definition(form).context("form")?;
        let shape = definition.shape();
        let mut values = Map::new();
        for (field, value) in source {
            let Some(known) = definition.field(field) else {
                continue;
            };
            values.insert(field.clone(), self.value(known, value, people));
        }
        self.state
            .hub()
            .write_as(author, id, move |txn| {
                filling::fill_sheet(txn, &shape, &values)
            })
            .await?;
        Ok(())
    }

    fn value(
        &self,
        field: &form::Field,
        value: &toml::Value,
        people: &BTreeMap<String, PersonId>,
    ) -> Value {
        let first = match value {
            toml::Value::Array(list)
                if !matches!(field.kind, FieldType::Multiselect | FieldType::Table) =>
            {
                list.first()
            }
            other => Some(other),
        };
        let Some(value) = first else {
            return Value::Null;
        };
        let text = value.as_str().unwrap_or_default();
        match field.kind {
            FieldType::UserRef => self
                .accounts
                .get(text)
                .map_or(Value::Null, |id| id.as_str().into()),
            FieldType::OrgRef => self
                .agencies
                .get(text)
                .map_or(Value::Null, |id| id.as_str().into()),
            FieldType::PersonRef => people
                .get(text)
                .map_or(Value::Null, |id| id.as_str().into()),
            FieldType::Table => {
                let rows = value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(toml::Value::as_table)
                    .map(|row| {
                        let cells = field.columns.iter().filter_map(|column| {
                            Some((
                                column.id.clone(),
                                self.value(column, row.get(&column.id)?, people),
                            ))
                        });
                        Value::Object(cells.collect())
                    });
                Value::Array(rows.collect())
            }
            _ => plain(value),
        }
    }

    async fn network(
        &self,
        author: &Author,
        id: &DocumentId,
        source: &dataset::Case,
        people: &BTreeMap<String, PersonId>,
    ) -> anyhow::Result<()> {
        let first_client = source
            .persons
            .iter()
            .find(|person| person.role == "client")
            .map(|person| person.reference.as_str());
        let agencies = &self.dataset.municipality.agencies;
        let mut nodes = Vec::new();
        for node in &source.network.nodes {
            let text = |key: &str| node.get(key).and_then(toml::Value::as_str);
            let key = text("id").context("node id")?.to_owned();
            let mut values = Map::new();
            values.insert("kind".into(), text("kind").unwrap_or("group").into());
            if let Some(reference) = text("person") {
                let person = source
                    .persons
                    .iter()
                    .find(|person| person.reference == reference)
                    .context("node person")?;
                values.insert("person_id".into(), people[reference].as_str().into());
                values.insert("label".into(), person.name.clone().into());
                if let Some(gender) = &person.gender {
                    values.insert("sex".into(), gender.clone().into());
                }
                if let Some(born) = person.birth_date {
                    values.insert("birth_date".into(), born.to_string().into());
                }
                if person.is_deceased {
                    values.insert("deceased".into(), true.into());
                }
                if let Some(died) = person.death_date {
                    values.insert("death_date".into(), died.to_string().into());
                }
                if Some(reference) == first_client {
                    values.insert("index".into(), true.into());
                }
            } else if let Some(slug) = text("agency") {
                values.insert("agency_id".into(), self.agency(slug)?.as_str().into());
                let short = agencies
                    .iter()
                    .find(|agency| agency.id == slug)
                    .map_or(slug, |agency| agency.short.as_str());
                values.insert("label".into(), short.into());
            } else {
                values.insert("label".into(), text("label").unwrap_or_default().into());
            }
            nodes.push((key, values));
        }
        let tie = |family: &str, table: &toml::Table| {
            let mut values = Map::new();
            values.insert("family".into(), family.into());
            for key in ["from", "to", "kind", "direction", "frequency", "note"] {
                if let Some(value) = table.get(key).and_then(toml::Value::as_str) {
                    values.insert(key.into(), value.into());
                }
            }
            values
        };
        let mut ties: Vec<Map<String, Value>> = source
            .network
            .ties
            .iter()
            .map(|table| tie("eco", table))
            .collect();
        ties.extend(
            source
                .network
                .relations
                .iter()
                .map(|table| tie("gen", table)),
        );
        let households: Vec<(String, Vec<String>)> = source
            .network
            .households
            .iter()
            .map(|household| (household.name.clone(), household.members.clone()))
            .collect();
        self.state
            .hub()
            .write_as(author, id, move |txn| {
                filling::fill_network(txn, &nodes, &ties, &households)
            })
            .await?;
        Ok(())
    }

    async fn progress(
        &self,
        source: &dataset::Case,
        created: &CreatedCase,
        people: &BTreeMap<String, PersonId>,
        owner_agency: &str,
    ) -> anyhow::Result<()> {
        for entry in &source.progress {
            let writer = match self.caller(&entry.staff, Some(&entry.agency)).await {
                Ok(caller) => caller,
                Err(_) => self.anyone_of(&entry.agency).await?,
            };
            let mut new = written(entry, people);
            let mut tx = self.db.write().await?;
            let access = match tx.case_for(&writer, &created.case).await? {
                Some(access) if access.may_write_progress() => access,
                // Written by an agency that no longer takes part: the coordinator keeps its record.
                _ => {
                    let keeper = self.anyone_of(owner_agency).await?;
                    tx.case_for(&keeper, &created.case).await?.context("case")?
                }
            };
            // Whoever reads masked writes about the household: they know nobody by name.
            new.persons.retain(|person| access.knows_by_name(person));
            access.add_progress(&mut tx, &new).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// An entry of 支援経過 as the store takes it.
fn written(entry: &dataset::Progress, people: &BTreeMap<String, PersonId>) -> NewProgress {
    let mut content = Map::new();
    content.insert(
        "performed_at".into(),
        entry
            .performed_at
            .strftime("%Y-%m-%dT%H:%M")
            .to_string()
            .into(),
    );
    content.insert("title".into(), entry.title.clone().into());
    content.insert("content".into(), entry.content.clone().into());
    content.insert("involved_orgs".into(), json!(entry.involved));
    if let Some(minutes) = entry.minutes {
        content.insert("minutes".into(), minutes.into());
    }
    let targets = entry
        .targets
        .iter()
        .filter_map(|reference| people.get(reference).cloned());
    NewProgress {
        performed_on: entry.performed_at.date(),
        method: entry.method.clone(),
        visibility: Visibility::CaseMembers,
        persons: targets.collect(),
        agencies: Vec::new(),
        content,
        attachments: Vec::new(),
        draft: None,
    }
}

fn code<T>(text: &str, from: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
    from(text).with_context(|| format!("{text} という符号はありません"))
}

fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(instant) => instant.to_string().into(),
        toml::Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        toml::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| (key.clone(), plain(value)))
                .collect(),
        ),
    }
}

/// The shortest way of allowed steps, without the start.
fn way(from: Stage, to: Stage) -> Option<Vec<Stage>> {
    let mut seen = vec![from];
    let mut waiting: VecDeque<Vec<Stage>> = VecDeque::from([Vec::new()]);
    while let Some(path) = waiting.pop_front() {
        let here = path.last().copied().unwrap_or(from);
        if here == to {
            return Some(path);
        }
        for next in here.next() {
            if !seen.contains(next) {
                seen.push(*next);
                let mut longer = path.clone();
                longer.push(*next);
                waiting.push_back(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_can_be_reached() {
        for stage in Stage::ALL {
            assert!(way(Stage::Received, *stage).is_some(), "{stage}");
        }
        assert_eq!(way(Stage::Received, Stage::Received), Some(Vec::new()));
    }
}
