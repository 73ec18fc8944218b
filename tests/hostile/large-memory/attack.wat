(import "wasi:cli/environment@0.2.6" "get-arguments" (func (param i32)))
(func (export "farwatch:check/check@0.1.0#run")
  (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32)
  (loop $again
    (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 64)))))
  unreachable)
