(import "farwatch:check/tls@0.1.0" "shake-hands"
  (func $shake (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(memory (export "memory") 64)
(func (export "farwatch:check/check@0.1.0#run")
  (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32)
  (call $shake
    (i32.const 65536) (i32.const 3000000) (i32.const 443) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 100) (i32.const 0) (i32.const 0) (i32.const 20000))
  (i32.const 1600))
