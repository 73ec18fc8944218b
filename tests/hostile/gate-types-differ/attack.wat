(component
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $check (export "describe" (func $f)) (export "validate" (func $f)) (export "run" (func $f)))
  (export "farwatch:check/check@0.1.0" (instance $check)))
