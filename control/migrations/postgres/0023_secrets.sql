-- Passwords, tokens and keys of tenants, each value a version of its name, sealed under the key of its tenant. Versions that no
-- revision can be run by any more are deleted.
create table secret (
    tenant_id bytea not null references tenant (id),
    name text not null,
    version bigint not null,
    sealed bytea not null,
    created_ms bigint not null,
    primary key (tenant_id, name, version)
);

-- The key of a tenant, sealed under the master key.
create table tenant_key (
    tenant_id bytea primary key references tenant (id),
    sealed bytea not null,
    created_ms bigint not null
);

-- The secrets that the config of a revision names, as JSON: [["mail-password", 3]]. A process of the version before writes
-- none, and lets no config name any.
alter table check_revision add column secrets text not null default '[]';
