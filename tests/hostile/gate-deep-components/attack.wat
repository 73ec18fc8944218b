(component
;; 90 times: (component 
;; 90 times: )
)
