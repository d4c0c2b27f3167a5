//! 同意 per person, and every operation that shares: each asks whether consent or another basis
//! covers it, and otherwise wants a confirmation with basis and reason.

use std::collections::BTreeMap;

use domain::consent::{Consent, ConsentStatus};
use domain::disclosure::{
    self, Confirmation, ConfirmationError, ConfirmationRequired, Days, Disclosure, Level, Member,
    ProposedRight, SharingBasis, UncoveredPerson,
};
use domain::id::{AccountId, AgencyId, CaseId, ConsentId, MunicipalityId, PersonId};
use domain::role::Capability;
use domain::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::agencies;
use crate::cases::{self, CaseAccess};
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError};
use crate::memberships::optional_date;
use crate::persons;

/// A consent to register.
#[derive(Debug, Clone, Deserialize)]
pub struct NewConsent {
    pub person: PersonId,
    #[serde(flatten)]
    pub consent: Consent,
    /// Option list `consent_method`.
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub policy_version: Option<String>,
    #[serde(default)]
    pub detail: ConsentDetail,
}

/// Words of a consent; sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A registered consent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsentRecord {
    pub id: ConsentId,
    pub person: PersonId,
    #[serde(flatten)]
    pub consent: Consent,
    pub method: Option<String>,
    pub policy_version: Option<String>,
    pub detail: ConsentDetail,
    pub recorded_by: AccountId,
    pub recorded_at: String,
    /// The one that applies to the person now.
    pub current: bool,
}

/// Answer to an operation that shares.
#[derive(Debug, Clone, PartialEq)]
pub enum Sharing {
    Done,
    /// Nothing was changed: repeat with a confirmation.
    ConfirmationRequired(ConfirmationRequired),
    /// Nothing was changed: the confirmation does not do.
    ConfirmationRefused(ConfirmationError),
}

fn codes<T: serde::de::DeserializeOwned>(text: Option<String>) -> Result<Option<Vec<T>>> {
    text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("consents list")))
        .transpose()
}

fn consent(row: &AnyRow) -> Result<Consent> {
    Ok(Consent {
        status: ConsentStatus::from_code(&row.try_get::<String, _>("status")?)
            .ok_or(StoreError::Corrupt("consents.status"))?,
        obtained_on: optional_date(row.try_get("obtained_on")?)?,
        expires_on: optional_date(row.try_get("expires_on")?)?,
        withdrawn_on: optional_date(row.try_get("withdrawn_on")?)?,
        allowed_agencies: codes(row.try_get("allowed_agencies")?)?,
        excluded_agencies: codes(row.try_get("excluded_agencies")?)?.unwrap_or_default(),
        allowed_sections: codes(row.try_get("allowed_sections")?)?,
    })
}

/// The latest registration per person of these cases.
pub(crate) async fn latest(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[CaseId],
) -> Result<Vec<(CaseId, PersonId, Consent)>> {
    let mut out: BTreeMap<(CaseId, PersonId), Consent> = BTreeMap::new();
    let rows = rows_for(
        tx,
        municipality,
        cases,
        "SELECT * FROM consents WHERE municipality_id = $1 AND case_id IN",
        "ORDER BY recorded_at, id",
    )
    .await?;
    for row in &rows {
        let (case, person) = (row.try_get("case_id")?, row.try_get("person_id")?);
        out.insert((CaseId(case), PersonId(person)), consent(row)?);
    }
    Ok(out
        .into_iter()
        .map(|((case, person), consent)| (case, person, consent))
        .collect())
}

/// Consent of the first client, for statistics.
pub(crate) async fn set_consent_fact(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    first: Option<&PersonId>,
    today: Date,
) -> Result<()> {
    let latest = latest(tx, municipality, std::slice::from_ref(case)).await?;
    let status = latest
        .iter()
        .find(|(_, person, _)| Some(person) == first)
        .map(|(_, _, consent)| consent.status_on(today));
    let now = tx.now_text();
    sqlx::query("UPDATE case_facts SET consent_status = $3, updated_at = $4 WHERE municipality_id = $1 AND case_id = $2")
        .bind(municipality.as_str())
        .bind(case.as_str())
        .bind(status.map(|status| status.code().to_owned()))
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(crate) fn list<T: Serialize>(values: &[T]) -> Result<String> {
    serde_json::to_string(values).map_err(|_| StoreError::Invalid("list"))
}

/// A basis with its id.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegisteredBasis {
    pub id: String,
    #[serde(flatten)]
    pub basis: SharingBasis,
    pub recorded_by: AccountId,
    pub recorded_at: String,
    pub ended: bool,
}

/// A sharing that was confirmed without consent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Override {
    pub id: String,
    pub operation: String,
    pub basis: String,
    pub reason: String,
    pub persons: Vec<PersonId>,
    pub agencies: Vec<AgencyId>,
    pub sections: Vec<Section>,
    pub account: AccountId,
    pub at: String,
}

/// A sharing that a confirmation covers.
pub(crate) struct Covered {
    required: ConfirmationRequired,
    bases: Vec<SharingBasis>,
    reason: String,
}

impl CaseAccess {
    /// Whether the caller may know the consents: coordinator in charge and department.
    pub(crate) fn knows_consents(&self) -> bool {
        self.answers_for_it()
    }

    /// All registrations, the newest first; of persons whom the caller sees by name.
    ///
    /// # Errors
    /// Database away.
    pub async fn consents(&self, tx: &mut Tx) -> Result<Vec<ConsentRecord>> {
        if !self.knows_consents() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT * FROM consents WHERE municipality_id = $1 AND case_id = $2 ORDER BY recorded_at DESC, id DESC")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out: Vec<ConsentRecord> = Vec::new();
        for row in &rows {
            let id = ConsentId(row.try_get("id")?);
            let person = PersonId(row.try_get("person_id")?);
            if disclosure::person_level(&self.caller.viewer, &self.facts, &person) < Level::Read {
                continue;
            }
            let detail = match row.try_get::<Option<Vec<u8>>, _>("detail_sealed")? {
                Some(sealed) => {
                    tx.open_json(self.municipality(), "consents.detail", id.as_str(), &sealed)
                        .await?
                }
                None => ConsentDetail::default(),
            };
            let current = !out.iter().any(|earlier| earlier.person == person);
            out.push(ConsentRecord {
                id,
                person,
                consent: consent(row)?,
                method: row.try_get("method")?,
                policy_version: row.try_get("policy_version")?,
                detail,
                recorded_by: AccountId(row.try_get("recorded_by")?),
                recorded_at: row.try_get("recorded_at")?,
                current,
            });
        }
        Ok(out)
    }

    /// Registers a consent; it applies from now on. A withdrawal is a registration too.
    ///
    /// # Errors
    /// Forbidden, a person who is not in the case, an agreement without its day.
    pub async fn register_consent(&self, tx: &mut Tx, new: &NewConsent) -> Result<ConsentId> {
        self.require(Capability::ManageConsent)?;
        if !self.knows_by_name(&new.person) {
            return Err(StoreError::NotFound);
        }
        if new.consent.status.is_agreement() && new.consent.obtained_on.is_none() {
            return Err(StoreError::Invalid("obtained_on"));
        }
        if let (Some(from), Some(to)) = (new.consent.obtained_on, new.consent.expires_on)
            && to < from
        {
            return Err(StoreError::Invalid("expires_on"));
        }
        // Merged into somebody else meanwhile?
        persons::hold(tx, self.municipality(), &new.person).await?;
        let id: ConsentId = tx.database().fresh();
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                "consents.detail",
                id.as_str(),
                &new.detail,
            )
            .await?;
        let now = tx.now_text();
        let agencies = new
            .consent
            .allowed_agencies
            .as_deref()
            .map(list)
            .transpose()?;
        let sections = new
            .consent
            .allowed_sections
            .as_deref()
            .map(list)
            .transpose()?;
        sqlx::query(
            "INSERT INTO consents (municipality_id, id, case_id, person_id, status, method, obtained_on, expires_on, withdrawn_on, \
             allowed_agencies, excluded_agencies, allowed_sections, policy_version, detail_sealed, recorded_by, recorded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(new.person.as_str())
        .bind(new.consent.status.code())
        .bind(new.method.clone())
        .bind(new.consent.obtained_on.map(|day| day.to_string()))
        .bind(new.consent.expires_on.map(|day| day.to_string()))
        .bind(new.consent.withdrawn_on.map(|day| day.to_string()))
        .bind(agencies)
        .bind(list(&new.consent.excluded_agencies)?)
        .bind(sections)
        .bind(new.policy_version.clone())
        .bind(sealed)
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.update_consent_fact(tx).await?;
        self.changed(tx, "case.access").await?;
        Ok(id)
    }

    /// Consent of the first client, for statistics.
    async fn update_consent_fact(&self, tx: &mut Tx) -> Result<()> {
        let first = self.facts.persons.first().map(|person| &person.person);
        set_consent_fact(
            tx,
            self.municipality(),
            self.id(),
            first,
            self.caller.viewer.today,
        )
        .await
    }

    /// The disclosure matrix: for those who manage it, the department, and each agency its own rows.
    #[must_use]
    pub fn disclosures(&self) -> Vec<Disclosure> {
        let all = self.knows_consents();
        self.facts
            .matrix
            .iter()
            .filter(|row| all || row.agency == self.caller.viewer.agency)
            .cloned()
            .collect()
    }

    /// Whether a change needs a confirmation, and if one came, what it turns into.
    pub(crate) fn cover(
        &self,
        rights: &[ProposedRight],
        confirmation: Option<&Confirmation>,
    ) -> Result<Option<Covered>, Box<Sharing>> {
        let today = self.caller.viewer.today;
        let Some(required) = disclosure::sharing_needs_confirmation(&self.facts, rights, today)
        else {
            return Ok(None);
        };
        let Some(answer) = confirmation else {
            return Err(Box::new(Sharing::ConfirmationRequired(required)));
        };
        match required.confirm(answer, today) {
            Ok(bases) => Ok(Some(Covered {
                required,
                bases,
                reason: answer.reason.clone(),
            })),
            Err(error) => Err(Box::new(Sharing::ConfirmationRefused(error))),
        }
    }

    /// Returns the bases it recorded.
    pub(crate) async fn record_override(
        &self,
        tx: &mut Tx,
        operation: &str,
        covered: &Covered,
    ) -> Result<Vec<String>> {
        if !self.caller.may(Capability::ConfirmSharing) {
            return Err(StoreError::Forbidden);
        }
        let Some(basis) = covered.bases.first().map(|basis| basis.basis.as_str()) else {
            return Ok(Vec::new());
        };
        let mut recorded = Vec::with_capacity(covered.bases.len());
        for basis in &covered.bases {
            recorded.push(self.insert_basis(tx, basis).await?);
        }
        let required = &covered.required;
        let persons: Vec<&PersonId> = required.persons.iter().map(|who| &who.person).collect();
        let id = self
            .insert_override(
                tx,
                operation,
                basis,
                &covered.reason,
                &persons,
                (&required.agencies, &required.sections),
            )
            .await?;
        let detail = serde_json::json!({
            "operation": operation, "basis": basis, "persons": persons, "agencies": required.agencies, "sections": required.sections,
            "rights": covered.bases.iter().map(|basis| serde_json::json!({
                "agencies": basis.agencies, "sections": basis.sections, "persons": basis.persons,
            })).collect::<Vec<_>>(),
        });
        crate::audit::record(
            tx,
            crate::audit::Event::by(&self.caller, "consent.override", "override", id)
                .in_case(self.id())
                .detail(detail),
        );
        Ok(recorded)
    }

    /// 同意なし共有の記録.
    async fn insert_override(
        &self,
        tx: &mut Tx,
        operation: &str,
        basis: &str,
        reason: &str,
        persons: &[&PersonId],
        (agencies, sections): (&[AgencyId], &[Section]),
    ) -> Result<String> {
        let id: String = tx.database().fresh();
        let sealed = tx
            .seal(
                self.municipality(),
                &self.purpose(),
                "consent_overrides.reason",
                &id,
                reason.as_bytes(),
            )
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO consent_overrides (municipality_id, id, case_id, operation, basis, reason_sealed, persons, agencies, sections, \
             account_id, membership_id, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(operation)
        .bind(basis)
        .bind(sealed)
        .bind(list(persons)?)
        .bind(list(agencies)?)
        .bind(list(sections)?)
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.membership.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        Ok(id)
    }

    /// Persons of the case whom the caller sees by name and who have not agreed to sharing, with how it
    /// stands: what an export asks about.
    #[must_use]
    pub fn without_agreement(&self) -> Vec<UncoveredPerson> {
        let viewer = &self.caller.viewer;
        self.facts
            .persons
            .iter()
            .filter(|known| {
                disclosure::person_level(viewer, &self.facts, &known.person) >= Level::Read
            })
            .map(|known| UncoveredPerson {
                person: known.person.clone(),
                status: known.consent.status_on(viewer.today),
            })
            .filter(|known| !known.status.is_agreement())
            .collect()
    }

    /// Writes down that the case went into a file although persons of it had not agreed.
    ///
    /// # Errors
    /// Forbidden without the right to confirm.
    pub async fn record_export(
        &self,
        tx: &mut Tx,
        basis: &str,
        reason: &str,
        persons: &[UncoveredPerson],
    ) -> Result<()> {
        self.caller.require(Capability::ConfirmSharing)?;
        let persons: Vec<&PersonId> = persons.iter().map(|known| &known.person).collect();
        let id = self
            .insert_override(tx, "export", basis, reason, &persons, (&[], &[]))
            .await?;
        crate::audit::record(
            tx,
            crate::audit::Event::by(&self.caller, "consent.override", "override", id)
                .in_case(self.id())
                .detail(serde_json::json!({ "operation": "export", "basis": basis, "persons": persons })),
        );
        Ok(())
    }

    async fn insert_basis(&self, tx: &mut Tx, basis: &SharingBasis) -> Result<String> {
        let id: String = tx.database().fresh();
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO sharing_bases (municipality_id, id, case_id, basis, meeting, valid_from, valid_to, sections, persons, recorded_by, recorded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(basis.basis.as_str())
        .bind(basis.meeting.clone())
        .bind(basis.from.to_string())
        .bind(basis.until.map(|day| day.to_string()))
        .bind(list(&basis.sections)?)
        .bind(list(&basis.persons)?)
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        for agency in &basis.agencies {
            sqlx::query("INSERT INTO sharing_basis_members (municipality_id, basis_id, agency_id) VALUES ($1, $2, $3) ON CONFLICT (municipality_id, basis_id, agency_id) DO NOTHING")
                .bind(self.municipality().as_str())
                .bind(id.as_str())
                .bind(agency.as_str())
                .execute(tx.conn())
                .await?;
        }
        Ok(id)
    }

    /// The days for which an agency is a member of the case, unless they are over.
    pub(crate) fn membership(&self, agency: &AgencyId) -> Option<Days> {
        let today = self.caller.viewer.today;
        self.facts
            .members
            .iter()
            .find(|member| member.agency == *agency && member.to.is_none_or(|last| today <= last))
            .map(Member::days)
    }

    /// `membership`: its days once the rights are given.
    pub(crate) async fn proposed(
        &self,
        tx: &mut Tx,
        rights: &[Disclosure],
        membership: impl Fn(&AgencyId) -> Option<Days>,
    ) -> Result<Vec<ProposedRight>> {
        let known = agencies::by_id(tx, self.municipality()).await?;
        rights
            .iter()
            .map(|right| {
                let agency = known
                    .get(&right.agency)
                    .filter(|agency| agency.active)
                    .ok_or(StoreError::Invalid("agency"))?;
                Ok(ProposedRight {
                    agency: right.agency.clone(),
                    class: agency.class,
                    section: right.section,
                    level: right.level,
                    days: membership(&right.agency)
                        .map_or(right.days(), |days| right.days().within(days)),
                })
            })
            .collect()
    }

    /// The department answers for the programme: its rows say how much, not how long.
    fn refuse_department_days(rows: &[Disclosure], rights: &[ProposedRight]) -> Result<()> {
        let dated = rows.iter().zip(rights).any(|(row, right)| {
            right.class == domain::agency::AgencyClass::Department && row.days() != Days::ALL
        });
        if dated {
            return Err(StoreError::Invalid("department_period"));
        }
        Ok(())
    }

    /// Sets rows of the disclosure matrix (rows not named stay).
    ///
    /// # Errors
    /// Forbidden, an unknown agency, or the agency in charge among the rows.
    pub async fn set_disclosures(
        &self,
        tx: &mut Tx,
        rows: &[Disclosure],
        confirmation: Option<&Confirmation>,
    ) -> Result<Sharing> {
        self.require(Capability::ManageDisclosure)?;
        if rows.iter().any(|row| row.agency == self.facts.owner) {
            return Err(StoreError::Invalid("owner_agency"));
        }
        if rows.iter().any(|row| row.days().is_reversed()) {
            return Err(StoreError::Invalid("period"));
        }
        let rights = self
            .proposed(tx, rows, |agency| self.membership(agency))
            .await?;
        Self::refuse_department_days(rows, &rights)?;
        match self.cover(&rights, confirmation) {
            Err(answer) => return Ok(*answer),
            Ok(Some(covered)) => {
                self.record_override(tx, "disclosures", &covered).await?;
            }
            Ok(None) => {}
        }
        for row in rows {
            cases::insert_disclosure(tx, &self.caller, self.id(), row).await?;
        }
        let detail = serde_json::json!({ "rows": rows });
        crate::audit::record(
            tx,
            crate::audit::Event::by(&self.caller, "disclosure.set", "case", self.id().as_str())
                .in_case(self.id())
                .detail(detail),
        );
        self.changed(tx, "case.access").await?;
        Ok(Sharing::Done)
    }

    /// Takes an agency into the case, with rows for the matrix.
    ///
    /// # Errors
    /// Forbidden, an unknown agency, an empty period.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a field of the form that is sent; a struct would only rename them"
    )]
    pub async fn add_member(
        &self,
        tx: &mut Tx,
        agency: &AgencyId,
        role: &str,
        from: Date,
        to: Option<Date>,
        rows: &[Disclosure],
        confirmation: Option<&Confirmation>,
    ) -> Result<Sharing> {
        self.require(Capability::ManageMembers)?;
        if *agency == self.facts.owner || rows.iter().any(|row| row.agency != *agency) {
            return Err(StoreError::Invalid("agency"));
        }
        if to.is_some_and(|to| to < from) || rows.iter().any(|row| row.days().is_reversed()) {
            return Err(StoreError::Invalid("period"));
        }
        let today = self.caller.viewer.today;
        let rows: Vec<Disclosure> = rows
            .iter()
            .map(|row| row.clone().keeping_days(&self.facts.matrix, today))
            .collect();
        // Rows of an earlier membership come back to life: they count as new.
        let mut rights: Vec<Disclosure> = self
            .facts
            .matrix
            .iter()
            .filter(|row| {
                row.agency == *agency
                    && !row.is_over(today)
                    && !rows.iter().any(|new| new.section == row.section)
            })
            .cloned()
            .collect();
        rights.extend(rows.iter().cloned());
        let membership = Days {
            from: Some(from),
            to,
        };
        let mut proposed = self.proposed(tx, &rights, |_| Some(membership)).await?;
        Self::refuse_department_days(&rights, &proposed)?;
        if proposed.is_empty() {
            // The agency must at least exist.
            let known = agencies::get(tx, self.municipality(), agency)
                .await?
                .filter(|agency| agency.active);
            known.ok_or(StoreError::Invalid("agency"))?;
        }
        proposed.retain(|right| right.level > Level::None);
        match self.cover(&proposed, confirmation) {
            Err(answer) => return Ok(*answer),
            Ok(Some(covered)) => {
                self.record_override(tx, "members", &covered).await?;
            }
            Ok(None) => {}
        }
        cases::insert_member(tx, &self.caller, self.id(), agency, role, from, to).await?;
        for row in &rows {
            cases::insert_disclosure(tx, &self.caller, self.id(), row).await?;
        }
        let detail = serde_json::json!({ "agency": agency, "role": role, "rows": rows });
        crate::audit::record(
            tx,
            crate::audit::Event::by(&self.caller, "member.add", "case", self.id().as_str())
                .in_case(self.id())
                .detail(detail),
        );
        self.changed(tx, "case.access").await?;
        Ok(Sharing::Done)
    }

    /// Ends an agency's membership as of yesterday: from now on it sees nothing.
    ///
    /// # Errors
    /// Forbidden, or not a member.
    pub async fn remove_member(&self, tx: &mut Tx, agency: &AgencyId) -> Result<()> {
        self.require(Capability::ManageMembers)?;
        let yesterday = self
            .caller
            .viewer
            .today
            .yesterday()
            .map_err(|_| StoreError::Invalid("today"))?;
        let done = sqlx::query(
            "UPDATE case_members SET valid_to = $4 WHERE municipality_id = $1 AND case_id = $2 AND agency_id = $3 \
             AND (valid_to IS NULL OR valid_to > $4)",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(agency.as_str())
        .bind(yesterday.to_string())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        let detail = serde_json::json!({ "agency": agency });
        crate::audit::record(
            tx,
            crate::audit::Event::by(&self.caller, "member.remove", "case", self.id().as_str())
                .in_case(self.id())
                .detail(detail),
        );
        self.changed(tx, "case.access").await
    }

    /// Registers a basis such as a 支援会議 with its members and period.
    ///
    /// # Errors
    /// Forbidden, an unknown basis, or a meeting without its last day.
    pub async fn register_basis(&self, tx: &mut Tx, basis: &SharingBasis) -> Result<String> {
        self.writable()?;
        let hosts = self.caller.may(Capability::HostMeeting) && self.level() >= Level::Read;
        if !hosts && !self.may(Capability::ConfirmSharing) {
            return Err(StoreError::Forbidden);
        }
        let legal = domain::legal_basis::find(&basis.basis).ok_or(StoreError::Invalid("basis"))?;
        if legal.meeting_bound && (basis.meeting.is_none() || basis.until.is_none()) {
            return Err(StoreError::Invalid("meeting"));
        }
        if basis.agencies.is_empty() || basis.until.is_some_and(|until| until < basis.from) {
            return Err(StoreError::Invalid("period"));
        }
        let id = self.insert_basis(tx, basis).await?;
        crate::audit::record(
            tx,
            crate::audit::Event::by(&self.caller, "basis.add", "basis", id.clone())
                .in_case(self.id()),
        );
        self.changed(tx, "case.access").await?;
        Ok(id)
    }

    /// Ends a basis at once.
    ///
    /// # Errors
    /// Forbidden or unknown.
    pub async fn end_basis(&self, tx: &mut Tx, id: &str) -> Result<()> {
        self.require(Capability::ConfirmSharing)?;
        let now = tx.now_text();
        let done = sqlx::query("UPDATE sharing_bases SET ended_at = $4 WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND ended_at IS NULL")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(id)
            .bind(now)
            .execute(tx.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        self.changed(tx, "case.access").await
    }

    /// Sharings confirmed without consent, the newest first.
    ///
    /// # Errors
    /// Database away.
    pub async fn overrides(&self, tx: &mut Tx) -> Result<Vec<Override>> {
        if !self.knows_consents() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT * FROM consent_overrides WHERE municipality_id = $1 AND case_id = $2 ORDER BY at DESC, id DESC")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            let reason = tx
                .open_text(
                    self.municipality(),
                    "consent_overrides.reason",
                    &id,
                    &row.try_get::<Vec<u8>, _>("reason_sealed")?,
                )
                .await?;
            out.push(Override {
                id,
                operation: row.try_get("operation")?,
                basis: row.try_get("basis")?,
                reason,
                persons: codes(Some(row.try_get("persons")?))?.unwrap_or_default(),
                agencies: codes(Some(row.try_get("agencies")?))?.unwrap_or_default(),
                sections: codes(Some(row.try_get("sections")?))?.unwrap_or_default(),
                account: AccountId(row.try_get("account_id")?),
                at: row.try_get("at")?,
            });
        }
        Ok(out)
    }
}
