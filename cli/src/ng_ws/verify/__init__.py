"""`ng-ws verify`: a delivery checker for anybody's hub.

What belongs here: the history of a run, the rules that judge it, the faults, and those who publish and follow while
they happen. A hub is only ever a process or a URL: nothing of the server is imported, and no word of it is believed.
"""
