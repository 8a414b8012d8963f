"""A pipeline's steady state, simulated: frames in flight, credits, links, spread, devices that die.

No I/O, no clock: simulated time is seconds from 0, and chance comes from a seed.
"""
