-- One row per stream and UTC day: the sums of its blocks, which are deleted 90 days later, in the transaction that
-- writes the row. Written by any process. A process of the version before deletes blocks without making days of them.
create table block_day (
    check_id bytea not null references checks (id),
    day_ms bigint not null,
    stream bigint not null,
    on_time bigint not null,
    late bigint not null,
    missed bigint not null,
    pending bigint not null,
    up bigint not null,
    degraded bigint not null,
    down bigint not null,
    unknown bigint not null,
    latency_sum_us bigint not null,
    latency_max_us bigint not null,
    primary key (check_id, day_ms, stream)
);

-- Since when slots are on record: the first hour that was ever folded. 0 where that is not known; the leader then finds
-- it from the blocks there are.
alter table block_fold add column from_ms bigint not null default 0;
