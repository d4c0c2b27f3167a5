-- The course of a case: every step it took, and what is asked of others on the way.

CREATE TABLE case_steps (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    number BIGINT NOT NULL,              -- from 1, in the order of the case's steps
    from_stage {{id}},                   -- NULL: reception
    to_stage {{id}} NOT NULL,
    entered_on {{id}} NOT NULL,          -- business date
    missing TEXT NOT NULL,               -- JSON list of codes: what was missing and gone on without
    reason_sealed {{blob}},
    account_id {{id}} NOT NULL,
    membership_id {{id}} NOT NULL,
    agency_id {{id}} NOT NULL,
    at {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id)
);
CREATE UNIQUE INDEX case_steps_case ON case_steps (municipality_id, case_id, number);

-- つなぐ, 割当, 引継ぎ, 支援決定の依頼.
CREATE TABLE case_requests (
    municipality_id {{id}} NOT NULL,
    id {{id}} NOT NULL,
    case_id {{id}} NOT NULL,
    kind {{id}} NOT NULL,                -- refer | assign | handover_lead | handover_owner | decision
    state {{id}} NOT NULL,               -- requested | accepted | declined | withdrawn | completed
    from_agency_id {{id}} NOT NULL,
    from_account_id {{id}} NOT NULL,
    from_membership_id {{id}} NOT NULL,
    to_agency_id {{id}} NOT NULL,
    to_account_id {{id}},                -- of an assignment
    due_on {{id}},                       -- answer wanted by
    rights TEXT NOT NULL,                -- JSON list: rows of the matrix that acceptance sets
    bases TEXT NOT NULL,                 -- JSON list: sharing_bases confirmed for it; they end with it
    content_sealed {{blob}} NOT NULL,    -- JSON: words, and their masked form
    requested_at {{id}} NOT NULL,
    answer_sealed {{blob}},              -- JSON: words; of a decision also the approver
    answered_by {{id}},
    answered_membership_id {{id}},
    answered_at {{id}},
    seen_at {{id}},                      -- the answer was read by those who asked
    completed_by {{id}},
    completed_at {{id}},
    plan_document_id {{id}},             -- of a decision: which plan, which of its finals
    plan_number BIGINT,
    plan_final BIGINT,
    decided_on {{id}},
    document_no TEXT,                    -- 文書番号
    PRIMARY KEY (municipality_id, id),
    FOREIGN KEY (municipality_id, case_id) REFERENCES cases (municipality_id, id),
    FOREIGN KEY (municipality_id, from_agency_id) REFERENCES agencies (municipality_id, id),
    FOREIGN KEY (municipality_id, to_agency_id) REFERENCES agencies (municipality_id, id)
);
CREATE INDEX case_requests_case ON case_requests (municipality_id, case_id, requested_at);
CREATE INDEX case_requests_to ON case_requests (municipality_id, to_agency_id, state);
CREATE INDEX case_requests_from ON case_requests (municipality_id, from_agency_id, state);
-- The same is asked of an agency once at a time.
CREATE UNIQUE INDEX case_requests_open ON case_requests (municipality_id, case_id, kind, to_agency_id) WHERE state = 'requested';

-- Who looks after the case within a member agency.
ALTER TABLE case_members ADD COLUMN account_id {{id}};
