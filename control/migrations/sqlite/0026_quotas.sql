-- What a tenant may have where the operator has said so; nothing is what the program gives by itself. Written by the API.
alter table tenant add column quota_modules integer;
alter table tenant add column quota_module_bytes integer;
alter table tenant add column quota_runs_per_minute integer;
alter table tenant add column quota_cpu_seconds_per_hour integer;

-- The host that the config of a check's latest revision sends runs to; nothing where it names none of the public network,
-- or was written before. Asked when another check is written, so that none is watched too closely.
alter table checks add column target text;
create index checks_target on checks (target) where target is not null and deleted_ms is null;
