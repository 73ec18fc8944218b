-- The checks that have been judged at all, with the slot of their first result: a check without a row has no verdict
-- yet. Written with journal rows, once per check. A process of the version before writes none; the checks it judges
-- get theirs with their next result.
create table judged_check (
    check_id bytea primary key references checks (id),
    first_slot_ms bigint not null
);
-- Those that are in force already were judged before this was kept; which slot was their first is not known.
insert into judged_check (check_id, first_slot_ms)
select id, 0 from checks where in_force_revision is not null;
