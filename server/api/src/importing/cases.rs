//! Cases out of a file: received as on the page of the reception, or moved here at the stage they had
//! elsewhere; what the screen of a case can change is changed, the rest is compared and left alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::exchange::{Kind, Row, Table};
use domain::{
    id::{AccountId, AgencyId, CaseId, PersonId},
    likeness::{Identity, normal},
    role::Capability,
    stage::Stage,
    wareki,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    Caller, CaseAccess, StoreError, Tx, agencies,
    audit::{self, Event},
    case_import::{Standing, is_legal_number, is_own_number},
    cases::{CasePatch, CaseSummary, ClientRef, CreatedCase, NewCase},
    memberships,
    persons::Person,
};

use super::{
    Choices, Pending, Planned, PlannedChange, Seen, Touched,
    cells::{Comparing, day, parts, persons, text},
};
use crate::{
    error::ApiError,
    operations::cases::documents::{self, Initial},
    state::AppState,
};

/// Kept with the step of a case that came in at a later stage than the reception.
const MOVED: &str =
    "取込による（ほかの記録から移したときの段階。それまでの経過はここにありません）";

/// A case that was made, whose documents are to follow.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Made {
    created: CreatedCase,
    received_on: Date,
    urgency: Option<String>,
}

crate::operations::persons::closed!(Made);

/// What the rows of a file may name.
struct Around {
    colleagues: Vec<(AccountId, String)>,
    agencies: Vec<(AgencyId, String)>,
    cases: BTreeMap<String, (CaseAccess, CaseSummary)>,
    given: BTreeSet<String>,
    persons: BTreeMap<PersonId, Person>,
}

/// The only one of that name; `Err`: how many there are.
pub(super) fn named<T: Clone>(all: &[(T, String)], name: &str) -> Result<T, usize> {
    let name = normal(name);
    let mut found = all.iter().filter(|(_, known)| normal(known) == name);
    match (found.next(), found.next()) {
        (Some((one, _)), None) => Ok(one.clone()),
        (None, _) => Err(0),
        _ => Err(2),
    }
}

/// Compares rows with the cases that the caller may know of.
pub(super) async fn plan(tx: &mut Tx, of: Comparing<'_>) -> Result<Vec<Planned>, ApiError> {
    let numbers = of.numbers();
    let Comparing {
        caller,
        layout,
        rows,
        choices,
        seen,
    } = of;
    let mut ids: Vec<PersonId> = rows.iter().flat_map(persons).collect();
    let by_name = by_name(tx, caller, rows).await?;
    ids.extend(by_name.values().flatten().flatten().cloned());
    ids.sort();
    ids.dedup();
    let around = Around {
        colleagues: memberships::colleagues(tx, caller).await?,
        agencies: agencies::list(tx, &caller.viewer.municipality)
            .await?
            .into_iter()
            .filter(|agency| agency.active)
            .map(|agency| (agency.id, agency.name))
            .collect(),
        cases: tx.cases_numbered(caller, &numbers).await?,
        given: tx.numbers_given(caller, &numbers).await?,
        persons: tx.persons_shown(caller, &ids).await?,
    };
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let mut planned = Planned::of(row);
        let number = text(row, "case_no");
        planned.name = [number, text(row, "case_title"), text(row, "received_on")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        if !number.is_empty()
            && let Some(line) = seen.ids.insert(number.to_owned(), row.line)
        {
            planned.fail(
                Some("case_no"),
                "duplicate",
                format!("{line}行目と同じ事案番号です。1つの事案につき1行にしてください"),
            );
        }
        match around.cases.get(number) {
            Some((access, line)) => {
                compare(&mut planned, layout, row, access, line, choices, &around);
            }
            None => {
                let none = Vec::new();
                let names = by_name.get(&row.line).unwrap_or(&none);
                new(&mut planned, layout, row, names, caller, &around);
                if planned.errors.is_empty() {
                    already(tx, caller, &mut planned).await?;
                }
                twice(&mut planned, seen);
            }
        }
        out.push(planned);
    }
    Ok(out)
}

/// For rows that name their clients instead of their ids: for each name the persons of the register with
/// that name and birth date.
async fn by_name(
    tx: &mut Tx,
    caller: &Caller,
    rows: &[Row],
) -> Result<HashMap<u64, Vec<Vec<PersonId>>>, ApiError> {
    let mut asked: Vec<(u64, Identity, String, String)> = Vec::new();
    for row in rows {
        if !text(row, "person_ids").is_empty() {
            continue;
        }
        let names: Vec<&str> = parts(text(row, "clients")).collect();
        let days: Vec<&str> = parts(text(row, "client_birth_dates")).collect();
        if names.len() != days.len() {
            continue;
        }
        for (name, day) in names.into_iter().zip(days) {
            let day = wareki::parse(day).map_or_else(|_| String::new(), |day| day.to_string());
            let mut who = Identity::default();
            who.add("name", name);
            who.add("birth_date", &day);
            asked.push((row.line, who, normal(name), day));
        }
    }
    let who: Vec<Identity> = asked.iter().map(|(_, who, ..)| who.clone()).collect();
    let found = tx.alike_many(caller, &who).await?;
    let mut ids: Vec<PersonId> = found
        .iter()
        .flatten()
        .map(|one| one.person.clone())
        .collect();
    ids.sort();
    ids.dedup();
    let known = tx.persons_shown(caller, &ids).await?;
    let mut out: HashMap<u64, Vec<Vec<PersonId>>> = HashMap::new();
    for ((line, _, name, day), found) in asked.into_iter().zip(found) {
        let same = found
            .into_iter()
            .map(|one| one.person)
            .filter(|id| {
                known.get(id).is_some_and(|person| {
                    let born = person.fields.get("birth_date").map(String::as_str);
                    !day.is_empty() && normal(person.name()) == name && born == Some(day.as_str())
                })
            })
            .collect();
        out.entry(line).or_default().push(same);
    }
    Ok(out)
}

fn clients(
    planned: &mut Planned,
    row: &Row,
    names: &[Vec<PersonId>],
    around: &Around,
) -> Vec<PersonId> {
    let ids = persons(row);
    if !ids.is_empty() {
        if ids.iter().any(|id| !around.persons.contains_key(id)) {
            planned.fail(
                Some("person_ids"),
                "unknown_person",
                "台帳にいない支援対象者IDがあります。先に台帳へ登録するか、台帳のファイルを取り込んでください",
            );
        }
        return ids;
    }
    let wanted = parts(text(row, "clients")).count();
    if wanted == 0 {
        planned.fail(
            Some("person_ids"),
            "required",
            "支援対象者IDか、支援対象者の氏名と生年月日を入力してください",
        );
        return Vec::new();
    }
    if names.len() != wanted {
        planned.fail(
            Some("client_birth_dates"),
            "birth_dates",
            "支援対象者と同じ数の生年月日を「|」で区切って入力してください。支援対象者IDを入力すれば要りません",
        );
        return Vec::new();
    }
    let mut out: Vec<PersonId> = Vec::new();
    for found in names {
        match found.as_slice() {
            [one] if !out.contains(one) => out.push(one.clone()),
            [_] => {}
            [] => planned.fail(
                Some("clients"),
                "unknown_person",
                "氏名と生年月日の合う方が台帳にいません。先に台帳へ登録するか、台帳のファイルを取り込んでください",
            ),
            _ => planned.fail(
                Some("clients"),
                "several",
                "氏名と生年月日の合う方が台帳に2人以上います。支援対象者IDを入力してください",
            ),
        }
    }
    out
}

fn owner(planned: &mut Planned, row: &Row, around: &Around) -> Option<AccountId> {
    let name = text(row, "owner");
    if name.is_empty() {
        return None;
    }
    let known = around.colleagues.iter().find(|(id, _)| id.as_str() == name);
    match known.map_or_else(|| named(&around.colleagues, name), |(id, _)| Ok(id.clone())) {
        Ok(id) => Some(id),
        Err(0) => {
            planned.fail(
                Some("owner"),
                "unknown_account",
                "自機関で事案を担当している職員にいない名前です。空欄にすると、取り込む人が主担当になります",
            );
            None
        }
        Err(_) => {
            planned.fail(
                Some("owner"),
                "several",
                "同じ名前の職員が2人以上います。空欄にして、取り込んだ後に画面で選んでください",
            );
            None
        }
    }
}

fn lead(planned: &mut Planned, row: &Row, around: &Around) -> Option<AgencyId> {
    let name = text(row, "lead_org");
    if name.is_empty() {
        return None;
    }
    match named(&around.agencies, name) {
        Ok(id) => Some(id),
        Err(count) => {
            planned.fail(
                Some("lead_org"),
                "unknown_agency",
                if count == 0 {
                    "登録されていない機関の名前です。機関の一覧の名前と同じにしてください"
                } else {
                    "同じ名前の機関が2つ以上あります。空欄にして、取り込んだ後に画面で選んでください"
                },
            );
            None
        }
    }
}

pub(super) fn note(
    planned: &mut Planned,
    layout: &Table,
    field: &str,
    before: Option<&str>,
    after: &str,
) {
    let column = layout.position(field).map(|at| &layout.columns[at]);
    let words = |value: &str| {
        let option = column.and_then(|column| column.options.as_ref()?.option(value));
        match (column.map(|column| column.kind), value) {
            (Some(Kind::Bool), "true") => "はい".to_owned(),
            (Some(Kind::Bool), "false") => "いいえ".to_owned(),
            _ => option.map_or_else(|| value.to_owned(), |option| option.label.clone()),
        }
    };
    planned.changes.push(PlannedChange {
        field: field.to_owned(),
        label: column.map_or_else(String::new, |column| column.label.clone()),
        before: before.filter(|value| !value.is_empty()).map(words),
        after: Some(after).filter(|value| !value.is_empty()).map(words),
    });
}

fn stage(row: &Row) -> Option<Stage> {
    Stage::from_code(text(row, "stage"))
}

fn number_problem(number: &str, around: &Around) -> Option<(&'static str, &'static str)> {
    if is_own_number(number) {
        // The same for a case that there is not and for one that the caller may not know of.
        return Some((
            "unknown_case",
            "この事案番号の事案がありません。新しい事案は空欄にしてください（「2026-0001」の形の番号はこのシステムが付けます）",
        ));
    }
    if !is_legal_number(number) {
        return Some((
            "malformed",
            "元の番号を残すときは、半角の英数字と「-」で40文字までにしてください。空欄にすると番号を付けます",
        ));
    }
    around.given.contains(number).then_some((
        "taken",
        "この事案番号は使えません。別の番号にするか、空欄にしてください",
    ))
}

/// A case that is not there yet.
fn new(
    planned: &mut Planned,
    layout: &Table,
    row: &Row,
    names: &[Vec<PersonId>],
    caller: &Caller,
    around: &Around,
) {
    let today = caller.viewer.today;
    let number = text(row, "case_no");
    if !number.is_empty()
        && let Some((code, message)) = number_problem(number, around)
    {
        planned.fail(Some("case_no"), code, message);
    }
    let received = day(row, "received_on");
    match received {
        None if !planned
            .errors
            .iter()
            .any(|one| one.column.as_deref() == Some("received_on")) =>
        {
            planned.fail(
                Some("received_on"),
                "required",
                "新しい事案には受付日を入力してください",
            );
        }
        Some(on) if on > today => planned.fail(
            Some("received_on"),
            "future",
            "今日より後の日付です。日付を確認してください",
        ),
        _ => {}
    }
    let clients = clients(planned, row, names, around);
    if clients.len() > super::CLIENTS {
        planned.fail(
            Some("person_ids"),
            "too_many",
            "支援対象者は1つの事案に20人までにしてください",
        );
    }
    let at = stage(row).unwrap_or(Stage::Received);
    if at != Stage::Received && !caller.may(Capability::MigrateCases) {
        planned.fail(
            Some("stage"),
            "forbidden",
            "「受付」より先の段階で取り込めるのは、多機関協働事業者の管理者です。段階を空欄にすると受付として取り込みます",
        );
    }
    let closed = day(row, "closed_on");
    let problem = match (at == Stage::Closed, closed) {
        (true, None) => Some("終結した事案には終結日を入力してください"),
        (false, Some(_)) => {
            Some("終結日があるのに段階が「終結」ではありません。どちらかを直してください")
        }
        (true, Some(on)) if on > today => Some("今日より後の日付です。日付を確認してください"),
        (true, Some(on)) if received.is_some_and(|received| on < received) => {
            Some("終結日が受付日より前です。日付を確認してください")
        }
        _ => None,
    };
    if let Some(message) = problem {
        planned.fail(Some("closed_on"), "closed_on", message);
    }
    let own = text(row, "owner_agency");
    if !own.is_empty() && normal(own) != normal(&caller.agency_name) {
        planned.fail(
            Some("owner_agency"),
            "owner_agency",
            "取り込めるのは自機関が担当する事案です。空欄にするか、自機関の名前にしてください",
        );
    }
    let owner = owner(planned, row, around);
    let lead = lead(planned, row, around);
    if !planned.errors.is_empty() {
        return;
    }
    let shown: Vec<&str> = clients
        .iter()
        .filter_map(|id| around.persons.get(id).map(Person::name))
        .map(|name| {
            if name.is_empty() {
                "（匿名）"
            } else {
                name
            }
        })
        .collect();
    note(planned, layout, "clients", None, &shown.join("、"));
    if planned.name.is_empty() {
        planned.name = shown.join("、");
    }
    for field in [
        "received_on",
        "case_title",
        "stage",
        "urgency",
        "closed_on",
        "lead_org",
    ] {
        let value = text(row, field);
        if !value.is_empty() {
            note(planned, layout, field, None, value);
        }
    }
    let in_charge = owner
        .as_ref()
        .and_then(|id| around.colleagues.iter().find(|(known, _)| known == id))
        .map_or(caller.name.as_str(), |(_, name)| name.as_str());
    note(planned, layout, "owner", None, in_charge);
    let mut put = |field: &str, value: Value| {
        planned.values.insert(field.to_owned(), value);
    };
    put("case_no", number.into());
    put("received_on", text(row, "received_on").into());
    put("case_title", text(row, "case_title").into());
    put("stage", at.code().into());
    put("urgency", text(row, "urgency").into());
    put("closed_on", text(row, "closed_on").into());
    put("persons", json!(clients));
    put("owner", json!(owner));
    put("lead_org", json!(lead));
    if let Some(flag) = row
        .values
        .get("similar_ok")
        .filter(|flag| flag.is_boolean())
    {
        put("similar_ok", flag.clone());
    }
    if at != Stage::Received {
        planned.remark(
            Some("stage"),
            "moved",
            "この段階で取り込みます。支援決定などの手続がここで行われたことにはなりません。経過には「取込による」と残ります",
        );
    }
}

/// Without a number a file brought in twice would make each case twice.
async fn already(tx: &mut Tx, caller: &Caller, planned: &mut Planned) -> Result<(), ApiError> {
    let get = |field: &str| planned.values.get(field).cloned().unwrap_or_default();
    if get("case_no").as_str() != Some("") {
        return Ok(());
    }
    let wanted: BTreeSet<PersonId> =
        serde_json::from_value(get("persons")).map_err(ApiError::internal)?;
    let received = get("received_on");
    let Some(first) = wanted.first() else {
        return Ok(());
    };
    let cases: Vec<CaseId> = tx.cases_with(&caller.viewer.municipality, first).await?;
    if cases.is_empty() {
        return Ok(());
    }
    for (id, (_, line)) in tx.case_lines(caller, &cases).await? {
        let there: BTreeSet<PersonId> = line
            .clients
            .iter()
            .filter_map(|client| client.person_id.clone())
            .collect();
        if there == wanted && received.as_str() == Some(line.received_on.to_string().as_str()) {
            planned.id = Some(id.0);
            planned.name.clone_from(&line.case_no);
            planned.found_case = Some(line.case_no.clone());
            planned.changes.clear();
            planned.values.clear();
            planned.notes.retain(|note| note.code != "moved");
            planned.remark(
                None,
                "present",
                format!(
                    "同じ方の同じ受付日の事案（{}）がすでにあるので、加えません",
                    line.case_no
                ),
            );
            return Ok(());
        }
    }
    Ok(())
}

/// Says when the same persons were received on the same day in an earlier row.
fn twice(planned: &mut Planned, seen: &mut Seen) {
    let (Some(persons), Some(received)) = (
        planned.values.get("persons"),
        planned.values.get("received_on"),
    ) else {
        return;
    };
    let key = format!("{persons}\t{received}");
    if let Some(line) = seen.alike.insert(key, planned.line) {
        planned.remark(
            Some("person_ids"),
            "twice",
            format!("{line}行目と同じ方・同じ受付日です。二重でないか確かめてください"),
        );
    }
}

/// A case that is there: what its screen can change, and what it cannot.
fn compare(
    planned: &mut Planned,
    layout: &Table,
    row: &Row,
    access: &CaseAccess,
    line: &CaseSummary,
    choices: &Choices,
    around: &Around,
) {
    planned.id = Some(line.id.0.clone());
    planned.version = Some(line.version);
    line.case_no.clone_into(&mut planned.name);
    let says = |field: &str| row.values.get(field).is_some_and(|value| !value.is_null());
    let fixed = [
        (
            "received_on",
            line.received_on.to_string(),
            "受付日は取込で変えられません",
        ),
        (
            "stage",
            line.stage.code().to_owned(),
            "段階は取込で変えられません。事案の画面の「経過」で進めてください",
        ),
        (
            "closed_on",
            line.closed_on
                .map_or_else(String::new, |day| day.to_string()),
            "終結日は取込で変えられません。事案の画面で終結にしてください",
        ),
        (
            "owner_agency",
            line.owner_agency.name.clone(),
            "担当する機関は取込で変えられません。「引継ぎ」で渡してください",
        ),
    ];
    for (field, there, message) in fixed {
        if says(field) && normal(text(row, field)) != normal(&there) {
            planned.fail(Some(field), "fixed", message);
        }
    }
    if says("person_ids") {
        let there: BTreeSet<&str> = line
            .clients
            .iter()
            .filter_map(|client| client.person_id.as_ref().map(PersonId::as_str))
            .collect();
        let wanted = persons(row);
        if wanted.iter().map(PersonId::as_str).collect::<BTreeSet<_>>() != there {
            planned.fail(
                Some("person_ids"),
                "fixed",
                "支援対象者は取込で変えられません。事案の画面で加えてください",
            );
        }
    }
    let mut changed = Vec::new();
    let title = line.title.as_deref().unwrap_or_default();
    let wanted = text(row, "case_title");
    let asked = says("case_title")
        || choices.clear && row.values.get("case_title").is_some_and(Value::is_null);
    if asked && wanted != title {
        changed.push((
            "case_title",
            title.to_owned(),
            wanted.to_owned(),
            wanted.into(),
        ));
    }
    let urgency = line.urgency.as_deref().unwrap_or_default();
    if says("urgency") && text(row, "urgency") != urgency {
        let wanted = text(row, "urgency");
        changed.push((
            "urgency",
            urgency.to_owned(),
            wanted.to_owned(),
            wanted.into(),
        ));
    }
    let in_charge = line.owner.as_ref().map_or("", |owner| owner.name.as_str());
    if says("owner") && normal(text(row, "owner")) != normal(in_charge) {
        let id = owner(planned, row, around);
        changed.push((
            "owner",
            in_charge.to_owned(),
            text(row, "owner").to_owned(),
            json!(id),
        ));
    }
    let agency = line
        .lead_agency
        .as_ref()
        .map_or("", |agency| agency.name.as_str());
    if says("lead_org") && normal(text(row, "lead_org")) != normal(agency) {
        let id = lead(planned, row, around);
        changed.push((
            "lead_org",
            agency.to_owned(),
            text(row, "lead_org").to_owned(),
            json!(id),
        ));
    }
    let flag = row.values.get("similar_ok").and_then(Value::as_bool);
    if let Some(flag) = flag.filter(|flag| *flag != line.similar_ok) {
        changed.push((
            "similar_ok",
            line.similar_ok.to_string(),
            flag.to_string(),
            flag.into(),
        ));
    }
    if !changed.is_empty() && !access.may(Capability::EditCase) {
        planned.fail(
            None,
            "forbidden",
            "この事案の登録内容を変える権限がありません",
        );
    }
    for (field, before, after, value) in changed {
        note(planned, layout, field, Some(&before), &after);
        planned.values.insert(field.to_owned(), value);
    }
}

/// What was checked, as it is written.
fn filled(planned: &Planned, field: &str) -> Option<String> {
    planned
        .values
        .get(field)
        .and_then(Value::as_str)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

fn reception(planned: &Planned) -> Result<(NewCase, Standing), StoreError> {
    let bad = || StoreError::Invalid("row");
    let received_on = filled(planned, "received_on")
        .and_then(|day| day.parse().ok())
        .ok_or_else(bad)?;
    let persons: Vec<PersonId> =
        serde_json::from_value(planned.values.get("persons").cloned().unwrap_or_default())
            .map_err(|_| bad())?;
    let new = NewCase {
        received_on,
        clients: persons
            .into_iter()
            .map(|person_id| ClientRef::Known { person_id })
            .collect(),
        urgency: filled(planned, "urgency"),
        title: filled(planned, "case_title"),
        program: None,
        owner_account: filled(planned, "owner").map(AccountId),
        owner_agency: None,
        lead_agency: filled(planned, "lead_org").map(AgencyId),
        case_no: filled(planned, "case_no"),
    };
    let standing = Standing {
        stage: filled(planned, "stage")
            .and_then(|code| Stage::from_code(&code))
            .ok_or_else(bad)?,
        closed_on: filled(planned, "closed_on").and_then(|day| day.parse().ok()),
        similar_ok: planned.values.get("similar_ok").and_then(Value::as_bool),
        reason: MOVED.to_owned(),
    };
    Ok((new, standing))
}

/// Writes the rows.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    import: &str,
    create: &[Planned],
    update: &[Planned],
    step: impl Fn(usize),
) -> Result<Touched, StoreError> {
    let mut touched = Touched::default();
    for (at, planned) in create.iter().enumerate() {
        let (new, standing) = reception(planned)?;
        let created =
            tx.take_in_case(caller, &new, &standing)
                .await
                .map_err(|error| match error {
                    // Somebody was there since the check.
                    StoreError::NotFound | StoreError::Taken(_) => StoreError::Conflict,
                    other => other,
                })?;
        let detail = json!({
            "import": import, "case_no": created.case_no, "clients": created.clients, "stage": standing.stage,
        });
        audit::record(
            tx,
            Event::by(caller, "case.create", "case", created.case.as_str())
                .in_case(&created.case)
                .detail(detail),
        );
        touched.cases.push(created.case.clone());
        touched.pending.push(Pending::Case(Made {
            created,
            received_on: new.received_on,
            urgency: new.urgency,
        }));
        if at % 100 == 99 {
            step(at + 1);
        }
    }
    for (at, planned) in update.iter().enumerate() {
        let (Some(id), Some(version)) = (planned.id.clone(), planned.version) else {
            return Err(StoreError::Invalid("row"));
        };
        let id = CaseId(id);
        let access = tx
            .case_for(caller, &id)
            .await?
            .ok_or(StoreError::Conflict)?;
        let patch = CasePatch {
            title: planned
                .values
                .get("case_title")
                .and_then(Value::as_str)
                .map(str::to_owned),
            urgency: filled(planned, "urgency"),
            owner_account: filled(planned, "owner").map(AccountId),
            lead_agency: filled(planned, "lead_org").map(AgencyId),
            similar_ok: planned.values.get("similar_ok").and_then(Value::as_bool),
            ..CasePatch::default()
        };
        access.update(tx, version, &patch).await?;
        let fields: Vec<&String> = planned.values.keys().collect();
        audit::record(
            tx,
            Event::by(caller, "case.update", "case", id.as_str())
                .in_case(&id)
                .detail(json!({ "import": import, "fields": fields })),
        );
        let documents = tx.documents_of(&caller.viewer.municipality, &id).await?;
        if patch.similar_ok.is_some() {
            touched.documents.extend(documents.iter().cloned());
        }
        touched.rights.extend(documents);
        touched.cases.push(id);
        if at % 100 == 99 {
            step(create.len() + at + 1);
        }
    }
    Ok(touched)
}

/// Makes the documents of a case that was taken in. Doing it again does nothing.
pub(super) async fn carry(state: &AppState, caller: &Caller, made: Made) -> Result<(), ApiError> {
    let Made {
        created,
        received_on,
        urgency,
    } = made;
    let mut tx = state.db().read().await?;
    if tx.case_for(caller, &created.case).await?.is_none() {
        // Gone meanwhile, or out of reach: what is missing is made with its seed.
        return Ok(());
    }
    let new = NewCase {
        received_on,
        clients: created
            .clients
            .iter()
            .map(|person| ClientRef::Known {
                person_id: person.clone(),
            })
            .collect(),
        urgency: urgency.clone(),
        title: None,
        program: None,
        owner_account: None,
        owner_agency: None,
        lead_agency: None,
        case_no: None,
    };
    let people = documents::nodes(&mut tx, caller, &new, &created).await?;
    drop(tx);
    let initial = Initial {
        received_on,
        today: caller.viewer.today,
        urgency,
        route: None,
    };
    documents::make(state, caller, &created, &initial, people).await
}
