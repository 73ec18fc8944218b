-- One row per stream and UTC hour with a due slot: its sums, and slot by slot what they follow from. Written by the
-- leader 15 minutes after the hour, and again when a result of it comes late. A process of the version before knows
-- nothing of it; the first leader of this version folds whatever whole hours the journal still holds. A row with
-- pending slots says from when on the next of them may be decided.
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
);
-- Details are packed already; PostgreSQL need not try again.
alter table block alter column detail set storage external;
create index block_of_hour on block (hour_ms);
create index block_settles on block (settles_ms) where settles_ms is not null;

-- How far folding has come: every hour before until_ms is folded, and every journal row up to seq was searched for
-- results that came late for a folded hour. One row, made here; 0 is before the first fold. Written by the leader.
create table block_fold (
    id bigint primary key check (id = 1),
    until_ms bigint not null,
    seq bigint not null
);
insert into block_fold (id, until_ms, seq) values (1, 0, 0);
