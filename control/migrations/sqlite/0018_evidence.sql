-- What failed runs brought, of those that are kept for longer than the journal. Written with journal rows, under the key
-- of the run, so that a replay changes nothing. order_id is empty for the run of a due slot. A process of the version
-- before writes none.
create table evidence (
    check_id blob not null references checks (id),
    slot_ms integer not null,
    stream integer not null,
    host_id blob not null references host (id),
    order_id blob not null,
    tenant_id blob not null references tenant (id),
    received_ms integer not null,
    occasion text not null,
    revision integer not null,
    started_ms integer not null,
    duration_us integer not null,
    latency_us integer not null,
    status integer not null,
    code text not null,
    bytes integer not null,
    body text not null,
    primary key (check_id, slot_ms, stream, host_id, order_id)
) strict;
create index evidence_slot on evidence (slot_ms);
