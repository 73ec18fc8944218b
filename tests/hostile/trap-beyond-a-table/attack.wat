(table 1 funcref)
(func (export "farwatch:check/check@0.1.0#run")
  (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32)
  (call_indirect (result i32) (i32.const 9)))
