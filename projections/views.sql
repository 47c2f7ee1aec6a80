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

-- All that is a user's own, and what the user is called. That is looked up in the tables: SQLite would make
-- users_history of all accounts before it looks for one user in it.
CREATE VIEW user_entries_history AS
SELECT account, relation, owner AS user_id,
       (SELECT coalesce(
           (SELECT value ->> 'user_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'user_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'user' AND name = e.owner) AS user_name,
       member, value, document, valid_from, since, valid_to, until
FROM entries_history e
WHERE relation IN (
    'user', 'user_tags', 'user_boundary', 'user_policies', 'user_inline_policies', 'user_groups', 'user_access_keys',
    'login_profile', 'user_service_credentials', 'user_signing_certificates', 'user_ssh_public_keys', 'user_mfa_devices'
);

-- Not made from user_entries_history: SQLite is slow with one list of relations within another.
CREATE VIEW user_policies_history AS
SELECT account, owner AS user_id,
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

CREATE VIEW access_keys_history AS
SELECT account, user_id, user_name, member AS access_key_id, value ->> 'status' AS status,
       value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM user_entries_history WHERE relation = 'user_access_keys';

CREATE VIEW access_keys AS
SELECT account, user_id, user_name, access_key_id, status, created_at, valid_from, since
FROM access_keys_history WHERE valid_to IS NULL;

CREATE VIEW login_profiles_history AS
SELECT account, user_id, user_name, value ->> 'password_reset_required' AS password_reset_required,
       value ->> 'created_at' AS created_at, value ->> 'password_changed_at' AS password_changed_at,
       valid_from, since, valid_to, until
FROM user_entries_history WHERE relation = 'login_profile';

CREATE VIEW login_profiles AS
SELECT account, user_id, user_name, password_reset_required, created_at, password_changed_at, valid_from, since
FROM login_profiles_history WHERE valid_to IS NULL;

CREATE VIEW service_specific_credentials_history AS
SELECT account, user_id, user_name, member AS service_specific_credential_id,
       value ->> 'service_name' AS service_name, value ->> 'service_user_name' AS service_user_name,
       value ->> 'status' AS status, value ->> 'created_at' AS created_at, value ->> 'expires_at' AS expires_at,
       valid_from, since, valid_to, until
FROM user_entries_history WHERE relation = 'user_service_credentials';

CREATE VIEW service_specific_credentials AS
SELECT account, user_id, user_name, service_specific_credential_id, service_name, service_user_name, status,
       created_at, expires_at, valid_from, since
FROM service_specific_credentials_history WHERE valid_to IS NULL;

CREATE VIEW signing_certificates_history AS
SELECT account, user_id, user_name, member AS certificate_id, value ->> 'status' AS status,
       value ->> 'uploaded_at' AS uploaded_at, valid_from, since, valid_to, until
FROM user_entries_history WHERE relation = 'user_signing_certificates';

CREATE VIEW signing_certificates AS
SELECT account, user_id, user_name, certificate_id, status, uploaded_at, valid_from, since
FROM signing_certificates_history WHERE valid_to IS NULL;

CREATE VIEW ssh_public_keys_history AS
SELECT account, user_id, user_name, member AS ssh_public_key_id, value ->> 'fingerprint' AS fingerprint,
       value ->> 'status' AS status, value ->> 'uploaded_at' AS uploaded_at, valid_from, since, valid_to, until
FROM user_entries_history WHERE relation = 'user_ssh_public_keys';

CREATE VIEW ssh_public_keys AS
SELECT account, user_id, user_name, ssh_public_key_id, fingerprint, status, uploaded_at, valid_from, since
FROM ssh_public_keys_history WHERE valid_to IS NULL;

CREATE VIEW user_mfa_devices_history AS
SELECT account, user_id, user_name, member AS serial_number, value ->> 'enabled_at' AS enabled_at,
       valid_from, since, valid_to, until
FROM user_entries_history WHERE relation = 'user_mfa_devices';

CREATE VIEW user_mfa_devices AS
SELECT account, user_id, user_name, serial_number, enabled_at, valid_from, since
FROM user_mfa_devices_history WHERE valid_to IS NULL;

CREATE VIEW virtual_mfa_devices_history AS
SELECT account, member AS serial_number, value ->> 'virtual_mfa_device_name' AS virtual_mfa_device_name,
       value ->> 'path' AS path, value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'virtual_mfa_devices';

CREATE VIEW virtual_mfa_devices AS
SELECT account, serial_number, virtual_mfa_device_name, path, created_at, valid_from, since
FROM virtual_mfa_devices_history WHERE valid_to IS NULL;

CREATE VIEW mfa_device_tags_history AS
SELECT account, owner AS serial_number, value ->> 'key' AS key, value ->> 'value' AS value,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'mfa_device_tags';

CREATE VIEW mfa_device_tags AS
SELECT account, serial_number, key, value, valid_from, since FROM mfa_device_tags_history WHERE valid_to IS NULL;

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
SELECT account, user_id, user_name, member AS group_id,
       (SELECT coalesce(
           (SELECT value ->> 'group_name' FROM current_entries WHERE owner = id),
           (SELECT value ->> 'group_name' FROM past_entries WHERE owner = id ORDER BY valid_from DESC LIMIT 1))
        FROM things WHERE account = e.account AND kind = 'group' AND name = e.member) AS group_name,
       valid_from, since, valid_to, until
FROM user_entries_history e WHERE relation = 'user_groups';

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
SELECT e.account, e.user_id, e.user_name,
       iif(g.kind = 'group_policies', 'attached', 'inline'),
       iif(g.kind = 'group_policies', p.value, p.value ->> 'policy_name'),
       iif(g.kind = 'group_policies', p.member, NULL),
       e.group_id, e.group_name,
       (SELECT document FROM documents WHERE digest = p.document),
       max(e.valid_from, p.valid_from),
       max(e.since, strftime('%Y-%m-%dT%H:%M:%S', p.from_time / 1000000, 'unixepoch') || printf('.%06dZ', p.from_time % 1000000)),
       e.valid_to,
       e.until
FROM user_groups_history e
CROSS JOIN things g ON g.account = e.account AND g.kind IN ('group_policies', 'group_inline_policies') AND g.name = e.group_id
CROSS JOIN current_entries p ON p.owner = g.id
WHERE e.valid_to IS NULL OR e.valid_to > p.valid_from
UNION ALL
SELECT e.account, e.user_id, e.user_name,
       iif(g.kind = 'group_policies', 'attached', 'inline'),
       iif(g.kind = 'group_policies', p.value, p.value ->> 'policy_name'),
       iif(g.kind = 'group_policies', p.member, NULL),
       e.group_id, e.group_name,
       (SELECT document FROM documents WHERE digest = p.document),
       max(e.valid_from, p.valid_from),
       max(e.since, strftime('%Y-%m-%dT%H:%M:%S', p.from_time / 1000000, 'unixepoch') || printf('.%06dZ', p.from_time % 1000000)),
       min(ifnull(e.valid_to, p.valid_to), p.valid_to),
       min(ifnull(e.until, '~'),
           strftime('%Y-%m-%dT%H:%M:%S', p.to_time / 1000000, 'unixepoch') || printf('.%06dZ', p.to_time % 1000000))
FROM user_groups_history e
CROSS JOIN things g ON g.account = e.account AND g.kind IN ('group_policies', 'group_inline_policies') AND g.name = e.group_id
CROSS JOIN past_entries p ON p.owner = g.id
WHERE p.valid_to > e.valid_from AND (e.valid_to IS NULL OR e.valid_to > p.valid_from);

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

-- Documents as they were given. AWS's API shows users and roles in them as they are called at the instant.
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

CREATE VIEW saml_providers_history AS
SELECT account, member AS saml_provider_arn, value ->> 'saml_provider_uuid' AS saml_provider_uuid,
       value ->> 'assertion_encryption_mode' AS assertion_encryption_mode, value ->> 'valid_until' AS valid_until,
       value ->> 'created_at' AS created_at, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'saml_providers';

CREATE VIEW saml_providers AS
SELECT account, saml_provider_arn, saml_provider_uuid, assertion_encryption_mode, valid_until, created_at,
       valid_from, since
FROM saml_providers_history WHERE valid_to IS NULL;

CREATE VIEW saml_provider_metadata_history AS
SELECT account, owner AS saml_provider_arn, document, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'saml_metadata';

CREATE VIEW saml_provider_metadata AS
SELECT account, saml_provider_arn, document, valid_from, since
FROM saml_provider_metadata_history WHERE valid_to IS NULL;

CREATE VIEW saml_provider_private_keys_history AS
SELECT account, owner AS saml_provider_arn, member AS private_key_id, value ->> 'added_at' AS added_at,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'saml_private_keys';

CREATE VIEW saml_provider_private_keys AS
SELECT account, saml_provider_arn, private_key_id, added_at, valid_from, since
FROM saml_provider_private_keys_history WHERE valid_to IS NULL;

CREATE VIEW saml_provider_tags_history AS
SELECT account, owner AS saml_provider_arn, value ->> 'key' AS key, value ->> 'value' AS value,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'saml_provider_tags';

CREATE VIEW saml_provider_tags AS
SELECT account, saml_provider_arn, key, value, valid_from, since
FROM saml_provider_tags_history WHERE valid_to IS NULL;

CREATE VIEW open_id_connect_providers_history AS
SELECT account, member AS open_id_connect_provider_arn, value ->> 'url' AS url, value ->> 'created_at' AS created_at,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'open_id_connect_providers';

CREATE VIEW open_id_connect_providers AS
SELECT account, open_id_connect_provider_arn, url, created_at, valid_from, since
FROM open_id_connect_providers_history WHERE valid_to IS NULL;

CREATE VIEW open_id_connect_provider_client_ids_history AS
SELECT account, owner AS open_id_connect_provider_arn, member AS client_id, valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'open_id_connect_client_ids';

CREATE VIEW open_id_connect_provider_client_ids AS
SELECT account, open_id_connect_provider_arn, client_id, valid_from, since
FROM open_id_connect_provider_client_ids_history WHERE valid_to IS NULL;

CREATE VIEW open_id_connect_provider_thumbprints_history AS
SELECT account, owner AS open_id_connect_provider_arn, value ->> 'thumbprint_list' AS thumbprint_list,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'open_id_connect_thumbprints';

CREATE VIEW open_id_connect_provider_thumbprints AS
SELECT account, open_id_connect_provider_arn, thumbprint_list, valid_from, since
FROM open_id_connect_provider_thumbprints_history WHERE valid_to IS NULL;

CREATE VIEW open_id_connect_provider_tags_history AS
SELECT account, owner AS open_id_connect_provider_arn, value ->> 'key' AS key, value ->> 'value' AS value,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'open_id_connect_provider_tags';

CREATE VIEW open_id_connect_provider_tags AS
SELECT account, open_id_connect_provider_arn, key, value, valid_from, since
FROM open_id_connect_provider_tags_history WHERE valid_to IS NULL;

CREATE VIEW server_certificates_history AS
SELECT account, owner AS server_certificate_id, value ->> 'server_certificate_name' AS server_certificate_name,
       value ->> 'path' AS path, value ->> 'uploaded_at' AS uploaded_at, value ->> 'expires_at' AS expires_at,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'server_certificate';

CREATE VIEW server_certificates AS
SELECT account, server_certificate_id, server_certificate_name, path, uploaded_at, expires_at, valid_from, since
FROM server_certificates_history WHERE valid_to IS NULL;

CREATE VIEW server_certificate_tags_history AS
SELECT account, owner AS server_certificate_id, value ->> 'key' AS key, value ->> 'value' AS value,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'server_certificate_tags';

CREATE VIEW server_certificate_tags AS
SELECT account, server_certificate_id, key, value, valid_from, since
FROM server_certificate_tags_history WHERE valid_to IS NULL;

CREATE VIEW password_policies_history AS
SELECT account, value ->> 'minimum_password_length' AS minimum_password_length,
       value ->> 'require_symbols' AS require_symbols, value ->> 'require_numbers' AS require_numbers,
       value ->> 'require_uppercase_characters' AS require_uppercase_characters,
       value ->> 'require_lowercase_characters' AS require_lowercase_characters,
       value ->> 'allow_users_to_change_password' AS allow_users_to_change_password,
       value ->> 'max_password_age' AS max_password_age,
       value ->> 'password_reuse_prevention' AS password_reuse_prevention, value ->> 'hard_expiry' AS hard_expiry,
       valid_from, since, valid_to, until
FROM entries_history WHERE relation = 'password_policy';

CREATE VIEW password_policies AS
SELECT account, minimum_password_length, require_symbols, require_numbers, require_uppercase_characters,
       require_lowercase_characters, allow_users_to_change_password, max_password_age, password_reuse_prevention,
       hard_expiry, valid_from, since
FROM password_policies_history WHERE valid_to IS NULL;

-- A property of the account is a setting by its own name, such as RoleManager/Enabled.
CREATE VIEW account_settings_history AS
SELECT account,
       CASE relation
           WHEN 'account_alias' THEN 'account_alias'
           WHEN 'token_version' THEN 'global_endpoint_token_version'
           WHEN 'outbound_federation' THEN 'issuer_identifier'
           WHEN 'organizations_features' THEN 'enabled_features'
           ELSE member
       END AS setting,
       iif(relation = 'organizations_features', value ->> 'enabled_features', value) AS value,
       valid_from, since, valid_to, until
FROM entries_history
WHERE relation IN (
    'account_alias', 'token_version', 'outbound_federation', 'organizations_features', 'account_properties'
);

CREATE VIEW account_settings AS
SELECT account, setting, value, valid_from, since FROM account_settings_history WHERE valid_to IS NULL;

CREATE VIEW events AS
SELECT e.account, e.position,
       strftime('%Y-%m-%dT%H:%M:%S', e.recorded_at / 1000000, 'unixepoch')
       || printf('.%06dZ', e.recorded_at % 1000000) AS recorded_at,
       call.outcome, call.action, nullif(call.type, '') AS type, nullif(call.code, '') AS code,
       user.name AS user, nullif(e.user_name, '') AS user_name,
       policy.name AS policy_arn,
       coalesce(nullif(e.policy_name, ''), replace(policy.name, rtrim(policy.name, replace(policy.name, '/', '')), ''))
           AS policy_name,  -- what is behind the last slash of the ARN, where the record itself names none
       caller.actor_id, caller.actor_arn, nullif(caller.access_key_id, '') AS access_key_id, caller.source,
       nullif(caller.source_ip, '') AS source_ip, nullif(caller.user_agent, '') AS user_agent,
       "group".name AS group_id, nullif(e.group_name, '') AS group_name,
       role.name AS role_id, nullif(e.role_name, '') AS role_name
FROM event_rows e
JOIN calls call ON call.id = e.call
JOIN callers caller ON caller.id = e.caller
LEFT JOIN things user ON user.id = nullif(e.user, 0)
LEFT JOIN things policy ON policy.id = nullif(e.policy, 0)
LEFT JOIN things "group" ON "group".id = nullif(e."group", 0)
LEFT JOIN things role ON role.id = nullif(e.role, 0);
