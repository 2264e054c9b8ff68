"""What a hub does together with other hubs, beside the entries of channels (N15, N16, R11, L24, C25).

Here belongs what is told over `channels.backplane.bus`; how it travels does not. A hub alone has none of it. What comes
from the bus is checked like what comes from a client: what cannot be read is dropped and counted (N17).
"""
