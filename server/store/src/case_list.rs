//! The list of cases, kept in memory for whoever works in an agency in a role, and brought up to date
//! by the outbox before each reading (ADR 0018). A list of a hundred thousand cases would otherwise ask
//! the policy a hundred thousand times for a page of fifty.
//!
//! **Invariant:** [`disclosure`] alone decides what comes into a list, on facts read from the database;
//! a list that is at the head of the outbox says what asking case by case would say
//! ([`Tx::visible_cases`]). Whatever it says, a page shows only what the policy lets through once more.
//! **Invariant:** what changes the facts of a case, or a time by which cases are ordered, announces
//! itself in the outbox in the same transaction: with the case, with the topic `person`, or as
//! [`AGENCY`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use domain::agency::AgencyClass;
use domain::clock::instant_text;
use domain::disclosure::{self, CaseFacts, Excluded, Level, Viewer};
use domain::id::{AccountId, AgencyId, CaseId, MembershipId, MunicipalityId};
use domain::role::Role;
use domain::stage::Stage;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Row;
use sqlx::any::AnyRow;
use tokio::sync::{Mutex as TurnLock, OwnedMutexGuard};

use crate::access::Caller;
use crate::case_facts::next_changes;
use crate::cases::{self, CaseFilter, Listed, TITLE, Written};
use crate::database::{Database, Tx, lock, rows_for};
use crate::error::{Result, StoreError};
use crate::{crypto, persons};

/// Outbox topic: an agency was stopped or taken back, and with it all its memberships of cases.
pub(crate) const AGENCY: &str = "agency.state";

/// Cases whose facts are loaded at once.
const AT_ONCE: usize = 200;
/// So many changed cases are put into their places one by one; more are sorted in.
const ONE_BY_ONE: usize = 16;

/// The lists of every municipality.
#[derive(Debug, Default)]
pub(crate) struct Shelves(Mutex<HashMap<MunicipalityId, Shelf>>);

#[derive(Debug, Default, Clone)]
struct Shelf {
    /// Whoever holds the lists has a connection already, so that nobody who waits for them with one
    /// keeps it from him.
    lists: Arc<TurnLock<Lists>>,
    /// Held while lists are made: others wait for it without a connection.
    making: Arc<TurnLock<()>>,
}

impl Shelves {
    fn shelf(&self, municipality: &MunicipalityId) -> Shelf {
        lock(&self.0)
            .entry(municipality.clone())
            .or_default()
            .clone()
    }

    async fn turn(&self, municipality: &MunicipalityId) -> OwnedMutexGuard<Lists> {
        self.shelf(municipality).lists.lock_owned().await
    }
}

/// For whom a list is the same: what the policy looks at of a viewer but for the account, which counts
/// in a few cases only ([`Lists::apart`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Desk {
    agency: AgencyId,
    class: AgencyClass,
    role: Role,
    today: Date,
}

impl Desk {
    fn of(viewer: &Viewer) -> Self {
        Self {
            agency: viewer.agency.clone(),
            class: viewer.agency_class,
            role: viewer.role,
            today: viewer.today,
        }
    }

    fn viewer(&self, municipality: &MunicipalityId) -> Viewer {
        Viewer {
            municipality: municipality.clone(),
            account: AccountId(String::new()),
            membership: MembershipId(String::new()),
            agency: self.agency.clone(),
            agency_class: self.class,
            role: self.role,
            today: self.today,
        }
    }
}

/// What is known of a case without asking who looks.
#[derive(Debug)]
struct Line {
    case: CaseId,
    /// In small letters.
    case_no: String,
    stage: Stage,
    owner_account: Option<AccountId>,
    /// Whom the agencies in the case put in charge (割当).
    charges: Vec<(AgencyId, AccountId)>,
    /// As compared ([`persons::normal`]); whether somebody may read it is asked when it was found.
    title: Option<String>,
    /// Of the case's own line, in milliseconds since 1970.
    changed: i64,
}

/// A case's place in a list.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The latest change that the list's readers may see something of, in milliseconds since 1970.
    at: i64,
    /// In [`Lists::lines`].
    line: u32,
}

/// Of one municipality.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    loaded: bool,
    /// Position in the outbox up to which everything is in.
    seq: i64,
    lines: Vec<Line>,
    known: HashMap<CaseId, u32>,
    /// The newest change first.
    lists: HashMap<Desk, Vec<Place>>,
    /// Cases out of which an account is shut, wholly or about a person: there it is asked for itself.
    apart: HashMap<AccountId, HashSet<u32>>,
}

/// Cases as the policy must see them.
struct Loaded {
    facts: BTreeMap<CaseId, CaseFacts>,
    written: BTreeMap<CaseId, Written>,
}

async fn load(tx: &mut Tx, municipality: &MunicipalityId, ids: &[CaseId]) -> Result<Loaded> {
    let facts = cases::facts_anew(tx, municipality, ids).await?;
    let all: Vec<&CaseFacts> = facts.values().collect();
    let written = cases::written(tx, municipality, &all).await?;
    Ok(Loaded { facts, written })
}

fn millis(at: &str) -> Result<i64> {
    let at: Timestamp = at.parse().map_err(|_| StoreError::Corrupt("instant"))?;
    Ok(at.as_millisecond())
}

fn text_of(at: i64) -> Result<String> {
    let at = Timestamp::from_millisecond(at).map_err(|_| StoreError::Corrupt("instant"))?;
    Ok(instant_text(at))
}

/// Where the case stands in the viewer's list; `None`: not in it.
fn place(
    viewer: &Viewer,
    facts: &CaseFacts,
    written: &Written,
    changed: i64,
) -> Result<Option<i64>> {
    // What the policy would answer in a roundabout way.
    let concerned = viewer.agency == facts.owner
        || viewer.agency_class == AgencyClass::Department
        || facts
            .members
            .iter()
            .any(|member| member.agency == viewer.agency);
    if !concerned || !disclosure::case_visible(viewer, facts) {
        return Ok(None);
    }
    let seen = written.seen(viewer, facts).updated_at;
    let seen = if seen.is_empty() {
        changed
    } else {
        millis(&seen)?
    };
    Ok(Some(seen.max(changed)))
}

/// The places of cases in the lists of several viewers: `out[viewer]` has those the viewer sees.
/// Asks the policy for each, so it goes to a thread where waiting is allowed.
async fn places(
    loaded: Loaded,
    lines: HashMap<CaseId, (u32, i64)>,
    viewers: Arc<Vec<Viewer>>,
) -> Result<Vec<Vec<Place>>> {
    let asked = tokio::task::spawn_blocking(move || {
        let nothing = Written::default();
        let mut out = vec![Vec::new(); viewers.len()];
        for (case, facts) in &loaded.facts {
            let Some((line, changed)) = lines.get(case).copied() else {
                continue;
            };
            let written = loaded.written.get(case).unwrap_or(&nothing);
            for (viewer, list) in viewers.iter().zip(&mut out) {
                if let Some(at) = place(viewer, facts, written, changed)? {
                    list.push(Place { at, line });
                }
            }
        }
        Ok(out)
    });
    asked
        .await
        .map_err(|_| StoreError::Corrupt("case list interrupted"))?
}

impl Lists {
    fn line(&self, number: u32) -> Option<&Line> {
        self.lines.get(number as usize)
    }

    /// Brings everything to the head of the outbox as the transaction sees it. `true`: it is exactly
    /// there; `false`: it was further already.
    async fn follow(&mut self, tx: &mut Tx, municipality: &MunicipalityId) -> Result<bool> {
        let head = tx.outbox_head(municipality).await?;
        if !self.loaded {
            self.begin(tx, municipality, head).await?;
        }
        while self.seq < head {
            let changed = next_changes(tx, municipality, self.seq, head).await?;
            let Some(dirty) = changed.cases else {
                self.begin(tx, municipality, head).await?;
                break;
            };
            for chunk in dirty.chunks(AT_ONCE) {
                self.renew(tx, municipality, chunk).await?;
            }
            self.seq = changed.seq;
        }
        Ok(self.seq == head)
    }

    /// Reads everything anew, and makes the lists anew that were there.
    async fn begin(&mut self, tx: &mut Tx, municipality: &MunicipalityId, head: i64) -> Result<()> {
        let desks: Vec<Desk> = std::mem::take(self).lists.into_keys().collect();
        let mut after = String::new();
        loop {
            let ids = tx.cases_to_index(municipality, &after, 300).await?;
            let Some(last) = ids.last() else { break };
            after.clone_from(&last.0);
            for line in lines(tx, municipality, &ids).await? {
                self.put_line(line);
            }
        }
        for sql in [
            "SELECT case_id, subject_id AS account_id FROM case_exclusions WHERE municipality_id = $1 AND kind = 'account'",
            "SELECT p.case_id, a.id AS account_id FROM accounts a JOIN case_persons p \
             ON p.municipality_id = a.municipality_id AND p.person_id = a.person_id WHERE a.municipality_id = $1",
        ] {
            let rows = sqlx::query(sql)
                .bind(municipality.as_str())
                .fetch_all(tx.conn())
                .await?;
            for row in &rows {
                if let Some(line) = self.known.get(&CaseId(row.try_get("case_id")?)) {
                    let account = AccountId(row.try_get("account_id")?);
                    self.apart.entry(account).or_default().insert(*line);
                }
            }
        }
        (self.seq, self.loaded) = (head, true);
        self.ensure(tx, municipality, desks).await
    }

    fn put_line(&mut self, line: Line) -> u32 {
        if let Some(number) = self.known.get(&line.case).copied() {
            if let Some(place) = self.lines.get_mut(number as usize) {
                *place = line;
            }
            return number;
        }
        let number = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        self.known.insert(line.case.clone(), number);
        self.lines.push(line);
        number
    }

    /// Makes the lists that are not there yet.
    async fn ensure(
        &mut self,
        tx: &mut Tx,
        municipality: &MunicipalityId,
        desks: Vec<Desk>,
    ) -> Result<()> {
        let mut wanted: Vec<Desk> = Vec::new();
        for desk in desks {
            if !self.lists.contains_key(&desk) && !wanted.contains(&desk) {
                wanted.push(desk);
            }
        }
        let Some(newest) = wanted.iter().map(|desk| desk.today).max() else {
            return Ok(());
        };
        let viewers: Arc<Vec<Viewer>> = Arc::new(
            wanted
                .iter()
                .map(|desk| desk.viewer(municipality))
                .collect(),
        );
        let candidates = candidates(tx, municipality, &wanted).await?;
        let mut made: Vec<Vec<Place>> = vec![Vec::new(); wanted.len()];
        for chunk in candidates.chunks(AT_ONCE) {
            let loaded = load(tx, municipality, chunk).await?;
            let found = places(loaded, self.numbered(chunk), Arc::clone(&viewers)).await?;
            for (list, found) in made.iter_mut().zip(found) {
                list.extend(found);
            }
        }
        // Nobody works on a day that is over.
        self.lists.retain(|desk, _| desk.today >= newest);
        for (desk, mut list) in wanted.into_iter().zip(made) {
            self.sort(&mut list);
            self.lists.insert(desk, list);
        }
        Ok(())
    }

    fn numbered(&self, ids: &[CaseId]) -> HashMap<CaseId, (u32, i64)> {
        ids.iter()
            .filter_map(|id| {
                let number = self.known.get(id)?;
                Some((id.clone(), (*number, self.line(*number)?.changed)))
            })
            .collect()
    }

    /// Takes the present state of these cases over.
    async fn renew(
        &mut self,
        tx: &mut Tx,
        municipality: &MunicipalityId,
        ids: &[CaseId],
    ) -> Result<()> {
        let fresh = lines(tx, municipality, ids).await?;
        let loaded = load(tx, municipality, ids).await?;
        let mut apart: Vec<(AccountId, CaseId)> = Vec::new();
        for facts in loaded.facts.values() {
            for exclusion in &facts.exclusions {
                if let Excluded::Account(account) = &exclusion.who {
                    apart.push((account.clone(), facts.case.clone()));
                }
            }
        }
        for line in fresh {
            self.put_line(line);
        }
        // Of a case that was erased nothing stays in memory either.
        for id in ids.iter().filter(|id| !loaded.facts.contains_key(*id)) {
            let number = self.known.get(id).copied();
            if let Some(line) = number.and_then(|n| self.lines.get_mut(n as usize)) {
                (line.title, line.owner_account) = (None, None);
                line.charges.clear();
                line.case_no.clear();
            }
        }
        let desks: Vec<Desk> = self.lists.keys().cloned().collect();
        let viewers = desks.iter().map(|desk| desk.viewer(municipality)).collect();
        let found = places(loaded, self.numbered(ids), Arc::new(viewers)).await?;
        // From here to the end nothing waits: the lists are never seen half changed.
        let numbers: HashSet<u32> = ids
            .iter()
            .filter_map(|id| self.known.get(id).copied())
            .collect();
        for cases in self.apart.values_mut() {
            cases.retain(|line| !numbers.contains(line));
        }
        for (account, case) in apart {
            if let Some(line) = self.known.get(&case) {
                self.apart.entry(account).or_default().insert(*line);
            }
        }
        self.apart.retain(|_, cases| !cases.is_empty());
        for (desk, found) in desks.iter().zip(found) {
            let Some(mut list) = self.lists.remove(desk) else {
                continue;
            };
            self.replace(&mut list, &numbers, found);
            self.lists.insert(desk.clone(), list);
        }
        Ok(())
    }

    fn replace(&self, list: &mut Vec<Place>, gone: &HashSet<u32>, new: Vec<Place>) {
        list.retain(|place| !gone.contains(&place.line));
        if new.len() > ONE_BY_ONE {
            list.extend(new);
            self.sort(list);
            return;
        }
        for place in new {
            let at = list.partition_point(|other| self.rank(*other) > self.rank(place));
            list.insert(at, place);
        }
    }

    fn rank(&self, place: Place) -> (i64, &str) {
        let case = self.line(place.line).map_or("", |line| line.case.as_str());
        (place.at, case)
    }

    fn sort(&self, list: &mut [Place]) {
        list.sort_by(|a, b| self.rank(*b).cmp(&self.rank(*a)));
    }
}

/// Cases that may come into one of the lists.
async fn candidates(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    desks: &[Desk],
) -> Result<Vec<CaseId>> {
    let mut out = BTreeSet::new();
    let mut take = |rows: &[AnyRow]| -> Result<()> {
        for row in rows {
            out.insert(CaseId(row.try_get("id")?));
        }
        Ok(())
    };
    if desks
        .iter()
        .any(|desk| desk.class == AgencyClass::Department)
    {
        let rows = sqlx::query("SELECT id FROM cases WHERE municipality_id = $1")
            .bind(municipality.as_str())
            .fetch_all(tx.conn())
            .await?;
        take(&rows)?;
    } else {
        let agencies: BTreeSet<&AgencyId> = desks.iter().map(|desk| &desk.agency).collect();
        for agency in agencies {
            let rows = sqlx::query(
                "SELECT id FROM cases WHERE municipality_id = $1 AND owner_agency_id = $2 \
                 UNION SELECT case_id AS id FROM case_members WHERE municipality_id = $1 AND agency_id = $2",
            )
            .bind(municipality.as_str())
            .bind(agency.as_str())
            .fetch_all(tx.conn())
            .await?;
            take(&rows)?;
        }
    }
    Ok(out.into_iter().collect())
}

async fn lines(tx: &mut Tx, municipality: &MunicipalityId, ids: &[CaseId]) -> Result<Vec<Line>> {
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT id, case_no, stage, owner_account_id, title_sealed, updated_at FROM cases WHERE municipality_id = $1 AND id IN",
        "ORDER BY id",
    )
    .await?;
    let mut charges: HashMap<CaseId, Vec<(AgencyId, AccountId)>> = HashMap::new();
    let put = rows_for(
        tx,
        municipality,
        ids,
        "SELECT case_id, agency_id, account_id FROM case_members WHERE municipality_id = $1 AND account_id IS NOT NULL AND case_id IN",
        "",
    )
    .await?;
    for row in &put {
        charges
            .entry(CaseId(row.try_get("case_id")?))
            .or_default()
            .push((
                AgencyId(row.try_get("agency_id")?),
                AccountId(row.try_get("account_id")?),
            ));
    }
    let mut titles: Vec<Option<Vec<u8>>> = Vec::with_capacity(rows.len());
    let mut keys = Vec::new();
    for row in &rows {
        let sealed: Option<Vec<u8>> = row.try_get("title_sealed")?;
        if let Some(sealed) = &sealed {
            keys.push(crypto::header(sealed)?.key);
        }
        titles.push(sealed);
    }
    tx.keys_at_once(municipality, &keys).await?;
    let mut out = Vec::with_capacity(rows.len());
    for (row, sealed) in rows.iter().zip(titles) {
        let case = CaseId(row.try_get("id")?);
        let title = match sealed {
            Some(sealed) => {
                let title = tx
                    .open_text(municipality, TITLE, case.as_str(), &sealed)
                    .await?;
                Some(persons::normal(&title))
            }
            None => None,
        };
        out.push(Line {
            charges: charges.remove(&case).unwrap_or_default(),
            case,
            case_no: row.try_get::<String, _>("case_no")?.to_lowercase(),
            stage: Stage::from_code(&row.try_get::<String, _>("stage")?)
                .ok_or(StoreError::Corrupt("cases.stage"))?,
            owner_account: row
                .try_get::<Option<String>, _>("owner_account_id")?
                .map(AccountId),
            title,
            changed: millis(&row.try_get::<String, _>("updated_at")?)?,
        });
    }
    Ok(out)
}

/// A part of a list.
pub(crate) struct Part {
    /// One more than asked for when there are more.
    pub cases: Vec<Listed>,
    /// Cases in the list that the filter lets through.
    pub total: usize,
    /// The list was at the head of the outbox as the transaction sees it.
    pub exact: bool,
}

/// The caller's cases that pass the filter (its words aside) and are `among` some, from a cursor on.
pub(crate) async fn part(
    tx: &mut Tx,
    caller: &Caller,
    filter: &CaseFilter,
    among: Option<&HashSet<CaseId>>,
    after: Option<(&str, &str)>,
    limit: usize,
) -> Result<Part> {
    let (viewer, municipality) = (&caller.viewer, &caller.viewer.municipality);
    let after = after
        .map(|(at, case)| millis(at).map(|at| (at, case)))
        .transpose()
        .map_err(|_| StoreError::Invalid("cursor"))?;
    let db = tx.database().clone();
    let mut lists = db.case_lists().turn(municipality).await;
    let exact = lists.follow(tx, municipality).await?;
    let desk = Desk::of(viewer);
    lists.ensure(tx, municipality, vec![desk.clone()]).await?;
    let own = match lists.apart.get(&viewer.account) {
        Some(apart) => {
            let ids: Vec<CaseId> = apart
                .iter()
                .filter_map(|line| Some(lists.line(*line)?.case.clone()))
                .collect();
            let loaded = load(tx, municipality, &ids).await?;
            let viewers = Arc::new(vec![viewer.clone()]);
            let found = places(loaded, lists.numbered(&ids), viewers).await?;
            let mut own = lists.lists.get(&desk).cloned().unwrap_or_default();
            lists.replace(&mut own, apart, found.into_iter().flatten().collect());
            Some(own)
        }
        None => None,
    };
    let list = own
        .as_ref()
        .or_else(|| lists.lists.get(&desk))
        .map_or(&[][..], Vec::as_slice);
    let start = after.map_or(0, |after| {
        list.partition_point(|place| lists.rank(*place) >= after)
    });
    let number = filter.case_no.as_deref().map(cases::number_part);
    let passes = |place: &Place| {
        lists.line(place.line).is_some_and(|line| {
            (filter.stages.is_empty() || filter.stages.contains(&line.stage))
                && (!filter.mine
                    || line.owner_account.as_ref() == Some(&viewer.account)
                    || line.charges.iter().any(|(agency, account)| {
                        *agency == viewer.agency && *account == viewer.account
                    }))
                && number
                    .as_ref()
                    .is_none_or(|part| line.case_no.contains(part))
                && among.is_none_or(|among| among.contains(&line.case))
        })
    };
    let everything =
        filter.stages.is_empty() && !filter.mine && number.is_none() && among.is_none();
    let (before, rest) = list.split_at(start);
    let mut places = rest.iter().filter(|place| everything || passes(place));
    let page: Vec<Place> = places.by_ref().take(limit + 1).copied().collect();
    let total = if everything {
        list.len()
    } else {
        before.iter().filter(|place| passes(place)).count() + page.len() + places.count()
    };
    let mut out = Vec::with_capacity(page.len());
    for place in page {
        if let Some(line) = lists.line(place.line) {
            out.push(Listed {
                at: text_of(place.at)?,
                case: line.case.clone(),
            });
        }
    }
    Ok(Part {
        cases: out,
        total,
        exact,
    })
}

/// Cases whose number has the words, and cases whose title has them: nobody was asked yet whether the
/// caller may know.
pub(crate) async fn with_words(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    words: &str,
) -> Result<(HashSet<CaseId>, HashSet<CaseId>)> {
    let find = |lists: &Lists| {
        let (raw, normal) = (words.to_lowercase(), persons::normal(words));
        let of = |is: &dyn Fn(&Line) -> bool| -> HashSet<CaseId> {
            let found = lists.lines.iter().filter(|line| is(line));
            found.map(|line| line.case.clone()).collect()
        };
        (
            of(&|line| line.case_no.contains(&raw)),
            of(&|line| {
                line.title
                    .as_ref()
                    .is_some_and(|title| title.contains(&normal))
            }),
        )
    };
    if tx.writes() {
        // Its own changes are in no list.
        let mut lists = Lists::default();
        lists.begin(tx, municipality, 0).await?;
        return Ok(find(&lists));
    }
    let db = tx.database().clone();
    let mut lists = db.case_lists().turn(municipality).await;
    lists.follow(tx, municipality).await?;
    Ok(find(&lists))
}

/// A list said what the policy does not: it is made anew.
pub(crate) async fn doubt(db: &Database, municipality: &MunicipalityId) {
    tracing::error!("list of cases and policy differ; list made anew");
    db.case_lists().turn(municipality).await.loaded = false;
}

impl Database {
    /// Waits until the caller's list is there, without keeping a connection while others make it.
    ///
    /// # Errors
    /// Database away.
    pub async fn prepare_case_list(&self, caller: &Caller) -> Result<()> {
        let municipality = &caller.viewer.municipality;
        let desk = Desk::of(&caller.viewer);
        self.prepare(municipality, vec![desk]).await
    }

    /// Makes the lists of everybody who works in the municipality on a day, in one go: after a start,
    /// and when a day begins.
    ///
    /// # Errors
    /// Database away.
    pub async fn prepare_case_lists(
        &self,
        municipality: &MunicipalityId,
        today: Date,
    ) -> Result<()> {
        let mut tx = self.read().await?;
        let memberships = crate::memberships::desks(&mut tx, municipality).await?;
        drop(tx);
        let desks = memberships
            .into_iter()
            .filter(|(_, _, role)| role.ceiling() > Level::None)
            .map(|(agency, class, role)| Desk {
                agency,
                class,
                role,
                today,
            })
            .collect();
        self.prepare(municipality, desks).await
    }

    async fn prepare(&self, municipality: &MunicipalityId, desks: Vec<Desk>) -> Result<()> {
        let there =
            |lists: &Lists| lists.loaded && desks.iter().all(|desk| lists.lists.contains_key(desk));
        let shelf = self.case_lists().shelf(municipality);
        if there(&*shelf.lists.lock().await) {
            return Ok(());
        }
        let _others_wait = shelf.making.lock().await;
        if there(&*shelf.lists.lock().await) {
            return Ok(());
        }
        let began = std::time::Instant::now();
        let mut tx = self.read().await?;
        let mut lists = shelf.lists.lock().await;
        lists.follow(&mut tx, municipality).await?;
        lists.ensure(&mut tx, municipality, desks).await?;
        tracing::info!(
            cases = lists.lines.len(),
            lists = lists.lists.len(),
            seconds = began.elapsed().as_secs_f64(),
            "lists of cases made"
        );
        Ok(())
    }
}
