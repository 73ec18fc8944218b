(func (export "farwatch:check/check@0.1.0#describe") (result i32) unreachable)
