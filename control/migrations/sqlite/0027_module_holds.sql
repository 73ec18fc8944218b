-- Versions of modules that a tenant's checks are not moved to, and why: their canaries failed.
create table module_hold (
    tenant_id blob not null references tenant (id),
    hash blob not null,
    why text not null,
    held_ms integer not null,
    primary key (tenant_id, hash)
) strict;
