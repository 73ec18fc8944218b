-- Checks with failures that were told of too late to be judged, and the slots among which they lie; the results
-- themselves are in the journal. Written with journal rows, deleted by the leader once it has looked back. A process of
-- the version before writes none, and so looks back at nothing.
create table late_failure (
    check_id blob primary key references checks (id),
    first_slot_ms integer not null,
    last_slot_ms integer not null,
    first_received_ms integer not null,
    last_received_ms integer not null
) strict;
create index late_failure_received on late_failure (first_received_ms);
