-- The first schema. Applied files never change; the next change is the next file, in both folders.
-- Ids are 16 bytes, module hashes 32, moments Unix milliseconds, truth values 0 and 1, documents JSON text.
-- A stamp is two columns, era and n.

-- One row: the last number given to a config write. Every config write locks it first, so numbers have no gaps
-- and are committed in order. Written by every control process.
create table config_counter (
    id bigint primary key check (id = 1),
    era bigint not null,
    n bigint not null
);
insert into config_counter (id, era, n) values (1, 1, 0);

-- What each config write touched, so that every process can follow by tailing. Written with the change itself.
create table config_log (
    era bigint not null,
    n bigint not null,
    kind text not null,
    entity bytea not null,
    at_ms bigint not null,
    primary key (era, n)
);
create index config_log_entity on config_log (entity);

-- Customers. Written by the API.
create table tenant (
    id bytea primary key,
    name text not null,
    created_ms bigint not null
);
create unique index tenant_name on tenant (name);

-- What opens the API, stored as a hash. No tenant means the operator. Written by the API and the first start.
create table token (
    id bytea primary key,
    tenant_id bytea references tenant (id),
    name text not null,
    scope text not null,
    hash bytea not null,
    created_ms bigint not null,
    expires_ms bigint,
    last_used_ms bigint,
    revoked_ms bigint
);
create unique index token_hash on token (hash);
create index token_of_tenant on token (tenant_id, id);

-- Whom to tell. Kept after deletion, for deliveries name them. Written by the API.
create table contact (
    id bytea primary key,
    tenant_id bytea not null references tenant (id),
    name text not null,
    created_ms bigint not null,
    deleted_ms bigint
);
create unique index contact_name on contact (tenant_id, name) where deleted_ms is null;
create index contact_of_tenant on contact (tenant_id, id);

-- The ways to tell a contact; secrets are sealed before they come here. Written by the API.
create table channel (
    id bytea primary key,
    contact_id bytea not null references contact (id),
    kind text not null,
    config text not null,
    sealed_secret bytea,
    created_ms bigint not null,
    deleted_ms bigint
);
create index channel_of_contact on channel (contact_id, id);

-- The bytes of check modules and what they say of themselves, by hash, whoever brought them. Written by the API and at start.
create table module (
    hash bytea primary key,
    description text not null,
    bytes bytea not null,
    created_ms bigint not null
);

-- The names under which a tenant, or everybody when there is none, knows a module. Written by the API and at start.
create table module_release (
    tenant_id bytea references tenant (id),
    name text not null,
    version text not null,
    hash bytea not null references module (hash),
    config_era bigint not null,
    config_n bigint not null,
    released_ms bigint not null
);
create unique index module_release_version on module_release (coalesce(tenant_id, ''::bytea), name, version);

-- What customers want watched; what they want exactly stands in the revisions. Written by the API, and by the leader
-- when a revision comes into force.
create table checks (
    id bytea primary key,
    tenant_id bytea not null references tenant (id),
    name text not null,
    created_ms bigint not null,
    deleted_ms bigint,
    latest_revision bigint not null,
    in_force_revision bigint
);
create unique index checks_name on checks (tenant_id, name) where deleted_ms is null;
create index checks_of_tenant on checks (tenant_id, id);
create index checks_pending on checks (id) where in_force_revision is null or in_force_revision < latest_revision;

-- Every wording a check ever had, and from which slot border it counted. Written by the API; the leader fills in
-- in_force, once.
create table check_revision (
    check_id bytea not null references checks (id),
    revision bigint not null,
    activity text not null,
    spec text not null,
    prepared bytea not null,
    module_hash bytea not null references module (hash),
    interval_s bigint not null,
    timeout_ms bigint not null,
    streams bigint not null,
    repeat text not null,
    config_era bigint not null,
    config_n bigint not null,
    created_ms bigint not null,
    in_force_from_ms bigint,
    in_force_era bigint,
    in_force_n bigint,
    primary key (check_id, revision)
);
create index check_revision_written on check_revision (config_era, config_n);
create index check_revision_enforced on check_revision (in_force_era, in_force_n);

-- The machines that run checks. Written by the API and when a host joins.
create table host (
    id bytea primary key,
    name text not null,
    facts text not null,
    registered_ms bigint not null,
    drained bigint not null,
    retired_ms bigint
);
create unique index host_name on host (name) where retired_ms is null;

-- Numbered snapshots of the fleet: planned, in force, or withdrawn. Written by the leader.
create table view (
    era bigint not null,
    n bigint not null,
    planned bigint not null,
    state text not null,
    in_force_from_ms bigint not null,
    body text not null,
    created_ms bigint not null,
    primary key (era, n)
);
create index view_state on view (state, in_force_from_ms);

-- Who leads. One row per lease, made here; a holder of null means that it is free. Written by every control process.
create table lease (
    name text primary key,
    holder bytea,
    address text not null,
    epoch_n bigint not null,
    epoch_random bigint not null,
    counter bigint not null
);
insert into lease (name, holder, address, epoch_n, epoch_random, counter) values ('leader', null, '', 0, 0, 0);

-- One row per flush of results or takeover, gapless; the chain is the fence against a former leader. Written by the leader.
create table journal (
    seq bigint primary key,
    epoch_n bigint not null,
    epoch_random bigint not null,
    flush_id bytea not null,
    kind text not null,
    version bigint not null,
    committed_ms bigint not null,
    slot_from_ms bigint,
    slot_to_ms bigint,
    results bigint not null,
    body bytea not null
);
-- Bodies come compressed; PostgreSQL need not try again.
alter table journal alter column body set storage external;
create unique index journal_flush on journal (flush_id);
create index journal_slots on journal (slot_to_ms, slot_from_ms);
create index journal_committed on journal (committed_ms);
insert into journal (seq, epoch_n, epoch_random, flush_id, kind, version, committed_ms, results, body)
values (0, 0, 0, decode(repeat('00', 16), 'hex'), 'genesis', 0, 0, 0, ''::bytea);

-- How far the journal holds what each boot of a host has spooled. Written with journal rows, only forward.
create table host_mark (
    host_id bytea not null references host (id),
    boot_id bytea not null,
    segment bigint not null,
    segment_offset bigint not null,
    updated_ms bigint not null,
    primary key (host_id, boot_id)
);

-- What the detector holds of every check that is not plainly up. Written with journal rows.
create table detector (
    check_id bytea primary key references checks (id),
    body text not null,
    seq bigint not null
);

-- Outages of checks, at most one open per check. Written with journal rows.
create table incident (
    id bytea primary key,
    tenant_id bytea not null references tenant (id),
    check_id bytea not null references checks (id),
    state text not null,
    first_failed_slot_ms bigint not null,
    seen_since_ms bigint not null,
    opened_ms bigint not null,
    resolved_ms bigint,
    close_reason text,
    summary text not null
);
create unique index incident_open_of_check on incident (check_id) where state = 'open';
create index incident_of_tenant on incident (tenant_id, opened_ms, id);
create index incident_open_of_tenant on incident (tenant_id, opened_ms, id) where state = 'open';
create index incident_of_check on incident (check_id, opened_ms);

-- What happened in an incident, in order. Written with journal rows.
create table incident_event (
    incident_id bytea not null references incident (id),
    n bigint not null,
    at_ms bigint not null,
    kind text not null,
    body text not null,
    primary key (incident_id, n)
);

-- Messages to send. Written with the incident's change; claimed and settled by workers.
create table delivery (
    id bytea primary key,
    tenant_id bytea not null references tenant (id),
    incident_id bytea not null references incident (id),
    step text not null,
    contact_id bytea not null,
    channel_id bytea not null,
    state text not null,
    attempt bigint not null,
    due_ms bigint not null,
    claimed_until_ms bigint,
    claim_id bytea,
    created_ms bigint not null,
    finished_ms bigint,
    last_answer text,
    event text not null
);
create index delivery_due on delivery (due_ms) where state in ('pending', 'claimed');
create index delivery_claim on delivery (claim_id) where claim_id is not null;
create index delivery_of_incident on delivery (incident_id, contact_id, channel_id);
create index delivery_dead on delivery (tenant_id, finished_ms, id) where state = 'dead';

-- Who did what, when. Written by the API.
create table audit (
    id bigint generated always as identity primary key,
    at_ms bigint not null,
    tenant_id bytea,
    actor text not null,
    action text not null,
    entity text not null,
    detail text not null
);
create index audit_of_tenant on audit (tenant_id, id);
