"""What every test starts from."""

from hypothesis import settings

# How long an example takes depends on what else the machine does, and is no reason to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# For the ends of the version ranges: there a property is to meet other versions, not to be searched anew.
settings.register_profile("few", max_examples=15, deadline=None)
