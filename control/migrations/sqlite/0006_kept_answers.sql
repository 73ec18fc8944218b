-- What was answered to whoever named a key with a request that made something, so that the same request gets the same
-- answer for a day and makes nothing twice. Sealed, for an answer may show a secret. Written with what was made, and
-- deleted a few at a time by whoever writes the next.
create table kept_answer (
    token_id blob not null references token (id),
    key text not null,
    fingerprint blob not null,
    sealed blob not null,
    created_ms integer not null,
    primary key (token_id, key)
) strict;
create index kept_answer_age on kept_answer (created_ms);
