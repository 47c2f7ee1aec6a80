-- The public surface: views whose names and columns stay. docs/audit.md shows what to ask them.
--
-- A `…_history` view has one row per thing and period: it held from record `valid_from`, at the time `since`, until
-- record `valid_to`, at the time `until`; both are NULL while it still holds. The view without `_history` has what
-- holds now. Times are RFC 3339 in UTC. `user_name` is what the user is called now, or was called last.

-- The joins are CROSS so that things come first: what is not of the wanted relation may hold no JSON to look into.
CREATE VIEW entries_history AS
SELECT account, kind AS relation, name AS owner, member, value,
       (SELECT document FROM documents WHERE digest = entry.document) AS document,
       valid_from,
       strftime('%Y-%m-%dT%H:%M:%S', from_time / 1000000, 'unixepoch') || printf('.%06dZ', from_time % 1000000) AS since,
       NULL AS valid_to, NULL AS until
FROM things CROSS JOIN current_entries entry ON owner = id
UNION ALL
SELECT account, kind, name, member, value,
       (SELECT document FROM documents WHERE digest = entry.document),
       valid_from,
       strftime('%Y-%m-%dT%H:%M:%S', from_time / 1000000, 'unixepoch') || printf('.%06dZ', from_time % 1000000),
       valid_to,
       strftime('%Y-%m-%dT%H:%M:%S', to_time / 1000000, 'unixepoch') || printf('.%06dZ', to_time % 1000000)
FROM things CROSS JOIN past_entries entry ON owner = id;

CREATE VIEW users_history AS
SELECT account, owner AS user_id, value ->> 'user_name' AS user_name, value ->> 'path' AS path,
       value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'user';

CREATE VIEW users AS
SELECT account, user_id, user_name, path, created_at, valid_from, since FROM users_history WHERE valid_to IS NULL;

CREATE VIEW user_policies_history AS
SELECT account, owner AS user_id,
       -- Looked up in the tables: SQLite would make users_history of all accounts before it looks for one user in it.
       (SELECT coalesce(
           (SELECT value ->> 'user_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'user_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'user' AND name = e.owner) AS user_name,
       iif(relation = 'user_policies', 'attached', 'inline') AS kind,
       iif(relation = 'user_policies', value, value ->> 'policy_name') AS policy_name,
       iif(relation = 'user_policies', member, NULL) AS policy_arn,
       document, valid_from, since, valid_to, until
FROM entries_history e WHERE relation IN ('user_policies', 'user_inline_policies');

CREATE VIEW user_policies AS
SELECT account, user_id, user_name, kind, policy_name, policy_arn, document, valid_from, since
FROM user_policies_history WHERE valid_to IS NULL;

CREATE VIEW user_tags_history AS
SELECT account, owner AS user_id, value ->> 'key' AS key, value ->> 'value' AS value, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'user_tags';

CREATE VIEW user_tags AS
SELECT account, user_id, key, value, valid_from, since FROM user_tags_history WHERE valid_to IS NULL;

CREATE VIEW user_boundaries_history AS
SELECT account, owner AS user_id, value AS policy_arn, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'user_boundary';

CREATE VIEW user_boundaries AS
SELECT account, user_id, policy_arn, valid_from, since FROM user_boundaries_history WHERE valid_to IS NULL;

CREATE VIEW policies_history AS
SELECT account, owner AS policy_id, value ->> 'policy_name' AS policy_name, value ->> 'arn' AS policy_arn,
       value ->> 'path' AS path, value ->> 'description' AS description, value ->> 'created_at' AS created_at,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'policy';

CREATE VIEW policies AS
SELECT account, policy_id, policy_name, policy_arn, path, description, created_at, valid_from, since
FROM policies_history WHERE valid_to IS NULL;

CREATE VIEW policy_versions_history AS
SELECT account, owner AS policy_id, member AS version_id, document, value ->> 'created_at' AS created_at,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'policy_versions';

CREATE VIEW policy_versions AS
SELECT account, policy_id, version_id, document, created_at, valid_from, since
FROM policy_versions_history WHERE valid_to IS NULL;

CREATE VIEW policy_defaults_history AS
SELECT account, owner AS policy_id, value AS version_id, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'policy_default';

CREATE VIEW policy_defaults AS
SELECT account, policy_id, version_id, valid_from, since FROM policy_defaults_history WHERE valid_to IS NULL;

CREATE VIEW policy_tags_history AS
SELECT account, owner AS policy_id, value ->> 'key' AS key, value ->> 'value' AS value, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'policy_tags';

CREATE VIEW policy_tags AS
SELECT account, policy_id, key, value, valid_from, since FROM policy_tags_history WHERE valid_to IS NULL;

CREATE VIEW events AS
SELECT e.account, e.position,
       strftime('%Y-%m-%dT%H:%M:%S', e.recorded_at / 1000000, 'unixepoch')
       || printf('.%06dZ', e.recorded_at % 1000000) AS recorded_at,
       call.outcome, call.action, nullif(call.type, '') AS type, nullif(call.code, '') AS code,
       user.name AS user, e.user_name, policy.name AS policy_arn, e.policy_name,
       caller.actor_id, caller.actor_arn, nullif(caller.access_key_id, '') AS access_key_id, caller.source,
       nullif(caller.source_ip, '') AS source_ip, nullif(caller.user_agent, '') AS user_agent
FROM event_rows e
JOIN calls call ON call.id = e.call
JOIN callers caller ON caller.id = e.caller
LEFT JOIN things user ON user.id = e.user
LEFT JOIN things policy ON policy.id = e.policy;
