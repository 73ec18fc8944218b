-- What processes that do not lead have asked of the leader for somebody who waits: it alone has links to hosts. A row
-- lives for as long as that wait. Each leadership takes it up at most once.
create table leader_question (
    id bytea primary key,
    asked_ms bigint not null,
    question text not null,
    taken_epoch_n bigint not null default 0,
    answer text
);
create index leader_question_asked on leader_question (asked_ms);
