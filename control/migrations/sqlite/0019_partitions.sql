-- PostgreSQL keeps the journal and the blocks in partitions from here on. SQLite has none: its rows are deleted.
select 1;
