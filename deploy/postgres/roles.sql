-- The databases of the services and their roles, on any PostgreSQL 15 or later. It can be run again at any time.
--
-- Each service has a database of its own, an owner that migrates it, and a runtime role that the running service uses.
-- The runtime role owns nothing: migrations grant it what the service does, and on the journal that is SELECT and
-- INSERT only. Run it as a role that may create roles and databases, with the six passwords in the environment:
--
--   LEDGER_OWNER_PASSWORD=... LEDGER_RUNTIME_PASSWORD=... POINTS_OWNER_PASSWORD=... POINTS_RUNTIME_PASSWORD=... \
--   WALLET_OWNER_PASSWORD=... WALLET_RUNTIME_PASSWORD=... psql --set=ON_ERROR_STOP=1 --file=roles.sql

\getenv ledger_owner_password LEDGER_OWNER_PASSWORD
\getenv ledger_runtime_password LEDGER_RUNTIME_PASSWORD
\getenv points_owner_password POINTS_OWNER_PASSWORD
\getenv points_runtime_password POINTS_RUNTIME_PASSWORD
\getenv wallet_owner_password WALLET_OWNER_PASSWORD
\getenv wallet_runtime_password WALLET_RUNTIME_PASSWORD

SET client_min_messages = warning;

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', role_name)
  FROM unnest(ARRAY[
         'ledger_owner', 'ledger_runtime', 'points_owner', 'points_runtime', 'wallet_owner', 'wallet_runtime'
       ]) AS wanted (role_name)
 WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted.role_name)
\gexec

ALTER ROLE ledger_owner PASSWORD :'ledger_owner_password';
ALTER ROLE ledger_runtime PASSWORD :'ledger_runtime_password';
ALTER ROLE points_owner PASSWORD :'points_owner_password';
ALTER ROLE points_runtime PASSWORD :'points_runtime_password';
ALTER ROLE wallet_owner PASSWORD :'wallet_owner_password';
ALTER ROLE wallet_runtime PASSWORD :'wallet_runtime_password';

-- Who creates a database for another role must be a member of that role (superusers need it not).
GRANT ledger_owner, points_owner, wallet_owner TO CURRENT_USER;

SELECT format('CREATE DATABASE %I OWNER %I', wanted.service, wanted.service || '_owner')
  FROM unnest(ARRAY['ledger', 'points', 'wallet']) AS wanted (service)
 WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = wanted.service)
\gexec

-- By default every role may connect to every database; here a service's roles reach their own one only.
REVOKE ALL ON DATABASE ledger FROM PUBLIC;
REVOKE ALL ON DATABASE points FROM PUBLIC;
REVOKE ALL ON DATABASE wallet FROM PUBLIC;
GRANT CONNECT ON DATABASE ledger TO ledger_runtime;
GRANT CONNECT ON DATABASE points TO points_runtime;
GRANT CONNECT ON DATABASE wallet TO wallet_runtime;
