(func
;; 360000 times:   i32.const 1 drop
)
