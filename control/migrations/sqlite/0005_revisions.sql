-- How often each was changed, for changes are made only against the latest wording. A process of the version before
-- makes them and deletes them and changes none, so that it need not count; only that it added or deleted a channel does
-- not show in the revision of the contact.
alter table tenant add column revision integer not null default 1;
alter table contact add column revision integer not null default 1;
alter table channel add column revision integer not null default 1;
alter table host add column revision integer not null default 1;
