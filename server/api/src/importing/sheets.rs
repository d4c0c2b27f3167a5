//! Sheets and the rows of their tables out of files. A sheet that is there is compared with what the
//! caller is shown of it; a draft can be changed, a final one is left alone. What is new is made as a
//! draft, written through its room as the importing account, like anything else that the server writes
//! for somebody.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::exchange::{Kind, Row, Table, TableColumn};
use collab::{hub::HubError, values};
use domain::{
    disclosure::Level,
    form::{
        Catalogue, ColumnShape, Definition, Field, FieldShape, FieldType, Projection, is_empty,
    },
    id::{AccountId, AgencyId, CaseId, DocumentId, PersonId},
    role::Capability,
    section::DocumentKind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value, json};
use store::{
    Caller, CaseAccess, DocumentAccess, StoreError, Tx, agencies,
    audit::{self, Event},
    documents::DocumentState,
    memberships,
};
use yrs::{
    Any, GetString, Map, MapPrelim, MapRef, Out, ReadTxn, Text, TextPrelim, TextRef, TransactionMut,
};

use super::{
    Pending, Planned, PlannedChange, Seen, Touched,
    cases::named,
    cells::{Comparing, text},
};
use crate::{
    access::identity_of, error::ApiError, events::CaseEvent, exporting::shown,
    operations::documents::projection, scanning::fresh_key, shapes, state::AppState,
};

/// The form of a standard file, and its table where the file holds the rows of one.
fn sheet_of<'f>(forms: &'f Catalogue, file: &Table) -> Option<(&'f Definition, Option<&'f Field>)> {
    let form = forms.definition(file.form.as_deref()?)?;
    match file.part.as_deref() {
        None => Some((form, None)),
        Some(part) => Some((form, Some(form.field(part)?))),
    }
}

/// A sheet that is there, as the caller is shown it.
struct Sheet {
    access: DocumentAccess,
    shown: Projection,
    /// As it stands; empty for who reads it masked.
    current: Object<String, Value>,
}

/// A case as far as its sheets of one kind are concerned.
struct Known {
    access: CaseAccess,
    sheets: Vec<Sheet>,
    persons: BTreeSet<PersonId>,
}

impl Known {
    fn numbered(&self, number: i64) -> Option<&Sheet> {
        self.sheets
            .iter()
            .find(|sheet| sheet.access.info().number.unwrap_or(1) == number)
    }

    fn last(&self) -> Option<&Sheet> {
        self.sheets
            .iter()
            .max_by_key(|sheet| sheet.access.info().number.unwrap_or(1))
    }
}

/// What cells may refer to.
struct Names {
    colleagues: Vec<(AccountId, String)>,
    accounts: BTreeSet<String>,
    agencies: Vec<(AgencyId, String)>,
}

/// A cell that is to be written.
#[derive(Clone, Serialize, Deserialize)]
struct Cell {
    before: Value,
    after: Value,
}

/// Cells of a sheet, or of one row of a table.
#[derive(Clone, Serialize, Deserialize)]
struct Line {
    /// Key of the row; `None`: the sheet itself.
    key: Option<String>,
    cells: BTreeMap<String, Cell>,
}

/// What is to be written into one document.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Fill {
    case: CaseId,
    document: DocumentId,
    /// Of a new sheet: its masks document.
    masks: Option<DocumentId>,
    table: Option<String>,
    lines: Vec<Line>,
}

crate::operations::persons::closed!(Cell, Line, Fill);

impl Fill {
    /// Rows of the file that it is made of.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }
}

fn number(row: &Row, field: &str) -> Option<i64> {
    row.values.get(field).and_then(Value::as_i64)
}

/// A value in the form in which two are compared: line ends, outer blanks, the order of choices and the
/// notation of a number are no difference.
fn canonical(value: &Value) -> Value {
    match value {
        value if is_empty(Some(value)) => Value::Null,
        Value::String(text) => text.replace("\r\n", "\n").replace('\r', "\n").trim().into(),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => {
            let mut codes: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            codes.sort_unstable();
            json!(codes)
        }
        other => other.clone(),
    }
}

/// What a cell asks for; `None`: nothing.
fn wanted(value: &Value, clear: bool) -> Option<Value> {
    if is_empty(Some(value)) {
        clear.then_some(Value::Null)
    } else {
        Some(value.clone())
    }
}

/// Compares rows with the sheets of the cases that the caller may know of.
pub(super) async fn plan(state: &AppState, of: Comparing<'_>) -> Result<Vec<Planned>, ApiError> {
    let numbers = of.numbers();
    let Comparing {
        caller,
        layout,
        rows,
        choices,
        seen,
    } = of;
    let municipality = &caller.viewer.municipality;
    let mut tx = state.db().read().await?;
    let forms = tx.forms(municipality).await?;
    let Some((definition, table)) = sheet_of(&forms, layout) else {
        return Err(ApiError::internal("no form for this file"));
    };
    let names = names(&mut tx, caller, definition, table, rows).await?;
    let mut found = Vec::new();
    for (number, (access, _)) in tx.cases_numbered(caller, &numbers).await? {
        let documents: Vec<DocumentAccess> = access
            .documents(&mut tx)
            .await?
            .into_iter()
            .filter(|document| {
                document.info().form.as_deref() == Some(definition.id.as_str())
                    && document.level() >= Level::Masked
            })
            .collect();
        let persons = access
            .persons(&mut tx)
            .await?
            .into_iter()
            .filter_map(|person| person.person_id)
            .collect();
        found.push((number, access, documents, persons));
    }
    drop(tx);
    let mut known: HashMap<String, Known> = HashMap::new();
    for (number, access, documents, persons) in found {
        let mut sheets = Vec::with_capacity(documents.len());
        for document in documents {
            sheets.push(load(state, document).await?);
        }
        let case = Known {
            access,
            sheets,
            persons,
        };
        known.insert(number, case);
    }
    let file = File {
        layout,
        definition,
        table,
        clear: choices.clear,
        names,
        shape: definition.shape().fields,
    };
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let mut planned = Planned::of(row);
        let case_no = text(row, "case_no");
        planned.name = [
            case_no.to_owned(),
            number(row, "number").map_or_else(String::new, |n| format!("第{n}回")),
            number(row, "row").map_or_else(String::new, |n| format!("{n}行目")),
        ]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
        match known.get(case_no) {
            _ if !planned.errors.is_empty() => {}
            None => planned.unknown_case(),
            Some(known) if table.is_some() => file.row(&mut planned, row, known, seen),
            Some(known) => file.sheet(&mut planned, row, known, seen),
        }
        out.push(planned);
    }
    Ok(out)
}

async fn load(state: &AppState, access: DocumentAccess) -> Result<Sheet, ApiError> {
    let masked = access.level() == Level::Masked;
    let mut answer = projection::answer(state, &access, masked).await?;
    let mut current = Object::new();
    if !masked {
        projection::leave_out_addresses(state, &access, &mut answer).await?;
        current = now(state, &access.info().id).await?;
    }
    Ok(Sheet {
        access,
        shown: answer.fields,
        current,
    })
}

/// The values of a document as they stand.
async fn now(state: &AppState, document: &DocumentId) -> Result<Object<String, Value>, ApiError> {
    let values = state
        .hub()
        .read(document, |view| values::fields(&view.txn, &view.shape))
        .await
        .map_err(ApiError::internal)?;
    Ok(match values {
        Value::Object(values) => values,
        _ => Object::new(),
    })
}

async fn names(
    tx: &mut Tx,
    caller: &Caller,
    definition: &Definition,
    table: Option<&Field>,
    rows: &[Row],
) -> Result<Names, ApiError> {
    let columns: Vec<&str> = match table {
        Some(table) => table.columns.iter().collect::<Vec<_>>(),
        None => definition.fields().collect(),
    }
    .into_iter()
    .filter(|field| field.kind == FieldType::UserRef)
    .map(|field| field.id.as_str())
    .collect();
    let mut ids: Vec<AccountId> = rows
        .iter()
        .flat_map(|row| columns.iter().map(|column| text(row, column)))
        .filter(|id| !id.is_empty())
        .map(AccountId::from)
        .collect();
    ids.sort();
    ids.dedup();
    let municipality = &caller.viewer.municipality;
    Ok(Names {
        colleagues: memberships::colleagues(tx, caller).await?,
        accounts: store::accounts::names(tx, municipality, &ids)
            .await?
            .into_keys()
            .map(|id| id.0)
            .collect(),
        agencies: agencies::list(tx, municipality)
            .await?
            .into_iter()
            .map(|agency| (agency.id, agency.name))
            .collect(),
    })
}

/// A file that is being compared.
struct File<'f> {
    layout: &'f Table,
    definition: &'f Definition,
    table: Option<&'f Field>,
    clear: bool,
    names: Names,
    shape: BTreeMap<String, FieldShape>,
}

/// A cell that differs from what is there.
struct Difference {
    column: usize,
    before: Value,
    after: Value,
    /// What is there is not shown, or not in a file.
    kept_back: bool,
}

impl File<'_> {
    fn field(&self, id: &str) -> Option<&Field> {
        match self.table {
            Some(table) => table.column(id),
            None => self.definition.field(id),
        }
    }

    /// What differs between a row and what is shown of the same fields.
    fn differences<'s>(
        &self,
        planned: &mut Planned,
        row: &Row,
        persons: &BTreeSet<PersonId>,
        shown_as: impl Fn(&str) -> Option<(Value, bool)>,
        current: impl Fn(&str) -> Option<&'s Value>,
    ) -> Vec<Difference> {
        let mut out = Vec::new();
        for (at, column) in self.layout.columns.iter().enumerate() {
            let id = column.id.as_str();
            let (Some(field), Some(value)) = (
                // The keys in front are fields of some forms, which fill them in themselves.
                self.field(id)
                    .filter(|field| field.is_stored() && !column.output_only),
                row.values.get(id),
            ) else {
                continue;
            };
            let Some(value) = wanted(value, self.clear) else {
                continue;
            };
            let (there, kept_back) = shown_as(id).unwrap_or((Value::Null, false));
            let value = match self.referred(field, &value, persons) {
                Ok(value) => value,
                // What is there already is no news, even when it is found nowhere any more.
                Err(_) if canonical(&value) == canonical(&there) => continue,
                Err(message) => {
                    planned.fail(Some(id), "reference", message);
                    continue;
                }
            };
            if canonical(&value) == canonical(&there) {
                continue;
            }
            if !self.fits(id, &value) {
                planned.fail(
                    Some(id),
                    "invalid",
                    "この項目に入らない値です。値を確かめてください",
                );
                continue;
            }
            let before = current(id).cloned().unwrap_or_default();
            let kept_back = kept_back || canonical(&before) != canonical(&there);
            if kept_back && value.is_null() {
                // What is not seen is not taken away either.
                continue;
            }
            out.push(Difference {
                column: at,
                before,
                after: value,
                kept_back,
            });
        }
        out
    }

    fn fits(&self, id: &str, value: &Value) -> bool {
        let fits = |text: Option<usize>,
                    scalar: Option<&domain::form::ScalarKind>,
                    codes: Option<&[String]>| {
            value.is_null()
                || match (text, scalar, codes) {
                    (Some(most), ..) => value
                        .as_str()
                        .is_some_and(|text| text.chars().count() <= most),
                    (_, Some(kind), _) => kind.accepts(value),
                    (.., Some(codes)) => value.as_array().is_some_and(|items| {
                        items.iter().all(|item| {
                            item.as_str()
                                .is_some_and(|code| codes.iter().any(|known| known == code))
                        })
                    }),
                    _ => false,
                }
        };
        match self.table {
            None => match self.shape.get(id) {
                Some(FieldShape::Text { max_chars, .. }) => fits(Some(*max_chars), None, None),
                Some(FieldShape::Scalar(kind)) => fits(None, Some(kind), None),
                Some(FieldShape::Options { codes }) => fits(None, None, Some(codes)),
                Some(FieldShape::Table { .. }) | None => false,
            },
            Some(table) => match self.shape.get(&table.id) {
                Some(FieldShape::Table { columns, .. }) => match columns.get(id) {
                    Some(ColumnShape::Text { max_chars, .. }) => fits(Some(*max_chars), None, None),
                    Some(ColumnShape::Scalar(kind)) => fits(None, Some(kind), None),
                    Some(ColumnShape::Options { codes }) => fits(None, None, Some(codes)),
                    None => false,
                },
                _ => false,
            },
        }
    }

    /// The id of whom a cell names: an id of the municipality, or a name that only one has.
    fn referred(
        &self,
        field: &Field,
        value: &Value,
        persons: &BTreeSet<PersonId>,
    ) -> Result<Value, &'static str> {
        let Some(text) = value.as_str() else {
            return Ok(value.clone());
        };
        match field.kind {
            FieldType::UserRef if !self.names.accounts.contains(text) => {
                named(&self.names.colleagues, text)
                    .map(|id| id.0.into())
                    .map_err(|_| "職員が見つからないか、同じ名前の職員が2人以上います。自機関の職員の名前か、職員のIDを入力してください")
            }
            FieldType::OrgRef if !self.names.agencies.iter().any(|(id, _)| id.as_str() == text) => {
                named(&self.names.agencies, text)
                    .map(|id| id.0.into())
                    .map_err(|_| "登録されていない機関です。機関の一覧の名前か、機関のIDを入力してください")
            }
            FieldType::PersonRef if !persons.contains(&PersonId::from(text)) => {
                Err("この事案にいない方です。この事案の方の支援対象者IDを入力してください")
            }
            _ => Ok(value.clone()),
        }
    }

    fn words(&self, column: &TableColumn, value: &Value) -> Option<String> {
        let option = |code: &str| {
            let label = column
                .options
                .as_ref()
                .and_then(|list| Some(list.option(code)?.label.clone()));
            let names = &self.names;
            let name = || {
                let agency = names.agencies.iter().find(|(id, _)| id.as_str() == code);
                let account = names.colleagues.iter().find(|(id, _)| id.as_str() == code);
                agency
                    .map(|(_, name)| name.clone())
                    .or_else(|| account.map(|(_, name)| name.clone()))
            };
            label
                .or_else(|| (column.kind == Kind::Code).then(name).flatten())
                .unwrap_or_else(|| code.to_owned())
        };
        match value {
            Value::Null => None,
            Value::Bool(flag) => Some(if *flag { "はい" } else { "いいえ" }.to_owned()),
            Value::String(text) => Some(option(text)),
            Value::Array(items) => Some(
                items
                    .iter()
                    .filter_map(Value::as_str)
                    .map(option)
                    .collect::<Vec<_>>()
                    .join("、"),
            ),
            other => Some(other.to_string()),
        }
    }

    /// Takes differences into what becomes of the row.
    fn take(&self, planned: &mut Planned, differences: Vec<Difference>) {
        let mut cells = BTreeMap::new();
        for found in differences {
            let column = &self.layout.columns[found.column];
            if found.kept_back {
                planned.fail(
                    Some(&column.id),
                    "protected",
                    "住所秘匿などのためファイルに出していない値は、この方法では変えられません。画面で直してください",
                );
                continue;
            }
            planned.changes.push(PlannedChange {
                field: column.id.clone(),
                label: column.label.clone(),
                before: self.words(column, &found.before),
                after: self.words(column, &found.after),
            });
            let cell = Cell {
                before: found.before,
                after: found.after,
            };
            cells.insert(column.id.clone(), cell);
        }
        planned.values.insert("cells".to_owned(), json!(cells));
    }

    fn sheet(&self, planned: &mut Planned, row: &Row, known: &Known, seen: &mut Seen) {
        let case_no = text(row, "case_no");
        let asked = number(row, "number").filter(|_| self.definition.repeated);
        let there = match asked {
            Some(number) => known.numbered(number),
            None => known.last(),
        };
        let key = |number: i64| format!("{case_no}\t{number}");
        if let Some(sheet) = there {
            let info = sheet.access.info();
            let differences = self.differences(
                planned,
                row,
                &known.persons,
                |id| sheet.shown.get(id).map(|cell| (shown(cell), cell.withheld)),
                |id| sheet.current.get(id),
            );
            // Without a number a row means the sheet under way, or the next one.
            let next = asked.is_none()
                && self.definition.repeated
                && info.state == DocumentState::Final
                && (!differences.is_empty() || !planned.errors.is_empty());
            if !next {
                if let Some(line) = seen.ids.insert(key(info.number.unwrap_or(1)), row.line) {
                    planned.fail(
                        Some("case_no"),
                        "duplicate",
                        format!("{line}行目と同じシートです。1つのシートにつき1行にしてください"),
                    );
                    return;
                }
                planned.id = Some(info.id.0.clone());
                self.may_change(planned, sheet, !differences.is_empty());
                self.take(planned, differences);
                return;
            }
            planned.errors.clone_from(&row.errors);
        }
        let last = known
            .last()
            .map_or(0, |sheet| sheet.access.info().number.unwrap_or(1));
        let kind = DocumentKind::of_form(&self.definition.id);
        if !kind.is_some_and(|kind| known.access.may_create(kind)) {
            planned.fail(
                Some("case_no"),
                "forbidden",
                "この事案にこのシートを作ることはできません",
            );
            return;
        }
        if asked.is_some_and(|number| number != last + 1) {
            planned.fail(
                Some("number"),
                "number",
                format!(
                    "次のシートは第{}回です。回次を空欄にするか直してください",
                    last + 1
                ),
            );
            return;
        }
        let draft = known
            .last()
            .is_some_and(|sheet| sheet.access.info().state == DocumentState::Draft);
        if draft || seen.alike.contains_key(case_no) {
            planned.fail(
                Some("number"),
                "draft_sheet",
                "前の回がまだ下書きです。1回分ずつ取り込み、確定してから次の回を取り込んでください",
            );
            return;
        }
        seen.alike.insert(case_no.to_owned(), row.line);
        seen.ids.insert(key(last + 1), row.line);
        let differences = self.differences(planned, row, &known.persons, |_| None, |_| None);
        if differences.is_empty() && planned.errors.is_empty() {
            planned.fail(None, "empty", "この行には値がありません");
            return;
        }
        self.take(planned, differences);
        // What nobody has to type, as when the sheet is made on the screen.
        let mut known_values = vec![];
        if kind == Some(DocumentKind::Plan) {
            let first = if last == 0 { "first" } else { "re" };
            known_values.extend([("plan_kind", first), ("status", "draft")]);
        }
        if let Some(cells) = planned
            .values
            .get_mut("cells")
            .and_then(Value::as_object_mut)
        {
            for (field, value) in known_values {
                cells
                    .entry(field)
                    .or_insert_with(|| json!({ "before": null, "after": value }));
            }
        }
        planned.values.insert("case_no".to_owned(), case_no.into());
    }

    fn row(&self, planned: &mut Planned, row: &Row, known: &Known, seen: &mut Seen) {
        let Some(table) = self.table else { return };
        let asked = number(row, "number").filter(|_| self.definition.repeated);
        let sheet = match asked {
            Some(number) => known.numbered(number),
            None if known.sheets.len() > 1 => {
                planned.fail(
                    Some("number"),
                    "required",
                    "このシートは2つ以上あります。回次を入力してください",
                );
                return;
            }
            None => known.last(),
        };
        let Some(sheet) = sheet else {
            planned.fail(
                Some("case_no"),
                "unknown_sheet",
                format!(
                    "「{}」がまだありません。先に{}.csvを取り込んでください",
                    self.definition.title, self.definition.id
                ),
            );
            return;
        };
        let info = sheet.access.info();
        let document = info.id.0.clone();
        let empty = Vec::new();
        let rows = sheet
            .shown
            .get(&table.id)
            .and_then(|cell| cell.rows.as_ref())
            .unwrap_or(&empty);
        let current = sheet.current.get(&table.id).and_then(Value::as_array);
        let compared = |planned: &mut Planned, at: usize| {
            self.differences(
                planned,
                row,
                &known.persons,
                |id| {
                    let cell = rows.get(at)?.cells.get(id)?;
                    Some((shown(cell), cell.withheld))
                },
                |id| current?.get(at)?.get(id),
            )
        };
        let position = number(row, "row").and_then(|n| usize::try_from(n).ok());
        if let Some(position) = position {
            let key = format!("{document}\t{position}");
            if let Some(line) = seen.ids.insert(key, row.line) {
                planned.fail(Some("row"), "duplicate", format!("{line}行目と同じ行です"));
                return;
            }
        }
        if let Some(at) = position
            .and_then(|n| n.checked_sub(1))
            .filter(|at| *at < rows.len())
        {
            let differences = compared(planned, at);
            planned.id = Some(document.clone());
            self.may_change(planned, sheet, !differences.is_empty());
            self.take(planned, differences);
            planned
                .values
                .insert("document".to_owned(), document.into());
            planned
                .values
                .insert("key".to_owned(), rows[at].id.clone().into());
            return;
        }
        if position.is_none() {
            let mut probe = Planned::default();
            for at in 0..rows.len() {
                if compared(&mut probe, at).is_empty() && probe.errors.is_empty() {
                    planned.id = Some(document);
                    planned.remark(None, "present", "同じ内容の行がすでにあるので、加えません");
                    return;
                }
                probe.errors.clear();
            }
        }
        self.may_change(planned, sheet, true);
        let most = match self.shape.get(&table.id) {
            Some(FieldShape::Table { max_rows, .. }) => *max_rows,
            _ => 0,
        };
        let added = seen.added.entry(document.clone()).or_default();
        *added += 1;
        if rows.len() + *added > most {
            planned.fail(Some("row"), "too_many", format!("この表は{most}行までです"));
            return;
        }
        let differences = self.differences(planned, row, &known.persons, |_| None, |_| None);
        if differences.is_empty() && planned.errors.is_empty() {
            planned.fail(None, "empty", "この行には値がありません");
            return;
        }
        self.take(planned, differences);
        planned
            .values
            .insert("document".to_owned(), document.into());
    }

    fn may_change(&self, planned: &mut Planned, sheet: &Sheet, differs: bool) {
        if !differs {
            return;
        }
        if sheet.access.info().state == DocumentState::Final {
            planned.fail(
                None,
                "final",
                "確定したシートは取込で変えられません。画面で直してください",
            );
        } else if sheet.access.level() < Level::Edit
            || !sheet.access.caller().may(Capability::EditCase)
        {
            planned.fail(None, "forbidden", "このシートを変える権限がありません");
        }
    }
}

fn cells(planned: &Planned) -> Result<BTreeMap<String, Cell>, StoreError> {
    serde_json::from_value(planned.values.get("cells").cloned().unwrap_or_default())
        .map_err(|_| StoreError::Invalid("row"))
}

fn value<'p>(planned: &'p Planned, field: &str) -> Option<&'p str> {
    planned.values.get(field).and_then(Value::as_str)
}

/// Whether something that is to be changed is no longer what the check saw.
pub(super) async fn moved(
    state: &AppState,
    layout: &Table,
    update: &[Planned],
) -> Result<bool, ApiError> {
    let mut known: HashMap<&str, Object<String, Value>> = HashMap::new();
    for planned in update {
        let Some(document) = planned.id.as_deref() else {
            continue;
        };
        if !known.contains_key(document) {
            known.insert(document, now(state, &document.into()).await?);
        }
        let values = known.get(document);
        let there = |field: &str| -> Option<&Value> {
            let values = values?;
            let Some(part) = &layout.part else {
                return values.get(field);
            };
            let rows = values.get(part)?.as_array()?;
            let key = value(planned, "key")?;
            rows.iter()
                .find(|row| row.get("id").and_then(Value::as_str) == Some(key))?
                .get(field)
        };
        for (field, cell) in cells(planned)? {
            let now = there(&field).map_or(Value::Null, canonical);
            if now != canonical(&cell.before) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Makes the new sheets, and says what is to be written into which document.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    import: &str,
    layout: &Table,
    rows: impl Iterator<Item = &Planned>,
    step: impl Fn(usize),
) -> Result<Touched, StoreError> {
    let municipality = &caller.viewer.municipality;
    let forms = tx.forms(municipality).await?;
    let (definition, table) = sheet_of(&forms, layout).ok_or(StoreError::Invalid("table"))?;
    let kind = DocumentKind::of_form(&definition.id).ok_or(StoreError::Invalid("table"))?;
    let mut fills: Vec<Fill> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut touched = Touched::default();
    for (at, planned) in rows.enumerate() {
        let cells = cells(planned)?;
        let document = planned.id.as_deref().or_else(|| value(planned, "document"));
        let fill = match document {
            Some(document) => match places.get(document) {
                Some(place) => *place,
                None => {
                    let id = DocumentId::from(document);
                    let access = tx
                        .document_for(caller, &id)
                        .await?
                        .filter(|access| access.level() == Level::Edit)
                        .ok_or(StoreError::Conflict)?;
                    let case = access.info().case.clone().ok_or(StoreError::Conflict)?;
                    if access.info().state != DocumentState::Draft {
                        return Err(StoreError::Conflict);
                    }
                    let event = Event::by(caller, "document.import", "document", document)
                        .in_case(&case)
                        .detail(json!({ "import": import, "form": definition.id }));
                    audit::record(tx, event);
                    places.insert(document.to_owned(), fills.len());
                    fills.push(Fill {
                        case,
                        document: id,
                        masks: None,
                        table: table.map(|table| table.id.clone()),
                        lines: Vec::new(),
                    });
                    fills.len() - 1
                }
            },
            None => {
                let case_no = value(planned, "case_no").ok_or(StoreError::Invalid("row"))?;
                let access = tx
                    .case_numbered(caller, case_no)
                    .await?
                    .ok_or(StoreError::Conflict)?;
                let made = access
                    .create_sheet(tx, kind)
                    .await
                    .map_err(|error| match error {
                        // Somebody was there since the check.
                        StoreError::Taken(_) | StoreError::Forbidden => StoreError::Conflict,
                        other => other,
                    })?;
                let detail = json!({
                    "import": import, "form": definition.id, "number": made.number, "document": made.id,
                });
                audit::record(
                    tx,
                    Event::by(caller, "document.create", "case", access.id().as_str())
                        .in_case(access.id())
                        .detail(detail),
                );
                fills.push(Fill {
                    case: access.id().clone(),
                    document: made.id,
                    masks: Some(made.masks),
                    table: None,
                    lines: Vec::new(),
                });
                fills.len() - 1
            }
        };
        let key = table.map(|_| {
            // A new row has its key from here on: writing it twice is writing it once.
            value(planned, "key").map_or_else(fresh_key, str::to_owned)
        });
        if let Some(fill) = fills.get_mut(fill) {
            fill.lines.push(Line { key, cells });
        }
        if at % 100 == 99 {
            step(at + 1);
        }
    }
    touched.pending = fills.into_iter().map(Pending::Sheet).collect();
    Ok(touched)
}

/// Writes into one document, as the importing account. Returns how many cells were left alone, because
/// somebody had written there meanwhile or the sheet cannot be edited any more.
pub(super) async fn carry(
    state: &AppState,
    caller: &Caller,
    fill: Fill,
) -> Result<usize, ApiError> {
    let all: usize = fill.lines.iter().map(|line| line.cells.len()).sum();
    let mut tx = state.db().write().await?;
    let forms = tx.forms(&caller.viewer.municipality).await?;
    let access = tx
        .document_for(caller, &fill.document)
        .await?
        .filter(|access| {
            access.level() == Level::Edit && access.info().state == DocumentState::Draft
        });
    let Some(access) = access else {
        return Ok(all);
    };
    // Until the values stand in the room nobody takes the right away.
    tx.hold_case(&caller.viewer.municipality, &fill.case)
        .await?;
    let kind = access.info().kind;
    for (document, kind) in [
        (Some(&fill.document), kind),
        (fill.masks.as_ref(), DocumentKind::Masks),
    ] {
        let Some(document) = document.filter(|_| fill.masks.is_some()) else {
            continue;
        };
        let shape = shapes::of(kind, &forms)
            .ok_or_else(|| ApiError::internal("no shape for this kind of document"))?;
        state
            .hub()
            .create(document, &shape)
            .await
            .map_err(ApiError::internal)?;
    }
    let shape = kind
        .form()
        .and_then(|form| forms.definition(form))
        .ok_or_else(|| ApiError::internal("no form for this kind of document"))?
        .shape()
        .fields;
    let author = identity_of(caller).author();
    let Fill {
        case,
        document,
        masks,
        table,
        lines,
    } = fill;
    let written = state
        .hub()
        .write_as(&author, &document, move |txn| {
            put(txn, &shape, table.as_deref(), &lines)
        })
        .await;
    let left = match written {
        Ok((_, left)) => left,
        Err(error @ HubError::Unavailable(_)) => return Err(ApiError::internal(error)),
        Err(error) => {
            tracing::warn!(document = document.as_str(), %error, "cells of an import refused");
            all
        }
    };
    tx.commit().await?;
    if masks.is_some() {
        state
            .events()
            .tell(&caller.viewer.municipality, &case, CaseEvent::Case);
    }
    Ok(left)
}

/// Writes lines; returns how many cells were left alone.
fn put(
    txn: &mut TransactionMut<'_>,
    shape: &BTreeMap<String, FieldShape>,
    table: Option<&str>,
    lines: &[Line],
) -> usize {
    let all = lines.iter().map(|line| line.cells.len()).sum();
    let Some(fields) = txn.get_map("fields") else {
        return all;
    };
    let mut left = 0;
    let Some(table) = table else {
        for (id, cell) in lines.iter().flat_map(|line| &line.cells) {
            let of = match shape.get(id) {
                Some(FieldShape::Text { .. }) => Of::Text,
                Some(FieldShape::Scalar(_)) => Of::Scalar,
                Some(FieldShape::Options { .. }) => Of::Options,
                Some(FieldShape::Table { .. }) | None => {
                    left += 1;
                    continue;
                }
            };
            left += usize::from(!put_cell(txn, &fields, id, of, cell));
        }
        return left;
    };
    let (Some(FieldShape::Table { columns, .. }), Some(Out::YMap(rows))) =
        (shape.get(table), fields.get(txn, table))
    else {
        return all;
    };
    let mut last = String::new();
    for (_, row) in rows.iter(txn) {
        if let Out::YMap(row) = row
            && let Some(Out::Any(Any::String(order))) = row.get(txn, "order")
            && *order > *last
        {
            last = order.to_string();
        }
    }
    let behind = behind(&last);
    for (at, line) in lines.iter().enumerate() {
        let Some(key) = &line.key else { continue };
        let live = match rows.get(txn, key) {
            Some(Out::YMap(live)) => live,
            _ if line.cells.values().any(|cell| !cell.before.is_null()) => {
                // Taken away meanwhile: it is not made again.
                left += line.cells.len();
                continue;
            }
            _ => {
                let order = format!("{behind}a{at:03}V");
                let live = rows.insert(
                    txn,
                    key.as_str(),
                    MapPrelim::from_iter([("order", Any::from(order))]),
                );
                // Texts and options exist from the start, so that two browsers never create one.
                for (column, shape) in columns {
                    match shape {
                        ColumnShape::Text { .. } => {
                            live.insert(txn, column.as_str(), TextPrelim::new(""));
                        }
                        ColumnShape::Options { .. } => {
                            live.insert(txn, column.as_str(), MapPrelim::default());
                        }
                        ColumnShape::Scalar(_) => {}
                    }
                }
                live
            }
        };
        for (id, cell) in &line.cells {
            let of = match columns.get(id) {
                Some(ColumnShape::Text { .. }) => Of::Text,
                Some(ColumnShape::Scalar(_)) => Of::Scalar,
                Some(ColumnShape::Options { .. }) => Of::Options,
                None => {
                    left += 1;
                    continue;
                }
            };
            left += usize::from(!put_cell(txn, &live, id, of, cell));
        }
    }
    left
}

/// What order keys behind `last` begin with: short as long as there is room (keys are base 62, see
/// `web/src/sync/fractional-index.ts`).
fn behind(last: &str) -> String {
    let next = match last.bytes().next() {
        None => None,
        Some(b'9') => Some('A'),
        Some(b'Z') => Some('a'),
        Some(digit @ (b'0'..=b'8' | b'A'..=b'Y' | b'a'..=b'y')) => Some(char::from(digit + 1)),
        _ => return last.to_owned(),
    };
    next.map_or_else(String::new, String::from)
}

#[derive(Clone, Copy)]
enum Of {
    Text,
    Scalar,
    Options,
}

/// Writes a cell that is still as the check saw it. Whether it stands there now.
fn put_cell(txn: &mut TransactionMut<'_>, map: &MapRef, id: &str, of: Of, cell: &Cell) -> bool {
    let there = map.get(txn, id);
    let now = match (of, &there) {
        (Of::Text, Some(Out::YText(text))) => text.get_string(txn).into(),
        (Of::Scalar, Some(Out::Any(any))) => values::scalar(any).unwrap_or_default(),
        (Of::Scalar, None) => Value::Null,
        (Of::Options, Some(Out::YMap(options))) => options
            .iter(txn)
            .filter(|(_, on)| matches!(on, Out::Any(Any::Bool(true))))
            .map(|(code, _)| code.to_owned())
            .collect(),
        _ => return false,
    };
    if canonical(&now) == canonical(&cell.after) {
        return true;
    }
    if canonical(&now) != canonical(&cell.before) {
        return false;
    }
    match (of, there) {
        (Of::Text, Some(Out::YText(text))) => {
            replace(
                txn,
                &text,
                now.as_str().unwrap_or_default(),
                cell.after.as_str().unwrap_or_default(),
            );
        }
        (Of::Options, Some(Out::YMap(options))) => {
            let before = domain::form::selected_codes(&now);
            let after = domain::form::selected_codes(&cell.after);
            for code in before.iter().filter(|code| !after.contains(code)) {
                options.remove(txn, code);
            }
            for code in after.iter().filter(|code| !before.contains(code)) {
                options.insert(txn, *code, true);
            }
        }
        _ => match &cell.after {
            Value::Bool(flag) => {
                map.insert(txn, id, Any::Bool(*flag));
            }
            Value::Number(number) => {
                map.insert(txn, id, Any::from(number.as_f64().unwrap_or_default()));
            }
            Value::String(text) => {
                map.insert(txn, id, Any::from(text.as_str()));
            }
            _ => {
                map.remove(txn, id);
            }
        },
    }
    true
}

/// Replaces what differs and leaves the rest, so that who wrote it and what is marked in it stays.
fn replace(txn: &mut TransactionMut<'_>, text: &TextRef, before: &str, after: &str) {
    let units = |text: &str| u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX);
    let same = before
        .chars()
        .zip(after.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum::<usize>();
    let (start, before, after) = (&before[..same], &before[same..], &after[same..]);
    let tail = before
        .chars()
        .rev()
        .zip(after.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum::<usize>();
    let gone = units(&before[..before.len() - tail]);
    let new = &after[..after.len() - tail];
    let at = units(start);
    if gone > 0 {
        text.remove_range(txn, at, gone);
    }
    if !new.is_empty() {
        text.insert(txn, at, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::transcripts::tests::Town;
    use proptest::prelude::*;
    use store::imports::{self, Import, ImportState};
    use yrs::{Doc, OffsetKind, Options, Transact};

    fn doc() -> Doc {
        Doc::with_options(Options {
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        })
    }

    fn cell(before: Value, after: Value) -> Cell {
        Cell { before, after }
    }

    /// A file of the coordinator, checked and committed; what it says is not in the documents yet.
    async fn committed(town: &Town, table: &str, csv: &str) -> Import {
        let caller = town.caller("coordinator").await;
        let mut tx = town.state.db().write().await.unwrap();
        let choices = super::super::Choices::default();
        let import = imports::create(&mut tx, &caller, table, csv.as_bytes(), &choices)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let find = || async {
            let mut tx = town.state.db().read().await.unwrap();
            imports::find(&mut tx, &caller, &import.id)
                .await
                .unwrap()
                .unwrap()
        };
        assert!(super::super::turn(&town.state).await.unwrap());
        let mut checked = find().await;
        assert_eq!(checked.state, ImportState::Ready, "{:?}", checked.failure);
        assert_eq!(checked.counts.get("error"), None);
        let mut tx = town.state.db().write().await.unwrap();
        checked
            .advance(&mut tx, ImportState::Applying, None)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(super::super::turn(&town.state).await.unwrap());
        find().await
    }

    async fn pending(town: &Town, import: &Import) -> Vec<Fill> {
        let mut tx = town.state.db().read().await.unwrap();
        let part: Option<Vec<Pending>> = import
            .part(&mut tx, super::super::PENDING, 0)
            .await
            .unwrap();
        part.unwrap_or_default()
            .into_iter()
            .map(|pending| match pending {
                Pending::Sheet(fill) => fill,
                Pending::Case(_) => panic!("a case"),
            })
            .collect()
    }

    async fn number(town: &Town) -> String {
        let caller = town.caller("coordinator").await;
        let mut tx = town.state.db().read().await.unwrap();
        let mut lines = tx
            .case_lines(&caller, std::slice::from_ref(&town.case))
            .await
            .unwrap();
        lines.remove(&town.case).unwrap().1.case_no
    }

    #[tokio::test]
    async fn what_was_committed_is_carried_to_the_end_by_whoever_is_next() {
        let town = Town::open().await;
        let no = number(&town).await;
        let csv = format!(
            "事案番号,作成日,支援の方向性・総合方針\r\n{no},2026-11-10,暮らしを立て直す\r\n"
        );
        let import = committed(&town, "plan", &csv).await;
        assert_eq!(import.state, ImportState::Filling);
        let fills = pending(&town, &import).await;
        let document = fills[0].document.clone();
        // A node wrote it and died before it could say so; the next one begins again.
        let caller = town.caller("coordinator").await;
        assert_eq!(
            carry(&town.state, &caller, fills[0].clone()).await.unwrap(),
            0
        );
        while super::super::turn(&town.state).await.unwrap() {}
        let values = now(&town.state, &document).await.unwrap();
        assert_eq!(values["policy"], "暮らしを立て直す");
        assert_eq!(values["planned_on"], "2026-11-10");
        assert!(pending(&town, &import).await.is_empty());

        let csv = format!("事案番号,課題,目標（短期）\r\n{no},滞納,分割\r\n{no},孤立,外出\r\n");
        let import = committed(&town, "plan_item", &csv).await;
        let fills = pending(&town, &import).await;
        assert_eq!((fills.len(), fills[0].rows()), (1, 2));
        assert_eq!(
            carry(&town.state, &caller, fills[0].clone()).await.unwrap(),
            0
        );
        while super::super::turn(&town.state).await.unwrap() {}
        let values = now(&town.state, &document).await.unwrap();
        assert_eq!(values["items"].as_array().map(Vec::len), Some(2));
        let mut tx = town.state.db().read().await.unwrap();
        let done = imports::find(&mut tx, &caller, &import.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (done.state, done.counts.get("left")),
            (ImportState::Done, None)
        );
    }

    #[tokio::test]
    async fn what_is_written_between_the_commit_and_the_room_stays_and_is_counted() {
        let town = Town::open().await;
        let no = number(&town).await;
        let csv = format!(
            "事案番号,支援の方向性・総合方針,緊急時の対応・連絡網\r\n{no},ファイルの方針,夜は当直\r\n"
        );
        let import = committed(&town, "plan", &csv).await;
        let fill = pending(&town, &import).await.remove(0);
        let caller = town.caller("coordinator").await;
        // The sheet is there, empty; somebody types into it.
        let empty = Fill {
            lines: Vec::new(),
            ..fill.clone()
        };
        carry(&town.state, &caller, empty).await.unwrap();
        let author = identity_of(&caller).author();
        town.state
            .hub()
            .write_as(&author, &fill.document, |txn| {
                let fields = txn.get_map("fields").unwrap();
                let Some(Out::YText(policy)) = fields.get(txn, "policy") else {
                    panic!("no text")
                };
                policy.insert(txn, 0, "人の方針");
            })
            .await
            .unwrap();
        while super::super::turn(&town.state).await.unwrap() {}
        let values = now(&town.state, &fill.document).await.unwrap();
        assert_eq!(values["policy"], "人の方針");
        assert_eq!(values["emergency"], "夜は当直");
        let mut tx = town.state.db().read().await.unwrap();
        let done = imports::find(&mut tx, &caller, &import.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(done.counts.get("left"), Some(&1));
    }

    #[test]
    fn what_somebody_wrote_meanwhile_is_left_alone_and_counted() {
        let doc = doc();
        let fields = doc.get_or_insert_map("fields");
        let shape: BTreeMap<String, FieldShape> = [
            (
                "goal".to_owned(),
                FieldShape::Text {
                    max_chars: 100,
                    line: false,
                },
            ),
            (
                "kinds".to_owned(),
                FieldShape::Options {
                    codes: vec!["a".into(), "b".into()],
                },
            ),
            (
                "on".to_owned(),
                FieldShape::Scalar(domain::form::ScalarKind::Date { partial: false }),
            ),
        ]
        .into();
        let mut txn = doc.transact_mut();
        fields.insert(&mut txn, "goal", TextPrelim::new("前の目標"));
        fields.insert(&mut txn, "kinds", MapPrelim::default());
        let line = Line {
            key: None,
            cells: [
                (
                    "goal".to_owned(),
                    cell("見たときの目標".into(), "次の目標".into()),
                ),
                ("kinds".to_owned(), cell(Value::Null, json!(["b"]))),
                ("on".to_owned(), cell(Value::Null, "2026-10-01".into())),
            ]
            .into(),
        };
        let lines = [line];
        assert_eq!(put(&mut txn, &shape, None, &lines), 1);
        // Once more, as after a restart: nothing is new, nothing is doubled.
        assert_eq!(put(&mut txn, &shape, None, &lines), 1);
        let Some(Out::YText(goal)) = fields.get(&txn, "goal") else {
            panic!("no text")
        };
        assert_eq!(goal.get_string(&txn), "前の目標");
        assert!(
            matches!(fields.get(&txn, "on"), Some(Out::Any(Any::String(on))) if &*on == "2026-10-01")
        );
    }

    #[test]
    fn rows_are_added_once_behind_those_that_are_there() {
        let doc = doc();
        let fields = doc.get_or_insert_map("fields");
        let columns: BTreeMap<String, ColumnShape> = [(
            "goal".to_owned(),
            ColumnShape::Text {
                max_chars: 100,
                line: true,
            },
        )]
        .into();
        let shape = [(
            "items".to_owned(),
            FieldShape::Table {
                columns,
                max_rows: 10,
            },
        )]
        .into();
        let mut txn = doc.transact_mut();
        let items = fields.insert(&mut txn, "items", MapPrelim::default());
        items.insert(
            &mut txn,
            "first",
            MapPrelim::from_iter([("order", Any::from("z"))]),
        );
        let line = |key: &str, goal: &str| Line {
            key: Some(key.to_owned()),
            cells: [("goal".to_owned(), cell(Value::Null, goal.into()))].into(),
        };
        let lines = [line("k1", "一つ目"), line("k2", "二つ目")];
        for _ in 0..2 {
            assert_eq!(put(&mut txn, &shape, Some("items"), &lines), 0);
            assert_eq!(items.len(&txn), 3);
        }
        let order = |key: &str| match items.get(&txn, key) {
            Some(Out::YMap(row)) => match row.get(&txn, "order") {
                Some(Out::Any(Any::String(order))) => order.to_string(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert!(order("first") < order("k1") && order("k1") < order("k2"));
        let gone = Line {
            key: Some("gone".to_owned()),
            cells: [("goal".to_owned(), cell("前".into(), "後".into()))].into(),
        };
        assert_eq!(put(&mut txn, &shape, Some("items"), &[gone]), 1);
        assert_eq!(items.len(&txn), 3);
    }

    proptest! {
        #[test]
        fn a_text_becomes_what_was_asked_for(before in "[あいう𠮷a\n]{0,12}", after in "[あいう𠮷a\n]{0,12}") {
            let doc = doc();
            let text = doc.get_or_insert_text("text");
            let mut txn = doc.transact_mut();
            text.insert(&mut txn, 0, &before);
            replace(&mut txn, &text, &before, &after);
            prop_assert_eq!(text.get_string(&txn), after);
        }
    }
}
