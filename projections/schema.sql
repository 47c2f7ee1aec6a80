-- projections.db: everything here follows from the ledgers. Delete the file and the next start makes it again.
--
-- An entry is one thing and one period: in `account`, `relation`[`owner`, `member`] had this value from record
-- `valid_from` on, and in past_entries until record `valid_to`. Times are microseconds since 1970 in UTC.

CREATE TABLE current_entries (
    account    TEXT    NOT NULL,
    relation   TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    member     TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    document   BLOB,             -- digest; the text is in documents
    valid_from INTEGER NOT NULL, -- position of the record that began it
    from_time  INTEGER NOT NULL,
    PRIMARY KEY (account, relation, owner, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE past_entries (
    account    TEXT    NOT NULL,
    relation   TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    member     TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    document   BLOB,
    valid_from INTEGER NOT NULL,
    from_time  INTEGER NOT NULL,
    valid_to   INTEGER NOT NULL, -- position of the record that ended it
    to_time    INTEGER NOT NULL,
    PRIMARY KEY (account, relation, owner, member, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    digest   BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the text
    document TEXT NOT NULL
) STRICT;

-- Which records speak of what: terms such as `user:AIDA…`, `policy:arn:…`, `actor:…`, `request:…`.
CREATE TABLE audit_index (
    account  TEXT    NOT NULL,
    term     TEXT    NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (account, term, position)
) STRICT, WITHOUT ROWID;

-- How far each ledger has been read. `hash` is that record's: a ledger that does not have it is another ledger.
CREATE TABLE checkpoints (
    account  TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- The public surface: views with stable names.

CREATE VIEW users AS
SELECT account, owner AS user_id, value ->> 'user_name' AS user_name, value ->> 'path' AS path,
       value ->> 'created_at' AS created_at
FROM current_entries WHERE relation = 'user';

CREATE VIEW user_policies AS
SELECT p.account, p.owner AS user_id, u.value ->> 'user_name' AS user_name,
       CASE p.relation WHEN 'user_policies' THEN 'attached' ELSE 'inline' END AS kind,
       CASE p.relation WHEN 'user_policies' THEN p.value ELSE p.value ->> 'policy_name' END AS policy_name,
       CASE p.relation WHEN 'user_policies' THEN p.member END AS policy_arn,
       d.document, p.valid_from,
       strftime('%Y-%m-%dT%H:%M:%S', p.from_time / 1000000, 'unixepoch') || printf('.%06dZ', p.from_time % 1000000) AS since
FROM current_entries p
LEFT JOIN current_entries u ON u.account = p.account AND u.relation = 'user' AND u.owner = p.owner AND u.member = ''
LEFT JOIN documents d ON d.digest = p.document
WHERE p.relation IN ('user_policies', 'user_inline_policies');
