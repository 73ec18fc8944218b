-- By which revisions a module is run: asked before its release is taken back and its bytes are deleted.
create index check_revision_module on check_revision (module_hash);
