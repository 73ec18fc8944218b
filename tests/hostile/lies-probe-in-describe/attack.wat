(import "farwatch:check/http@0.1.0" "fetch" (func $fetch (param i32 i32)))
(func (export "farwatch:check/check@0.1.0#describe") (result i32)
  (call $fetch (i32.const 30000) (i32.const 20000))
  ;; What came of it is a failure by the code `fetch-limit`, and the first byte says so.
  (i32.store8 (i32.const 2048) (i32.load8_u (i32.const 20000)))
  (i32.const 1024))
