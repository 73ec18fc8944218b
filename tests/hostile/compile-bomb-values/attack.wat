(func (param i32) (result i32)
;; 2000 times:   local.get 0 
;; 1999 times:   i32.add 
)
