-- What lets one machine join the fleet. Written by the API, and by a link when a machine joins. The secret itself is
-- never here, only its hash. public_key is that of the machine that joined (SubjectPublicKeyInfo, DER): it alone may hear
-- the answer again. A process of the version before makes and takes none.
create table join_token (
    id blob primary key,
    hash blob not null,
    name text,
    facts text not null,
    created_ms integer not null,
    expires_ms integer not null,
    used_ms integer,
    host_id blob,
    public_key blob
) strict;
create index join_token_expires on join_token (expires_ms);
-- The key of the certificate that a host last showed (SubjectPublicKeyInfo, DER); unknown of those that have not said
-- hello since this column is there.
alter table host add column public_key blob;
