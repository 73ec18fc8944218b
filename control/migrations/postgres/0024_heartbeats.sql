-- Jobs that call control: by which key, and what each has said so far. Made with its check; written when a signal comes.
create table heartbeat (
    check_id bytea primary key references checks (id),
    key_hash bytea not null,
    sealed_key bytea not null,
    record text not null,
    signals bigint not null,
    changed_ms bigint not null
);
create unique index heartbeat_key on heartbeat (key_hash);
create index heartbeat_changed on heartbeat (changed_ms);

-- What jobs said of late, the newest of each.
create table heartbeat_signal (
    check_id bytea not null references heartbeat (check_id),
    n bigint not null,
    at_ms bigint not null,
    kind text not null,
    exit_status bigint,
    took_ms bigint,
    address text not null,
    agent text not null,
    body text not null,
    primary key (check_id, n)
);

-- Until when somebody led, so that signals were listened to. One row.
create table listening (
    name text primary key,
    until_ms bigint not null
);

-- Periods in which nobody did.
create table listening_gap (
    from_ms bigint primary key,
    to_ms bigint not null
);
