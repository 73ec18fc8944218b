-- One row per stream and UTC hour with a due slot: its sums, and slot by slot what they follow from. Written by the
-- leader 15 minutes after the hour, and again when a result of it comes late. A process of the version before knows
-- nothing of it; the first leader of this version folds whatever whole hours the journal still holds. A row with
-- pending slots says from when on the next of them may be decided.
create table block (
    check_id blob not null references checks (id),
    hour_ms integer not null,
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
    settles_ms integer,
    detail blob not null,
    primary key (check_id, hour_ms, stream)
) strict;
create index block_of_hour on block (hour_ms);
create index block_settles on block (settles_ms) where settles_ms is not null;

-- How far folding has come: every hour before until_ms is folded, and every journal row up to seq was searched for
-- results that came late for a folded hour. One row, made here; 0 is before the first fold. Written by the leader.
create table block_fold (
    id integer primary key check (id = 1),
    until_ms integer not null,
    seq integer not null
) strict;
insert into block_fold (id, until_ms, seq) values (1, 0, 0);
