-- 検索: searches that an account keeps, and those it made last.

CREATE TABLE saved_searches (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    kind {{id}} NOT NULL,                -- saved | recent
    content_sealed {{blob}} NOT NULL,    -- JSON: name, words and filters
    used_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, account_id) REFERENCES accounts (municipality_id, id)
);
CREATE INDEX saved_searches_account ON saved_searches (municipality_id, account_id, kind, used_at);
