//! What full-text search asks of the store: what there is to be indexed (the worker), and what of that
//! which was found a caller may see (everybody else).
//!
//! **Invariant:** the index holds no rights. What it found is asked here with the rights of this moment,
//! before it is counted; what is not answered for is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::agency::AgencyClass;
use domain::disclosure::{self, CaseFacts, DocumentFacts, Level};
use domain::id::{AgencyId, CaseId, MunicipalityId, PersonId, ProgressRecordId};
use domain::role::Capability;
use domain::section::Section;
use domain::stage::Stage;
use jiff::civil::Date;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::{Tx, placeholders, rows_for};
use crate::documents::{self, Register};
use crate::error::{Result, StoreError};
use crate::memberships::{date, optional_date};
use crate::persons::{self, Person, Sight};
use crate::progress::{
    self, EntryToMask, PRIVATE, ProgressToMask, Visibility, entry_level, is_for,
};
use crate::{case_facts, cases, masking};

/// What is found as one thing. A key is `<kind>:<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person of the register; the masked side is the name alone.
    Person,
    /// The protected values of a person with 住所秘匿.
    Protected,
    /// Number, title and outcome of a case; the masked side is the number alone.
    Case,
    /// A sheet.
    Sheet,
    /// An entry of the 支援経過 with its amendments.
    Record,
    /// 機微メモ of an entry (id = entry) or of an amendment (id = entry/amendment).
    Private,
    Transcript,
    /// An attachment of an entry: its name and the text in it. There is no masked side: masked readers
    /// have no attachments.
    Attachment,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Person,
        Self::Protected,
        Self::Case,
        Self::Sheet,
        Self::Record,
        Self::Private,
        Self::Transcript,
        Self::Attachment,
    ];

    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Protected => "protected",
            Self::Case => "case",
            Self::Sheet => "sheet",
            Self::Record => "record",
            Self::Private => "private",
            Self::Transcript => "transcript",
            Self::Attachment => "attachment",
        }
    }

    /// Kind and id of a key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<(Self, &str)> {
        let (code, id) = key.split_once(':')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.code() == code)?;
        Some((kind, id))
    }

    /// The key of the unit that is made of the thing with this id.
    #[must_use]
    pub fn key(self, id: &str) -> String {
        format!("{}:{id}", self.code())
    }
}

/// Something to be indexed, with its content where that is new.
#[derive(Clone)]
pub struct Source {
    pub key: String,
    pub kind: Kind,
    pub case: Option<CaseId>,
    pub day: Date,
    /// The same stamp: the same content. A sheet's ends with what its masked text rests on, `-` where
    /// there is none.
    pub stamp: String,
    /// `None`: the stamp is known already; of an attachment always ([`Gathered::unread`]).
    pub content: Option<Content>,
}

/// What a source says.
#[derive(Clone)]
pub enum Content {
    /// Parts of a text; `masked` is what a masked reader may see of it without any masking.
    Plain {
        full: Vec<String>,
        masked: Vec<String>,
    },
    /// Values of a sheet of this form.
    Sheet {
        form: String,
        values: serde_json::Value,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({})", self.key)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content")
    }
}

/// Everything of a few cases.
#[derive(Debug, Default)]
pub struct Gathered {
    pub sources: Vec<Source>,
    /// What the masked texts of each case rest on besides the text: its persons as they are registered.
    pub marks: HashMap<CaseId, String>,
    /// Cases whose entries somebody reads masked.
    pub masked: HashSet<CaseId>,
    /// Keys of attachments that are new to the index. Their texts are long, and read a few at a time
    /// ([`Tx::attachment_texts`]).
    pub unread: Vec<String>,
    /// What the policy wants to know of each case.
    pub facts: BTreeMap<CaseId, CaseFacts>,
    /// Persons of the cases with [`Gathered::scans`].
    pub registers: HashMap<CaseId, Register>,
    /// By key, the last scan (as the worker wrote it) of a sheet with content that somebody reads masked.
    pub scans: HashMap<String, serde_json::Value>,
}

/// What a caller may see of a unit that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Full,
    /// Masked, and only if the masked text rests on this.
    Masked {
        basis: String,
    },
}

/// Which cases a search is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub stages: Vec<Stage>,
    /// The agency in charge.
    pub owner: Option<AgencyId>,
    /// `Some(true)`: closed cases only; `Some(false)`: open ones only.
    pub closed: Option<bool>,
}

impl Conditions {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a caller's search looks at all. A first sieve, not the policy.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `None`: too many to name them.
    pub cases: Option<HashSet<String>>,
    pub without: HashSet<String>,
}

/// More cases than these are not named to the index.
const NAMED: i64 = 5_000;

/// Fields of the register that are searched besides [`NAMES`] and [`persons::PROTECTED`].
const REGISTER: [&str; 5] = [
    "alias",
    "alias_kana",
    "former_name",
    "birth_date",
    "atena_no",
];
const NAMES: [&str; 2] = ["name", "name_kana"];

/// The searched values of a person as far as they are in `person`: (field, value), names first, then
/// those of the past.
#[must_use]
pub fn person_texts(person: &Person) -> Vec<(String, String)> {
    let searched = |field: &str| {
        NAMES.contains(&field) || REGISTER.contains(&field) || persons::PROTECTED.contains(&field)
    };
    let mut out: Vec<(String, String)> = NAMES
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), person.fields.get(*field)?.clone())))
        .collect();
    out.extend(
        person
            .fields
            .iter()
            .filter(|(field, _)| searched(field) && !NAMES.contains(&field.as_str()))
            .map(|(field, value)| (field.clone(), value.clone())),
    );
    out.extend(
        person
            .former
            .iter()
            .filter(|fact| searched(&fact.field))
            .map(|fact| (fact.field.clone(), fact.value.clone())),
    );
    out
}

fn values(texts: Vec<(String, String)>) -> Vec<String> {
    texts.into_iter().map(|(_, value)| value).collect()
}

/// The day of an instant, as it stands in the text.
fn day_of(instant: &str) -> Result<Date> {
    date(instant.get(..10).unwrap_or_default())
}

/// What masked texts of cases rest on: who is registered in them, and in which version.
async fn marks(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[CaseId],
) -> Result<HashMap<CaseId, String>> {
    let rows = rows_for(
        tx,
        municipality,
        cases,
        "SELECT c.case_id, c.number, p.version FROM case_persons c JOIN persons p \
         ON p.municipality_id = c.municipality_id AND p.id = c.person_id WHERE c.municipality_id = $1 AND c.case_id IN",
        "ORDER BY c.case_id, c.number",
    )
    .await?;
    let mut out: HashMap<CaseId, String> = cases
        .iter()
        .map(|case| (case.clone(), "r".to_owned()))
        .collect();
    for row in &rows {
        if let Some(mark) = out.get_mut(&CaseId(row.try_get("case_id")?)) {
            let (number, version): (i64, i64) = (row.try_get("number")?, row.try_get("version")?);
            mark.push_str(&format!(".{number}v{version}"));
        }
    }
    Ok(out)
}

/// What the masked text of a sheet rests on.
fn sheet_basis(epoch: i64, seq: i64, at: &str, mark: &str) -> String {
    format!("{epoch}.{seq}.{at}/{mark}")
}

/// Whether somebody may read texts of such sections of the case masked: anybody they are shared with,
/// anybody excluded about a person, anybody from whom an address is kept.
fn read_masked(facts: &CaseFacts, of: impl Fn(Section) -> bool) -> bool {
    let shared = facts
        .matrix
        .iter()
        .any(|row| of(row.section) && row.level > Level::None && row.agency != facts.owner);
    let protected = facts
        .persons
        .iter()
        .any(|person| person.address_confidential);
    shared
        || protected
        || facts
            .exclusions
            .iter()
            .any(|exclusion| exclusion.about.is_some())
}

fn text_field(content: &serde_json::Map<String, serde_json::Value>, field: &str) -> Option<String> {
    content
        .get(field)
        .and_then(serde_json::Value::as_str)
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
}

/// The searched texts of an entry or an amendment.
#[must_use]
pub fn record_texts(content: &serde_json::Map<String, serde_json::Value>) -> Vec<String> {
    progress::MASKED_TEXTS
        .iter()
        .filter_map(|field| text_field(content, field))
        .collect()
}

async fn ids_after(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    table: &'static str,
    after: &str,
    limit: i64,
) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT id FROM {table} WHERE municipality_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let ids = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
    Ok(ids)
}

/// Of which cases everything that is searched is gathered.
struct Asked<'a> {
    municipality: &'a MunicipalityId,
    cases: &'a [CaseId],
    /// Key → stamp of what the index has.
    known: &'a HashMap<String, String>,
}

impl Asked<'_> {
    /// The rows of the cases; `$1` is the municipality, and `before` ends with `IN`.
    async fn rows(&self, tx: &mut Tx, before: &str, after: &str) -> Result<Vec<AnyRow>> {
        rows_for(tx, self.municipality, self.cases, before, after).await
    }

    /// Whether the index has nothing under the key, or what it has was made of another state. What stands
    /// behind `|` in its stamp says what the masked text rests on.
    fn is_new(&self, key: &str, stamp: &str) -> bool {
        self.known
            .get(key)
            .and_then(|known| known.split('|').next())
            .is_none_or(|known| known != stamp)
    }
}

impl Tx {
    /// Ids of the municipality's cases after one, in their order: for an index that is made anew.
    ///
    /// # Errors
    /// Database away.
    pub async fn cases_to_index(
        &mut self,
        municipality: &MunicipalityId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<CaseId>> {
        let ids = ids_after(self, municipality, "cases", after, limit).await?;
        Ok(ids.into_iter().map(CaseId).collect())
    }

    /// Likewise persons.
    ///
    /// # Errors
    /// Database away.
    pub async fn persons_to_index(
        &mut self,
        municipality: &MunicipalityId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<PersonId>> {
        let ids = ids_after(self, municipality, "persons", after, limit).await?;
        Ok(ids.into_iter().map(PersonId).collect())
    }

    /// How many cases, persons and entries there are to index.
    ///
    /// # Errors
    /// Database away.
    pub async fn size_of_index(&mut self, municipality: &MunicipalityId) -> Result<u64> {
        let mut sum = 0;
        for table in [
            "cases",
            "persons",
            "progress_records",
            "transcripts",
            "blobs",
        ] {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE municipality_id = $1");
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(municipality.as_str())
                .fetch_one(self.conn())
                .await?;
            sum += u64::try_from(count).unwrap_or(0);
        }
        Ok(sum)
    }

    /// The head of the outbox: everything up to it is in what is read in this transaction.
    ///
    /// # Errors
    /// Database away.
    pub async fn outbox_head(&mut self, municipality: &MunicipalityId) -> Result<i64> {
        let head: Option<i64> =
            sqlx::query_scalar("SELECT seq FROM outbox_heads WHERE municipality_id = $1")
                .bind(municipality.as_str())
                .fetch_optional(self.conn())
                .await?;
        Ok(head.unwrap_or(0))
    }

    /// Everything of these persons that is searched. Ids that are not there are left out. For the worker.
    ///
    /// # Errors
    /// Database away.
    pub async fn gather_persons(
        &mut self,
        municipality: &MunicipalityId,
        ids: &[PersonId],
        known: &HashMap<String, String>,
    ) -> Result<Vec<Source>> {
        let found = persons::load(self, municipality, ids).await?;
        let merged: HashSet<String> = rows_for(
            self,
            municipality,
            ids,
            "SELECT id FROM persons WHERE merged_into IS NOT NULL AND municipality_id = $1 AND id IN",
            "",
        )
        .await?
        .iter()
        .map(|row| row.try_get("id"))
        .collect::<std::result::Result<_, _>>()?;
        let mut out = Vec::new();
        for person in found
            .into_values()
            .filter(|person| !merged.contains(person.id.as_str()))
        {
            let stamp = format!("v{}", person.version);
            let day = day_of(&person.updated_at)?;
            let mut named = person.clone();
            persons::withhold_register(&mut named);
            let mut open = person.clone();
            if person.address_confidential {
                persons::withhold_address(&mut open);
            }
            let mut put = |kind: Kind, full: &Person, masked: Option<&Person>| {
                let key = kind.key(person.id.as_str());
                let content = (known.get(&key) != Some(&stamp)).then(|| Content::Plain {
                    full: values(person_texts(full)),
                    masked: masked
                        .map(|person| values(person_texts(person)))
                        .unwrap_or_default(),
                });
                out.push(Source {
                    key,
                    kind,
                    case: None,
                    day,
                    stamp: stamp.clone(),
                    content,
                });
            };
            put(Kind::Person, &open, Some(&named));
            if person.address_confidential {
                put(Kind::Protected, &person, None);
            }
        }
        Ok(out)
    }

    /// Everything of these cases that is searched, with the content of what is not `known` by its stamp.
    /// For the worker.
    ///
    /// # Errors
    /// Database away.
    pub async fn gather_cases(
        &mut self,
        municipality: &MunicipalityId,
        cases: &[CaseId],
        known: &HashMap<String, String>,
    ) -> Result<Gathered> {
        let facts = cases::facts_anew(self, municipality, cases).await?;
        let marks = marks(self, municipality, cases).await?;
        self.keys_of_cases(municipality, cases).await?;
        let masked = |of: fn(Section) -> bool| -> HashSet<CaseId> {
            facts
                .values()
                .filter(|facts| read_masked(facts, of))
                .map(|facts| facts.case.clone())
                .collect()
        };
        let masked_sheets = masked(|section| section != Section::Progress);
        let mut out = Gathered {
            masked: masked(|section| section == Section::Progress),
            marks,
            ..Gathered::default()
        };
        let asked = Asked {
            municipality,
            cases,
            known,
        };
        for row in asked.rows(
            self,
            "SELECT id, case_no, title_sealed, outcome_sealed, received_on, version FROM cases WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?
        {
            let id: String = row.try_get("id")?;
            let (key, stamp) = (Kind::Case.key(&id), format!("v{}", row.try_get::<i64, _>("version")?));
            let content = if asked.is_new(&key, &stamp) {
                let number: String = row.try_get("case_no")?;
                let mut full = vec![number.clone()];
                for (column, place) in [("title_sealed", cases::TITLE), ("outcome_sealed", cases::OUTCOME)] {
                    if let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>(column)? {
                        full.push(self.open_text(municipality, place, &id, &sealed).await?);
                    }
                }
                Some(Content::Plain { full, masked: vec![number] })
            } else {
                None
            };
            out.sources.push(Source {
                key,
                kind: Kind::Case,
                day: date(&row.try_get::<String, _>("received_on")?)?,
                case: Some(CaseId(id)),
                stamp,
                content,
            });
        }
        self.gather_sheets(&asked, &masked_sheets, &mut out).await?;
        self.gather_records(&asked, &mut out).await?;
        self.gather_attachments(&asked, &mut out).await?;
        for row in asked.rows(
            self,
            "SELECT id, case_id, content_sealed, version, created_at FROM transcripts WHERE municipality_id = $1 AND case_id IN",
            "",
        )
        .await?
        {
            let id: String = row.try_get("id")?;
            // The words spoken do not change; who is taken for which speaker may.
            let (key, stamp) = (Kind::Transcript.key(&id), "1".to_owned());
            let content = if asked.is_new(&key, &stamp) {
                let value: serde_json::Value = self
                    .open_json(municipality, "transcripts.content", &id, &row.try_get::<Vec<u8>, _>("content_sealed")?)
                    .await?;
                Some(Content::Plain { full: transcript_texts(&value), masked: Vec::new() })
            } else {
                None
            };
            out.sources.push(Source {
                key,
                kind: Kind::Transcript,
                case: Some(CaseId(row.try_get("case_id")?)),
                day: day_of(&row.try_get::<String, _>("created_at")?)?,
                stamp,
                content,
            });
        }
        let scanned: BTreeSet<CaseId> = out
            .sources
            .iter()
            .filter(|source| out.scans.contains_key(&source.key))
            .filter_map(|source| source.case.clone())
            .collect();
        let scanned: Vec<CaseId> = scanned.into_iter().collect();
        out.registers = documents::registers_of(self, municipality, &scanned).await?;
        out.facts = facts;
        Ok(out)
    }

    async fn gather_sheets(
        &mut self,
        asked: &Asked<'_>,
        masked: &HashSet<CaseId>,
        out: &mut Gathered,
    ) -> Result<()> {
        for row in asked.rows(
            self,
            "SELECT d.id, d.case_id, d.form, d.updated_at, p.epoch, p.seq, p.value_sealed, s.epoch AS scan_epoch, s.seq AS scan_seq, s.at AS scan_at, s.state AS scan_state, s.scan_sealed \
             FROM documents d JOIN document_projections p ON p.municipality_id = d.municipality_id AND p.document_id = d.id \
             AND p.audience = 'full' AND p.epoch = d.epoch \
             LEFT JOIN mask_scans s ON s.municipality_id = d.municipality_id AND s.document_id = d.id AND s.epoch = d.epoch \
             WHERE d.form IS NOT NULL AND d.state <> 'erased' AND d.municipality_id = $1 AND d.case_id IN",
            "",
        )
        .await?
        {
            let id: String = row.try_get("id")?;
            let case = CaseId(row.try_get("case_id")?);
            let scan = match row.try_get::<Option<String>, _>("scan_at")? {
                Some(at) if masked.contains(&case) => {
                    let mark = out.marks.get(&case).map_or("", String::as_str);
                    sheet_basis(row.try_get("scan_epoch")?, row.try_get("scan_seq")?, &at, mark)
                }
                // Nobody reads it masked. Once somebody does, the stamp is another.
                _ => "-".to_owned(),
            };
            let stamp = format!(
                "{}.{}/{scan}",
                row.try_get::<i64, _>("epoch")?,
                row.try_get::<i64, _>("seq")?
            );
            let key = Kind::Sheet.key(&id);
            let content = if asked.is_new(&key, &stamp) {
                if scan != "-" && row.try_get::<String, _>("scan_state")? == "done" {
                    let sealed: Vec<u8> = row.try_get("scan_sealed")?;
                    let value = self.open_json(asked.municipality, masking::SCAN, &id, &sealed).await?;
                    out.scans.insert(key.clone(), value);
                }
                let place = format!("{id}/full");
                let values = self
                    .open_json(asked.municipality, "document_projections.value", &place, &row.try_get::<Vec<u8>, _>("value_sealed")?)
                    .await?;
                Some(Content::Sheet { form: row.try_get("form")?, values })
            } else {
                None
            };
            out.sources.push(Source {
                key,
                kind: Kind::Sheet,
                case: Some(case),
                day: day_of(&row.try_get::<String, _>("updated_at")?)?,
                stamp,
                content,
            });
        }
        Ok(())
    }

    async fn gather_records(&mut self, asked: &Asked<'_>, out: &mut Gathered) -> Result<()> {
        let mut amended: HashMap<String, Vec<(String, Vec<u8>)>> = HashMap::new();
        for row in asked.rows(
            self,
            "SELECT a.id, a.record_id, a.content_sealed FROM progress_amendments a JOIN progress_records r \
             ON r.municipality_id = a.municipality_id AND r.id = a.record_id WHERE r.municipality_id = $1 AND r.case_id IN",
            "ORDER BY a.recorded_at, a.id",
        )
        .await?
        {
            amended
                .entry(row.try_get("record_id")?)
                .or_default()
                .push((row.try_get("id")?, row.try_get("content_sealed")?));
        }
        for row in asked.rows(
            self,
            "SELECT id, case_id, performed_on, content_sealed FROM progress_records WHERE municipality_id = $1 AND case_id IN",
            "",
        )
        .await?
        {
            let id: String = row.try_get("id")?;
            let case = CaseId(row.try_get("case_id")?);
            let day = date(&row.try_get::<String, _>("performed_on")?)?;
            let amendments = amended.remove(&id).unwrap_or_default();
            // Entries and amendments are never changed, only added.
            let stamp = format!("a{}", amendments.len());
            let key = Kind::Record.key(&id);
            let mut private = Vec::new();
            let mut source = |key: String, kind: Kind, content: Option<Content>| {
                out.sources.push(Source {
                    key,
                    kind,
                    case: Some(case.clone()),
                    day,
                    stamp: stamp.clone(),
                    content,
                });
            };
            if !asked.is_new(&key, &stamp) {
                source(key, Kind::Record, None);
                continue;
            }
            let mut full = Vec::new();
            let mut take = |place: String, content: serde_json::Map<String, serde_json::Value>| {
                full.extend(record_texts(&content));
                if let Some(note) = text_field(&content, PRIVATE) {
                    private.push((place, note));
                }
            };
            let sealed: Vec<u8> = row.try_get("content_sealed")?;
            take(id.clone(), self.open_json(asked.municipality, "progress_records.content", &id, &sealed).await?);
            for (amendment, sealed) in amendments {
                let content = self.open_json(asked.municipality, "progress_amendments.content", &amendment, &sealed).await?;
                take(format!("{id}/{amendment}"), content);
            }
            source(key, Kind::Record, Some(Content::Plain { full, masked: Vec::new() }));
            for (place, note) in private {
                let content = Content::Plain { full: vec![note], masked: Vec::new() };
                source(Kind::Private.key(&place), Kind::Private, Some(content));
            }
        }
        Ok(())
    }

    async fn gather_attachments(&mut self, asked: &Asked<'_>, out: &mut Gathered) -> Result<()> {
        // Those that wait for their entry are nobody's but their writer's.
        for row in asked.rows(
            self,
            "SELECT b.id, b.case_id, b.text_state, r.performed_on FROM blobs b JOIN progress_records r \
             ON r.municipality_id = b.municipality_id AND r.id = b.record_id WHERE b.state = 'ready' AND b.municipality_id = $1 AND b.case_id IN",
            "",
        )
        .await?
        {
            let key = Kind::Attachment.key(&row.try_get::<String, _>("id")?);
            // A file never changes; what is known of its text may.
            let stamp: String = row.try_get("text_state")?;
            if asked.is_new(&key, &stamp) {
                out.unread.push(key.clone());
            }
            out.sources.push(Source {
                key,
                kind: Kind::Attachment,
                case: Some(CaseId(row.try_get("case_id")?)),
                day: date(&row.try_get::<String, _>("performed_on")?)?,
                stamp,
                content: None,
            });
        }
        Ok(())
    }

    /// What the masker needs to make the masked texts of all entries of a case: for the index, which
    /// shows nothing itself. Numbers of persons do not matter there.
    ///
    /// # Errors
    /// Database away.
    pub async fn records_to_mask(
        &mut self,
        municipality: &MunicipalityId,
        case: &CaseId,
    ) -> Result<ProgressToMask> {
        let cases = std::slice::from_ref(case);
        let mut entries: BTreeMap<String, EntryToMask> = BTreeMap::new();
        let rows = rows_for(
            self,
            municipality,
            cases,
            "SELECT id, performed_on, recorded_at, content_sealed FROM progress_records WHERE municipality_id = $1 AND case_id IN",
            "",
        )
        .await?;
        for row in &rows {
            let id: String = row.try_get("id")?;
            let sealed: Vec<u8> = row.try_get("content_sealed")?;
            let content = self
                .open_json(municipality, "progress_records.content", &id, &sealed)
                .await?;
            let entry = EntryToMask {
                id: ProgressRecordId(id.clone()),
                performed_on: date(&row.try_get::<String, _>("performed_on")?)?,
                recorded_at: row.try_get("recorded_at")?,
                content,
                amendments: Vec::new(),
            };
            entries.insert(id, entry);
        }
        let rows = rows_for(
            self,
            municipality,
            cases,
            "SELECT a.id, a.record_id, a.recorded_at, a.content_sealed FROM progress_amendments a JOIN progress_records r \
             ON r.municipality_id = a.municipality_id AND r.id = a.record_id WHERE r.municipality_id = $1 AND r.case_id IN",
            "ORDER BY a.recorded_at, a.id",
        )
        .await?;
        for row in &rows {
            let id: String = row.try_get("id")?;
            let sealed: Vec<u8> = row.try_get("content_sealed")?;
            let content = self
                .open_json(municipality, "progress_amendments.content", &id, &sealed)
                .await?;
            if let Some(entry) = entries.get_mut(&row.try_get::<String, _>("record_id")?) {
                entry.amendments.push(progress::Amendment {
                    id,
                    account: cases::Named {
                        id: String::new(),
                        name: String::new(),
                    },
                    recorded_at: row.try_get("recorded_at")?,
                    content,
                });
            }
        }
        Ok(ProgressToMask {
            entries: entries.into_values().collect(),
            persons: crate::documents::register_of(self, municipality, case).await?,
            hidden: BTreeSet::new(),
        })
    }

    /// Where the caller's search looks at all.
    ///
    /// # Errors
    /// Database away.
    pub async fn search_scope(
        &mut self,
        caller: &Caller,
        conditions: &Conditions,
    ) -> Result<Scope> {
        let municipality = caller.viewer.municipality.clone();
        let mut scope = Scope::default();
        let shut: Vec<String> = sqlx::query_scalar(
            "SELECT case_id FROM case_exclusions WHERE municipality_id = $1 AND about_person = '' \
             AND ((kind = 'agency' AND subject_id = $2) OR (kind = 'account' AND subject_id = $3)) \
             UNION SELECT p.case_id FROM case_persons p JOIN accounts a ON a.municipality_id = p.municipality_id \
             AND a.person_id = p.person_id WHERE p.municipality_id = $1 AND a.id = $3",
        )
        .bind(municipality.as_str())
        .bind(caller.viewer.agency.as_str())
        .bind(caller.viewer.account.as_str())
        .fetch_all(self.conn())
        .await?;
        scope.without.extend(shut);
        let mut sql = "SELECT id FROM cases c WHERE c.municipality_id = $1".to_owned();
        let mut values = vec![municipality.0.clone()];
        if caller.viewer.agency_class != AgencyClass::Department {
            values.push(caller.viewer.agency.0.clone());
            sql.push_str(
                " AND (c.owner_agency_id = $2 OR EXISTS (SELECT 1 FROM case_members m WHERE m.municipality_id = c.municipality_id \
                 AND m.case_id = c.id AND m.agency_id = $2))",
            );
        } else if conditions.is_empty() {
            return Ok(scope);
        }
        if let Some(owner) = &conditions.owner {
            values.push(owner.0.clone());
            sql.push_str(&format!(" AND c.owner_agency_id = ${}", values.len()));
        }
        match conditions.closed {
            Some(true) => sql.push_str(" AND c.closed_on IS NOT NULL"),
            Some(false) => sql.push_str(" AND c.closed_on IS NULL"),
            None => {}
        }
        if !conditions.stages.is_empty() {
            let list = placeholders(values.len() + 1, conditions.stages.len());
            sql.push_str(&format!(" AND c.stage IN ({list})"));
            values.extend(
                conditions
                    .stages
                    .iter()
                    .map(|stage| stage.code().to_owned()),
            );
        }
        // They are counted first: of a large agency they would all be fetched for nothing.
        sql.push_str(&format!(" LIMIT {}", NAMED + 1));
        let count = format!("SELECT COUNT(*) FROM ({sql}) found");
        let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count));
        for value in &values {
            query = query.bind(value.clone());
        }
        if query.fetch_one(self.conn()).await? > NAMED {
            return Ok(scope);
        }
        let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(value);
        }
        scope.cases = Some(query.fetch_all(self.conn()).await?.into_iter().collect());
        Ok(scope)
    }

    /// What the caller may see of these units of cases; what is left out does not exist for the caller.
    ///
    /// # Errors
    /// Database away.
    pub async fn seen_in_cases(
        &mut self,
        caller: &Caller,
        keys: &[String],
        conditions: &Conditions,
    ) -> Result<HashMap<String, Seen>> {
        let mut out = HashMap::new();
        if !caller.may(Capability::ReadCases) {
            return Ok(out);
        }
        let municipality = caller.viewer.municipality.clone();
        let mut by_kind: HashMap<Kind, Vec<String>> = HashMap::new();
        for (kind, id) in keys.iter().filter_map(|key| Kind::of_key(key)) {
            by_kind.entry(kind).or_default().push(id.to_owned());
        }
        let mut ids = |kind: Kind| by_kind.remove(&kind).unwrap_or_default();
        // Where each unit belongs comes from the database, not from the index.
        let (cases, sheets, records, private, transcripts, attachments) = (
            ids(Kind::Case),
            ids(Kind::Sheet),
            ids(Kind::Record),
            ids(Kind::Private),
            ids(Kind::Transcript),
            ids(Kind::Attachment),
        );
        let mut subjects: HashMap<String, Vec<PersonId>> = HashMap::new();
        for row in rows_for(
            self,
            &municipality,
            &sheets,
            "SELECT document_id, person_id FROM document_subjects WHERE municipality_id = $1 AND document_id IN",
            "",
        )
        .await?
        {
            let about = subjects.entry(row.try_get("document_id")?).or_default();
            about.push(PersonId(row.try_get("person_id")?));
        }
        let sheets = rows_for(
            self,
            &municipality,
            &sheets,
            "SELECT d.id, d.case_id, d.section, s.epoch, s.seq, s.at FROM documents d LEFT JOIN mask_scans s \
             ON s.municipality_id = d.municipality_id AND s.document_id = d.id AND s.epoch = d.epoch \
             WHERE d.state <> 'erased' AND d.parent_id IS NULL AND d.case_id IS NOT NULL AND d.section IS NOT NULL \
             AND d.municipality_id = $1 AND d.id IN",
            "",
        )
        .await?;
        let attachments = rows_for(
            self,
            &municipality,
            &attachments,
            "SELECT id, record_id FROM blobs WHERE record_id IS NOT NULL AND state = 'ready' AND municipality_id = $1 AND id IN",
            "",
        )
        .await?
        .iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("record_id")?)))
        .collect::<Result<Vec<(String, String)>>>()?;
        let entries: BTreeSet<String> = records
            .iter()
            .cloned()
            .chain(attachments.iter().map(|(_, record)| record.clone()))
            .chain(
                private
                    .iter()
                    .map(|id| id.split('/').next().unwrap_or_default().to_owned()),
            )
            .collect();
        let entries: Vec<String> = entries.into_iter().collect();
        let entries = self.entries(&municipality, &entries).await?;
        let amendments: Vec<String> = private
            .iter()
            .filter_map(|id| {
                id.split_once('/')
                    .map(|(_, amendment)| amendment.to_owned())
            })
            .collect();
        let mut amended_by: HashMap<String, String> = HashMap::new();
        for row in rows_for(
            self,
            &municipality,
            &amendments,
            "SELECT id, agency_id FROM progress_amendments WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?
        {
            amended_by.insert(row.try_get("id")?, row.try_get("agency_id")?);
        }
        let transcripts = rows_for(
            self,
            &municipality,
            &transcripts,
            "SELECT id, case_id FROM transcripts WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?;
        let mut involved: BTreeSet<CaseId> = cases.iter().map(|id| CaseId(id.clone())).collect();
        for row in sheets.iter().chain(&transcripts) {
            involved.insert(CaseId(row.try_get("case_id")?));
        }
        involved.extend(entries.values().map(|entry| entry.case.clone()));
        let involved: Vec<CaseId> = involved.into_iter().collect();
        let facts = case_facts::facts(self, &municipality, &involved).await?;
        let facts = self.meeting(&municipality, facts, conditions).await?;
        let marks = marks(self, &municipality, &involved).await?;
        let mark = |case: &CaseId| marks.get(case).cloned().unwrap_or_default();
        let viewer = &caller.viewer;
        for id in cases {
            let Some(facts) = facts.get(&CaseId(id.clone())) else {
                continue;
            };
            if disclosure::title_visible(viewer, facts) {
                out.insert(Kind::Case.key(&id), Seen::Full);
            } else if disclosure::case_visible(viewer, facts) {
                out.insert(
                    Kind::Case.key(&id),
                    Seen::Masked {
                        basis: String::new(),
                    },
                );
            }
        }
        for row in &sheets {
            let (id, case): (String, String) = (row.try_get("id")?, row.try_get("case_id")?);
            let (Some(facts), Some(section)) = (
                facts.get(&CaseId(case)),
                Section::from_code(&row.try_get::<String, _>("section")?),
            ) else {
                continue;
            };
            // Of several sheets of a section each says whom it is about.
            let about = DocumentFacts {
                subjects: subjects.remove(&id).unwrap_or_default(),
                ..facts.sheet(section)
            };
            let seen = match disclosure::decide(viewer, facts, &about).level {
                Level::Read | Level::Edit => Seen::Full,
                Level::Masked => match row.try_get::<Option<String>, _>("at")? {
                    Some(at) => Seen::Masked {
                        basis: sheet_basis(
                            row.try_get("epoch")?,
                            row.try_get("seq")?,
                            &at,
                            &mark(&facts.case),
                        ),
                    },
                    None => continue,
                },
                _ => continue,
            };
            out.insert(Kind::Sheet.key(&id), seen);
        }
        let level_of = |entry: &Entry| {
            let facts = facts.get(&entry.case)?;
            let section = disclosure::decide(viewer, facts, &facts.sheet(Section::Progress)).level;
            if section == Level::None
                || !is_for(viewer, facts, &entry.agency, entry.visibility, &entry.named)
            {
                return None;
            }
            Some(entry_level(
                viewer,
                facts,
                &entry.agency,
                entry.persons.clone(),
            ))
        };
        for id in records {
            let Some(entry) = entries.get(&id) else {
                continue;
            };
            let seen = match level_of(entry) {
                Some(Level::Read | Level::Edit) => Seen::Full,
                Some(Level::Masked) => Seen::Masked {
                    basis: mark(&entry.case),
                },
                _ => continue,
            };
            out.insert(Kind::Record.key(&id), seen);
        }
        for place in private {
            let (record, amendment) = match place.split_once('/') {
                Some((record, amendment)) => (record, Some(amendment)),
                None => (place.as_str(), None),
            };
            let Some(entry) = entries.get(record) else {
                continue;
            };
            let author = match amendment {
                Some(amendment) => amended_by.get(amendment).map(String::as_str),
                None => Some(entry.agency.as_str()),
            };
            let own = author == Some(viewer.agency.as_str());
            if own && level_of(entry).is_some_and(|level| level >= Level::Read) {
                out.insert(Kind::Private.key(&place), Seen::Full);
            }
        }
        for (id, record) in attachments {
            let reads = entries
                .get(&record)
                .and_then(level_of)
                .is_some_and(|level| level >= Level::Read);
            if reads {
                out.insert(Kind::Attachment.key(&id), Seen::Full);
            }
        }
        for row in &transcripts {
            let (id, case): (String, String) = (row.try_get("id")?, row.try_get("case_id")?);
            let reads = facts.get(&CaseId(case)).is_some_and(|facts| {
                [Section::Intake, Section::Assessment]
                    .iter()
                    .all(|section| {
                        disclosure::decide(viewer, facts, &facts.sheet(*section)).level
                            >= Level::Read
                    })
            });
            if reads {
                out.insert(Kind::Transcript.key(&id), Seen::Full);
            }
        }
        Ok(out)
    }

    /// The cases among these that meet the conditions.
    async fn meeting(
        &mut self,
        municipality: &MunicipalityId,
        mut facts: BTreeMap<CaseId, Arc<CaseFacts>>,
        conditions: &Conditions,
    ) -> Result<BTreeMap<CaseId, Arc<CaseFacts>>> {
        if conditions.is_empty() {
            return Ok(facts);
        }
        let ids: Vec<CaseId> = facts.keys().cloned().collect();
        let mut meeting = BTreeSet::new();
        for row in rows_for(
            self,
            municipality,
            &ids,
            "SELECT id, stage, closed_on, owner_agency_id FROM cases WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?
        {
            let stage = Stage::from_code(&row.try_get::<String, _>("stage")?)
                .ok_or(StoreError::Corrupt("cases.stage"))?;
            let closed = optional_date(row.try_get("closed_on")?)?.is_some();
            let owner: String = row.try_get("owner_agency_id")?;
            if (conditions.stages.is_empty() || conditions.stages.contains(&stage))
                && conditions.closed.is_none_or(|wanted| wanted == closed)
                && conditions.owner.as_ref().is_none_or(|wanted| wanted.0 == owner)
            {
                meeting.insert(CaseId(row.try_get("id")?));
            }
        }
        facts.retain(|case, _| meeting.contains(case));
        Ok(facts)
    }

    async fn entries(
        &mut self,
        municipality: &MunicipalityId,
        ids: &[String],
    ) -> Result<HashMap<String, Entry>> {
        let mut out = HashMap::new();
        for row in rows_for(
            self,
            municipality,
            ids,
            "SELECT id, case_id, agency_id, visibility FROM progress_records WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?
        {
            let entry = Entry {
                case: CaseId(row.try_get("case_id")?),
                agency: AgencyId(row.try_get("agency_id")?),
                visibility: Visibility::parse(&row.try_get::<String, _>("visibility")?)?,
                persons: Vec::new(),
                named: Vec::new(),
            };
            out.insert(row.try_get::<String, _>("id")?, entry);
        }
        for row in rows_for(
            self,
            municipality,
            ids,
            "SELECT record_id, person_id FROM progress_persons WHERE municipality_id = $1 AND record_id IN",
            "",
        )
        .await?
        {
            if let Some(entry) = out.get_mut(&row.try_get::<String, _>("record_id")?) {
                entry.persons.push(PersonId(row.try_get("person_id")?));
            }
        }
        for row in rows_for(
            self,
            municipality,
            ids,
            "SELECT record_id, agency_id FROM progress_agencies WHERE municipality_id = $1 AND record_id IN",
            "",
        )
        .await?
        {
            if let Some(entry) = out.get_mut(&row.try_get::<String, _>("record_id")?) {
                entry.named.push(AgencyId(row.try_get("agency_id")?));
            }
        }
        Ok(out)
    }

    /// What the caller may see of these persons of the register, and in which cases by name. As
    /// [`Tx::person_for`], for many at once.
    ///
    /// # Errors
    /// Database away.
    pub async fn seen_persons(
        &mut self,
        caller: &Caller,
        ids: &[PersonId],
    ) -> Result<BTreeMap<PersonId, SeenPerson>> {
        let found = persons::sieved(self, caller, ids).await?;
        Ok(found
            .into_iter()
            .map(|(person, (sight, cases))| {
                let Sight { register, address } = sight;
                (
                    person,
                    SeenPerson {
                        register,
                        address,
                        cases,
                    },
                )
            })
            .collect())
    }

    /// Seals the key of an index, which is kept beside it. `generation` names the index.
    ///
    /// # Errors
    /// Keys away.
    pub async fn seal_index_key(
        &mut self,
        municipality: &MunicipalityId,
        generation: &str,
        key: &[u8; 32],
    ) -> Result<Vec<u8>> {
        self.seal(
            municipality,
            &Purpose::Municipality,
            INDEX_KEY,
            generation,
            key,
        )
        .await
    }

    /// Opens it.
    ///
    /// # Errors
    /// Another index's, or its key was destroyed.
    pub async fn open_index_key(
        &mut self,
        municipality: &MunicipalityId,
        generation: &str,
        sealed: &[u8],
    ) -> Result<[u8; 32]> {
        let plain = self
            .open(municipality, INDEX_KEY, generation, sealed)
            .await?;
        plain
            .try_into()
            .map_err(|_| StoreError::Corrupt("search index key"))
    }

    /// The private note that a key names, for who may see it ([`Tx::seen_in_cases`] said so).
    ///
    /// # Errors
    /// Database away.
    pub async fn private_note(&mut self, caller: &Caller, place: &str) -> Result<Option<String>> {
        let key = Kind::Private.key(place);
        let seen = self
            .seen_in_cases(caller, std::slice::from_ref(&key), &Conditions::default())
            .await?;
        if !seen.contains_key(&key) {
            return Ok(None);
        }
        let (table, column, id) = match place.split_once('/') {
            Some((_, amendment)) => (
                "progress_amendments",
                "progress_amendments.content",
                amendment,
            ),
            None => ("progress_records", "progress_records.content", place),
        };
        let sql =
            format!("SELECT content_sealed FROM {table} WHERE municipality_id = $1 AND id = $2");
        let municipality = caller.viewer.municipality.clone();
        let sealed: Option<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(id)
            .fetch_optional(self.conn())
            .await?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let content: serde_json::Map<String, serde_json::Value> =
            self.open_json(&municipality, column, id, &sealed).await?;
        Ok(text_field(&content, PRIVATE))
    }
}

const INDEX_KEY: &str = "search_index.key";

/// What was said, in order.
#[must_use]
pub fn transcript_texts(content: &serde_json::Value) -> Vec<String> {
    content["utterances"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|utterance| utterance["text"].as_str())
        .map(str::to_owned)
        .collect()
}

/// What decides who sees an entry.
struct Entry {
    case: CaseId,
    agency: AgencyId,
    visibility: Visibility,
    persons: Vec<PersonId>,
    named: Vec<AgencyId>,
}

/// How much of a person a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPerson {
    /// More than name and kana.
    pub register: bool,
    /// The protected values too.
    pub address: bool,
    /// Cases in which the caller sees the person by name.
    pub cases: Vec<CaseId>,
}

/// Announces that every node makes its index anew.
pub fn rebuild(tx: &mut Tx, municipality: &MunicipalityId) {
    crate::outbox::put(tx, municipality, REBUILD, "", None, serde_json::Value::Null);
}

/// Topic of [`rebuild`].
pub const REBUILD: &str = "index.rebuild";
