(memory (export "memory") 1025)
