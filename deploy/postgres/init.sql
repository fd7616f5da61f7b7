-- Roles and databases of an installation on a PostgreSQL of one's own (15 or later). For psql, as an administrator:
--
--   SAMTYKKEBRO_PASSWORDS=/path/to/secrets psql --no-psqlrc -f deploy/postgres/init.sql
--
-- The folder holds one file per role, database_<role>, with its password; without the variable /run/secrets is read,
-- which is where the compose file mounts them. It may be run again: it sets the passwords anew and changes nothing else.
--
-- Each service has its own database. <service>_owner owns it and runs migrations; <service> is what runs, and owns
-- nothing. The database bus and its roles bus_<service> serve the embedded bus alone and are not needed with Kafka.
-- `samtykkebro` makes the same by itself (libs/cli/installation/databases.py); a test compares the two.

\set ON_ERROR_STOP on
SET password_encryption = 'scram-sha-256';
-- A statement below holds a password: keep it out of the server's log. Who may not set these sees to it otherwise.
\set ON_ERROR_STOP off
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
\set ON_ERROR_STOP on

\set consent `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_consent"`
\set consent_owner `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_consent_owner"`
\set advis `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_advis"`
\set advis_owner `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_advis_owner"`
\set audit `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_audit"`
\set audit_owner `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_audit_owner"`
\set bus `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_bus"`
\set bus_consent `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_bus_consent"`
\set bus_advis `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_bus_advis"`
\set bus_audit `cat "${SAMTYKKEBRO_PASSWORDS:-/run/secrets}/database_bus_audit"`

-- An unreadable file leaves its variable empty, and an empty password locks the role out silently: stop instead.
SELECT '' IN (:'consent', :'consent_owner', :'advis', :'advis_owner', :'audit', :'audit_owner', :'bus', :'bus_consent', :'bus_advis', :'bus_audit') AS unreadable \gset
\if :unreadable
  DO $$ BEGIN RAISE EXCEPTION 'a password file is missing or empty'; END $$;
\endif

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', wanted)
FROM unnest(ARRAY['consent', 'consent_owner', 'advis', 'advis_owner', 'audit', 'audit_owner', 'bus', 'bus_consent', 'bus_advis', 'bus_audit']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \gexec

ALTER ROLE consent PASSWORD :'consent';
ALTER ROLE consent_owner PASSWORD :'consent_owner';
ALTER ROLE advis PASSWORD :'advis';
ALTER ROLE advis_owner PASSWORD :'advis_owner';
ALTER ROLE audit PASSWORD :'audit';
ALTER ROLE audit_owner PASSWORD :'audit_owner';
ALTER ROLE bus PASSWORD :'bus';
ALTER ROLE bus_consent PASSWORD :'bus_consent';
ALTER ROLE bus_advis PASSWORD :'bus_advis';
ALTER ROLE bus_audit PASSWORD :'bus_audit';

SELECT format('CREATE DATABASE %I OWNER %I ENCODING ''UTF8'' TEMPLATE template0', name, owner)
FROM (VALUES ('consent', 'consent_owner'), ('advis', 'advis_owner'), ('audit', 'audit_owner'), ('bus', 'bus')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE ALL ON DATABASE consent, advis, audit, bus FROM PUBLIC;
GRANT CONNECT ON DATABASE consent TO consent;
GRANT CONNECT ON DATABASE advis TO advis;
GRANT CONNECT ON DATABASE audit TO audit;
GRANT CONNECT ON DATABASE bus TO bus, bus_consent, bus_advis, bus_audit;
