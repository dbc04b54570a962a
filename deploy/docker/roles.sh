#!/bin/sh
# Runs once, when the database server makes its cluster: three roles, one database.
# The application's role owns nothing; migrations run as the owner; the sealer's only reads the log.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres \
    -v owner="$OWNER_PASSWORD" -v app="$APP_PASSWORD" -v sealer="$SEALER_PASSWORD" <<'SQL'
CREATE ROLE lockgate_owner LOGIN CREATEDB PASSWORD :'owner';
CREATE ROLE lockgate_app LOGIN NOSUPERUSER PASSWORD :'app';
CREATE ROLE lockgate_sealer LOGIN NOSUPERUSER PASSWORD :'sealer';
CREATE DATABASE lockgate OWNER lockgate_owner;
SQL
