-- applied_migrations --
SELECT name, sha256
  FROM schema_migration
 ORDER BY name;

-- journal_writers --
-- Roles that could change or remove what is written once: by a grant on a table or a column, to
-- themselves or to everybody, or as a member of another role. Left out are the owner, who is no
-- service, and its members that write no journal; superusers, whom no right binds; and the roles
-- that come with PostgreSQL, which nobody is.
SELECT role.rolname AS grantee, privilege, journal.relname AS table_name
  FROM pg_class AS journal
 CROSS JOIN pg_roles AS role
 CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
 WHERE journal.relnamespace = current_schema()::regnamespace
   AND journal.relname = ANY($1::text[])
   AND role.oid <> journal.relowner
   AND NOT role.rolsuper
   AND role.rolname NOT LIKE 'pg\_%'
   AND CASE
         WHEN pg_has_role(role.oid, journal.relowner, 'MEMBER')
         THEN EXISTS (SELECT
                        FROM aclexplode(journal.relacl) AS acl
                       WHERE acl.grantee = role.oid AND acl.privilege_type = 'INSERT')
         ELSE has_table_privilege(role.oid, journal.oid, privilege)
              OR (privilege = 'UPDATE'
                  AND has_any_column_privilege(role.oid, journal.oid, privilege))
       END
 ORDER BY table_name, grantee, privilege;

-- hidden_code --
-- Code that runs with statements on the service's tables: no release brings any.
SELECT format('trigger %s on %s', pg_trigger.tgname, pg_trigger.tgrelid::regclass) AS name
  FROM pg_trigger
  JOIN pg_class ON pg_class.oid = pg_trigger.tgrelid
 WHERE NOT pg_trigger.tgisinternal AND pg_class.relnamespace = current_schema()::regnamespace
 UNION ALL
SELECT format('rule %s on %s', pg_rewrite.rulename, pg_rewrite.ev_class::regclass)
  FROM pg_rewrite
  JOIN pg_class ON pg_class.oid = pg_rewrite.ev_class
 WHERE pg_class.relkind IN ('r', 'p') AND pg_class.relnamespace = current_schema()::regnamespace
 UNION ALL
SELECT format('row security on %s', oid::regclass)
  FROM pg_class
 WHERE relrowsecurity AND relnamespace = current_schema()::regnamespace
 ORDER BY name;
