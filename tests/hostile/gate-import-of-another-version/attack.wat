(component (import "farwatch:check/http@9.9.9" (instance)))
