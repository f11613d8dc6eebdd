"""The Lambdas: find scan targets, describe and judge their security groups, filter Inspector findings."""

import os

from library.jobs.process import collect_rarely

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Here, so that it comes before what a function imports. That is 50,000 objects which stay: looking through them
    # again and again while they are made costs a twelfth of a cold start (`make bench`).
    collect_rarely()
    # pydantic would look through every installed package for plugins of its own. A function has none, and whoever can
    # add a layer to it should not find another way in.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
