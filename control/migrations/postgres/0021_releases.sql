-- Programs that hosts may run, pushed by operators. A release is a row only once all its bytes were received and have the
-- hash they were announced by.
create table release (
    hash bytea primary key,
    version text not null,
    size_bytes bigint not null,
    upload bytea not null,
    pushed_ms bigint not null
);
-- What operators have begun to push. One that never became a release is swept away by a later one.
create table release_upload (
    id bytea primary key,
    started_ms bigint not null
);
-- The bytes of each upload, in parts that are small enough for one statement.
create table release_part (
    upload bytea not null,
    number bigint not null,
    bytes bytea not null,
    primary key (upload, number)
);
-- The upgrade of the fleet, the last one that was begun: written by operators and by the leader's task, each only upon what
-- it has seen.
create table fleet_upgrade (
    name text primary key,
    revision bigint not null,
    body text not null
);
