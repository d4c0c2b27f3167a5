-- 支援経過: drafts, templates, and attachments of entries.

-- What somebody is writing. One per writer (account and agency) and case.
CREATE TABLE progress_drafts (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    content_sealed {{blob}} NOT NULL,    -- JSON: the form as the screen keeps it
    version BIGINT NOT NULL,
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE UNIQUE INDEX progress_drafts_writer ON progress_drafts (municipality_id, case_id, agency_id, account_id);

-- Templates of a writer, or shared in the agency.
CREATE TABLE progress_templates (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    shared BIGINT NOT NULL,
    content_sealed {{blob}} NOT NULL,    -- JSON: name, method, title, text
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);
CREATE INDEX progress_templates_agency ON progress_templates (municipality_id, agency_id, shared);

-- The newest entry of a writer in a case: what is offered again.
CREATE INDEX progress_records_writer ON progress_records (municipality_id, case_id, account_id, recorded_at);

-- Attachments belong to an entry; without one they wait for the entry that is being written.
-- The first part of the content stands in blobs, the others in blob_parts.
ALTER TABLE blobs ADD COLUMN record_id {{id}};
ALTER TABLE blobs ADD COLUMN agency_id {{id}};
ALTER TABLE blobs ADD COLUMN state {{id}} NOT NULL DEFAULT 'ready';  -- receiving | ready
CREATE INDEX blobs_record ON blobs (municipality_id, record_id);

CREATE TABLE blob_parts (
    municipality_id {{id}} NOT NULL,
    blob_id {{id}} NOT NULL,
    number BIGINT NOT NULL,              -- from 1
    content_sealed {{blob}} NOT NULL,
    PRIMARY KEY (municipality_id, blob_id, number)
);
