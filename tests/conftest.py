"""What every test starts from."""

from hypothesis import settings

# For the ends of the version ranges: there a property is to meet other versions, not to be searched anew.
settings.register_profile("few", max_examples=15)
