"""A safe AWS environment, set before anything makes a client: no test can reach a real account.

The same tree always gives the same result: random cases come from fixed seeds. `make soak` tries new ones.
"""

import gc
import os
import signal

from hypothesis import settings

# No deadline: what a case takes depends on what else the machine does.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("soak", derandomize=False, deadline=None)
settings.load_profile("soak" if "FUZZ_EXAMPLES" in os.environ else "repeatable")

# moto and botocore keep so many objects that, with the usual thresholds, a quarter of an integration test's time goes
# into walking them. The same as library/jobs/process.py sets, and what a cycle holds is still collected, later.
# Freezing what is there is for a process with one job: here it would keep the garbage of every test before.
gc.freeze = lambda: None
gc.set_threshold(100_000, 10, 10)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: some tests wait for a process of their own, such as Terraform or pip."""
    return (os.cpu_count() or 1) + 1


pytest_plugins = ["tests.permission_recorder", "tests.second_table"]

for _name in list(os.environ):
    if _name.startswith(("AWS_", "HAMMER_")) and _name != "AWS_CA_BUNDLE":
        del os.environ[_name]

os.environ.update(
    {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
)

# What a script starts in the background ignores Ctrl-C, and so would every process of it: tests are about what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
