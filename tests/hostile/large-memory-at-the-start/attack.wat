(import "wasi:cli/environment@0.2.6" "get-arguments" (func (param i32)))
(memory (export "memory") 1025)
