-- projections.db: everything here follows from the ledgers. Delete the file and the next start makes it again.
-- The public surface are the views in views.sql; these tables may change from version to version.
--
-- An entry is one thing and one period: the owner's `member` had this value from record `valid_from` on, and in
-- past_entries until record `valid_to`. Times are microseconds since 1970 in UTC.

-- What entries belong to and what records speak of, each spelled out once. `kind` is a relation, or what the audit
-- index knows: user, policy, group, role, instance_profile, resource, actor, request, own.
CREATE TABLE things (
    id      INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    UNIQUE (account, kind, name)
) STRICT;

CREATE TABLE current_entries (
    owner      INTEGER NOT NULL, -- a thing whose kind is the relation
    member     TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    document   BLOB,             -- digest; the text is in documents
    valid_from INTEGER NOT NULL, -- position of the record that began it
    from_time  INTEGER NOT NULL,
    PRIMARY KEY (owner, member)
) STRICT, WITHOUT ROWID;

-- A relational interval tree: `node` is the roundest number in the period, so that all periods which hold at one
-- position are found at the few nodes above it, however many there are (projections/intervals.py).
CREATE TABLE past_entries (
    owner      INTEGER NOT NULL,
    node       INTEGER NOT NULL,
    member     TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    document   BLOB,
    valid_from INTEGER NOT NULL,
    from_time  INTEGER NOT NULL,
    valid_to   INTEGER NOT NULL, -- position of the record that ended it
    to_time    INTEGER NOT NULL,
    PRIMARY KEY (owner, node, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    digest   BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the text
    document TEXT NOT NULL
) STRICT;

-- One row per record: what it was, who did it, whom it was about. 0 and empty texts stand for none.
CREATE TABLE event_rows (
    account     TEXT    NOT NULL,
    position    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    call        INTEGER NOT NULL,
    caller      INTEGER NOT NULL,
    user        INTEGER NOT NULL, -- a thing
    user_name   TEXT    NOT NULL, -- as it was called then
    policy      INTEGER NOT NULL, -- a thing
    policy_name TEXT    NOT NULL,
    "group"     INTEGER NOT NULL,
    group_name  TEXT    NOT NULL,
    role        INTEGER NOT NULL,
    role_name   TEXT    NOT NULL,
    PRIMARY KEY (account, position),
    UNIQUE (account, recorded_at)
) STRICT, WITHOUT ROWID;

-- What was asked and what came of it. Empty texts stand for none.
CREATE TABLE calls (
    id      INTEGER PRIMARY KEY,
    action  TEXT NOT NULL,
    outcome TEXT NOT NULL,
    type    TEXT NOT NULL, -- of the event or the attempt
    code    TEXT NOT NULL,
    UNIQUE (action, outcome, type, code)
) STRICT;

-- Who asked, and from where.
CREATE TABLE callers (
    id            INTEGER PRIMARY KEY,
    actor_id      TEXT NOT NULL,
    actor_arn     TEXT NOT NULL,
    access_key_id TEXT NOT NULL,
    source        TEXT NOT NULL,
    source_ip     TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    UNIQUE (actor_id, actor_arn, access_key_id, source, source_ip, user_agent)
) STRICT;

-- Which records speak of which thing.
CREATE TABLE audit_index (
    thing    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (thing, position)
) STRICT, WITHOUT ROWID;

-- Roots of complete Merkle tiles: at level l, tile n is over the records from n·256^l + 1 to (n + 1)·256^l.
CREATE TABLE tiles (
    account TEXT    NOT NULL,
    level   INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    root    BLOB    NOT NULL,
    PRIMARY KEY (account, level, number)
) STRICT, WITHOUT ROWID;

-- How far each ledger has been read. `hash` is that record's: a ledger that does not have it is another ledger.
CREATE TABLE checkpoints (
    account  TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
