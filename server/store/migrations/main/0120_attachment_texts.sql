-- The text of an attachment, read from it in the background for the search.
ALTER TABLE blobs ADD COLUMN text_state {{id}} NOT NULL DEFAULT 'waiting';  -- waiting | read | none | locked | unreadable
ALTER TABLE blobs ADD COLUMN text_sealed {{blob}};
CREATE INDEX blobs_text_state ON blobs (municipality_id, text_state);
