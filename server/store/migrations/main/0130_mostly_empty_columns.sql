-- Most persons are merged into nobody, most sheets have no parent, most files belong to no entry: these
-- indexes hold the others alone. Looking for rows without such a reference never goes through them.
DROP INDEX persons_merged_into;
CREATE INDEX persons_merged_into ON persons (municipality_id, merged_into) WHERE merged_into IS NOT NULL;
DROP INDEX documents_parent;
CREATE INDEX documents_parent ON documents (municipality_id, parent_id) WHERE parent_id IS NOT NULL;
DROP INDEX blobs_record;
CREATE INDEX blobs_record ON blobs (municipality_id, record_id) WHERE record_id IS NOT NULL;
