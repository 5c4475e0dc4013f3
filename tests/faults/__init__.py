"""What the product promises, tried while things break: processes, databases, disks, brokers, clocks, platforms.

Processes are real. A feeder keeps what it was answered, one checker compares that with what is stored and what
arrived. `make test` runs each fault small and with a fixed seed, `make soak` the same code large.
"""
