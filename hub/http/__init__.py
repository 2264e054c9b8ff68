"""The HTTP interface beside `/ws`: REST under `/api/v1`, probes, `/metrics`.

A handler takes a `Request` and returns data or raises; the form of answers, who may ask, limits and counting belong to
this package's other files. What things mean belongs to `channels` and the rest of `hub`.
"""
