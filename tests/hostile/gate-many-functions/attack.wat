;; 100001 times: (func)
