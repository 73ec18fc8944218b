-- Since when nothing is sent over a channel, because its receiver asked for nothing more, and what it said. Written by
-- workers, and emptied by a change of the channel. A process of the version before sends nevertheless and is refused
-- again.
alter table channel add column disabled_ms integer;
alter table channel add column disabled_because text;
