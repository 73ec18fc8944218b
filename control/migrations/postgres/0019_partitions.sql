-- Blocks by UTC day of their hour and the journal by its number, in partitions that are dropped whole. What was there
-- becomes the first partition of each as it is, no row is moved; to attach it every row is read once. Rows for which no
-- partition was made stand in the default one, so that an insert never fails. Partitions are made and dropped by any
-- process (store/partitions.rs), whose names tell their ranges. A process of the version before knows only the table,
-- reads and writes it as before and deletes rows.
alter index block_pkey rename to block_before_pkey;
alter index block_of_hour rename to block_before_of_hour;
alter index block_settles rename to block_before_settles;
alter table block rename to block_before;
create table block (
    check_id bytea not null references checks (id),
    hour_ms bigint not null,
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
    settles_ms bigint,
    detail bytea not null,
    primary key (check_id, hour_ms, stream)
) partition by range (hour_ms);
alter table block alter column detail set storage external;
create index block_of_hour on block (hour_ms);
create index block_settles on block (settles_ms) where settles_ms is not null;
create table block_default partition of block default;

-- The number of a row is unique in its partition, and only one partition takes it: the chain stays gapless, and the row
-- that the next one must name is found wherever it stands. That a flush is written once follows from that; the index on
-- its id could not reach over partitions and goes.
alter index journal_pkey rename to journal_before_pkey;
alter index journal_slots rename to journal_before_slots;
alter index journal_committed rename to journal_before_committed;
drop index journal_flush;
alter table journal rename to journal_before;
create table journal (
    seq bigint not null primary key,
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
) partition by range (seq);
alter table journal alter column body set storage external;
create index journal_slots on journal (slot_to_ms, slot_from_ms);
create index journal_committed on journal (committed_ms);
create table journal_default partition of journal default;

-- Up to the end of the day, or of the 50,000 numbers, in which the newest row lies: what is written next goes there.
do $$
declare
    until_ms bigint;
    until_seq bigint;
begin
    select (coalesce(max(hour_ms), 0) / 86400000 + 1) * 86400000 into until_ms from block_before;
    execute format('alter table block_before rename to block_p0_%s', until_ms);
    execute format('alter table block attach partition block_p0_%s for values from (minvalue) to (%s)', until_ms, until_ms);
    select (coalesce(max(seq), 0) / 50000 + 1) * 50000 into until_seq from journal_before;
    execute format('alter table journal_before rename to journal_p0_%s', until_seq);
    execute format('alter table journal attach partition journal_p0_%s for values from (minvalue) to (%s)', until_seq, until_seq);
end $$;
