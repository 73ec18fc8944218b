-- Slots that were missed, one row per cause and spell of it. host_id is empty where the cause names none. Written by the
-- leader. A process of the version before makes none.
create table own_incident (
    cause text not null,
    code text not null,
    host_id blob not null,
    first_slot_ms integer not null,
    last_slot_ms integer not null,
    missed integer not null,
    opened_ms integer not null,
    last_seen_ms integer not null,
    resolved_ms integer,
    primary key (cause, code, host_id, first_slot_ms)
) strict;
create index own_incident_opened on own_incident (opened_ms);
create index own_incident_open on own_incident (opened_ms) where resolved_ms is null;

-- Until when the leader has looked at what the record settled on; 0 before the first look.
create table own_incident_look (
    id integer primary key check (id = 1),
    until_ms integer not null
) strict;
insert into own_incident_look (id, until_ms) values (1, 0);
