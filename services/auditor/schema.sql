-- applied_migrations --
SELECT name, sha256
  FROM schema_migration
 ORDER BY name;

-- journal_writers --
-- Roles other than the owner that could change or remove what is written once.
SELECT granted.grantee, granted.privilege_type, granted.table_name
  FROM information_schema.role_table_grants AS granted
  JOIN pg_tables AS owned
    ON owned.schemaname = granted.table_schema AND owned.tablename = granted.table_name
 WHERE granted.table_schema = current_schema()
   AND granted.table_name = ANY($1::text[])
   AND granted.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')
   AND granted.grantee <> owned.tableowner
 ORDER BY granted.table_name, granted.grantee, granted.privilege_type;
