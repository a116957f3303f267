-- The roles of a server whose calls stand behind row level security, made by a superuser or by the owner of the
-- database if it may make roles, after `carnet migrate` has made the tables as that owner. Passwords are set afterwards:
-- \password carnet_jobs, \password carnet_calls.
--
--   CARNET_DATABASE_URL=postgres://carnet_jobs:…@host/carnet
--   CARNET_DATABASE_CALLS_URL=postgres://carnet_calls:…@host/carnet

-- Commits batches and runs the jobs, which cross businesses.
CREATE ROLE carnet_jobs LOGIN BYPASSRLS;
-- Serves calls: sees the business of the call and nothing else.
CREATE ROLE carnet_calls LOGIN;

GRANT USAGE ON SCHEMA public TO carnet_jobs, carnet_calls;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO carnet_jobs, carnet_calls;
-- History is only ever added to.
REVOKE UPDATE, DELETE ON entries, changes FROM carnet_jobs, carnet_calls;
-- Tables of later migrations, made by the role that runs this.
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO carnet_jobs, carnet_calls;
