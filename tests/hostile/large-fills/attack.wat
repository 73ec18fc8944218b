(import "wasi:cli/environment@0.2.6" "get-arguments" (func (param i32)))
(memory (export "memory") 1024)
(func (export "farwatch:check/check@0.1.0#run")
  (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32)
  (loop $again
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 0x3ff0000))
    (br $again))
  unreachable)
