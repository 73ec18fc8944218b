-- One row per stream and UTC day: the sums of its blocks, which are deleted 90 days later, in the transaction that
-- writes the row. Written by any process. A process of the version before deletes blocks without making days of them.
create table block_day (
    check_id blob not null references checks (id),
    day_ms integer not null,
    stream integer not null,
    on_time integer not null,
    late integer not null,
    missed integer not null,
    pending integer not null,
    up integer not null,
    degraded integer not null,
    down integer not null,
    unknown integer not null,
    latency_sum_us integer not null,
    latency_max_us integer not null,
    primary key (check_id, day_ms, stream)
) strict;

-- Since when slots are on record: the first hour that was ever folded. 0 where that is not known; the leader then finds
-- it from the blocks there are.
alter table block_fold add column from_ms integer not null default 0;
