"""`ng-ws bench`: latency and throughput through a hub, with load that is bounded and asked for.

Open loop: publishes are due by the clock, whether earlier ones are answered or not, and a latency counts from when it
was due, so that a hub that stops shows as latency and not as less load.
"""
