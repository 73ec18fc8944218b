;; 9 times: (table 1 funcref)
