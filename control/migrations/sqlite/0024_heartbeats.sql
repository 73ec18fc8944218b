-- Jobs that call control: by which key, and what each has said so far. Made with its check; written when a signal comes.
create table heartbeat (
    check_id blob primary key references checks (id),
    key_hash blob not null,
    sealed_key blob not null,
    record text not null,
    signals integer not null,
    changed_ms integer not null
) strict;
create unique index heartbeat_key on heartbeat (key_hash);
create index heartbeat_changed on heartbeat (changed_ms);

-- What jobs said of late, the newest of each.
create table heartbeat_signal (
    check_id blob not null references heartbeat (check_id),
    n integer not null,
    at_ms integer not null,
    kind text not null,
    exit_status integer,
    took_ms integer,
    address text not null,
    agent text not null,
    body text not null,
    primary key (check_id, n)
) strict;

-- Until when somebody led, so that signals were listened to. One row.
create table listening (
    name text primary key,
    until_ms integer not null
) strict;

-- Periods in which nobody did.
create table listening_gap (
    from_ms integer primary key,
    to_ms integer not null
) strict;
