-- What lets one machine join the fleet. Written by the API, and by a link when a machine joins. The secret itself is
-- never here, only its hash. public_key is that of the machine that joined (SubjectPublicKeyInfo, DER): it alone may hear
-- the answer again. A process of the version before makes and takes none.
create table join_token (
    id bytea primary key,
    hash bytea not null,
    name text,
    facts text not null,
    created_ms bigint not null,
    expires_ms bigint not null,
    used_ms bigint,
    host_id bytea,
    public_key bytea
);
create index join_token_expires on join_token (expires_ms);
-- The key of the certificate that a host last showed (SubjectPublicKeyInfo, DER); unknown of those that have not said
-- hello since this column is there.
alter table host add column public_key bytea;
