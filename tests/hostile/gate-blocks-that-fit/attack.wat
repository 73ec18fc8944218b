(func
;; 10000 times: block 
;; 10000 times: end 
)
