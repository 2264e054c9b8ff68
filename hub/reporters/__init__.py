"""What the hub says of itself on its own channels: `metrics`, `status`, `actions`.

A reporter gathers and publishes through the broker like anybody else; it never touches a connection. Figures are real
ones of this host and this process, or they are left out.
"""
