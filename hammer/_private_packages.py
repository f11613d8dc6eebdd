"""Makes the packages that the wheel carries in `hammer/_app` importable, in Hammer's own process only.

The wheel installs `library`, `identification`, `reporting` and `remediation` there, because packages of such names
must not be importable by everybody else in an environment. In a clone, and on the reporting and remediation host, there
is no such folder: the packages are beside `hammer`. docs/decisions/0007-private-packages-in-the-wheel.md says why.
"""

import sys
from pathlib import Path

_FOLDER = Path(__file__).with_name("_app")

if _FOLDER.is_dir() and str(_FOLDER) not in sys.path:
    sys.path.insert(0, str(_FOLDER))
