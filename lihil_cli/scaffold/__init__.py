"""What `lihil new` does: names and plan decide, sources reads, write and git act.

A template is a plain project that runs, lints and passes its own tests as it stands. Making a project is a copy with
three names replaced; there is no template language.
"""
