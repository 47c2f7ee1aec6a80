-- The public surface: views whose names and columns stay. docs/audit.md shows what to ask them.
--
-- A `…_history` view has one row per thing and period: it held from record `valid_from`, at the time `since`, until
-- record `valid_to`, at the time `until`; both are NULL while it still holds. The view without `_history` has what
-- holds now. Times are RFC 3339 in UTC. The name of a user, group or role beside its id is what it is called now, or
-- was called last.

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

CREATE VIEW groups_history AS
SELECT account, owner AS group_id, value ->> 'group_name' AS group_name, value ->> 'path' AS path,
       value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'group';

CREATE VIEW groups AS
SELECT account, group_id, group_name, path, created_at, valid_from, since
FROM groups_history WHERE valid_to IS NULL;

CREATE VIEW group_policies_history AS
SELECT account, owner AS group_id,
       (SELECT coalesce(
           (SELECT value ->> 'group_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'group_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'group' AND name = e.owner) AS group_name,
       iif(relation = 'group_policies', 'attached', 'inline') AS kind,
       iif(relation = 'group_policies', value, value ->> 'policy_name') AS policy_name,
       iif(relation = 'group_policies', member, NULL) AS policy_arn,
       document, valid_from, since, valid_to, until
FROM entries_history e WHERE relation IN ('group_policies', 'group_inline_policies');

CREATE VIEW group_policies AS
SELECT account, group_id, group_name, kind, policy_name, policy_arn, document, valid_from, since
FROM group_policies_history WHERE valid_to IS NULL;

CREATE VIEW user_groups_history AS
SELECT account, owner AS user_id,
       (SELECT coalesce(
           (SELECT value ->> 'user_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'user_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'user' AND name = e.owner) AS user_name,
       member AS group_id,
       (SELECT coalesce(
           (SELECT value ->> 'group_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'group_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'group' AND name = e.member) AS group_name,
       valid_from, since, valid_to, until
FROM entries_history e WHERE relation = 'user_groups';

CREATE VIEW user_groups AS
SELECT account, user_id, user_name, group_id, group_name, valid_from, since
FROM user_groups_history WHERE valid_to IS NULL;

-- What a user carries itself, and what it carries through each of its groups: while it was a member and the group
-- had it. The later of the two records began it, the earlier one ended it. Groups are looked up in the tables: SQLite
-- would put together what all groups ever had before it looks for those of one user.
CREATE VIEW effective_user_policies_history AS
SELECT account, user_id, user_name, kind, policy_name, policy_arn, NULL AS group_id, NULL AS group_name, document,
       valid_from, since, valid_to, until
FROM user_policies_history
UNION ALL
SELECT e.account, e.owner,
       (SELECT coalesce(
           (SELECT value ->> 'user_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'user_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'user' AND name = e.owner),
       iif(g.kind = 'group_policies', 'attached', 'inline'),
       iif(g.kind = 'group_policies', p.value, p.value ->> 'policy_name'),
       iif(g.kind = 'group_policies', p.member, NULL),
       e.member,
       (SELECT coalesce(
           (SELECT value ->> 'group_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'group_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'group' AND name = e.member),
       (SELECT document FROM documents WHERE digest = p.document),
       max(e.valid_from, p.valid_from),
       max(e.since, strftime('%Y-%m-%dT%H:%M:%S', p.from_time / 1000000, 'unixepoch') || printf('.%06dZ', p.from_time % 1000000)),
       e.valid_to,
       e.until
FROM entries_history e
CROSS JOIN things g ON g.account = e.account AND g.kind IN ('group_policies', 'group_inline_policies') AND g.name = e.member
CROSS JOIN current_entries p ON p.owner = g.id
WHERE e.relation = 'user_groups' AND (e.valid_to IS NULL OR e.valid_to > p.valid_from)
UNION ALL
SELECT e.account, e.owner,
       (SELECT coalesce(
           (SELECT value ->> 'user_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'user_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'user' AND name = e.owner),
       iif(g.kind = 'group_policies', 'attached', 'inline'),
       iif(g.kind = 'group_policies', p.value, p.value ->> 'policy_name'),
       iif(g.kind = 'group_policies', p.member, NULL),
       e.member,
       (SELECT coalesce(
           (SELECT value ->> 'group_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'group_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'group' AND name = e.member),
       (SELECT document FROM documents WHERE digest = p.document),
       max(e.valid_from, p.valid_from),
       max(e.since, strftime('%Y-%m-%dT%H:%M:%S', p.from_time / 1000000, 'unixepoch') || printf('.%06dZ', p.from_time % 1000000)),
       min(ifnull(e.valid_to, p.valid_to), p.valid_to),
       min(ifnull(e.until, '~'),
           strftime('%Y-%m-%dT%H:%M:%S', p.to_time / 1000000, 'unixepoch') || printf('.%06dZ', p.to_time % 1000000))
FROM entries_history e
CROSS JOIN things g ON g.account = e.account AND g.kind IN ('group_policies', 'group_inline_policies') AND g.name = e.member
CROSS JOIN past_entries p ON p.owner = g.id
WHERE e.relation = 'user_groups' AND p.valid_to > e.valid_from AND (e.valid_to IS NULL OR e.valid_to > p.valid_from);

CREATE VIEW effective_user_policies AS
SELECT account, user_id, user_name, kind, policy_name, policy_arn, group_id, group_name, document, valid_from, since
FROM effective_user_policies_history WHERE valid_to IS NULL;

CREATE VIEW roles_history AS
SELECT account, owner AS role_id, value ->> 'role_name' AS role_name, value ->> 'path' AS path,
       value ->> 'description' AS description, value ->> 'max_session_duration' AS max_session_duration,
       value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'role';

CREATE VIEW roles AS
SELECT account, role_id, role_name, path, description, max_session_duration, created_at, valid_from, since
FROM roles_history WHERE valid_to IS NULL;

CREATE VIEW role_policies_history AS
SELECT account, owner AS role_id,
       (SELECT coalesce(
           (SELECT value ->> 'role_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'role_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'role' AND name = e.owner) AS role_name,
       iif(relation = 'role_policies', 'attached', 'inline') AS kind,
       iif(relation = 'role_policies', value, value ->> 'policy_name') AS policy_name,
       iif(relation = 'role_policies', member, NULL) AS policy_arn,
       document, valid_from, since, valid_to, until
FROM entries_history e WHERE relation IN ('role_policies', 'role_inline_policies');

CREATE VIEW role_policies AS
SELECT account, role_id, role_name, kind, policy_name, policy_arn, document, valid_from, since
FROM role_policies_history WHERE valid_to IS NULL;

CREATE VIEW role_trust_policies_history AS
SELECT account, owner AS role_id, document, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'role_trust';

CREATE VIEW role_trust_policies AS
SELECT account, role_id, document, valid_from, since
FROM role_trust_policies_history WHERE valid_to IS NULL;

CREATE VIEW role_tags_history AS
SELECT account, owner AS role_id, value ->> 'key' AS key, value ->> 'value' AS value, valid_from, since, valid_to,
       until
FROM entries_history WHERE relation = 'role_tags';

CREATE VIEW role_tags AS
SELECT account, role_id, key, value, valid_from, since
FROM role_tags_history WHERE valid_to IS NULL;

CREATE VIEW role_boundaries_history AS
SELECT account, owner AS role_id, value AS policy_arn, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'role_boundary';

CREATE VIEW role_boundaries AS
SELECT account, role_id, policy_arn, valid_from, since
FROM role_boundaries_history WHERE valid_to IS NULL;

CREATE VIEW instance_profiles_history AS
SELECT account, owner AS instance_profile_id, value ->> 'instance_profile_name' AS instance_profile_name,
       value ->> 'path' AS path, value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'instance_profile';

CREATE VIEW instance_profiles AS
SELECT account, instance_profile_id, instance_profile_name, path, created_at, valid_from, since
FROM instance_profiles_history WHERE valid_to IS NULL;

CREATE VIEW instance_profile_roles_history AS
SELECT account, owner AS instance_profile_id, member AS role_id, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'instance_profile_roles';

CREATE VIEW instance_profile_roles AS
SELECT account, instance_profile_id, role_id, valid_from, since
FROM instance_profile_roles_history WHERE valid_to IS NULL;

CREATE VIEW instance_profile_tags_history AS
SELECT account, owner AS instance_profile_id, value ->> 'key' AS key, value ->> 'value' AS value, valid_from, since,
       valid_to, until
FROM entries_history WHERE relation = 'instance_profile_tags';

CREATE VIEW instance_profile_tags AS
SELECT account, instance_profile_id, key, value, valid_from, since
FROM instance_profile_tags_history WHERE valid_to IS NULL;

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
       nullif(caller.source_ip, '') AS source_ip, nullif(caller.user_agent, '') AS user_agent,
       "group".name AS group_id, e.group_name, role.name AS role_id, e.role_name
FROM event_rows e
JOIN calls call ON call.id = e.call
JOIN callers caller ON caller.id = e.caller
LEFT JOIN things user ON user.id = e.user
LEFT JOIN things policy ON policy.id = e.policy
LEFT JOIN things "group" ON "group".id = e."group"
LEFT JOIN things role ON role.id = e.role;
