-- The log. One table, one row per record, only ever appended to.
-- `record` is the truth; every other column is a copy of something in it, for the indexes.
-- No other table: whatever is in this file is covered by the hash chains.
CREATE TABLE records (
    account       TEXT    NOT NULL,
    position      INTEGER NOT NULL CHECK (position > 0),
    recorded_at   INTEGER NOT NULL,  -- microseconds since 1970
    command_id    TEXT    NOT NULL,
    command_index INTEGER NOT NULL,
    record        BLOB    NOT NULL,  -- JSON
    hash          BLOB    NOT NULL,  -- SHA-256(0x00 || record)
    PRIMARY KEY (account, position)
) STRICT;

-- Exactly once, for ever: the same command is never recorded twice.
CREATE UNIQUE INDEX commands ON records (account, command_id, command_index);

-- INSERT OR REPLACE deletes before it inserts, and only a BEFORE trigger sees it coming. This one lets in nothing
-- but the next position with a later time, a new command and a new rowid.
CREATE TRIGGER records_are_appended BEFORE INSERT ON records
BEGIN
    SELECT RAISE(ABORT, 'history is append-only: not the next position, or not later')
    WHERE (NEW.position, 1) IS NOT (
        SELECT coalesce(max(position), 0) + 1, coalesce(max(recorded_at), 0) < NEW.recorded_at
        FROM (SELECT position, recorded_at FROM records WHERE account = NEW.account ORDER BY position DESC LIMIT 1)
    );
    SELECT RAISE(ABORT, 'history is append-only: command already recorded')
    WHERE EXISTS (
        SELECT 1 FROM records
        WHERE account = NEW.account AND command_id = NEW.command_id AND command_index = NEW.command_index
    );
    SELECT RAISE(ABORT, 'history is append-only: rowid already taken')
    WHERE EXISTS (SELECT 1 FROM records WHERE rowid = NEW.rowid);
END;

CREATE TRIGGER records_are_never_changed BEFORE UPDATE ON records
BEGIN
    SELECT RAISE(ABORT, 'history is append-only: records are never changed');
END;

CREATE TRIGGER records_are_never_deleted BEFORE DELETE ON records
BEGIN
    SELECT RAISE(ABORT, 'history is append-only: records are never deleted');
END;
