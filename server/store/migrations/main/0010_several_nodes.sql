-- What several nodes on one database ask each other by way of it: whose rights changed, and who is
-- at a piece of work that must not be done twice at once.

-- Changes of rights, gapless per municipality and in commit order. Old ones are swept; who finds a
-- gap asks for everybody anew.
CREATE TABLE rights_changes (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    seq BIGINT NOT NULL,
    at {{id}} NOT NULL,
    change TEXT NOT NULL,                -- JSON of ids: collab::Change
    PRIMARY KEY (municipality_id, seq)
);

CREATE TABLE rights_heads (
    municipality_id {{id}} NOT NULL PRIMARY KEY REFERENCES municipalities (id),
    seq BIGINT NOT NULL
);

CREATE TABLE claims (
    municipality_id {{id}} NOT NULL REFERENCES municipalities (id),
    name {{id}} NOT NULL,
    holder {{id}} NOT NULL,
    until {{id}} NOT NULL,
    PRIMARY KEY (municipality_id, name)
);
