-- 取込・出力: names that other systems use for our columns and codes, and imports under way.

CREATE TABLE exchange_mappings (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    table_id {{id}} NOT NULL,            -- standard file: person, progress …
    name TEXT NOT NULL,
    content_sealed {{blob}} NOT NULL,    -- JSON: headers and names of options
    version BIGINT NOT NULL,
    updated_by {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);
CREATE UNIQUE INDEX exchange_mappings_name ON exchange_mappings (municipality_id, table_id, name);

CREATE TABLE imports (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    table_id {{id}} NOT NULL,
    state {{id}} NOT NULL,               -- checking | ready | applying | indexing | done | failed
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    scopes TEXT NOT NULL,                -- JSON list, of the token it was sent with
    counts TEXT NOT NULL,                -- JSON: how many rows of which kind
    failure {{id}},
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, account_id) REFERENCES accounts (municipality_id, id)
);
CREATE INDEX imports_account ON imports (municipality_id, account_id, created_at);
CREATE INDEX imports_state ON imports (state, created_at);

-- The file and what came of checking it. Gone, with the key, when the import ends or after a day.
CREATE TABLE import_parts (
    municipality_id {{id}} NOT NULL,
    import_id {{id}} NOT NULL,
    kind {{id}} NOT NULL,                -- file | options | summary | create | update | same | error
    number BIGINT NOT NULL,
    content_sealed {{blob}} NOT NULL,
    PRIMARY KEY (municipality_id, import_id, kind, number),
    FOREIGN KEY (municipality_id, import_id) REFERENCES imports (municipality_id, id)
);
