-- By which rules a person's entries in person_index were made; those of an older number are made anew
-- in the background.
ALTER TABLE persons ADD COLUMN index_version BIGINT NOT NULL DEFAULT 0;
CREATE INDEX persons_index_version ON persons (index_version, municipality_id, id);
