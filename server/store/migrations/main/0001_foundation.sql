-- Municipalities, agencies, accounts, sessions, keys, audit, outbox.

CREATE TABLE municipalities (
    id {{id}} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    capabilities TEXT NOT NULL,          -- JSON object: function -> true/false or settings
    demo BIGINT NOT NULL DEFAULT 0,
    created_at {{id}} NOT NULL
);

-- Data keys of the envelope encryption, wrapped by a generation of the municipality key.
CREATE TABLE data_keys (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    purpose {{id}} NOT NULL,             -- municipality | register | index | case
    owner_id {{id}} NOT NULL DEFAULT '', -- the case, or ''
    wrapped {{blob}},                    -- NULL once destroyed
    state {{id}} NOT NULL,               -- active | retired | destroyed
    created_at {{id}} NOT NULL,
    destroyed_at {{id}},
    PRIMARY KEY (municipality_id, id)
);
CREATE UNIQUE INDEX data_keys_active ON data_keys (municipality_id, purpose, owner_id) WHERE state = 'active';

-- A legal body; the corporate number tells the same body in two municipalities.
CREATE TABLE organisations (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    name TEXT NOT NULL,
    corporate_number TEXT,
    created_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id)
);

CREATE TABLE agencies (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    organisation_id {{id}},
    name TEXT NOT NULL,
    class {{id}} NOT NULL,               -- coordinator | department | agency
    org_type {{id}},                     -- option list org_type
    phone TEXT,
    state {{id}} NOT NULL,               -- active | stopped
    version BIGINT NOT NULL,
    created_at {{id}} NOT NULL,
    stopped_at {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, organisation_id) REFERENCES organisations (municipality_id, id)
);
CREATE UNIQUE INDEX agencies_name ON agencies (municipality_id, name);

CREATE TABLE accounts (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    -- One sign-in page for the installation: unique over all municipalities.
    login_id {{id}} NOT NULL,
    name TEXT NOT NULL,
    kana TEXT,
    email TEXT,
    profession {{id}},
    state {{id}} NOT NULL,               -- active | stopped
    password_hash TEXT NOT NULL,
    password_changed_at {{id}} NOT NULL,
    must_change_password BIGINT NOT NULL,
    totp_sealed {{blob}},                -- enrolled secret
    totp_last_step BIGINT NOT NULL DEFAULT 0,
    -- The person of the register this account is (a client may work for an agency): exclusions.
    person_id {{id}},
    version BIGINT NOT NULL,
    created_at {{id}} NOT NULL,
    stopped_at {{id}},
    PRIMARY KEY (municipality_id, id)
);
CREATE UNIQUE INDEX accounts_login_id ON accounts (login_id);

CREATE TABLE memberships (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    role {{id}} NOT NULL,
    valid_from {{id}} NOT NULL,          -- business date
    valid_to {{id}},                     -- last day, NULL = open
    state {{id}} NOT NULL,               -- active | stopped
    version BIGINT NOT NULL,
    created_at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, account_id) REFERENCES accounts (municipality_id, id),
    FOREIGN KEY (municipality_id, agency_id) REFERENCES agencies (municipality_id, id)
);
CREATE INDEX memberships_account ON memberships (municipality_id, account_id);
CREATE INDEX memberships_agency ON memberships (municipality_id, agency_id);

CREATE TABLE recovery_codes (
    municipality_id {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    code_hash {{id}} NOT NULL,
    used_at {{id}},
    PRIMARY KEY (municipality_id, account_id, code_hash),
    FOREIGN KEY (municipality_id, account_id) REFERENCES accounts (municipality_id, id)
);

-- Failed sign-ins per account and source: locking one source does not lock the account's owner out.
CREATE TABLE sign_in_attempts (
    subject {{id}} NOT NULL,             -- SHA-256 of the login id as typed
    source {{id}} NOT NULL,
    failures BIGINT NOT NULL,
    locked_until {{id}},
    last_at {{id}} NOT NULL,
    PRIMARY KEY (subject, source)
);

CREATE TABLE sessions (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    token_hash {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}},
    stage {{id}} NOT NULL,               -- totp | enrolment | password | ready
    enrolment_sealed {{blob}},           -- secret shown, not yet confirmed
    created_at {{id}} NOT NULL,
    last_seen_at {{id}} NOT NULL,
    expires_at {{id}} NOT NULL,          -- absolute
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, account_id) REFERENCES accounts (municipality_id, id)
);
CREATE UNIQUE INDEX sessions_token ON sessions (token_hash);
CREATE INDEX sessions_account ON sessions (municipality_id, account_id);

CREATE TABLE api_tokens (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    token_hash {{id}} NOT NULL,
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,                -- JSON list; empty = everything the membership may
    created_at {{id}} NOT NULL,
    expires_at {{id}} NOT NULL,
    revoked_at {{id}},
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, account_id) REFERENCES accounts (municipality_id, id)
);
CREATE UNIQUE INDEX api_tokens_token ON api_tokens (token_hash);

-- Ids only; search terms sealed. Rows of a municipality form a hash chain.
CREATE TABLE audit (
    municipality_id {{id}} NOT NULL,
    seq BIGINT NOT NULL,
    at {{id}} NOT NULL,
    account_id {{id}},
    membership_id {{id}},
    agency_id {{id}},
    action {{id}} NOT NULL,
    outcome {{id}} NOT NULL,             -- ok | denied | failed
    object_kind {{id}} NOT NULL,
    object_id {{id}} NOT NULL,
    case_id {{id}},
    detail TEXT NOT NULL,                -- JSON of codes, ids, counts
    terms_sealed {{blob}},
    hash {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, seq)
);
CREATE INDEX audit_case ON audit (municipality_id, case_id, seq);
CREATE INDEX audit_account ON audit (municipality_id, account_id, seq);

CREATE TABLE audit_heads (
    municipality_id {{id}} NOT NULL PRIMARY KEY REFERENCES municipalities (id),
    seq BIGINT NOT NULL,
    hash {{id}} NOT NULL
);

-- Changes for consumers, gapless per municipality and in commit order.
CREATE TABLE outbox (
    municipality_id {{id}} NOT NULL,
    seq BIGINT NOT NULL,
    at {{id}} NOT NULL,
    topic {{id}} NOT NULL,
    object_id {{id}} NOT NULL,
    case_id {{id}},
    payload TEXT NOT NULL,               -- JSON of codes and ids
    PRIMARY KEY (municipality_id, seq)
);

CREATE TABLE outbox_heads (
    municipality_id {{id}} NOT NULL PRIMARY KEY REFERENCES municipalities (id),
    seq BIGINT NOT NULL
);

-- How far a consumer is: in the outbox (document_id '') or in a document's log.
CREATE TABLE consumer_positions (
    consumer {{id}} NOT NULL,
    municipality_id {{id}} NOT NULL,
    document_id {{id}} NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    updated_at {{id}} NOT NULL,
    PRIMARY KEY (consumer, municipality_id, document_id)
);
