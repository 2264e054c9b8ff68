"""The words of `ng-ws.v1` (PROTOCOL.md): messages, codecs, answers, and the two tables of errors and close codes.

Here belong shapes and pure functions on them. What a message does to a connection belongs to `hub.session`; sockets,
clocks and the event loop have no place here.
"""
