"""Where a security group and its exposing rules are defined, the change that belongs there, and whether it comes back.

A stage of its own, which reads only. `find.locate` tells the story: AWS is asked for the group's stack
(`cloudformation`), Terraform folders are read (`find`), tags name services and controllers (`service`);
each exposing rule gets a location (`location`), and where its source is a literal, a patch that proves itself by
parsing the text before and after (`template_patch`, `terraform_patch`, on `text_edit`).

It is in the library, not in `hammer`, because tickets name the location, too.
"""
