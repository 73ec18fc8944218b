(component
  (core module $m (memory 1))
;; 100 times:   (core instance (instantiate $m))
  (instance $check)
  (export "farwatch:check/check@0.1.0" (instance $check)))
