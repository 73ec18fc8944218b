(table 15000 funcref)
(table 15000 funcref)
