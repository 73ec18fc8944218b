(component
;; 30 times:   (core module)
)
