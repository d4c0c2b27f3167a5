-- Households of the register; days of rights; presets.

-- One row is one stay of a person. A household carries no words of its
-- own: what it is called follows from who stays there.
CREATE TABLE household_stays (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    household_id {{id}} NOT NULL,
    person_id {{id}} NOT NULL,
    kinship {{id}},                      -- to the head, option list kinship; self = the head
    valid_from {{id}},                   -- NULL = not known
    valid_to {{id}},                     -- last day, NULL = stays there
    detail_sealed {{blob}},              -- other kinship and reasons, JSON
    version BIGINT NOT NULL,
    recorded_by {{id}},
    recorded_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, household_id) REFERENCES households (municipality_id, id),
    FOREIGN KEY (municipality_id, person_id) REFERENCES persons (municipality_id, id)
);
CREATE INDEX household_stays_person ON household_stays (municipality_id, person_id);
CREATE INDEX household_stays_household ON household_stays (municipality_id, household_id);
INSERT INTO household_stays (municipality_id, id, household_id, person_id, kinship, valid_from, valid_to, version, recorded_at)
    SELECT m.municipality_id, m.household_id || '.' || m.person_id, m.household_id, m.person_id, m.kinship, m.valid_from, m.valid_to, 1, h.created_at
    FROM household_members m JOIN households h ON h.municipality_id = m.municipality_id AND h.id = m.household_id;
DROP TABLE household_members;
ALTER TABLE households DROP COLUMN name_sealed;

-- A right of the matrix may have days: outside them it gives nothing.
ALTER TABLE disclosures ADD COLUMN valid_from {{id}};
ALTER TABLE disclosures ADD COLUMN valid_to {{id}};
CREATE INDEX disclosures_ending ON disclosures (municipality_id, valid_to) WHERE valid_to IS NOT NULL;

-- Presets of the matrix that a municipality defined. They hold no personal data.
CREATE TABLE disclosure_presets (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    version BIGINT NOT NULL,
    content TEXT NOT NULL,               -- JSON: label, description, rows
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    updated_by {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);
