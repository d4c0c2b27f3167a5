-- Merges of two register persons (統合): what was changed, so that it can be taken back.
CREATE TABLE person_merges (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    kept_id {{id}} NOT NULL,
    merged_id {{id}} NOT NULL,
    number BIGINT NOT NULL,              -- counts the merges into one person: the last is taken back first
    reason_sealed {{blob}} NOT NULL,
    journal_sealed {{blob}},             -- NULL once taken back
    merged_at {{id}} NOT NULL,
    merged_by {{id}} NOT NULL,
    undone_at {{id}},
    undone_by {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, kept_id) REFERENCES persons (municipality_id, id),
    FOREIGN KEY (municipality_id, merged_id) REFERENCES persons (municipality_id, id)
);
CREATE UNIQUE INDEX person_merges_number ON person_merges (municipality_id, kept_id, number);
CREATE INDEX person_merges_merged ON person_merges (municipality_id, merged_id);
CREATE INDEX persons_merged_into ON persons (municipality_id, merged_into);
