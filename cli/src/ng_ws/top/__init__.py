"""`ng-ws top`, a live view of the hub: `model` knows figures and no screen, `screen` alone imports textual."""
