(func (param i32)
  block
  local.get 0
  br_table
;; 250000 times: 0 
  end
)
