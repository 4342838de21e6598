"""The conformance kit: small pipelines with known endings, run by the local runner and by a backend, which must end alike.

`pytest --pyargs mlspec.kit --mlspec-backend=NAME [--mlspec-python NAME=PATH] [--mlspec-results FILE]` checks an installed
backend. The cases are data (`cases/*.yaml`); `case.py` says what they hold.
"""
