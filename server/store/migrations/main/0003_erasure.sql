-- 消去: requests, their carrying out, and what remains of them (廃棄記録).

-- The generation of the municipality key that wraps data keys: raised in the transaction that wraps
-- them anew, so that no node goes on wrapping under one that is about to be dropped.
CREATE TABLE key_generations (
    municipality_id {{id}} NOT NULL PRIMARY KEY REFERENCES municipalities (id),
    generation BIGINT NOT NULL
);

-- No foreign keys: the record outlives the case and the documents it is about.
CREATE TABLE erasures (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    id {{id}} NOT NULL,
    scope {{id}} NOT NULL,               -- past | document | case
    ground {{id}} NOT NULL,              -- mistaken_entry | retention_expired | correction
    case_id {{id}},
    case_no {{id}},
    document_id {{id}},
    document_kind {{id}},
    objects TEXT NOT NULL,               -- JSON list of {kind, id} erased along
    reason_sealed {{blob}},              -- under the key of what is erased; NULL once done
    state {{id}} NOT NULL,               -- requested | approved | done | rejected
    requested_by {{id}} NOT NULL,
    requested_membership {{id}} NOT NULL,
    requested_at {{id}} NOT NULL,
    decided_by {{id}},
    decided_membership {{id}},
    decided_at {{id}},
    step {{id}},                         -- the next step of one that is carried out
    lease_until {{id}},                  -- one node at a time works on it
    counts TEXT NOT NULL,                -- JSON object: kind -> number
    documents TEXT NOT NULL,             -- JSON list of {id, epoch}: what was rewritten or removed
    done_at {{id}},
    PRIMARY KEY (municipality_id, id)
);
CREATE INDEX erasures_state ON erasures (municipality_id, state, decided_at);
