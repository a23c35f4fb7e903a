"""Commands for the person and the pipeline that deploy: ``python -m ops <command>``.

They read the synthesized JSON and AWS, never the constructs.
"""
