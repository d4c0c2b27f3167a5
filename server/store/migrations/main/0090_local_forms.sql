-- What a municipality adds to the sheets that ship (ADR 0019). Definitions hold no personal data.

-- Publications are never changed: old records are read by the one of their time.
CREATE TABLE form_publications (
  municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
  version BIGINT NOT NULL,
  extension TEXT NOT NULL,
  -- Counts of what changed, JSON.
  changes TEXT NOT NULL,
  note TEXT NOT NULL,
  account_id {{id}} NOT NULL,
  membership_id {{id}} NOT NULL,
  at {{id}} NOT NULL,
  PRIMARY KEY (municipality_id, version)
);

-- What is being prepared; the revision tells two administrators apart.
CREATE TABLE form_drafts (
  municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
  revision BIGINT NOT NULL,
  extension TEXT NOT NULL,
  account_id {{id}} NOT NULL,
  at {{id}} NOT NULL,
  PRIMARY KEY (municipality_id)
);

-- The publication that a final was written under; 0 = as the sheet ships.
ALTER TABLE document_finals ADD COLUMN forms_version BIGINT NOT NULL DEFAULT 0;
