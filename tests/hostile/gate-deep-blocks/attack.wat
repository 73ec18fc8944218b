(func
;; 100000 times: block 
;; 100000 times: end 
)
