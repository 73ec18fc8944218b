(func (export "farwatch:check/check@0.1.0#run")
  (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 1000)))
  (loop $again
    (memory.copy (i32.const 0x1800000) (i32.const 65536) (i32.const 0x1f00000))
    (br $again))
  unreachable)
