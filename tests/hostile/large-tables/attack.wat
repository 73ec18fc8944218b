(import "wasi:cli/environment@0.2.6" "get-arguments" (func (param i32)))
(table 60000 funcref)
(table 60000 funcref)
