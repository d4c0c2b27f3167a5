-- The durable log of live documents: heads, sealed entries, one sealed snapshot, sealed versions.

CREATE TABLE document_heads (
    document_id {{id}} NOT NULL PRIMARY KEY,
    municipality_id {{id}} NOT NULL,
    -- The data key that seals this document's records. NULL: removed by erasure.
    data_key_id {{id}} NOT NULL,
    epoch BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    created_at {{id}} NOT NULL,
    updated_at {{id}} NOT NULL
);

CREATE TABLE document_entries (
    document_id {{id}} NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    entry_sealed {{blob}} NOT NULL,
    PRIMARY KEY (document_id, epoch, seq)
);

CREATE TABLE document_snapshots (
    document_id {{id}} NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    snapshot_sealed {{blob}} NOT NULL
);

CREATE TABLE document_versions (
    document_id {{id}} NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    label TEXT NOT NULL,
    at {{id}} NOT NULL,
    author TEXT NOT NULL,
    state_sealed {{blob}} NOT NULL,
    PRIMARY KEY (document_id, epoch, seq, label)
);
