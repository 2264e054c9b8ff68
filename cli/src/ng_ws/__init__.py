"""`ng-ws`, the command line of NeuroGraph Hub.

What belongs here: words on a terminal. Everything about the hub is the client's; nothing of the server is imported.
"""
