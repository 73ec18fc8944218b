-- Passwords, tokens and keys of tenants, each value a version of its name, sealed under the key of its tenant. Versions that no
-- revision can be run by any more are deleted.
create table secret (
    tenant_id blob not null references tenant (id),
    name text not null,
    version integer not null,
    sealed blob not null,
    created_ms integer not null,
    primary key (tenant_id, name, version)
) strict;

-- The key of a tenant, sealed under the master key.
create table tenant_key (
    tenant_id blob primary key references tenant (id),
    sealed blob not null,
    created_ms integer not null
) strict;

-- The secrets that the config of a revision names, as JSON: [["mail-password", 3]]. A process of the version before writes
-- none, and lets no config name any.
alter table check_revision add column secrets text not null default '[]';
