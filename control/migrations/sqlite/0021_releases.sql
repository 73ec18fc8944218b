-- Programs that hosts may run, pushed by operators. A release is a row only once all its bytes were received and have the
-- hash they were announced by.
create table release (
    hash blob primary key,
    version text not null,
    size_bytes integer not null,
    upload blob not null,
    pushed_ms integer not null
) strict;
-- What operators have begun to push. One that never became a release is swept away by a later one.
create table release_upload (
    id blob primary key,
    started_ms integer not null
) strict;
-- The bytes of each upload, in parts that are small enough for one statement.
create table release_part (
    upload blob not null,
    number integer not null,
    bytes blob not null,
    primary key (upload, number)
) strict;
-- The upgrade of the fleet, the last one that was begun: written by operators and by the leader's task, each only upon what
-- it has seen.
create table fleet_upgrade (
    name text primary key,
    revision integer not null,
    body text not null
) strict;
