"""Recordings of channels: one JSON object a line, the first says what it is.

    {"type":"recording","version":1,"url":"ws://localhost:8000/ws","channels":["signals"],"started":1767225600.1}
    {"t":0.513,"position":"k3Fq:902","event":{"type":"event","channel":"signals","offset":902,…}}
    {"t":9.120,"gap":{"type":"gap","channel":"signals","from":"k3Fq:950","to":"k3Fq:990","missed":40,"reason":"slow"}}

`t` is in seconds since `started`; events and gaps stand as they came.
"""
