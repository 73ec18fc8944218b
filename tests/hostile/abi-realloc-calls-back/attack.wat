(import "farwatch:check/log@0.1.0" "emit" (func $emit (param i32 i32 i32)))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (call $emit (i32.const 0) (i32.const 0) (i32.const 0))
  (i32.const 16384))
