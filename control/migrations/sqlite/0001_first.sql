-- The first schema. Applied files never change; the next change is the next file, in both folders.
-- Ids are 16 bytes, module hashes 32, moments Unix milliseconds, truth values 0 and 1, documents JSON text.
-- A stamp is two columns, era and n.

-- One row: the last number given to a config write. Every config write locks it first, so numbers have no gaps
-- and are committed in order. Written by every control process.
create table config_counter (
    id integer primary key check (id = 1),
    era integer not null,
    n integer not null
) strict;
insert into config_counter (id, era, n) values (1, 1, 0);

-- What each config write touched, so that every process can follow by tailing. Written with the change itself.
create table config_log (
    era integer not null,
    n integer not null,
    kind text not null,
    entity blob not null,
    at_ms integer not null,
    primary key (era, n)
) strict;
create index config_log_entity on config_log (entity);

-- Customers. Written by the API.
create table tenant (
    id blob primary key,
    name text not null,
    created_ms integer not null
) strict;
create unique index tenant_name on tenant (name);

-- What opens the API, stored as a hash. No tenant means the operator. Written by the API and the first start.
create table token (
    id blob primary key,
    tenant_id blob references tenant (id),
    name text not null,
    scope text not null,
    hash blob not null,
    created_ms integer not null,
    expires_ms integer,
    last_used_ms integer,
    revoked_ms integer
) strict;
create unique index token_hash on token (hash);
create index token_of_tenant on token (tenant_id, id);

-- Whom to tell. Kept after deletion, for deliveries name them. Written by the API.
create table contact (
    id blob primary key,
    tenant_id blob not null references tenant (id),
    name text not null,
    created_ms integer not null,
    deleted_ms integer
) strict;
create unique index contact_name on contact (tenant_id, name) where deleted_ms is null;
create index contact_of_tenant on contact (tenant_id, id);

-- The ways to tell a contact; secrets are sealed before they come here. Written by the API.
create table channel (
    id blob primary key,
    contact_id blob not null references contact (id),
    kind text not null,
    config text not null,
    sealed_secret blob,
    created_ms integer not null,
    deleted_ms integer
) strict;
create index channel_of_contact on channel (contact_id, id);

-- The bytes of check modules and what they say of themselves, by hash, whoever brought them. Written by the API and at start.
create table module (
    hash blob primary key,
    description text not null,
    bytes blob not null,
    created_ms integer not null
) strict;

-- The names under which a tenant, or everybody when there is none, knows a module. Written by the API and at start.
create table module_release (
    tenant_id blob references tenant (id),
    name text not null,
    version text not null,
    hash blob not null references module (hash),
    config_era integer not null,
    config_n integer not null,
    released_ms integer not null
) strict;
create unique index module_release_version on module_release (coalesce(tenant_id, x''), name, version);

-- What customers want watched; what they want exactly stands in the revisions. Written by the API, and by the leader
-- when a revision comes into force.
create table checks (
    id blob primary key,
    tenant_id blob not null references tenant (id),
    name text not null,
    created_ms integer not null,
    deleted_ms integer,
    latest_revision integer not null,
    in_force_revision integer
) strict;
create unique index checks_name on checks (tenant_id, name) where deleted_ms is null;
create index checks_of_tenant on checks (tenant_id, id);
create index checks_pending on checks (id) where in_force_revision is null or in_force_revision < latest_revision;

-- Every wording a check ever had, and from which slot border it counted. Written by the API; the leader fills in
-- in_force, once.
create table check_revision (
    check_id blob not null references checks (id),
    revision integer not null,
    activity text not null,
    spec text not null,
    prepared blob not null,
    module_hash blob not null references module (hash),
    interval_s integer not null,
    timeout_ms integer not null,
    streams integer not null,
    repeat text not null,
    config_era integer not null,
    config_n integer not null,
    created_ms integer not null,
    in_force_from_ms integer,
    in_force_era integer,
    in_force_n integer,
    primary key (check_id, revision)
) strict;
create index check_revision_written on check_revision (config_era, config_n);
create index check_revision_enforced on check_revision (in_force_era, in_force_n);

-- The machines that run checks. Written by the API and when a host joins.
create table host (
    id blob primary key,
    name text not null,
    facts text not null,
    registered_ms integer not null,
    drained integer not null,
    retired_ms integer
) strict;
create unique index host_name on host (name) where retired_ms is null;

-- Numbered snapshots of the fleet: planned, in force, or withdrawn. Written by the leader.
create table view (
    era integer not null,
    n integer not null,
    planned integer not null,
    state text not null,
    in_force_from_ms integer not null,
    body text not null,
    created_ms integer not null,
    primary key (era, n)
) strict;
create index view_state on view (state, in_force_from_ms);

-- Who leads. One row per lease, made here; a holder of null means that it is free. Written by every control process.
create table lease (
    name text primary key,
    holder blob,
    address text not null,
    epoch_n integer not null,
    epoch_random integer not null,
    counter integer not null
) strict;
insert into lease (name, holder, address, epoch_n, epoch_random, counter) values ('leader', null, '', 0, 0, 0);

-- One row per flush of results or takeover, gapless; the chain is the fence against a former leader. Written by the leader.
create table journal (
    seq integer primary key,
    epoch_n integer not null,
    epoch_random integer not null,
    flush_id blob not null,
    kind text not null,
    version integer not null,
    committed_ms integer not null,
    slot_from_ms integer,
    slot_to_ms integer,
    results integer not null,
    body blob not null
) strict;
create unique index journal_flush on journal (flush_id);
create index journal_slots on journal (slot_to_ms, slot_from_ms);
create index journal_committed on journal (committed_ms);
insert into journal (seq, epoch_n, epoch_random, flush_id, kind, version, committed_ms, results, body)
values (0, 0, 0, x'00000000000000000000000000000000', 'genesis', 0, 0, 0, x'');

-- How far the journal holds what each boot of a host has spooled. Written with journal rows, only forward.
create table host_mark (
    host_id blob not null references host (id),
    boot_id blob not null,
    segment integer not null,
    segment_offset integer not null,
    updated_ms integer not null,
    primary key (host_id, boot_id)
) strict;

-- What the detector holds of every check that is not plainly up. Written with journal rows.
create table detector (
    check_id blob primary key references checks (id),
    body text not null,
    seq integer not null
) strict;

-- Outages of checks, at most one open per check. Written with journal rows.
create table incident (
    id blob primary key,
    tenant_id blob not null references tenant (id),
    check_id blob not null references checks (id),
    state text not null,
    first_failed_slot_ms integer not null,
    seen_since_ms integer not null,
    opened_ms integer not null,
    resolved_ms integer,
    close_reason text,
    summary text not null
) strict;
create unique index incident_open_of_check on incident (check_id) where state = 'open';
create index incident_of_tenant on incident (tenant_id, opened_ms, id);
create index incident_open_of_tenant on incident (tenant_id, opened_ms, id) where state = 'open';
create index incident_of_check on incident (check_id, opened_ms);

-- What happened in an incident, in order. Written with journal rows.
create table incident_event (
    incident_id blob not null references incident (id),
    n integer not null,
    at_ms integer not null,
    kind text not null,
    body text not null,
    primary key (incident_id, n)
) strict;

-- Messages to send. Written with the incident's change; claimed and settled by workers.
create table delivery (
    id blob primary key,
    tenant_id blob not null references tenant (id),
    incident_id blob not null references incident (id),
    step text not null,
    contact_id blob not null,
    channel_id blob not null,
    state text not null,
    attempt integer not null,
    due_ms integer not null,
    claimed_until_ms integer,
    claim_id blob,
    created_ms integer not null,
    finished_ms integer,
    last_answer text,
    event text not null
) strict;
create index delivery_due on delivery (due_ms) where state in ('pending', 'claimed');
create index delivery_claim on delivery (claim_id) where claim_id is not null;
create index delivery_of_incident on delivery (incident_id, contact_id, channel_id);
create index delivery_dead on delivery (tenant_id, finished_ms, id) where state = 'dead';

-- Who did what, when. Written by the API.
create table audit (
    id integer primary key autoincrement,
    at_ms integer not null,
    tenant_id blob,
    actor text not null,
    action text not null,
    entity text not null,
    detail text not null
) strict;
create index audit_of_tenant on audit (tenant_id, id);
