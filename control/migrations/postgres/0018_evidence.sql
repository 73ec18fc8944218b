-- What failed runs brought, of those that are kept for longer than the journal. Written with journal rows, under the key
-- of the run, so that a replay changes nothing. order_id is empty for the run of a due slot. A process of the version
-- before writes none. By day of the slot, so that old days are dropped whole; rows of a day without a partition of its
-- own stand in the default one, and an insert never fails.
create table evidence (
    check_id bytea not null references checks (id),
    slot_ms bigint not null,
    stream bigint not null,
    host_id bytea not null references host (id),
    order_id bytea not null,
    tenant_id bytea not null references tenant (id),
    received_ms bigint not null,
    occasion text not null,
    revision bigint not null,
    started_ms bigint not null,
    duration_us bigint not null,
    latency_us bigint not null,
    status bigint not null,
    code text not null,
    bytes bigint not null,
    body text not null,
    primary key (check_id, slot_ms, stream, host_id, order_id)
) partition by range (slot_ms);
create table evidence_default partition of evidence default;
create index evidence_slot on evidence (slot_ms);
