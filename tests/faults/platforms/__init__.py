"""Faults of the platform: the product in this process, its clock moved by hand, the simulator behind real HTTP.

No test here waits for time to pass. What several processes do to one another is in the folder above.
"""
