-- Register, households, cases, disclosure, consent, documents and what is derived from them.

CREATE TABLE persons (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    version BIGINT NOT NULL,
    address_confidential BIGINT NOT NULL DEFAULT 0,
    merged_into {{id}},
    created_by {{id}},
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);

-- Identity fields with their periods of validity (旧姓, former addresses). One row is one value.
CREATE TABLE person_facts (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    field {{id}} NOT NULL,               -- name, name_kana, birth_date, address, phone_mobile …
    value_sealed {{blob}} NOT NULL,
    valid_from {{id}},
    valid_to {{id}},                     -- last day, NULL = current
    recorded_at {{id}} NOT NULL,
    recorded_by {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX person_facts_person ON person_facts (municipality_id, person_id);

-- Blind index: keyed hashes for exact look-ups and prefixes.
CREATE TABLE person_index (
    municipality_id {{id}} NOT NULL,
    kind {{id}} NOT NULL,                -- name | kana | birth_date | phone | atena_no
    token {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, kind, token, person_id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX person_index_person ON person_index (municipality_id, person_id);

CREATE TABLE person_flags (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    flag {{id}} NOT NULL,                -- option list risk_flag
    basis_sealed {{blob}},
    review_on {{id}},
    recorded_by {{id}},
    recorded_at {{id}} NOT NULL,
    ended_at {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX person_flags_person ON person_flags (municipality_id, person_id);

-- 住所秘匿: the agencies that may see address and telephone all the same.
CREATE TABLE person_address_allow (
    municipality_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    granted_by {{id}} NOT NULL,
    granted_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, person_id, agency_id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id),
    FOREIGN KEY (municipality_id, agency_id) REFERENCES agencies (municipality_id, id)
);

CREATE TABLE households (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    kind {{id}} NOT NULL,                -- registered (住民票) | actual
    name_sealed {{blob}} NOT NULL,
    created_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);

CREATE TABLE household_members (
    municipality_id {{id}} NOT NULL,
    household_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    kinship {{id}},                      -- to the head, option list kinship
    valid_from {{id}},
    valid_to {{id}},
    PRIMARY KEY (municipality_id, household_id, person_id),
    FOREIGN KEY (municipality_id, household_id) REFERENCES households (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX household_members_person ON household_members (municipality_id, person_id);

CREATE TABLE cases (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    case_no {{id}} NOT NULL,
    program {{id}} NOT NULL,             -- 多機関協働, 要対協 …
    title_sealed {{blob}},
    outcome_sealed {{blob}},
    stage {{id}} NOT NULL,
    urgency {{id}},
    received_on {{id}} NOT NULL,
    closed_on {{id}},
    owner_account_id {{id}},
    owner_agency_id {{id}} NOT NULL,     -- the coordinator agency the case belongs to
    lead_agency_id {{id}},               -- 主担当機関
    similar_ok BIGINT NOT NULL DEFAULT 0,
    retention_until {{id}},
    last_progress_on {{id}},
    next_person_number BIGINT NOT NULL DEFAULT 1,
    version BIGINT NOT NULL,
    created_by {{id}},
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, owner_agency_id) REFERENCES agencies (municipality_id, id),
    FOREIGN KEY (municipality_id, lead_agency_id) REFERENCES agencies (municipality_id, id)
);
CREATE UNIQUE INDEX cases_no ON cases (municipality_id, case_no);
CREATE INDEX cases_updated ON cases (municipality_id, updated_at, id);
CREATE INDEX cases_owner ON cases (municipality_id, owner_agency_id);

CREATE TABLE case_counters (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    fiscal_year BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (municipality_id, fiscal_year)
);

CREATE TABLE case_persons (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    role {{id}} NOT NULL,                -- client | household | relative | related
    kinship {{id}},
    number BIGINT NOT NULL,              -- the n of ［氏名n］; never reused within the case
    added_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id, person_id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX case_persons_person ON case_persons (municipality_id, person_id);

CREATE TABLE case_members (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    role {{id}} NOT NULL,
    valid_from {{id}} NOT NULL,
    valid_to {{id}},                     -- last day
    added_by {{id}},
    added_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id, agency_id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id),
    FOREIGN KEY (municipality_id, agency_id) REFERENCES agencies (municipality_id, id)
);
CREATE INDEX case_members_agency ON case_members (municipality_id, agency_id);

-- Who must not even learn that the case exists, or (with about_person) of anything about one person.
CREATE TABLE case_exclusions (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    kind {{id}} NOT NULL,                -- agency | account
    subject_id {{id}} NOT NULL,
    about_person {{id}} NOT NULL DEFAULT '', -- '' = the whole case
    reason_sealed {{blob}},
    added_by {{id}},
    added_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id, kind, subject_id, about_person),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);

CREATE TABLE disclosures (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    section {{id}} NOT NULL,
    level {{id}} NOT NULL,               -- none | masked | read | edit
    comment BIGINT NOT NULL,
    set_by {{id}} NOT NULL,
    set_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id, agency_id, section),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id),
    FOREIGN KEY (municipality_id, agency_id) REFERENCES agencies (municipality_id, id)
);

CREATE TABLE consents (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    status {{id}} NOT NULL,
    method {{id}},
    obtained_on {{id}},
    expires_on {{id}},
    withdrawn_on {{id}},
    allowed_agencies TEXT,               -- JSON list or NULL
    excluded_agencies TEXT NOT NULL,     -- JSON list
    allowed_sections TEXT,               -- JSON list or NULL
    policy_version TEXT,
    detail_sealed {{blob}},              -- purpose, proxy, note
    recorded_by {{id}} NOT NULL,
    recorded_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX consents_case ON consents (municipality_id, case_id, person_id, recorded_at);

-- 同意なし共有の記録.
CREATE TABLE consent_overrides (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    operation {{id}} NOT NULL,           -- disclosures | members | …
    basis {{id}} NOT NULL,
    reason_sealed {{blob}} NOT NULL,
    persons TEXT NOT NULL,               -- JSON lists of ids and codes
    agencies TEXT NOT NULL,
    sections TEXT NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    at {{id}} NOT NULL,
    ended_at {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE INDEX consent_overrides_case ON consent_overrides (municipality_id, case_id);

-- Bases other than consent: confirmations and 支援会議, with their members, persons, sections, period.
CREATE TABLE sharing_bases (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    basis {{id}} NOT NULL,               -- id in datasets/legal-bases.toml
    meeting {{id}},
    valid_from {{id}} NOT NULL,
    valid_to {{id}},                     -- last day
    sections TEXT NOT NULL,              -- JSON list of codes
    persons TEXT NOT NULL,               -- JSON list of ids
    recorded_by {{id}} NOT NULL,
    recorded_at {{id}} NOT NULL,
    ended_at {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE INDEX sharing_bases_case ON sharing_bases (municipality_id, case_id);

CREATE TABLE sharing_basis_members (
    municipality_id {{id}} NOT NULL,
    basis_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, basis_id, agency_id),
    FOREIGN KEY (municipality_id, basis_id) REFERENCES sharing_bases (municipality_id, id),
    FOREIGN KEY (municipality_id, agency_id) REFERENCES agencies (municipality_id, id)
);

CREATE TABLE documents (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    case_id {{id}},                      -- NULL: a note outside cases
    kind {{id}} NOT NULL,
    section {{id}},
    form {{id}},
    form_version BIGINT,
    schema_version BIGINT NOT NULL,
    parent_id {{id}},                    -- masks: the text document
    epoch BIGINT NOT NULL,
    state {{id}} NOT NULL,               -- draft | final | erased
    owner_agency_id {{id}} NOT NULL,
    created_by {{id}},
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id),
    FOREIGN KEY (municipality_id, parent_id) REFERENCES documents (municipality_id, id)
);
-- The id alone comes in on the socket, so it is unique over the installation.
CREATE UNIQUE INDEX documents_id ON documents (id);
CREATE INDEX documents_case ON documents (municipality_id, case_id);
CREATE INDEX documents_parent ON documents (municipality_id, parent_id);

CREATE TABLE document_subjects (
    municipality_id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, document_id, person_id),
    FOREIGN KEY (municipality_id, document_id) REFERENCES documents (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);

-- Sharing list of a note. account_id '' = the whole agency.
CREATE TABLE document_shares (
    municipality_id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    account_id {{id}} NOT NULL DEFAULT '',
    level {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, document_id, agency_id, account_id),
    FOREIGN KEY (municipality_id, document_id) REFERENCES documents (municipality_id, id)
);

-- What a finalised document said: immutable.
CREATE TABLE document_finals (
    municipality_id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    number BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    value_sealed {{blob}} NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, document_id, number),
    FOREIGN KEY (municipality_id, document_id) REFERENCES documents (municipality_id, id)
);

-- Current values of a document and the masked view of them, as last built.
CREATE TABLE document_projections (
    municipality_id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    audience {{id}} NOT NULL,            -- full | masked
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    generated_at {{id}} NOT NULL,
    value_sealed {{blob}} NOT NULL,
    PRIMARY KEY (municipality_id, document_id, audience),
    FOREIGN KEY (municipality_id, document_id) REFERENCES documents (municipality_id, id)
);

-- The last scan of a document's texts: field -> text and spans, sealed.
CREATE TABLE mask_scans (
    municipality_id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    state {{id}} NOT NULL,               -- done | failed
    pending BIGINT NOT NULL,             -- undecided spans
    at {{id}} NOT NULL,
    scan_sealed {{blob}} NOT NULL,
    PRIMARY KEY (municipality_id, document_id),
    FOREIGN KEY (municipality_id, document_id) REFERENCES documents (municipality_id, id)
);

CREATE TABLE mask_releases (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    at {{id}} NOT NULL,
    pending BIGINT NOT NULL,             -- spans undecided when released with a reason
    reason_sealed {{blob}},
    value_sealed {{blob}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, document_id) REFERENCES documents (municipality_id, id)
);
CREATE INDEX mask_releases_document ON mask_releases (municipality_id, document_id, at);

-- 支援経過, final. Corrections are amendments.
CREATE TABLE progress_records (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    performed_on {{id}} NOT NULL,
    method {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    visibility {{id}} NOT NULL,          -- own_org | kotaki | case_members | shien_members | custom
    content_sealed {{blob}} NOT NULL,    -- JSON of the other fields
    recorded_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE INDEX progress_records_case ON progress_records (municipality_id, case_id, performed_on, id);

CREATE TABLE progress_agencies (
    municipality_id {{id}} NOT NULL,
    record_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, record_id, agency_id),
    FOREIGN KEY (municipality_id, record_id) REFERENCES progress_records (municipality_id, id)
);

CREATE TABLE progress_persons (
    municipality_id {{id}} NOT NULL,
    record_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, record_id, person_id),
    FOREIGN KEY (municipality_id, record_id) REFERENCES progress_records (municipality_id, id)
);

CREATE TABLE progress_amendments (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    record_id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    content_sealed {{blob}} NOT NULL,    -- JSON: changed fields and reason
    recorded_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, record_id) REFERENCES progress_records (municipality_id, id)
);
CREATE INDEX progress_amendments_record ON progress_amendments (municipality_id, record_id, recorded_at);

CREATE TABLE transcripts (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    format {{id}} NOT NULL,
    encoding {{id}} NOT NULL,
    content_sealed {{blob}} NOT NULL,    -- JSON: utterances, speakers, draft, acceptances, file name
    version BIGINT NOT NULL,
    agency_id {{id}} NOT NULL,
    created_by {{id}} NOT NULL,
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE INDEX transcripts_case ON transcripts (municipality_id, case_id, created_at);

CREATE TABLE vectors (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    part {{id}} NOT NULL,                -- digest, or a chunk number
    model {{id}} NOT NULL,
    vector_sealed {{blob}} NOT NULL,     -- JSON: masked source text and the vector
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id, part, model),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);

-- Typed projection for statistics; no personal field.
CREATE TABLE case_facts (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    received_on {{id}} NOT NULL,
    route {{id}},
    contact_method {{id}},
    urgency {{id}},
    gender {{id}},
    age_band {{id}},
    household_type {{id}},
    consent_status {{id}},
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE INDEX case_facts_received ON case_facts (municipality_id, received_on);

CREATE TABLE case_issue_facts (
    municipality_id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    issue {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, case_id, issue),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);

CREATE TABLE blobs (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}},
    media_type {{id}} NOT NULL,
    size BIGINT NOT NULL,
    name_sealed {{blob}} NOT NULL,
    content_sealed {{blob}} NOT NULL,
    created_by {{id}} NOT NULL,
    created_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);
CREATE INDEX blobs_case ON blobs (municipality_id, case_id);
