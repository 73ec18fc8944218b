-- How far the journal holds each segment of a host's spool. A host sends what it kept newest segment first, so one
-- mark per boot, as host_mark has it, cannot say what is held of the others. Written with journal rows, only forward.
create table segment_mark (
    host_id bytea not null references host (id),
    boot_id bytea not null,
    segment bigint not null,
    segment_offset bigint not null,
    updated_ms bigint not null,
    primary key (host_id, boot_id, segment)
);
insert into segment_mark (host_id, boot_id, segment, segment_offset, updated_ms)
select host_id, boot_id, segment, segment_offset, updated_ms from host_mark;

-- host_mark stays for processes of the version before, which read and write nothing else; this version does neither.
-- A mark that only the other table has costs results that are sent again, which is harmless. It can be dropped by the
-- first migration of a version that no process of that one runs beside any more.
