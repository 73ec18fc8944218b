-- What the leader shows of itself, so that processes which do not lead can answer for it. One row, written by the
-- leader every few seconds; nothing is decided by it.
create table leader_status (
    name text primary key check (name = 'leader'),
    epoch_n integer not null,
    epoch_random integer not null,
    shown_ms integer not null,
    body text not null
) strict;

-- The last slot of every stream that the journal held up to a row, so that a takeover reads only the rows after it.
-- One row, written by the leader about once a minute.
create table leader_checkpoint (
    name text primary key check (name = 'leader'),
    seq integer not null,
    version integer not null,
    body blob not null
) strict;
