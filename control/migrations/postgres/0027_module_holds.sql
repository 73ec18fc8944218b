-- Versions of modules that a tenant's checks are not moved to, and why: their canaries failed.
create table module_hold (
    tenant_id bytea not null references tenant (id),
    hash bytea not null,
    why text not null,
    held_ms bigint not null,
    primary key (tenant_id, hash)
);
