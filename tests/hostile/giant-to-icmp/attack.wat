(import "farwatch:check/icmp@0.1.0" "ping"
  (func $ping (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(memory (export "memory") 64)
(func (export "farwatch:check/check@0.1.0#run")
  (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32)
  (call $ping
    (i32.const 65536) (i32.const 3000000) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 56)
    (i32.const 100) (i32.const 100) (i32.const 20000))
  (i32.const 1600))
