"""Traces of sessions: what a phone and this computer said to each other, without private data.

A connection asks ``tapping`` whether it is recorded; ``trace_recorder`` writes a trace; ``redaction`` and
``vocabulary`` decide which parts of a message go into it; ``trace_reader`` reads any trace back, without trusting it.
"""
