(func (export "cabi_post_farwatch:check/check@0.1.0#run") (param i32)
  (loop $again (br $again)))
